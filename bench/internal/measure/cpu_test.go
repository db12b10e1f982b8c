package measure

import (
	"testing"
	"time"
)

// Processor time never runs backwards, and runs while something is done.
func TestCPU(t *testing.T) {
	start := CPU()
	if start == 0 {
		t.Skip("it is not known here")
	}
	for last, deadline := start, time.Now().Add(30*time.Second); last-start < 20*time.Millisecond; {
		now := CPU()
		if now < last {
			t.Fatalf("%v after %v", now, last)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v in half a minute", now-start)
		}
		last = now
	}
}
