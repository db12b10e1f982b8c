package allocatortest_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// freeForeign commits one misuse, of heap's handler.
func freeForeign() { heap.Page{}.Free(make([]byte, 64), word) }

func TestExpectMisuse(t *testing.T) {
	m := allocatortest.ExpectMisuse(t, heap.ForeignFree, freeForeign)
	if m == nil || m.Kind != heap.ForeignFree || !strings.Contains(m.Here.String(), "freeForeign") {
		t.Errorf("ExpectMisuse = %v, want the misuse with its stack", m)
	}
	// Of New, which has a handler of its own.
	a := allocatortest.New(t)
	b := mem.Must(a.Alloc(8, word))
	m = allocatortest.ExpectMisuse(t, heap.SizeMismatch, func() { a.Free(b[:4], word) })
	if m == nil || !strings.Contains(m.Alloc.String(), "TestExpectMisuse") {
		t.Errorf("ExpectMisuse = %v, want the stack of the allocation", m)
	}
	a.Free(b, word)
	m = allocatortest.ExpectMisuse(t, heap.DoubleFree, func() { a.Free(b, word) })
	if m == nil || len(m.Free) == 0 || len(m.Alloc) == 0 {
		t.Errorf("ExpectMisuse = %v, want both stacks", m)
	}
	// By panic.
	thrown := &heap.Misuse{Kind: heap.Copied}
	if m := allocatortest.ExpectMisuse(t, heap.Copied, func() { panic(thrown) }); m != thrown {
		t.Errorf("ExpectMisuse = %v, want what was thrown", m)
	}
}

func TestExpectMisuseFails(t *testing.T) {
	r := allocatortest.NewRecorder()
	if m := allocatortest.ExpectMisuse(r, heap.ForeignFree, func() {}); m != nil {
		t.Errorf("ExpectMisuse = %v, want nil", m)
	}
	want(t, r, "no misuse reported, want free of a foreign block")

	r = allocatortest.NewRecorder()
	allocatortest.ExpectMisuse(r, heap.DoubleFree, freeForeign)
	all := strings.Join(r.Failures(), "\n")
	if !strings.Contains(all, "free of a foreign block") || !strings.Contains(all, "want double free") {
		t.Errorf("found %q", all)
	}
}

func TestNoMisuse(t *testing.T) {
	allocatortest.NoMisuse(t, func() {
		b := mem.Must(heap.Page{}.Alloc(64, word))
		heap.Page{}.Free(b, word)
	})
	r := allocatortest.NewRecorder()
	allocatortest.NoMisuse(r, freeForeign)
	want(t, r, "free of a foreign block", "freeForeign")
}

func TestExpectMisuseNests(t *testing.T) {
	allocatortest.NoMisuse(t, func() {
		allocatortest.ExpectMisuse(t, heap.ForeignFree, freeForeign)
	})
	// The handler is back.
	var got []*heap.Misuse
	before := heap.OnMisuse(func(m *heap.Misuse) { got = append(got, m) })
	defer func() { heap.OnMisuse(before) }()
	allocatortest.ExpectMisuse(t, heap.ForeignFree, freeForeign)
	if len(got) != 0 {
		t.Errorf("the handler of the program heard of %v", got)
	}
	freeForeign()
	if len(got) != 1 {
		t.Errorf("the handler of the program heard of %d misuses afterwards, want 1", len(got))
	}
}

func TestExpectMisuseOtherPanic(t *testing.T) {
	defer func() {
		if r := recover(); r != "something else" {
			t.Errorf("recovered %v, want what was thrown", r)
		}
		allocatortest.ExpectMisuse(t, heap.ForeignFree, freeForeign) // works still
	}()
	allocatortest.NoMisuse(t, func() { panic("something else") })
}

// TestExpectMisuseParallel has tests that wait for misuse beside tests that wait
// for none, each with goroutines of its own.
func TestExpectMisuseParallel(t *testing.T) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				if i%2 == 0 {
					allocatortest.ExpectMisuse(t, heap.ForeignFree, func() {
						var inner sync.WaitGroup
						inner.Go(freeForeign)
						inner.Wait()
					})
					allocatortest.ExpectMisuse(t, heap.ForeignFree, freeForeign)
				} else {
					allocatortest.NoMisuse(t, func() {
						b := mem.Must(heap.Page{}.Alloc(64, word))
						heap.Page{}.Free(b, word)
					})
				}
			}
		})
	}
}

// TestMisuseUnrelated has misuse of a goroutine that nobody waits for.
func TestMisuseUnrelated(t *testing.T) {
	heard := make(chan *heap.Misuse, 1)
	before := heap.OnMisuse(func(m *heap.Misuse) { heard <- m })
	defer func() { heap.OnMisuse(before) }()
	stop, stopped := make(chan bool), make(chan bool)
	go func() { // not by ExpectMisuse's goroutine
		defer close(stopped)
		<-stop
		done := make(chan bool)
		go func() { defer close(done); freeForeign() }()
		<-done
	}()
	allocatortest.NoMisuse(t, func() {
		// Two wait, so that it cannot be told whose it is but by goroutine.
		allocatortest.NoMisuse(t, func() {
			close(stop)
			<-stopped
		})
	})
	select {
	case <-heard:
	default:
		t.Error("the handler of the program did not hear of it")
	}
}
