package soak

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

func TestRun(t *testing.T) {
	var out bytes.Buffer
	a, b := heap.NewSMP(heap.SMPOptions{Retain: 1}), heap.NewSMP(heap.SMPOptions{Hardened: true})
	rooms := []Room{{"a", a, 1000}, {"b", b, 0}}
	r, err := Run(t.Context(), rooms, Options{For: 400 * time.Millisecond, Goroutines: 4, Every: 100 * time.Millisecond, Reports: 2, FailOneIn: 3}, &out)
	if err != nil || len(r.Rooms) != 2 || r.Rooms[0].Ops < 1000 || r.Rooms[1].Ops < 1000 || r.Rooms[0].Refused == 0 ||
		r.Injected[vm.CallMap] == 0 || r.Injected[vm.CallRecommit] == 0 || !strings.Contains(out.String(), ", recommit ") {
		t.Errorf("%+v, %v\n%s", r, err, out.String())
	}
	for _, a := range []*heap.SMP{a, b} {
		a.Trim()
		if st := a.Stats(); st.Committed != 0 || st.Blocks != 0 {
			t.Errorf("after all: %+v", st)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Nothing is found wrong with SMPs as they are.
func TestSMPs(t *testing.T) {
	rooms, finish, err := SMPs()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Run(t.Context(), rooms, Options{For: 400 * time.Millisecond, Goroutines: 4, Every: 100 * time.Millisecond, Reports: 1, FailOneIn: 4}, &bytes.Buffer{})
	if err := errors.Join(err, finish()); err != nil {
		t.Error(err)
	}
}

// overlapping gives the same block to everybody.
type overlapping struct {
	mem.NoResize
	b []byte
}

func (o *overlapping) Alloc(n int, _ mem.Layout) ([]byte, error) { return o.b[:n:n], nil }
func (o *overlapping) Free([]byte, mem.Layout)                   {}

func TestRunFinds(t *testing.T) {
	a := &overlapping{b: make([]byte, 2*largest)}
	_, err := Run(t.Context(), []Room{{"a", a, 0}}, Options{For: time.Minute, Goroutines: 1, Every: time.Second}, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "soak: ") {
		t.Error(err)
	}
}

func TestSlope(t *testing.T) {
	var looks []look
	for i := range int64(10) {
		looks = append(looks, look{time.Duration(i) * time.Minute, 1000 + i, 7})
	}
	if got := slope(looks, 1, look.resident); math.Abs(got-1/1004.5) > 1e-12 {
		t.Errorf("slope %v", got)
	}
	if got := slope(looks, 1, look.committed); got != 0 {
		t.Errorf("slope %v of what does not change", got)
	}
	var low []int64
	for _, l := range least([]look{{0, 5, 0}, {1, 4, 0}, {2, 6, 0}, {3, 9, 0}, {4, 8, 0}, {9, 1, 0}}, 3, look.resident) {
		low = append(low, l.rss)
	}
	if !slices.Equal(low, []int64{4, 8, 1}) {
		t.Errorf("least of each: %v", low)
	}
	if slope(nil, 1, look.resident) != 0 || slope(looks[:1], 1, look.resident) != 0 {
		t.Error("a slope of nothing")
	}
}
