package workload_test

import (
	"slices"
	"testing"

	"github.com/allod-dev/allod/cmd/allod/internal/workload"
)

// Every workload is a valid trace that frees all that it makes, and the same each
// time.
func TestWorkloads(t *testing.T) {
	for _, w := range workload.All {
		if testing.Short() && w.Name != "large" && w.Name != "handover" {
			continue
		}
		trace, err := workload.Open(workload.Prefix + w.Name)
		if err != nil {
			t.Errorf("%s: %v", w.Name, err)
			continue
		}
		s := trace.Summary
		if s.Ops < 10_000 || s.EndObjects != 0 || s.PeakBytes > 64<<20 || trace.Header.Workload != w.About {
			t.Errorf("%s: %+v", w.Name, s)
		}
		if again, err := w.Trace(); err != nil || !slices.Equal(again.Ops, trace.Ops) {
			t.Errorf("%s is another the second time: %v", w.Name, err)
		}
	}
	if _, err := workload.Open("workload:none"); err == nil {
		t.Error("there is a workload named none")
	}
}
