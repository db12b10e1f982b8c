package heap_test

import (
	"errors"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// asked counts how often there was a request for memory.
type asked struct {
	*fakeChild
	n int
}

func (a *asked) Alloc(size int, l mem.Layout) ([]byte, error) {
	a.n++
	return a.fakeChild.Alloc(size, l)
}

// When memory has run out for good, Close asks for none, succeeds, and gives all
// of it back.
func TestCloseWithoutMemory(t *testing.T) {
	type room interface {
		mem.Allocator
		Close() error
	}
	for name, make := range map[string]func(child mem.Allocator) room{
		"Arena":           func(child mem.Allocator) room { return heap.NewArena(child) },
		"ConcurrentArena": func(child mem.Allocator) room { return heap.NewConcurrentArena(child) },
		"Debug":           func(child mem.Allocator) room { return heap.NewDebug(child, heap.DebugOptions{}) },
		"Named":           func(child mem.Allocator) room { return heap.Named(child, "close/test") },
	} {
		child := &asked{fakeChild: &fakeChild{}}
		a := make(child)
		var live [][]byte
		for i := range 200 {
			child.fail = i >= 100
			b, err := a.Alloc(1000, word8)
			if err == nil {
				live = append(live, b)
			} else if !child.fail || !errors.Is(err, mem.ErrOutOfMemory) {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if _, err := a.Alloc(1<<20, word8); !errors.Is(err, mem.ErrOutOfMemory) {
			t.Errorf("%s: %v without memory", name, err)
		}
		calls := child.n
		for _, b := range live {
			a.Free(b, word8)
		}
		if err := a.Close(); err != nil {
			t.Errorf("%s: Close: %v", name, err)
		}
		if blocks, bytes := child.use(); child.n != calls || blocks != 0 {
			t.Errorf("%s: Close asked %d times; %d blocks of %d bytes are left", name, child.n-calls, blocks, bytes)
		}
	}
	child := &asked{fakeChild: &fakeChild{}}
	p := heap.NewPool[[100]int](child)
	for i := 0; ; i++ {
		child.fail = i >= 100
		if o, err := p.Create(); err != nil {
			break
		} else if i%2 == 0 {
			p.Destroy(o)
		}
	}
	calls, live := child.n, p.Stats().Live
	var leak *heap.LeakError
	if err := p.Close(); !errors.As(err, &leak) || leak.Blocks != live {
		t.Errorf("Pool: Close: %v, %d objects were out", err, live)
	}
	if blocks, bytes := child.use(); child.n != calls || blocks != 0 {
		t.Errorf("Pool: Close asked %d times; %d blocks of %d bytes are left", child.n-calls, blocks, bytes)
	}
}
