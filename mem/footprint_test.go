package mem_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/allod-dev/allod/mem"
)

func TestFootprintPlus(t *testing.T) {
	f := mem.Footprint{
		Blocks: 1, Live: 2, Cached: 3, Committed: 4, Reserved: 5, Peak: 6, Returned: 7,
		Classes: []mem.FootprintClass{{16, 1, 2, 3}, {64, 4, 5, 6}},
	}
	g := mem.Footprint{
		Blocks: 10, Live: 20, Cached: 30, Committed: 40, Reserved: 50, Peak: 60, Returned: 70, Process: true,
		Classes: []mem.FootprintClass{{32, 7, 8, 9}, {64, 10, 20, 30}},
	}
	want := mem.Footprint{
		Blocks: 11, Live: 22, Cached: 33, Committed: 44, Reserved: 55, Peak: 66, Returned: 77, Process: true,
		Classes: []mem.FootprintClass{{16, 1, 2, 3}, {32, 7, 8, 9}, {64, 14, 25, 36}},
	}
	for range 2 { // which changes nothing of either
		if diff := cmp.Diff(want, f.Plus(g)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, g.Plus(f)); diff != "" {
			t.Errorf("the other way (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff(f, f.Plus(mem.Footprint{})); diff != "" {
		t.Errorf("plus nothing (-want +got):\n%s", diff)
	}
}

func TestFootprintFragmentation(t *testing.T) {
	for _, c := range []struct {
		live, committed int64
		want            float64
	}{{0, 0, 0}, {0, 10, 1}, {10, 10, 0}, {3, 4, 0.25}, {11, 10, 0}} {
		f := mem.Footprint{Live: c.live, Committed: c.committed}
		if got := f.Fragmentation(); got != c.want {
			t.Errorf("%d live of %d: %v, want %v", c.live, c.committed, got, c.want)
		}
		if f.IsZero() != (c.committed == 0) {
			t.Errorf("%+v: IsZero is %v", f, f.IsZero())
		}
	}
}
