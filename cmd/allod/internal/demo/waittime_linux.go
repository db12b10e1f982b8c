package demo

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// A thread waits about this long for a processor that is idle.
const wakeTime = 50 * time.Microsecond

// waitTime returns how long the threads of this process were ready to run and
// had no processor, apart from waking them up. It is 0 if that is not known.
func waitTime() (sum time.Duration) {
	threads, _ := filepath.Glob("/proc/self/task/*/schedstat")
	for _, name := range threads {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		var ran, waited, turns time.Duration
		if _, err := fmt.Sscan(string(b), &ran, &waited, &turns); err == nil {
			sum += waited - turns*wakeTime
		}
	}
	return sum
}
