package heap_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/asan"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// pageAllocators lists Page and its variants, for tests that hold for all.
func pageAllocators() map[string]mem.Allocator {
	return map[string]mem.Allocator{
		"Page":  heap.Page{},
		"Pages": heap.NewPages(heap.PageOptions{}),
		"HugePages": heap.NewPages(heap.PageOptions{
			HugePages: true, Populate: true, Name: "allod test", MaxSize: 64 << 20,
		}),
	}
}

func TestPage(t *testing.T) {
	for name, a := range pageAllocators() {
		if name == "Pages" {
			continue // it differs from Page in its name
		}
		t.Run(name, func(t *testing.T) {
			allocatortest.RunWith(t, allocatortest.Promises{
				Concurrent: true, ReusesFreed: !vm.GoHeap, NoGarbage: !vm.GoHeap && !invariant.Enabled,
			}, func(*testing.T) mem.Allocator { return a })
		})
	}
}

func FuzzPage(f *testing.F) {
	f.Add([]byte("\x00\x05\x0c\x01\x10\x20\x02\x03\x04"))
	f.Add([]byte("map, grow, shrink, move, unmap; and once more with feeling"))
	f.Fuzz(func(t *testing.T, program []byte) {
		allocatortest.Play(t, heap.Page{}, program)
	})
}

func TestPageModel(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 10 {
		program := make([]byte, 1000)
		for i := range program {
			program[i] = byte(r.Uint32())
		}
		allocatortest.Play(t, heap.Page{}, program)
	}
}

func pageAlloc(t testing.TB, a mem.Allocator, size int, l mem.Layout) []byte {
	t.Helper()
	b, err := a.Alloc(size, l)
	if err != nil {
		t.Fatalf("Alloc(%d): %v", size, err)
	}
	return b
}

func pageFill(b []byte, v byte) {
	for i := range b {
		b[i] = v
	}
}

// pageLonger returns n bytes from the start of b, more than b has.
func pageLonger(b []byte, n int) []byte { return unsafe.Slice(unsafe.SliceData(b), n) }

// pageAway returns a slice as long as b, so many bytes behind it, where nobody may look.
func pageAway(b []byte, n uintptr) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), n)), len(b))
}

// pageUnkept returns a size for which the system must be asked: no kept range has
// it, nor what is mapped ahead.
func pageUnkept(t testing.TB) int {
	kept := uint(vm.ReadStats().Kept) // more than an int holds, maybe
	if kept >= math.MaxInt/2 {
		t.Skip("most addresses are kept already")
	}
	return int(kept) + 1<<20
}

// pageNot returns the first index at which b is not v, or -1.
func pageNot(b []byte, v byte) int {
	if bytes.Count(b, []byte{v}) == len(b) {
		return -1
	}
	return slices.IndexFunc(b, func(c byte) bool { return c != v })
}

func TestPageAlignments(t *testing.T) {
	page := vm.PageSize()
	for name, a := range pageAllocators() {
		for _, size := range []int{1, 7, page - 1, page, page + 1, 10 * page, 3<<20 + 1} {
			for log2 := 0; log2 <= 25; log2 += 1 + log2/22 {
				l := mem.Layout{Align: mem.AlignLog2(log2)}
				b := pageAlloc(t, a, size, l)
				if addr := addressOf(b); !l.Align.Check(addr) {
					t.Errorf("%s: Alloc(%d, align %v): at %#x", name, size, l.Align, addr)
				}
				b[0], b[size-1] = 1, 1
				a.Free(b, l)
			}
		}
	}
	for log2 := 26; log2 < bits.UintSize-1; log2++ {
		l := mem.Layout{Align: mem.AlignLog2(log2)}
		b, err := heap.Page{}.Alloc(1, l)
		if err != nil {
			if !errors.Is(err, mem.ErrOutOfMemory) {
				t.Errorf("align %v: %v", l.Align, err)
			}
			break
		}
		heap.Page{}.Free(b, l)
	}
}

func TestPageTooLarge(t *testing.T) {
	var a heap.Page
	for k := 0; k <= 64<<10; k = k*2 + 1 {
		for _, align := range []int{1, 1 << 20} {
			l := mem.Layout{Align: mem.Align(align)}
			b, err := a.Alloc(math.MaxInt-k, l)
			if err == nil { // 32 bits of addresses may have room
				a.Free(b, l)
			} else if !errors.Is(err, mem.ErrOutOfMemory) {
				t.Errorf("Alloc(MaxInt-%d): %v", k, err)
			}
		}
		b := pageAlloc(t, a, 1, mem.Layout{})
		if _, ok := a.Resize(b, mem.Layout{}, math.MaxInt-k); ok {
			t.Errorf("Resize(MaxInt-%d): true", k)
		}
		if _, ok := a.Remap(b, mem.Layout{}, math.MaxInt-k); ok && math.MaxInt > math.MaxInt32 {
			t.Errorf("Remap(MaxInt-%d): true", k)
		}
		a.Free(b, mem.Layout{})
	}
	if _, err := a.Alloc(math.MaxInt, mem.Layout{}); err != mem.ErrTooLarge {
		t.Errorf("Alloc(MaxInt): %v, want ErrTooLarge", err)
	}
	if vm.GoHeap {
		if _, err := a.Alloc(vm.GoHeapMax+1, mem.Layout{}); err != mem.ErrTooLarge {
			t.Errorf("Alloc beyond the limit of the Go heap: %v, want ErrTooLarge", err)
		}
	}
}

// A block that shrank, and grew again, shows nothing of what it held.
func TestPageGrowthIsZero(t *testing.T) {
	page := vm.PageSize()
	l := mem.Layout{Zero: true}
	for name, a := range pageAllocators() {
		for _, to := range []int{1, page - 1, page, page + 1, 2*page - 1, 2 * page} {
			for _, again := range []int{page, 2 * page, 2*page + 1, 3 * page, 9 * page} {
				b := pageAlloc(t, a, 3*page, l)
				pageFill(b, 1)
				b, ok := a.Resize(b, l, to)
				if !ok {
					if !vm.GoHeap {
						t.Errorf("%s: Resize(%d -> %d) refused", name, 3*page, to)
					}
					a.Free(b, l)
					continue
				}
				have := len(b)
				if b, ok = a.Remap(b, l, again); ok && again > have {
					if i := pageNot(b[:have], 1); i >= 0 {
						t.Errorf("%s: %d -> %d -> %d: byte %d is lost", name, 3*page, to, again, i)
					}
					if i := pageNot(b[have:], 0); i >= 0 {
						t.Errorf("%s: %d -> %d -> %d: new byte %d is not zero", name, 3*page, to, again, i)
					}
				}
				a.Free(b, l)
			}
		}
	}
}

// Within its pages a block grows without a system call.
func TestPageResizeInPage(t *testing.T) {
	page := vm.PageSize()
	calls := 0
	b := pageAlloc(t, heap.Page{}, 1, mem.Layout{})
	undo := vm.Inject(func(vm.Call) error { calls++; return nil })
	b, ok := heap.Page{}.Resize(b, mem.Layout{}, page)
	b2, ok2 := heap.Page{}.Remap(b, mem.Layout{}, 5)
	undo()
	if !ok || !ok2 || len(b) != page || len(b2) != 5 || &b2[0] != &b[0] {
		t.Errorf("Resize(1 -> %d -> 5): %v, %v", page, ok, ok2)
	}
	if calls != 0 {
		t.Errorf("%d system calls", calls)
	}
	heap.Page{}.Free(b2, mem.Layout{})
}

func TestPageRemapMoves(t *testing.T) {
	page := vm.PageSize()
	var a heap.Page
	b := pageAlloc(t, a, 2*page, mem.Layout{})
	pageFill(b, 3)
	r, ok := a.Remap(b, mem.Layout{}, 1000*page)
	if ok && pageNot(r[:2*page], 3) >= 0 {
		t.Error("contents are lost")
	}
	if ok && &r[0] != &b[0] {
		if a.Owns(b) && addressOf(b)-addressOf(r) >= uintptr(len(r)) {
			t.Error("the old address still counts as owned")
		}
	}
	a.Free(r, mem.Layout{})
	// The system would move the block to any page: not good enough for this one.
	l := mem.Layout{Align: mem.Align(1 << 20)}
	b = pageAlloc(t, a, 1<<20, l)
	if r, ok := a.Remap(b, l, 64<<20); ok {
		if !l.Align.Check(addressOf(r)) {
			t.Errorf("Remap lost the alignment: %#x", addressOf(r))
		}
		b = r
	}
	a.Free(b, l)
}

func TestPageOwns(t *testing.T) {
	p := heap.NewPages(heap.PageOptions{})
	b := pageAlloc(t, p, 3*vm.PageSize()-10, mem.Layout{})
	for _, c := range []struct {
		name string
		b    []byte
		want bool
	}{
		{"start", b, true}, {"part", b[:1], true}, {"interior", b[vm.PageSize()+1:], true},
		{"last byte", b[len(b)-1:], true}, {"Go heap", make([]byte, 10), false}, {"nil", nil, false},
	} {
		if got := p.Owns(c.b); got != c.want {
			t.Errorf("%s: Pages.Owns = %v", c.name, got)
		}
		if (heap.Page{}).Owns(c.b) {
			t.Errorf("%s: Page owns a block of Pages", c.name)
		}
	}
	p.Free(b, mem.Layout{})
	if p.Owns(b) {
		t.Error("owns a block that was freed")
	}
}

func TestPageGoodSize(t *testing.T) {
	page := vm.PageSize()
	for size, want := range map[int]int{1: page, page: page, page + 1: 2 * page, 0: page, math.MaxInt: math.MaxInt} {
		if got := mem.GoodSize(heap.Page{}, size, mem.Layout{}); got != want {
			t.Errorf("GoodSize(%d) = %d, want %d", size, got, want)
		}
		if got := mem.GoodSize(heap.NewPages(heap.PageOptions{}), size, mem.Layout{}); got != want {
			t.Errorf("Pages.GoodSize(%d) = %d, want %d", size, got, want)
		}
	}
}

func TestPageGoodSizeHuge(t *testing.T) {
	if !vm.CanMove {
		t.Skip("blocks that grow are not made of huge pages here")
	}
	huge, page := vm.HugePageSize(), vm.PageSize()
	for _, c := range []struct {
		name       string
		opts       heap.PageOptions
		size, want int
	}{
		{"small block", heap.PageOptions{}, 4*huge - 1, 4 * huge},
		{"small block", heap.PageOptions{}, 3*huge + 1, 3*huge + page},
		{"large block", heap.PageOptions{}, 4*huge + 1, 5 * huge},
		{"small pages", heap.PageOptions{SmallPages: true}, 4*huge + 1, 4*huge + page},
		{"huge pages", heap.PageOptions{HugePages: true}, huge + 1, 2 * huge},
		{"limited", heap.PageOptions{MaxSize: 4*huge + 7}, 4*huge + 1, 4*huge + 7},
		{"over the limit", heap.PageOptions{MaxSize: huge}, 4*huge + 1, 4*huge + 1},
	} {
		if got := heap.NewPages(c.opts).GoodSize(c.size, mem.Layout{}); got != c.want {
			t.Errorf("%s: GoodSize(%d) = %d, want %d", c.name, c.size, got, c.want)
		}
	}
}

// countAdvice counts the calls, until the end of the test, that advise the system.
func countAdvice(t *testing.T) *atomic.Int32 {
	advised := new(atomic.Int32)
	t.Cleanup(vm.Inject(func(c vm.Call) error {
		if c == vm.CallAdvise {
			advised.Add(1)
		}
		return nil
	}))
	return advised
}

// A block that grows by steps is to be of huge pages, one that jumps is not: it
// may be a table in which little will ever be written.
func TestPageGrowthIsHuge(t *testing.T) {
	if !vm.CanMove {
		t.Skip("blocks that grow are not made of huge pages here")
	}
	advised := countAdvice(t)
	huge := vm.HugePageSize()
	for _, c := range []struct {
		name     string
		opts     heap.PageOptions
		from, to int
		remap    bool
		want     bool
	}{
		{"by a half", heap.PageOptions{}, 4 * huge, 6 * huge, true, true},
		{"to no whole huge page", heap.PageOptions{}, 4 * huge, 5*huge + 1, true, true},
		{"twice", heap.PageOptions{}, 2 * huge, 4 * huge, true, true},
		{"jump", heap.PageOptions{}, 2 * huge, 6 * huge, true, false},
		{"to little", heap.PageOptions{}, 3 * huge, 4*huge - vm.PageSize(), true, false},
		{"in place", heap.PageOptions{}, 4 * huge, 6 * huge, false, false},
		{"small pages", heap.PageOptions{SmallPages: true}, 4 * huge, 6 * huge, true, false},
		{"huge pages", heap.PageOptions{HugePages: true}, 2 * huge, 6 * huge, true, true},
	} {
		p := heap.NewPages(c.opts)
		b := pageAlloc(t, p, c.from, mem.Layout{})
		b[0], b[c.from-1] = 1, 2
		advised.Store(0)
		resize := p.Resize
		if c.remap {
			resize = p.Remap
		}
		r, ok := resize(b, mem.Layout{}, c.to)
		if !ok && c.remap {
			t.Errorf("%s: Remap failed", c.name)
		}
		if ok && (len(r) != c.to || r[0] != 1 || r[c.from-1] != 2 || r[c.from] != 0 || r[c.to-1] != 0) {
			t.Errorf("%s: contents are lost, or what was added is not zero", c.name)
		}
		if got := advised.Load() > 0; ok && got != c.want {
			t.Errorf("%s: advised: %v, want %v", c.name, got, c.want)
		}
		if s := p.Stats(); s.Blocks != 1 {
			t.Errorf("%s: %+v", c.name, s)
		}
		p.Free(r, mem.Layout{})
	}
}

func TestPageManaged(t *testing.T) {
	for name, a := range pageAllocators() {
		l := mem.LayoutOf[*int]()
		if _, err := a.Alloc(64, l); !errors.Is(err, mem.ErrPointers) {
			t.Errorf("%s: managed block: %v", name, err)
		}
		if a.Pointers() != mem.PlainOnly {
			t.Errorf("%s: Pointers() = %v", name, a.Pointers())
		}
		l.Kind = mem.Local
		b := pageAlloc(t, a, 64, l)
		a.Free(b, l)
	}
}

func TestPageNotPositive(t *testing.T) {
	b := pageAlloc(t, heap.Page{}, 1, mem.Layout{})
	for _, size := range []int{0, -1, math.MinInt} {
		for name, f := range map[string]func(){
			"Alloc":  func() { heap.Page{}.Alloc(size, mem.Layout{}) },
			"Resize": func() { heap.Page{}.Resize(b, mem.Layout{}, size) },
			"Remap":  func() { heap.Page{}.Remap(b, mem.Layout{}, size) },
		} {
			mustPanic(t, fmt.Sprintf("heap: Page.%s: size %d is not positive", name, size), f)
		}
	}
	heap.Page{}.Free(b, mem.Layout{})
	mustPanic(t, "heap: NewPages: negative MaxSize", func() { heap.NewPages(heap.PageOptions{MaxSize: -1}) })
}

func TestPagesMaxSize(t *testing.T) {
	p := heap.NewPages(heap.PageOptions{MaxSize: 10_000})
	b := pageAlloc(t, p, 10_000, mem.Layout{})
	if _, err := p.Alloc(10_001, mem.Layout{}); err != mem.ErrTooLarge {
		t.Errorf("Alloc(10001): %v, want ErrTooLarge", err)
	}
	if _, ok := p.Resize(b, mem.Layout{}, 10_001); ok {
		t.Error("Resize beyond MaxSize")
	}
	if _, ok := p.Remap(b, mem.Layout{}, 1<<30); ok {
		t.Error("Remap beyond MaxSize")
	}
	p.Free(b, mem.Layout{})
}

func TestPagesStats(t *testing.T) {
	p := heap.NewPages(heap.PageOptions{})
	page := vm.PageSize()
	b := pageAlloc(t, p, 1, mem.Layout{})
	c := pageAlloc(t, p, 3*page-1, mem.Layout{})
	if s := p.Stats(); s.Blocks != 2 || s.Bytes != 4*page {
		t.Errorf("stats %+v, want 2 blocks, %d bytes", s, 4*page)
	}
	c, _ = p.Resize(c, mem.Layout{}, 2*page)
	if s := p.Stats(); s.Bytes != 3*page {
		t.Errorf("after Resize: %+v, want %d bytes", s, 3*page)
	}
	p.Free(b, mem.Layout{})
	p.Free(c, mem.Layout{})
	if s := p.Stats(); s.Blocks != 0 || s.Bytes != 0 {
		t.Errorf("at the end: %+v", s)
	}
}

// A block that is locked can be used as any other, and is not moved.
func TestPagesLock(t *testing.T) {
	page := vm.PageSize()
	p := heap.NewPages(heap.PageOptions{Lock: true, Populate: true})
	b, err := p.Alloc(2*page, mem.Layout{})
	if err != nil {
		t.Skipf("cannot lock memory here: %v", err)
	}
	pageFill(b, 1)
	if r, ok := p.Remap(b, mem.Layout{}, 4*page); ok {
		if &r[0] != &b[0] {
			t.Error("a locked block moved")
		}
		b = r
	}
	b, _ = p.Resize(b, mem.Layout{}, page)
	if i := pageNot(b[:page], 1); i >= 0 {
		t.Errorf("byte %d is lost", i)
	}
	p.Free(b, mem.Layout{})
}

func TestPageDoesNotAllocate(t *testing.T) {
	if asan.Enabled {
		t.Skip("sanitized builds allocate more")
	}
	if vm.GoHeap || invariant.Enabled {
		t.Skip("pages come from the Go heap, or checks allocate")
	}
	var a heap.Page
	if n := testing.AllocsPerRun(200, func() {
		b, err := a.Alloc(10_000, mem.Layout{})
		if err != nil {
			t.Error(err)
			return
		}
		b, _ = a.Resize(b, mem.Layout{}, 100)
		b, _ = a.Remap(b, mem.Layout{}, 100_000)
		a.Free(b, mem.Layout{})
	}); n != 0 {
		t.Errorf("%v allocations on success", n)
	}
	p := heap.NewPages(heap.PageOptions{Lock: true})
	for _, errno := range []error{syscall.ENOMEM, syscall.EAGAIN, syscall.EPERM, syscall.EINVAL} {
		for _, failing := range []vm.Call{vm.CallMap, vm.CallLock} {
			size := pageUnkept(t)
			undo := vm.Inject(func(c vm.Call) error {
				if c == failing {
					return errno
				}
				return nil
			})
			if n := testing.AllocsPerRun(20, func() {
				if _, err := p.Alloc(size, mem.Layout{}); err == nil {
					t.Error("no error")
				}
			}); n != 0 {
				t.Errorf("%v allocations on %v of %v", n, errno, failing)
			}
			undo()
		}
	}
	if n := testing.AllocsPerRun(20, func() { a.Alloc(math.MaxInt, mem.Layout{}) }); n != 0 {
		t.Errorf("%v allocations for a request too large", n)
	}
}

// Blocks that one goroutine asks for and another frees.
func TestPageConcurrent(t *testing.T) {
	const workers = 4
	n := 500
	if race.Enabled {
		n = 100
	}
	var a heap.Page
	before := a.Stats().Blocks
	ch := make(chan []byte, 16)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 9))
			for range n {
				b, err := a.Alloc(r.IntN(5*vm.PageSize())+1, mem.Layout{})
				if err != nil {
					t.Error(err)
					return
				}
				if pageNot(b, 0) >= 0 {
					t.Error("not zero")
				}
				pageFill(b, byte(w+1))
				ch <- b
				b = <-ch
				if pageNot(b, b[0]) >= 0 {
					t.Error("somebody else wrote to this block")
				}
				if r.IntN(2) == 0 {
					b, _ = a.Remap(b, mem.Layout{}, r.IntN(9*vm.PageSize())+1)
				}
				a.Free(b, mem.Layout{})
			}
		})
	}
	wg.Wait()
	for len(ch) > 0 {
		a.Free(<-ch, mem.Layout{})
	}
	if got := a.Stats().Blocks; got != before {
		t.Errorf("%d blocks are left", got-before)
	}
}
