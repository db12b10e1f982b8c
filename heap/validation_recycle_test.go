package heap_test

import (
	"sync"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// slots serves the block that next says.
type slots struct {
	mem.NoResize
	memory []byte
	next   int
}

func (s *slots) Alloc(size int, _ mem.Layout) ([]byte, error) {
	return s.memory[s.next*64:][:size:size], nil
}

func (s *slots) Free([]byte, mem.Layout) {}

// Goroutines that free and allocate at once get each other's memory; none of
// that is an overlap.
func TestValidationRecycles(t *testing.T) {
	child := &recycler{}
	v := heap.NewValidation(child)
	rounds := 500
	if testing.Short() || race.Enabled {
		rounds = 100
	}
	l := mem.Layout{}
	got := misuses(t, func() {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range rounds {
					b := mem.Must(v.Alloc(128, l))
					b, ok := v.Resize(b, l, 64) // the rest is anybody's at once
					if !ok {
						t.Error("shrink refused")
					}
					if r, ok := v.Remap(b, l, 128); ok {
						b = r
					}
					v.Free(b, l)
				}
			})
		}
		wg.Wait()
	})
	if len(got) > 0 {
		t.Errorf("reported %v", got[0])
	}
	if n, _ := v.Live(); n != 0 {
		t.Errorf("%d blocks are live", n)
	}
}

// Memory that a child takes back may be another's before the call returns.
func TestValidationHandsOver(t *testing.T) {
	child := &handsOver{}
	v := heap.NewValidation(child)
	l := mem.Layout{}
	var others [][]byte
	child.given = func() {
		child.given = nil
		others = append(others, mustAlloc(t, v, 64))
	}
	again := child.given
	noMisuse(t, func() {
		b := mustAlloc(t, v, 128)
		b, _ = v.Resize(b, l, 64)
		child.given = again
		b, _ = v.Remap(b, l, 192)
		child.given = again
		v.Free(b, l)
		if len(others) != 3 || addr(others[2]) != addr(b) {
			t.Errorf("%d blocks were handed over, the last at %#x, want it at %#x", len(others), addr(others[2]), addr(b))
		}
		for _, o := range others {
			v.Free(o, l)
		}
	})
}

// handsOver calls given, if set, each time that it has taken memory back.
type handsOver struct {
	recycler
	given func()
}

func (h *handsOver) give() {
	if h.given != nil {
		h.given()
	}
}

func (h *handsOver) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	defer h.give()
	return h.recycler.Resize(b, l, size)
}

func (h *handsOver) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	defer h.give()
	return h.recycler.Remap(b, l, size)
}

func (h *handsOver) Free(b []byte, l mem.Layout) {
	defer h.give()
	h.recycler.Free(b, l)
}

// recycler serves units of 64 bytes, the last one freed first.
type recycler struct {
	mu   sync.Mutex
	back []byte
	used []bool
}

func (r *recycler) Alloc(size int, _ mem.Layout) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.back == nil {
		r.back, r.used = make([]byte, 64*64), make([]bool, 64)
	}
	n := size / 64
	for i := range len(r.used) - n + 1 {
		if !r.used[i] && !r.used[i+n-1] {
			for j := range n {
				r.used[i+j] = true
			}
			return r.back[i*64 : i*64+size : i*64+size], nil
		}
	}
	return nil, errFake
}

func (r *recycler) release(b []byte) {
	i := int(addr(b)-addr(r.back)) / 64
	for j := range len(b) / 64 {
		r.used[i+j] = false
	}
}

func (r *recycler) Resize(b []byte, _ mem.Layout, size int) ([]byte, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if size > len(b) {
		return b, false
	}
	r.release(b[size:])
	return b[:size:size], true
}

func (r *recycler) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	n, err := r.Alloc(size, l)
	if err != nil {
		return b, false
	}
	copy(n, b)
	r.Free(b, l)
	return n, true
}

func (r *recycler) Free(b []byte, _ mem.Layout) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.release(b)
}

func (*recycler) Pointers() mem.Pointers { return mem.PlainOnly }
