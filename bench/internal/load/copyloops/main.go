// Copyloops copies the loops to all adapters; see the package load.
package main

import (
	"fmt"
	"os"

	"github.com/allod-dev/allod/bench/internal/load/copyloops/plan"
)

func main() {
	for _, c := range plan.Copies {
		text, err := c.Text(".")
		if err == nil {
			err = os.WriteFile(c.File("."), text, 0o666)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
