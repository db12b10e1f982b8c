// Program does the work that its argument names, and prints the result, the time
// it took, and how much memory the process had at most, in KiB.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/allod-dev/allod/contrib/moderncmemory/clients/workload"
)

func main() {
	start := time.Now()
	result, err := work(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(result)
	fmt.Println(time.Since(start).Seconds(), peakRSS())
}

func work(name string) (string, error) {
	if name == "quickjs" {
		return workload.QuickJS(3)
	}
	dir, err := os.MkdirTemp("", "allod")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	db, err := workload.Open(dir)
	if err != nil {
		return "", err
	}
	defer db.Close()
	return workload.SQLite(db, 60_000)
}

// peakRSS returns 0 where the system does not tell.
func peakRSS() int {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if v, ok := strings.CutPrefix(s.Text(), "VmHWM:"); ok {
			n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(v), " kB"))
			return n
		}
	}
	return 0
}
