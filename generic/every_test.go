package generic_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// Every container is a subject.
func TestSubjects(t *testing.T) {
	missing := containers(t)
	for _, s := range subjects {
		name, _, _ := strings.Cut(s.name, "/")
		name, _, _ = strings.Cut(name, " ")
		delete(missing, name)
	}
	for name := range missing {
		t.Errorf("%s is no subject", name)
	}
}

// exercise fills b with n elements, drops half of them, adds them again, and
// looks at all of them at each step, after a call of before.
func exercise(t *testing.T, b opened, n int, before func()) {
	t.Helper()
	check := func(n int) {
		if before != nil {
			before()
		}
		for i := range n {
			if !b.has(i) {
				t.Fatalf("element %d of %d is not what it was", i, n)
			}
		}
		if b.c.Len() != n {
			t.Fatalf("%d elements, want %d", b.c.Len(), n)
		}
		if b.walk != nil {
			if sum := b.walk(n); sum != n*(n-1)/2 {
				t.Fatalf("the numbers of %d elements sum up to %d", n, sum)
			}
		}
	}
	fill := func(i int) {
		for ; i < n; i++ {
			if err := b.add(i); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill(0)
	check(n)
	if b.drop == nil {
		return
	}
	for i := n - 1; i >= n/2; i-- {
		b.drop(i)
	}
	check(n / 2)
	fill(n / 2)
	check(n)
}

// reuse collects what nothing refers to, and makes other things of it.
func reuse() {
	runtime.GC()
	for i := range reused {
		reused[i], reusedText[i] = &box{-1, -1}, ownText(0)
	}
}

var (
	reused     [500]*box
	reusedText [500]string
)

// Collections run one after the other while containers grow and shrink, over
// memory that is scanned, whose elements keep alive what they refer to, and over
// memory that is not, with elements that others keep alive.
func TestEveryCollector(t *testing.T) {
	defer collecting()()
	n := 300
	if testing.Short() || invariant.Enabled {
		n = 100
	}
	for _, s := range subjects {
		t.Run(s.name, func(t *testing.T) {
			for _, a := range []mem.Allocator{heap.GC{}, heap.Default()} {
				if s.pointers && a.Pointers() != mem.Scanned {
					continue
				}
				b := s.open(a)
				exercise(t, b, n, reuse)
				b.c.Close()
			}
		})
	}
}

// Memory that is not scanned takes elements without pointers, in nodes that refer
// to one another, too, and refuses those with pointers, unless the promise is
// given. What was refused leaves nothing behind.
func TestEveryPointerError(t *testing.T) {
	for _, s := range subjects {
		t.Run(s.name, func(t *testing.T) {
			for _, answer := range []mem.Pointers{mem.PlainOnly, mem.Promised, mem.Scanned} {
				a := newChecked(t, answer)
				b := s.open(a)
				if !s.pointers || answer == mem.Scanned {
					exercise(t, b, 30, nil)
				}
				if s.pointers && answer != mem.Scanned {
					err := b.add(0)
					var pe *mem.PointerError
					if answer == mem.PlainOnly && (!errors.As(err, &pe) || b.c.Len() != 0 || len(a.live) != 0) {
						t.Errorf("%v; %d elements, %d blocks", err, b.c.Len(), len(a.live))
					}
					if answer == mem.Promised && (err != nil || b.c.Len() != 1 || !b.has(0)) {
						runtime.KeepAlive(b)
						t.Error(err)
					}
				}
				if err := b.c.Close(); err != nil || b.c.Len() != 0 {
					t.Errorf("Close: %v, %d elements", err, b.c.Len())
				}
			}
		})
	}
}

// Close asks for no memory, neither of a container that memory has run out for, for
// good, nor of one that it is closed a second time, and gives back all there is.
func TestEveryClose(t *testing.T) {
	for _, s := range subjects {
		t.Run(s.name, func(t *testing.T) {
			for _, most := range []int{0, 1, 30, 1000} {
				a := newChecked(t, mem.Scanned)
				b := s.open(a)
				n := 0
				for ; n < most; n++ {
					if err := b.add(n); err != nil {
						t.Fatal(err)
					}
				}
				a.failAt, a.onwards = a.requests+1, true
				for i := n; i < len(keyTexts) && a.failed == 0; i++ {
					if err := b.add(i); err != nil {
						break
					}
				}
				asked := a.requests
				for range 2 {
					if err := b.c.Close(); err != nil || b.c.Len() != 0 {
						t.Errorf("%d elements: Close: %v, %d are left", n, err, b.c.Len())
					}
					if a.requests != asked || len(a.live) != 0 {
						t.Errorf("%d elements: Close asks %d times; %d blocks are left", n, a.requests-asked, len(a.live))
					}
				}
			}
		})
	}
}

// A bump serves blocks from one slice and takes no memory from the Go heap, so
// that what a container takes from there can be counted.
type bump struct {
	buf  []uint64
	off  int // bytes
	last int // where the last block begins
}

func (a *bump) Alloc(size int, l mem.Layout) ([]byte, error) {
	at := (a.off + 63) &^ 63
	if size > 8*len(a.buf)-at {
		return nil, mem.ErrOutOfMemory
	}
	b := bytesOf(a.buf)[at : at+size : at+size]
	clear(b)
	a.last, a.off = at, at+size
	return b, nil
}

func (a *bump) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	if all := bytesOf(a.buf); &all[a.last] == &b[0] && size <= len(all)-a.last {
		clear(all[a.last+len(b) : max(a.last+len(b), a.last+size)])
		a.off = a.last + size
		return all[a.last:a.off:a.off], true
	}
	return b, false
}

func (a *bump) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) { return a.Resize(b, l, size) }
func (a *bump) Free([]byte, mem.Layout)                               {}
func (a *bump) Pointers() mem.Pointers                                { return mem.PlainOnly }

// Nothing allocates in the Go heap: over memory that is off it, not even growing;
// over memory that is part of it, nothing but growing.
func TestEveryAllocs(t *testing.T) {
	if invariant.Enabled {
		t.Skip("checks take memory")
	}
	const n = 300
	off := &bump{buf: make([]uint64, 1<<17)}
	for _, s := range subjects {
		t.Run(s.name, func(t *testing.T) {
			if !s.pointers {
				b := s.open(off)
				if got := allocsPerRun(5, func() {
					off.off, off.last = 0, 0
					exercise(t, b, n, nil)
					b.c.Close()
				}); got != 0 {
					t.Errorf("off the Go heap: %v allocations", got)
				}
			}
			b := s.open(heap.GC{})
			exercise(t, b, n, nil)
			if got := allocsPerRun(5, func() {
				for i := range n {
					if !b.has(i) {
						t.Fatal(i)
					}
				}
				if b.walk != nil {
					b.walk(n)
				}
				if !s.pointers && !s.nodes {
					for i := n - 1; i >= n/2; i-- {
						b.drop(i)
					}
					for i := n / 2; i < n; i++ {
						if err := b.add(i); err != nil {
							t.Fatal(err)
						}
					}
				}
			}); got != 0 {
				t.Errorf("in the Go heap: %v allocations", got)
			}
			b.c.Close()
		})
	}
}
