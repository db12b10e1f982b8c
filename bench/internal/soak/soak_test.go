package soak

import (
	"bytes"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allod-dev/allod/bench/internal/measure"
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

// losing calls lose once in a millisecond, with the time since it began.
type losing struct {
	mem.Allocator
	began, next time.Time
	lose        func(time.Duration)
}

func (l *losing) Alloc(n int, of mem.Layout) ([]byte, error) {
	if now := time.Now(); now.After(l.next) {
		l.next = now.Add(time.Millisecond)
		l.lose(now.Sub(l.began))
	}
	return l.Allocator.Alloc(n, of)
}

// lose runs an allocator that loses memory so.
func lose(t *testing.T, how func(time.Duration)) (Result, error) {
	a := &losing{Allocator: heap.GC{}, began: time.Now(), lose: how}
	return Run(t.Context(), []Room{{"a", a, 0}}, Options{For: 300 * time.Millisecond, Goroutines: 1, Every: 10 * time.Millisecond, MaxSlope: 0.001}, &bytes.Buffer{})
}

func TestRunFindsGrowth(t *testing.T) {
	if measure.RSS() == 0 {
		t.Skip("physical memory cannot be watched")
	}
	var lost [][]byte
	r, err := lose(t, func(time.Duration) { lost = append(lost, bytes.Repeat([]byte{1}, 64<<10)) })
	if !errors.Is(err, ErrGrowing) || !strings.Contains(err.Error(), "0.100 % allowed") {
		t.Errorf("%+v, %v", r, err)
	}
	runtime.KeepAlive(lost)
}

// Growth is that after the first quarter of the time.
func TestRunLetsGrowFirst(t *testing.T) {
	pages := func(early bool) Growth {
		r, err := lose(t, func(at time.Duration) {
			if early && at > 20*time.Millisecond {
				return
			}
			b, err := heap.Page{}.Alloc(64<<10, mem.Layout{})
			if err != nil {
				t.Error(err)
			}
			t.Cleanup(func() { heap.Page{}.Free(b, mem.Layout{}) })
		})
		if err != nil && !errors.Is(err, ErrGrowing) { // the Go heap may
			t.Error(err)
		}
		return r.Committed
	}
	if g := pages(true); math.Abs(g.Slope) > 1e-9 {
		t.Errorf("at first: %v", g)
	}
	if g := pages(false); g.Slope < 0.001 {
		t.Errorf("all the time: %v", g)
	}
}

func TestSlope(t *testing.T) {
	var looks []look
	for i := range int64(10) {
		looks = append(looks, look{time.Duration(i) * time.Minute, 1000 + i, 7})
	}
	if got := slope(looks, 1, look.resident); math.Abs(got.Slope-1/1004.5) > 1e-12 || got.Error > 1e-12 {
		t.Errorf("slope %v", got)
	}
	if got := slope(looks, 1, look.committed); math.Abs(got.Slope) > 1e-12 || got.Error > 1e-12 {
		t.Errorf("slope %v of what does not change", got)
	}
	// What goes up and down within the time that is averaged is not seen.
	for i := range looks {
		looks[i].rss += int64(100 * (i % 2))
	}
	if got := slope(looks, 2*time.Minute, look.resident); math.Abs(got.Slope-1/1054.5) > 1e-12 || got.Error > 1e-12 {
		t.Errorf("slope %v of means", got)
	}
	// By hand: from 0, 1 and 5 at 0, 1 and 2 minutes, the line through 2 at 1 with
	// a slope of 2.5 is off by .5, 1 and .5.
	if got := slope([]look{{0, 0, 0}, {time.Minute, 1, 0}, {2 * time.Minute, 5, 0}}, 1, look.resident); math.Abs(got.Slope-1.25) > 1e-12 || math.Abs(got.Error-math.Sqrt(1.5/2)/2) > 1e-12 {
		t.Errorf("slope %v of three", got)
	}
	if got := slope(looks[:2], 1, look.resident); got.Slope == 0 || !math.IsInf(got.Error, 1) {
		t.Errorf("slope %v of two", got)
	}
	at, mean := means([]look{{0, 5, 0}, {1, 4, 0}, {2, 6, 0}, {3, 9, 0}, {4, 8, 0}, {9, 1, 0}}, 3, look.resident)
	if !slices.Equal(mean, []float64{5, 8.5, 1}) || len(at) != 3 || math.Abs(at[0]-time.Nanosecond.Minutes()) > 1e-18 || at[2] != (9*time.Nanosecond).Minutes() {
		t.Errorf("means: %v at %v", mean, at)
	}
	if got := slope([]look{{0, 0, 0}, {time.Minute, 0, 0}}, 1, look.resident); got != (Growth{}) {
		t.Errorf("slope %v of what is not known", got)
	}
	if slope(nil, 1, look.resident) != (Growth{}) || slope(looks[:1], 1, look.resident) != (Growth{}) {
		t.Error("a slope of nothing")
	}
}
