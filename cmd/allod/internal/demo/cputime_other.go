//go:build !unix

package demo

import "time"

// cpuTime returns the processor time that this process has used, 0 if that is
// not known.
func cpuTime() time.Duration { return 0 }
