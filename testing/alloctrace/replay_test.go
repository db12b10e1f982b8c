package alloctrace_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
	"github.com/allod-dev/allod/testing/alloctrace"
)

// short returns the first operations of a recorded program.
func short(t testing.TB, n int) *alloctrace.Trace {
	t.Helper()
	trace := read(t, nginx)
	trace.Ops = trace.Ops[:n]
	var b bytes.Buffer
	if err := trace.Write(&b); err != nil {
		t.Fatal(err)
	}
	cut, err := alloctrace.Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	return cut
}

func TestReplay(t *testing.T) {
	trace := short(t, 5000)
	r := alloctrace.NewReplayer(trace)
	for _, o := range []alloctrace.ReplayOptions{
		{}, {Touch: true}, {Check: true}, {Threads: true}, {Threads: true, Touch: true}, {Threads: true, Check: true},
	} {
		counting := heap.NewCounting(allocatortest.New(t))
		if _, err := r.Run(counting, o); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
		if s := counting.Stats(); s.Bytes != 0 || !o.Threads && s.PeakBytes < int64(trace.Summary.PeakBytes) {
			t.Errorf("%+v: %v, want a peak of %d bytes", o, s, trace.Summary.PeakBytes)
		}
	}
}

func TestReplaySamples(t *testing.T) {
	trace := short(t, 5000)
	counting := heap.NewCounting(heap.GC{})
	var calls, most int64
	_, err := alloctrace.NewReplayer(trace).Run(counting, alloctrace.ReplayOptions{Sample: func() {
		calls++
		most = max(most, counting.Stats().Bytes)
	}})
	if err != nil || most != int64(trace.Summary.PeakBytes) || calls < 60 || calls > 70 {
		t.Errorf("%d calls, %d bytes at most, want %d; %v", calls, most, trace.Summary.PeakBytes, err)
	}
}

func TestReplayOutOfMemory(t *testing.T) {
	trace := short(t, 3000)
	r := alloctrace.NewReplayer(trace)
	for _, o := range []alloctrace.ReplayOptions{{}, {Check: true}, {Threads: true}, {Sample: func() {}}} {
		limit := heap.NewLimit(allocatortest.New(t), trace.Summary.PeakBytes/2)
		if _, err := r.Run(limit, o); !errors.Is(err, mem.ErrOutOfMemory) || !strings.Contains(err.Error(), "operation ") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// A bad allocator breaks one promise.
type bad struct {
	mem.Allocator
	alloc func(b []byte, l mem.Layout) []byte
}

func (a *bad) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := a.Allocator.Alloc(size, l)
	if err != nil {
		return nil, err
	}
	return a.alloc(b, l), nil
}

func TestReplayFinds(t *testing.T) {
	var again []byte
	for name, alloc := range map[string]func(b []byte, l mem.Layout) []byte{
		"too short":  func(b []byte, _ mem.Layout) []byte { return b[:len(b)-1] },
		"capacity":   func(b []byte, _ mem.Layout) []byte { return append(b, 0)[:len(b)] },
		"misaligned": func(b []byte, _ mem.Layout) []byte { return make([]byte, 16+len(b))[8:][:len(b):len(b)] },
		"overlap": func(b []byte, _ mem.Layout) []byte {
			if len(again) < len(b) {
				again = b
			}
			return again[:len(b):len(b)]
		},
	} {
		a := &bad{Allocator: heap.GC{}, alloc: alloc}
		_, err := alloctrace.NewReplayer(read(t, nginx)).Run(a, alloctrace.ReplayOptions{Check: true})
		if !errors.Is(err, alloctrace.ErrContents) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReplayFindsDirt(t *testing.T) {
	trace, err := alloctrace.Read(bytes.NewReader(packed(t, []byte{2, 24, 3, 0, 0, 2, 1, 0, 0})))
	if err != nil {
		t.Fatal(err)
	}
	dirty := &bad{Allocator: heap.GC{}, alloc: func(b []byte, _ mem.Layout) []byte {
		b[len(b)-1] = 1
		return b
	}}
	_, err = alloctrace.NewReplayer(trace).Run(dirty, alloctrace.ReplayOptions{Check: true})
	if !errors.Is(err, alloctrace.ErrContents) {
		t.Error(err)
	}
}

// forgetful loses what stood in a block that grows.
type forgetful struct{ mem.Allocator }

func (forgetful) Resize(b []byte, _ mem.Layout, size int) ([]byte, bool) {
	return make([]byte, size), true
}

func TestReplayFindsLostContents(t *testing.T) {
	_, err := alloctrace.NewReplayer(read(t, nginx)).Run(forgetful{heap.GC{}}, alloctrace.ReplayOptions{Check: true})
	if !errors.Is(err, alloctrace.ErrContents) || !strings.Contains(err.Error(), "after") {
		t.Error(err)
	}
}

// An object of no bytes never reaches the allocator, and may grow.
func TestReplaySizeZero(t *testing.T) {
	trace, err := alloctrace.Read(bytes.NewReader(packed(t, []byte{1, 0, 2, 0, 4, 0, 9, 3, 0, 0, 4, 2, 1, 0})))
	if err != nil {
		t.Fatal(err)
	}
	counting := heap.NewCounting(allocatortest.New(t))
	for _, check := range []bool{false, true} {
		if _, err := alloctrace.NewReplayer(trace).Run(counting, alloctrace.ReplayOptions{Check: check}); err != nil {
			t.Error(err)
		}
	}
	if s := counting.Stats(); s.TotalBlocks != 2 || s.TotalBytes != 18 {
		t.Error(s)
	}
}
