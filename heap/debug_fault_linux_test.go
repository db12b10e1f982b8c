package heap_test

import (
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// mapped serves blocks of pages that the test takes away, as a file does that
// becomes shorter.
type mapped struct {
	mem.NoResize
	pages []byte
}

func newMapped(t *testing.T) *mapped {
	pages, err := syscall.Mmap(-1, 0, 1<<16, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(pages) })
	return &mapped{pages: pages}
}

func (m *mapped) Alloc(size int, _ mem.Layout) ([]byte, error) { return m.pages[:size:size], nil }
func (m *mapped) Free([]byte, mem.Layout)                      {}

// faults tells whether f faults.
func faults(f func()) (is bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { is = recover() != nil }()
	f()
	return false
}

// A block that was never served, since its memory could not be filled, is not
// looked at.
func TestDebugFaultInAlloc(t *testing.T) {
	for _, redzone := range []int{32, 33} {
		m := newMapped(t)
		d := heap.NewDebug(m, heap.DebugOptions{Redzone: redzone, OnLeak: func(*heap.LeakError) {}})
		syscall.Mprotect(m.pages, syscall.PROT_READ)
		if !faults(func() { d.Alloc(64, word8) }) {
			t.Fatal("the memory is there")
		}
		if faults(func() { d.Check() }) {
			t.Errorf("zones of %d: Check touches a block that was never served", redzone)
			syscall.Mprotect(m.pages, syscall.PROT_READ|syscall.PROT_WRITE)
			continue // the lock may be held
		}
		if faults(func() { d.Close() }) {
			t.Errorf("zones of %d: Close touches a block that was never served", redzone)
		}
	}
}

// A Check that faults lets go of the lock.
func TestDebugFaultInCheck(t *testing.T) {
	m := newMapped(t)
	d := heap.NewDebug(m, heap.DebugOptions{OnLeak: func(*heap.LeakError) {}})
	b, err := d.Alloc(64, word8)
	if err != nil {
		t.Fatal(err)
	}
	syscall.Mprotect(m.pages, syscall.PROT_NONE)
	if !faults(func() { d.Check() }) {
		t.Fatal("the memory is there")
	}
	syscall.Mprotect(m.pages, syscall.PROT_READ|syscall.PROT_WRITE)
	done := make(chan bool)
	go func() {
		d.Free(b, word8)
		d.Close()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("Free hangs")
	}
}
