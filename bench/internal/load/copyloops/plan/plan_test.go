package plan_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/allod-dev/allod/bench/internal/load/copyloops/plan"
)

// Copies that differ would measure different things.
func TestCopies(t *testing.T) {
	for _, c := range plan.Copies {
		want, err := c.Text("../..")
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(c.File("../.."))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what it is made of: run go generate ./internal/load (%v)", c.File("."), err)
		}
	}
}
