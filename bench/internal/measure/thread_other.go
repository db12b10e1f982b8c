//go:build !linux

package measure

import "time"

// ThreadCPU does not know.
func ThreadCPU() time.Duration { return 0 }
