package heap_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// oneAtATime is a child whose state is plain memory, so that the race detector
// reports every access that the lock does not order.
type oneAtATime struct {
	fakeChild
	depth, calls int
	t            *testing.T
}

func newOneAtATime(t *testing.T) *oneAtATime { return &oneAtATime{t: t} }

func (o *oneAtATime) enter() func() {
	o.depth++
	runtime.Gosched()
	if o.depth != 1 {
		o.t.Errorf("%d calls inside the child at once", o.depth)
	}
	o.calls++
	return func() { o.depth-- }
}

func (o *oneAtATime) Alloc(size int, l mem.Layout) ([]byte, error) {
	defer o.enter()()
	return o.fakeChild.Alloc(size, l)
}

func (o *oneAtATime) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	defer o.enter()()
	return o.fakeChild.Resize(b, l, size)
}

func (o *oneAtATime) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	defer o.enter()()
	return o.fakeChild.Remap(b, l, size)
}

func (o *oneAtATime) Free(b []byte, l mem.Layout) {
	defer o.enter()()
	o.fakeChild.Free(b, l)
}

func (o *oneAtATime) Owns(b []byte) bool {
	defer o.enter()()
	return o.fakeChild.Owns(b)
}

func (o *oneAtATime) Trim() int {
	defer o.enter()()
	return o.fakeChild.Trim()
}

func (o *oneAtATime) GoodSize(size int, l mem.Layout) int {
	defer o.enter()()
	return o.fakeChild.GoodSize(size, l)
}

func (o *oneAtATime) UsableSize(b []byte) int {
	defer o.enter()()
	return o.fakeChild.UsableSize(b)
}

// Every call, and every ability that is found through the lock, is alone in the
// child.
func TestThreadSafeLocks(t *testing.T) {
	child := newOneAtATime(t)
	a := heap.NewThreadSafe(child)
	const goroutines, rounds = 8, 100
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range rounds {
				b := mem.Must(a.Alloc(16, mem.Layout{}))
				b, _ = a.Resize(b, mem.Layout{}, 32)
				b, _ = a.Remap(b, mem.Layout{}, 8)
				o, ok := mem.As[mem.Owner](a)
				if !ok || !o.Owns(b) {
					t.Error("Owns: false")
				}
				u, ok := mem.As[mem.UsableSizer](a)
				if !ok || u.UsableSize(b) < 8 {
					t.Error("UsableSize: less than the size")
				}
				mem.Trim(a)
				mem.GoodSize(a, 10, mem.Layout{})
				a.Pointers()
				a.Do(func() { child.calls++ })
				a.Free(b, mem.Layout{})
			}
		})
	}
	wg.Wait()
	if want := goroutines * rounds * 9; child.calls != want {
		t.Errorf("%d calls, want %d", child.calls, want)
	}
}

// What As finds must not lead past the lock.
func TestThreadSafeUnwrap(t *testing.T) {
	child := &fakeChild{}
	a := heap.NewThreadSafe(child)
	if c, ok := mem.As[*fakeChild](a); ok {
		t.Errorf("As found the child %p behind the lock", c)
	}
	below := a.Unwrap()
	b := mem.Must(below.Alloc(8, mem.Layout{})) // under the lock, as a is
	a.Free(b, mem.Layout{})
	if _, ok := below.(mem.Unwrapper); ok {
		t.Error("what Unwrap returns leads further down")
	}
	if heap.NewThreadSafe(&oneBlock{}).Unwrap() != nil {
		t.Error("Unwrap returns something although there is nothing to find")
	}
	if got := heap.NewThreadSafe(&oneBlock{}).UsableSize(make([]byte, 7)); got != 7 {
		t.Errorf("UsableSize without the child's = %d, want 7", got)
	}
	var z heap.ThreadSafe
	if z.Trim() != 0 || z.GoodSize(5, mem.Layout{}) != 5 || z.UsableSize(make([]byte, 3)) != 3 || z.Unwrap() != nil {
		t.Error("the zero value has abilities")
	}
}

// The lock is free again after a panic in the child.
func TestThreadSafeChildPanics(t *testing.T) {
	child := &fakeChild{panics: true}
	a := heap.NewThreadSafe(child)
	for range 2 {
		if got := catch(func() { a.Alloc(8, mem.Layout{}) }); got != "fake: panics" {
			t.Fatalf("panic %v", got)
		}
		if got := catch(func() { a.Free(nil, mem.Layout{}) }); got != "fake: panics" {
			t.Fatalf("panic %v", got)
		}
		if got := catch(func() { a.Do(func() { panic("fn") }) }); got != "fn" {
			t.Fatalf("panic %v", got)
		}
	}
	child.panics = false
	a.Free(mustAlloc(t, a, 8), mem.Layout{})
}
