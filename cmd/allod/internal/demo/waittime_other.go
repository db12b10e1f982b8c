//go:build !linux

package demo

import "time"

// waitTime returns 0: how long this process waited for processors is not known.
func waitTime() time.Duration { return 0 }
