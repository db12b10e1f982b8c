//go:build !linux

package measure

import (
	"runtime"
	"time"
)

// Busy does not know.
func Busy() time.Duration { return 0 }

// Machine returns what system this is.
func Machine() string { return runtime.GOOS }
