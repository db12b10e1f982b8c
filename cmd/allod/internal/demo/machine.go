package demo

import (
	"runtime"
	"slices"
	"sync"
	"time"
)

// stalls runs a thread on each processor that does nothing but look at the
// clock, for so long, and returns the times for which it did not run.
func stalls(d time.Duration) []time.Duration {
	const least = 20 * time.Microsecond // an interrupt takes less
	var all []time.Duration
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var own []time.Duration
			start := time.Now()
			for last := time.Duration(0); last < d; {
				now := time.Since(start)
				if now-last >= least {
					own = append(own, now-last)
				}
				last = now
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, own...)
		})
	}
	wg.Wait()
	return all
}

// delay returns how long a request that arrives at any moment of the given time
// waits, at the quantile q, for a processor with these stalls.
func delay(stalls []time.Duration, total time.Duration, q float64) time.Duration {
	slices.Sort(stalls)
	// Those who wait for x or longer arrive in a stall, at least x before its
	// end: of n stalls longer than x these are sum - n*x moments. The x at which
	// they are the share asked for is found from the longest stall down.
	share := time.Duration((1 - q) * float64(total))
	var sum time.Duration
	for n := range stalls {
		i := len(stalls) - 1 - n
		sum += stalls[i]
		next := time.Duration(0)
		if i > 0 {
			next = stalls[i-1]
		}
		if x := (sum - share) / time.Duration(n+1); x >= next {
			return x
		}
	}
	return 0
}
