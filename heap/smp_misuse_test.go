package heap_test

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

var smpMisuseSizes = []int{1, 8, 64, 4<<10 - 1, 4 << 10, 32 << 10, 256 << 10, 2<<20 + 1}

// smpLonger is a size that a block of the given size can be told from.
func smpLonger(size int) int {
	if size > 32<<10 {
		return size + 1
	}
	return size + size/2
}

// Every wrong block is told from a right one, and nothing happens to it or to
// what lies around it.
func TestSMPMisuse(t *testing.T) {
	var stranger [64]byte
	other, s := newSMP(t, heap.SMPOptions{}), newSMP(t, heap.SMPOptions{})
	cache := s.Cache()
	for _, size := range smpMisuseSizes {
		l := mem.Layout{Align: mem.Align(1)}
		for _, c := range []struct {
			name   string
			kind   heap.MisuseKind
			block  func(b []byte) []byte
			unless bool
		}{
			{"Foreign", heap.ForeignFree, func([]byte) []byte { return make([]byte, size) }, false},
			{"ForeignNil", heap.ForeignFree, func([]byte) []byte { return nil }, false},
			{"ForeignStack", heap.ForeignFree, func([]byte) []byte { return stranger[:] }, false},
			{"Append", heap.ForeignFree, func(b []byte) []byte { return append(b, 1) }, false},
			{"Interior", heap.InteriorFree, func(b []byte) []byte { return b[1:] }, size < 4},
			{"InteriorFar", heap.InteriorFree, func(b []byte) []byte { return b[size/2:] }, size < 64},
			{"Shorter", heap.SizeMismatch, func(b []byte) []byte { return b[: size/2 : size/2] }, size < 64},
			{"Longer", heap.SizeMismatch, func(b []byte) []byte { return pageLonger(b, smpLonger(size)) }, size < 64},
			{"OtherSMP", heap.WrongAllocator, func([]byte) []byte {
				b, err := other.Alloc(size, l)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { other.Free(b, l) })
				return b
			}, false},
		} {
			if c.unless {
				continue
			}
			t.Run(fmt.Sprintf("%s/size=%d", c.name, size), func(t *testing.T) {
				for name, a := range map[string]mem.Allocator{"SMP": s, "Cache": cache} {
					blocks := make([][]byte, 3)
					for i := range blocks {
						blocks[i] = must(a.Alloc(size, l))
						pageFill(blocks[i], byte(i))
					}
					bad := c.block(blocks[1])
					expectMisuse(t, c.kind, func() { a.Free(bad, l) })
					for _, to := range []int{1, max(len(bad), 1), len(bad) + 1<<20} {
						expectMisuse(t, c.kind, func() {
							if r, ok := a.Resize(bad, l, to); ok || len(r) != len(bad) {
								t.Errorf("%s: Resize(%d) of a bad block: %d bytes, %v", name, to, len(r), ok)
							}
						})
						expectMisuse(t, c.kind, func() { a.Remap(bad, l, to) })
					}
					for i := range blocks {
						if at := pageNot(blocks[i], byte(i)); at >= 0 {
							t.Errorf("%s: byte %d of block %d changed", name, at, i)
						}
					}
					allocatortest.NoMisuse(t, func() { // the good twin
						for _, b := range blocks {
							a.Free(b, l)
						}
					})
				}
			})
		}
	}
	cache.Close()
	heap.CheckSMP(s)
}

// Blocks of segments that are far away are freed, and not twice.
func TestSMPFar(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{})
	cache := s.Cache()
	l := mem.Layout{}
	for name, a := range map[string]mem.Allocator{"SMP": s, "Cache": cache} {
		var blocks [][]byte
		for i := range 1000 {
			b := must(a.Alloc(1+i*37%5000, l))
			pageFill(b, byte(i))
			blocks = append(blocks, b)
		}
		heap.SMPFar(s)
		for i, b := range blocks {
			if at := pageNot(b, byte(i)); at >= 0 {
				t.Fatalf("%s: byte %d of block %d changed", name, at, i)
			}
			allocatortest.NoMisuse(t, func() { a.Free(b, l) })
			expectMisuse(t, heap.DoubleFree, func() { a.Free(b, l) })
		}
	}
	cache.Close()
	heap.CheckSMP(s)
}

// An SMP finds the segments of 2 GiB in a row at once. What lies just as far into the
// next such row as one of its blocks is nothing of its own.
func TestSMPNextRow(t *testing.T) {
	if bits.UintSize == 32 || vm.GoHeap {
		t.Skip("what lies in the next row may be in the Go heap, where no pointer may point anywhere")
	}
	s := newSMP(t, heap.SMPOptions{})
	cache := s.Cache()
	l := mem.Layout{}
	for name, a := range map[string]mem.Allocator{"SMP": s, "Cache": cache} {
		b := must(a.Alloc(64, l))
		pageFill(b, 1)
		alias := pageAway(b, heap.SMPRow)
		expectMisuse(t, heap.ForeignFree, func() { a.Free(alias, l) })
		expectMisuse(t, heap.ForeignFree, func() {
			if _, ok := a.Resize(alias, l, 60); ok {
				t.Errorf("%s: Resize of a block in the next row", name)
			}
		})
		if at := pageNot(b, 1); at >= 0 {
			t.Errorf("%s: byte %d changed", name, at)
		}
		allocatortest.NoMisuse(t, func() { a.Free(b, l) })
	}
	cache.Close()
	heap.CheckSMP(s)
}

// A block that is freed twice is reported however long ago that was, unless its
// memory is somebody else's block by now.
func TestSMPDoubleFree(t *testing.T) {
	for _, size := range smpMisuseSizes {
		if vm.GoHeap && size > 512<<10 {
			continue // somebody else may have that memory
		}
		s := newSMP(t, heap.SMPOptions{})
		cache := s.Cache()
		defer cache.Close()
		l := mem.Layout{}
		n := min(200, 2+(1<<20)/size)
		for name, a := range map[string]mem.Allocator{"SMP": s, "Cache": cache} {
			blocks := make([][]byte, n)
			for i := range blocks {
				blocks[i] = must(a.Alloc(size, l))
			}
			for i, b := range blocks {
				a.Free(b, l)
				for _, again := range [][]byte{b, blocks[i/2], blocks[0]} {
					m := expectMisuse(t, heap.DoubleFree, func() { a.Free(again, l) })
					if m == nil {
						t.Fatalf("%s: size %d, block %d", name, size, i)
					}
					expectMisuse(t, heap.DoubleFree, func() { s.Resize(again, l, size) })
				}
			}
			s.Trim() // the pages are gone
			if size <= 2<<20 {
				expectMisuse(t, heap.DoubleFree, func() { a.Free(blocks[n/2], l) })
			}
		}
		cache.Close()
		heap.CheckSMP(s)
	}
}

// A slot that was never served is not live, wherever in its slab it is.
func TestSMPNeverServed(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{})
	b := must(s.Alloc(48, mem.Layout{}))
	for _, i := range []int{1, 2, 63, 64, 100, 169} {
		slot := pageLonger(b, (i+1)*48)[i*48:]
		expectMisuse(t, heap.DoubleFree, func() { s.Free(slot[:48:48], mem.Layout{}) })
	}
	// What is left of the pages after the last slot is none.
	tail := pageLonger(b, 8<<10)[170*48:]
	if len(tail) != 32 {
		t.Fatal(len(tail))
	}
	expectMisuse(t, heap.InteriorFree, func() { s.Free(tail, mem.Layout{}) })
	s.Free(b, mem.Layout{})
	heap.CheckSMP(s)
}

func TestSMPWrongAlign(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{})
	l := mem.Layout{Align: mem.Align(64)}
	b := must(s.Alloc(72, l)) // in slots of 128
	expectMisuse(t, heap.SizeMismatch, func() { s.Free(b, mem.Layout{}) })
	expectMisuse(t, heap.AlignMismatch, func() { s.Free(b, mem.Layout{Align: mem.Align(8)}) })
	s.Free(b, l)
	b = must(s.Alloc(72, mem.Layout{}))
	expectMisuse(t, heap.AlignMismatch, func() { s.Free(b, l) })
	s.Free(b, mem.Layout{})
	heap.CheckSMP(s)
}

func TestSMPClose(t *testing.T) {
	s := heap.NewSMP(heap.SMPOptions{})
	before := vm.ReadStats().Mapped
	sizes := []int{10, 100, 100, 50 << 10, 3 << 20}
	for _, size := range sizes {
		must(s.Alloc(size, mem.Layout{}))
	}
	c := s.Cache()
	b, other := must(c.Alloc(1000, mem.Layout{})), must(c.Alloc(1000, mem.Layout{}))
	if int(addressOf(b))%vm.PageSize() == 0 { // where an earlier test may have freed a block
		b = other
	}
	var leak *heap.LeakError
	if err := s.Close(); !errors.As(err, &leak) || leak.Blocks != len(sizes)+2 || leak.Bytes < 3<<20+50<<10 {
		t.Errorf("Close: %v", err)
	}
	if got := vm.ReadStats().Mapped; got != before {
		t.Errorf("%d bytes are mapped after Close", got-before)
	}
	for _, a := range []mem.Allocator{s, c} {
		for _, size := range []int{10, 100, 1000, 50 << 10, 3 << 20} {
			if _, err := a.Alloc(size, mem.Layout{}); !errors.Is(err, mem.ErrClosed) {
				t.Errorf("%T: Alloc(%d) after Close: %v", a, size, err)
			}
		}
		expectMisuse(t, heap.UseAfterClose, func() { a.Free(b, mem.Layout{}) })
	}
	if err := errors.Join(s.Close(), c.Close(), c.Close()); err != nil {
		t.Error(err)
	}
	if s.Trim() != 0 || s.Stats().Reserved != 0 {
		t.Errorf("after Close: %+v", s.Stats())
	}
}

func TestSMPDefaultNeverCloses(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	heap.Default().Close()
}

func TestSMPNonsense(t *testing.T) {
	for name, f := range map[string]func(){
		"NewSMP": func() { heap.NewSMP(heap.SMPOptions{Retain: -1}) },
		"Alloc":  func() { heap.Default().Alloc(-1, mem.Layout{}) },
		"align":  func() { heap.Default().Alloc(-5, mem.Layout{Align: mem.Align(16)}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
	for _, size := range []int{math.MaxInt, math.MaxInt - 4096} {
		for _, align := range []int{0, 3, 20} {
			if _, err := heap.Default().Alloc(size, mem.Layout{Align: mem.AlignLog2(align)}); !errors.Is(err, mem.ErrOutOfMemory) {
				t.Errorf("Alloc(%d): %v", size, err)
			}
		}
	}
}

// A cache that two goroutines use at once is reported, in every build.
func TestSMPCacheZeroValue(t *testing.T) {
	c, b := new(heap.SMPCache), make([]byte, 8)
	var err error
	wantMisuse(t, heap.Uninitialised, func() { _, err = c.Alloc(8, mem.Layout{}) })
	if err == nil {
		t.Error("Alloc returned no error")
	}
	wantMisuse(t, heap.Uninitialised, func() { _, err = c.Alloc(1<<20, mem.Layout{}) })
	if err == nil {
		t.Error("Alloc of a large block returned no error")
	}
	wantMisuse(t, heap.Uninitialised, func() { c.Free(b, mem.Layout{}) })
	wantMisuse(t, heap.Uninitialised, func() { c.Resize(b, mem.Layout{}, 4) })
	wantMisuse(t, heap.Uninitialised, func() { c.Remap(b, mem.Layout{}, 16) })
	if n := c.Trim(); n != 0 {
		t.Errorf("Trim() = %d", n)
	}
	if _, ok := mem.As[*heap.SMP](c); ok || c.Pointers() != mem.PlainOnly {
		t.Error("something is behind nothing")
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
}

func TestSMPCacheConcurrentUse(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{})
	c := s.Cache()
	b := must(c.Alloc(10, mem.Layout{}))
	leave := heap.EnterCache(c) // as another goroutine would
	for name, f := range map[string]func(){
		"Alloc": func() { c.Free(must(c.Alloc(10, mem.Layout{})), mem.Layout{}) },
		"Free":  func() { c.Free(b, mem.Layout{}) },
	} {
		found := misuses(t, func() {
			f()
			heap.EnterCache(c)
		})
		if len(found) == 0 || found[0].Kind != heap.ConcurrentUse {
			t.Errorf("%s: reported %v", name, found)
		}
	}
	leave()
	allocatortest.NoMisuse(t, func() { c.Free(must(c.Alloc(10, mem.Layout{})), mem.Layout{}) })
	c.Close()
	heap.CheckSMP(s)
}

// A cache that was dropped gives back what it kept.
func TestSMPCacheDropped(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{})
	func() {
		c := s.Cache()
		for range 3 {
			b := must(c.Alloc(100, mem.Layout{}))
			defer c.Free(b, mem.Layout{})
		}
	}()
	for i := 0; ; i++ {
		runtime.GC()
		runtime.Gosched()
		s.Trim()
		if st := s.Stats(); st.Blocks == 0 && len(st.Classes) == 0 {
			break
		} else if i == 1000 {
			t.Fatalf("still there: %+v", st)
		}
	}
	heap.CheckSMP(s)
}

func TestSMPCopied(t *testing.T) {
	if !invariant.Enabled {
		t.Skip("copies are found in builds with invariants")
	}
	s := heap.NewSMP(heap.SMPOptions{})
	testCopied(t, s)
	testCopied(t, s.Cache())
}

// What has an SMP and one of its caches as fields is dropped as anything else, once
// the cache is closed.
func TestSMPCacheEmbedded(t *testing.T) {
	type both struct {
		smp   heap.SMP
		cache *heap.SMPCache
	}
	x := new(both)
	x.cache = x.smp.Cache()
	x.cache.Close()
	testCollected(t, weak.Make(x))
}

// testCollected fails unless the collector finds what p points to, which the caller
// does not use any more.
func testCollected[T any](t *testing.T, p weak.Pointer[T]) {
	t.Helper()
	for range 200 {
		if runtime.GC(); p.Value() == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("it is still there")
}
