//go:build unix

// Program does the work that its argument names, and prints the result, the
// processor time it took in seconds, and how much memory the process had at most, in
// KiB: all of it, and without what is of the program's file. How much of the file is
// in memory differs by megabytes from one copy of a program to the next.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/allod-dev/allod/contrib/moderncmemory/clients/workload"
)

func main() {
	result, err := work(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(result)
	all, file := memory()
	fmt.Println(seconds(), all, all-file)
}

// seconds returns the processor time of the process.
func seconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
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

// memory returns the most that the process had, and how much of a file it has now,
// which hardly gets less; 0 where the system does not tell.
func memory() (peak, file int) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), ":")
		n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
		switch name {
		case "VmHWM":
			peak = n
		case "RssFile":
			file = n
		}
	}
	return peak, file
}
