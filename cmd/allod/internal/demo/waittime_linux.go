package demo

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// waitTime returns how long the threads of this process were ready to run and had
// no processor, and how often one got one. Both are 0 if that is not known.
func waitTime() (sum time.Duration, turns int) {
	threads, _ := filepath.Glob("/proc/self/task/*/schedstat")
	for _, name := range threads {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		var ran, waited time.Duration
		var n int
		if _, err := fmt.Sscan(string(b), &ran, &waited, &n); err == nil {
			sum, turns = sum+waited, turns+n
		}
	}
	return sum, turns
}

// stolenTime returns how long the host of a virtual machine had others run in place
// of its processors, to a hundredth of a second. It is 0 where that is not known.
func stolenTime() time.Duration {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	return stolenSince(b)
}

// stolenSince returns what /proc/stat, which is text, says of that.
func stolenSince(text []byte) time.Duration {
	const tick = time.Second / 100 // in this file, whatever the kernel's
	all, _, _ := bytes.Cut(text, []byte("\n"))
	var user, nice, system, idle, io, irq, softirq, steal time.Duration
	if _, err := fmt.Sscanf(string(all), "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &io, &irq, &softirq, &steal); err != nil {
		return 0
	}
	return steal * tick
}
