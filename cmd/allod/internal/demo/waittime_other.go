//go:build !linux

package demo

import "time"

// waitTime returns 0: how long this process waited for processors is not known.
func waitTime() (sum time.Duration, turns int) { return 0, 0 }

// stolenTime returns 0: it is not known.
func stolenTime() time.Duration { return 0 }
