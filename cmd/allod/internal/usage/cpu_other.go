//go:build !unix

package usage

import "time"

// CPU returns the processor time that this process has used, 0 if that is
// not known.
func CPU() time.Duration { return 0 }
