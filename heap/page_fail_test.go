package heap_test

import (
	"errors"
	"math"
	"strings"
	"syscall"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

func TestPageErrors(t *testing.T) {
	for _, c := range []struct {
		errno       error
		outOfMemory bool
	}{
		{syscall.ENOMEM, vm.NoMemory(syscall.ENOMEM)},
		{syscall.EPERM, false},
		{syscall.EINVAL, false},
		{syscall.EXDEV, false}, // never heard of
	} {
		for name, a := range map[string]mem.Allocator{
			"Page": heap.Page{}, "Pages": heap.NewPages(heap.PageOptions{HugePages: true}),
		} {
			undo := vm.Inject(func(call vm.Call) error {
				if call == vm.CallMap {
					return c.errno
				}
				return nil
			})
			b, err := a.Alloc(pageUnkept(t), mem.Layout{})
			undo()
			if b != nil || !errors.Is(err, c.errno) || errors.Is(err, mem.ErrOutOfMemory) != c.outOfMemory {
				t.Errorf("%s: %v: Alloc = %v, %v", name, c.errno, b != nil, err)
			} else if !strings.Contains(err.Error(), c.errno.Error()) || !strings.HasPrefix(err.Error(), "heap: Page: ") {
				t.Errorf("%s: text %q", name, err)
			}
		}
	}
}

// Locking fails: the pages are given back, and the error says why.
func TestPagesLockFails(t *testing.T) {
	for _, errno := range []error{syscall.ENOMEM, syscall.EPERM, syscall.EAGAIN} {
		p := heap.NewPages(heap.PageOptions{Lock: true})
		before := vm.ReadStats().Mapped
		undo := vm.Inject(func(call vm.Call) error {
			if call == vm.CallLock {
				return errno
			}
			return nil
		})
		_, err := p.Alloc(100, mem.Layout{})
		undo()
		if vm.HasOS && !errors.Is(err, errno) || err == nil {
			t.Errorf("%v: Alloc: %v", errno, err)
		}
		if got := vm.ReadStats().Mapped; got != before {
			t.Errorf("%v: %d bytes are still mapped", errno, got-before)
		}
		if s := p.Stats(); s.Blocks != 0 {
			t.Errorf("%v: %+v", errno, s)
		}
	}
}

// Whatever system call fails for whatever reason, the block stays as it was or
// the operation succeeds, and nothing is lost.
func TestPageEveryCallFails(t *testing.T) {
	page := vm.PageSize()
	l := mem.Layout{Zero: true, Align: mem.Align(4 * page)}
	before := vm.ReadStats().Mapped
	for name, a := range map[string]interface {
		mem.Allocator
		Stats() heap.PageStats
	}{
		"plain": heap.NewPages(heap.PageOptions{}),
		"all": heap.NewPages(heap.PageOptions{
			HugePages: true, Lock: true, Populate: true, Name: "x",
		}),
	} {
		steps := func() {
			b, err := a.Alloc(2*page-5, l)
			if err != nil {
				return
			}
			pageFill(b, 1)
			for _, size := range []int{2 * page, 3 * page, page, 100 * page, 99 * page, 5} {
				have := len(b)
				if r, ok := a.Remap(b, mem.Layout{Zero: true}, size); ok {
					b = r
				}
				if i := pageNot(b[:min(have, len(b))], 1); i >= 0 {
					t.Fatalf("%s: byte %d of %d is lost on the way to %d", name, i, have, size)
				}
				if len(b) > have {
					if i := pageNot(b[have:], 0); i >= 0 {
						t.Fatalf("%s: byte %d is not zero", name, have+i)
					}
				}
				pageFill(b, 1)
			}
			a.Free(b, l)
		}
		for _, errno := range []error{syscall.ENOMEM, syscall.EAGAIN, syscall.EPERM, syscall.EINVAL} {
			for _, forEver := range []bool{false, true} {
				for k, calls := 0, 1; calls >= k; k++ { // until no call k is made
					calls = 0
					undo := vm.Inject(func(vm.Call) error {
						calls++
						if calls-1 == k || forEver && calls > k {
							return errno
						}
						return nil
					})
					allocatortest.NoMisuse(t, steps)
					undo()
					if s := a.Stats(); s.Blocks != 0 || vm.ReadStats().Mapped != before {
						t.Fatalf("%s: %v at call %d: %+v, %d bytes mapped", name, errno, k, s, vm.ReadStats().Mapped-before)
					}
				}
			}
		}
	}
	mem.Trim(heap.Page{})
	if s := (heap.Page{}).Stats(); s.Kept != 0 && math.MaxInt > math.MaxInt32 {
		t.Errorf("kept: %+v", s)
	}
}

// A block whose pages the system refuses to take is not lost: it serves again.
func TestPageKeepsWhatCannotBeUnmapped(t *testing.T) {
	if vm.GoHeap {
		t.Skip("no system calls")
	}
	defer vm.Inject(func(c vm.Call) error {
		if c == vm.CallUnmap {
			return syscall.ENOMEM
		}
		return nil
	})()
	p := heap.NewPages(heap.PageOptions{})
	before := vm.ReadStats().Kept
	for range 100 {
		b := pageAlloc(t, p, 50*vm.PageSize(), mem.Layout{})
		if i := pageNot(b, 0); i >= 0 {
			t.Fatalf("byte %d is not zero", i)
		}
		pageFill(b, 1)
		p.Free(b, mem.Layout{})
	}
	s, kept := p.Stats(), vm.ReadStats().Kept
	if s.Blocks != 0 || kept > before+int64(50*vm.PageSize()) || s.KeptRanges == 0 || int64(s.Kept) != min(kept, math.MaxInt) {
		t.Errorf("%+v, %d bytes kept, before: %d", s, kept, before)
	}
}
