package heap_test

import (
	"log/slog"
	"reflect"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// clone copies what p points to, as an assignment that vet does not see.
func clone[T any](p *T) *T {
	c := reflect.New(reflect.TypeFor[T]())
	c.Elem().Set(reflect.ValueOf(p).Elem())
	return c.Interface().(*T)
}

func testCopied[T any, A interface {
	*T
	mem.Allocator
}](t *testing.T, a A) {
	t.Helper()
	use := func(a mem.Allocator) func() {
		return func() {
			b, err := a.Alloc(8, mem.Layout{})
			if err == nil {
				a.Free(b, mem.Layout{})
			}
		}
	}
	if got := misuses(t, use(a)); len(got) != 0 {
		t.Errorf("%T: reported %v", a, got)
	}
	got := misuses(t, use(A(clone((*T)(a)))))
	if len(got) == 0 || got[0].Kind != heap.Copied {
		t.Errorf("%T: after a copy reported %v", a, got)
	}
	if got := misuses(t, use(a)); len(got) != 0 {
		t.Errorf("%T: the original reported %v", a, got)
	}
}

// A copy of an allocator has half of its state.
func TestCopied(t *testing.T) {
	if !invariant.Enabled {
		t.Skip("copies are reported in builds with invariants")
	}
	child := heap.GC{}
	testCopied(t, heap.NewCounting(child))
	testCopied(t, heap.NewFailing(child, heap.FailingOptions{}))
	testCopied(t, heap.NewHybrid(child))
	testCopied(t, heap.NewLimit(child, 1<<20))
	testCopied(t, heap.NewLogging(child, heap.LoggingOptions{Logger: slog.New(slog.DiscardHandler)}))
	testCopied(t, heap.NewThreadSafe(child))
	testCopied(t, heap.NewValidation(child))
	testCopied(t, heap.NewConcurrentArena(child))
	testCopied(t, heap.NewBufferFirst(make([]byte, 64), child))
	testCopied(t, heap.NewArena(child))
	d := heap.NewDebug(child, heap.DebugOptions{})
	testCopied(t, d)
	d.Close() // or it tells of itself when it is dropped
	testCopied(t, heap.NewPages(heap.PageOptions{}))
	testCopied(t, heap.NewReserved(1<<20))
	testCopied(t, heap.NewProfile(child))
	testCopied(t, heap.NewSMP(heap.SMPOptions{}))
	testCopied(t, heap.NewFixedBuffer(make([]byte, 64)))
}
