//go:build unix

// Program does the work that its argument names, and prints the result, how much
// memory the process had at most, in KiB, and the processor time that it took in
// seconds. Memory is all of it, and without what is of the program's file: how much of
// the file is in memory differs by megabytes from one copy of a program to the next.
// Time is that of each part of the work.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/allod-dev/allod/contrib/moderncmemory/clients/workload"
)

func main() {
	result, err := work(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(result)
	lap()
	all, file := memory()
	fmt.Println(all, all-file)
	for i := range laps {
		fmt.Print(laps[i].Seconds(), " ")
	}
	fmt.Println()
}

var (
	laps   []time.Duration // processor time of the process, for each part of the work
	before time.Duration   // up to the last lap
)

// lap ends a part of the work.
func lap() {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	now := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	laps = append(laps, now-before)
	before = now
}

func work(name string) (string, error) {
	if name == "quickjs" {
		return workload.QuickJS(5, lap)
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
	return workload.SQLite(db, 60_000, lap)
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
