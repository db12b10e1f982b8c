package heap

import (
	"math"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

// Pages is [Page] with options: each block has pages of its own, which come
// from the operating system and go back when the block is freed. Want it where
// memory must be made of huge pages, must not be swapped out, must be there when
// Alloc returns, or should be told apart by those who look at the process.
//
// Memory comes from where [Page] takes it, Free does the same, and so do Resize
// and Remap; but a block that must stay locked or populated is never moved.
//
// Only Free and Remap end a block's life. Blocks are freed through the Pages
// that they came from, or a copy of its pointer; nothing else needs to be given
// back, so there is no Close.
//
// Pages is safe for concurrent use. It must not be copied. There is no useful
// zero value; call [NewPages].
type Pages struct {
	copies noCopy
	id     uintptr // in the table of live blocks; 0 for Page
	opts   PageOptions
	limit  int    // largest block
	name   []byte // with NUL; nil without a name
}

var _ mem.Allocator = (*Pages)(nil)

// PageOptions are the settings of [NewPages]. The zero value is [Page].
type PageOptions struct {
	// HugePages asks the system to use huge pages for blocks of at least one
	// such page, and aligns these blocks to it. It is advice: where the system
	// has no huge pages to give, blocks are made of small ones. Without it, only
	// blocks that grow are, unless SmallPages is set.
	HugePages bool

	// SmallPages keeps blocks that grow from being made of huge pages: those that
	// Remap makes up to twice as large, and so at least four huge pages. A program
	// does that with what is full and goes on filling, and spends most of its time
	// in the faults of small pages if it may not have large ones. What is too much
	// is less than one huge page for each block. Set it if the program forks, or
	// fears the time that the system may take to find a huge page.
	SmallPages bool

	// Lock keeps blocks in RAM, never to be written to swap. Alloc fails if the
	// limit on locked memory (RLIMIT_MEMLOCK) is reached, or if the process is
	// not allowed to lock any.
	Lock bool

	// Populate puts RAM behind a block in Alloc, rather than when the block is
	// touched, so that want of memory is an error of Alloc where the system can
	// tell in time.
	Populate bool

	// MaxSize is the size of the largest block; Alloc answers a larger request
	// with [mem.ErrTooLarge]. 0 means no limit or, where memory comes from the
	// Go heap, 1 GiB or less: see Page. A Go program that asks its heap for more
	// than there is dies.
	MaxSize int

	// Name labels the mappings, as in /proc/PID/maps on Linux: "[anon:Name]".
	// Systems that cannot, or do not like the name, leave it out.
	Name string
}

// PageStats says how much memory a [Page] or [Pages] holds.
type PageStats struct {
	Blocks int // live blocks
	Bytes  int // their size, in whole pages

	// Kept is the number of bytes in address ranges that the system did not take
	// back, or [math.MaxInt] if that is less, and KeptRanges the number of these
	// ranges. They hold no memory, are used again, and are shared by all in the
	// process. On 32-bit systems every range that was freed is one of them.
	Kept, KeptRanges int
}

// The table of live blocks is what stands between a mistaken Free and munmap,
// which would unmap whatever lies at the address: memory of C, of the Go
// runtime, or the program's text. A block leaves the table before its pages are
// touched in any way and comes back when that is done, so that of two goroutines
// that free the same block, one finds it, and the other is told.

var pagesMade atomic.Uintptr

// NewPages returns a Pages with the given options. It panics if opts.MaxSize is
// negative.
func NewPages(opts PageOptions) *Pages {
	if opts.MaxSize < 0 {
		panic("heap: NewPages: negative MaxSize")
	}
	return newPages(opts)
}

// newPages is NewPages for an allocator that makes its Pages when it first wants
// them: neither does the race detector see who makes it, nor the order in which
// that is.
//
//go:norace
func newPages(opts PageOptions) *Pages {
	race.Disable()
	defer race.Enable()
	p := &Pages{id: pagesMade.Add(1), opts: opts, limit: opts.MaxSize}
	if opts.Name != "" {
		p.name = append([]byte(opts.Name), 0)
	}
	return p
}

// Alloc implements [mem.Allocator]. The block is zero whether asked for or not.
func (p *Pages) Alloc(size int, l mem.Layout) ([]byte, error) {
	const op = "heap: Pages.Alloc"
	p.copies.check(op)
	return p.alloc(op, size, l)
}

// Resize implements [mem.Allocator]; see [Page.Resize].
func (p *Pages) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	return p.resize("heap: Pages.Resize", b, l, size, false)
}

// Remap implements [mem.Allocator].
func (p *Pages) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	return p.resize("heap: Pages.Remap", b, l, size, true)
}

// Free implements [mem.Allocator].
func (p *Pages) Free(b []byte, _ mem.Layout) { p.release("heap: Pages.Free", b) }

// Pointers returns [mem.PlainOnly].
func (p *Pages) Pointers() mem.Pointers { return mem.PlainOnly }

// Owns implements [mem.Owner]. It costs what it costs with [Page].
func (p *Pages) Owns(b []byte) bool {
	owner, _, _, ok := livePages.around(address(b))
	return ok && owner == p.id
}

// GoodSize implements [mem.GoodSizer]: it rounds size up to whole pages, and to
// huge ones where blocks that grow are made of them.
func (p *Pages) GoodSize(size int, _ mem.Layout) int {
	good := goodPageSize(size)
	least := growsHuge * vm.HugePageSize()
	if p.opts.HugePages {
		least = vm.HugePageSize()
	}
	if huge := vm.HugePageSize(); vm.CanMove && !p.opts.SmallPages && size >= least && size <= math.MaxInt-huge {
		good = (size + huge - 1) &^ (huge - 1)
	}
	if p.limit > 0 && good > p.limit {
		good = max(size, p.limit)
	}
	return good
}

// Trim implements [mem.Trimmer]; see [Page.Trim].
func (p *Pages) Trim() int { return vm.Trim() }

// Stats returns how much memory p holds. It takes a time that grows with the
// number of blocks, and is not a snapshot of one moment.
func (p *Pages) Stats() PageStats {
	s := vm.ReadStats()
	blocks, bytes := livePages.count(p.id)
	return PageStats{Blocks: blocks, Bytes: bytes, Kept: int(min(s.Kept, math.MaxInt)), KeptRanges: s.KeptRanges}
}

// fits rounds size up to whole pages, and tells whether p may serve that.
func (p *Pages) fits(size int) (n int, ok bool) {
	n, ok = vm.Whole(size)
	return n, ok && (p.limit == 0 || size <= p.limit)
}

func (p *Pages) alloc(op string, size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize(op, size)
	if l.Kind == mem.Managed {
		return nil, mem.Refuse(l)
	}
	n, ok := p.fits(size)
	if !ok {
		return nil, mem.ErrTooLarge
	}
	align := l.Align.Bytes()
	if huge := vm.HugePageSize(); p.opts.HugePages && n >= huge {
		align = max(align, huge)
	}
	limit := vm.GoHeapMax
	if p.limit > 0 {
		limit, _ = vm.Whole(p.limit)
	}
	b, err := vm.MapMax(n, align, limit)
	if err != nil {
		return nil, pageError(err)
	}
	if err := p.prepare(b); err != nil {
		vm.Unmap(b)
		return nil, pageError(err)
	}
	livePages.add(address(b), size, p.id)
	return b[:size:size], nil
}

// prepare does to new pages what the options ask for.
func (p *Pages) prepare(b []byte) error {
	p.advise(b, p.opts.HugePages)
	if p.name != nil {
		_ = vm.Name(b, p.name) // a nicety
	}
	if p.opts.Lock {
		if err := vm.Lock(b); err != nil {
			return err
		}
	}
	if p.opts.Populate {
		return vm.Populate(b)
	}
	return nil
}

func (p *Pages) resize(op string, b []byte, l mem.Layout, size int, move bool) ([]byte, bool) {
	mem.CheckSize(op, size)
	want, ok := p.fits(size)
	have, okHave := vm.Whole(len(b))
	if !ok || !okHave || want == have {
		// Nothing but the table changes, and that only if the block is p's.
		to := size
		if want != have || !ok {
			to = len(b)
		}
		if !p.mine(op, b, to) || !ok || !okHave {
			return b, false
		}
		return p.regrown(b, wider(b, have), l, size), true
	}
	if !p.take(op, b) {
		return b, false
	}
	whole := wider(b, have)
	r, ok := p.repaged(whole, l, want, move)
	if !ok {
		livePages.add(address(b), len(b), p.id)
		return b, false
	}
	livePages.add(address(r), size, p.id)
	return p.regrown(b, r, l, size), true
}

// repaged changes the number of pages of b.
func (p *Pages) repaged(b []byte, l mem.Layout, want int, move bool) ([]byte, bool) {
	if want < len(b) {
		p.unlock(b[want:])
		return vm.Shrink(b, want)
	}
	have := len(b)
	huge := p.opts.HugePages || move && !p.opts.SmallPages && want >= growsHuge*vm.HugePageSize() && want/2 <= have
	if r, ok := vm.Grow(b, want); ok {
		if p.prepare(r[have:]) != nil {
			if r, ok = vm.Shrink(r, have); ok {
				return b, false
			}
		}
		p.advise(r, huge)
		return r, true
	}
	// The system moves pages to any address, and can fail to lock or populate
	// when there is no way back.
	if !move || p.opts.Lock || p.opts.Populate || l.Align.Bytes() > vm.PageSize() {
		return b, false
	}
	r, ok := vm.Move(b, want, huge)
	if ok {
		p.advise(r, huge)
	}
	return r, ok
}

// growsHuge is the number of huge pages from which on a block that grows is made
// of such pages. At most one of them is more than is needed.
const growsHuge = 4

// advise asks for huge pages for all of b, so that it stays one mapping, which
// can be moved.
func (p *Pages) advise(b []byte, huge bool) {
	if huge && len(b) >= vm.HugePageSize() {
		_ = vm.AdviseHuge(b) // advice
	}
}

// regrown returns the first size bytes of pages, which hold what was b. Bytes
// after b in its last page may have been part of the block once.
func (p *Pages) regrown(b, pages []byte, l mem.Layout, size int) []byte {
	if size > len(b) && (l.Zero || l.Kind != mem.Plain) {
		old, _ := vm.Whole(len(b))
		clear(pages[len(b):min(size, old)])
	}
	return pages[:size:size]
}

func (p *Pages) release(op string, b []byte) {
	if !p.take(op, b) {
		return
	}
	n, _ := vm.Whole(len(b))
	whole := wider(b, n)
	p.unlock(whole)
	vm.Unmap(whole)
}

// unlock undoes Lock where unmapping does not.
func (p *Pages) unlock(b []byte) {
	if vm.GoHeap && p.opts.Lock {
		_ = vm.Unlock(b)
	}
}

// goodPageSize rounds size up to whole pages.
func goodPageSize(size int) int {
	if n, ok := vm.Whole(max(size, 1)); ok {
		return n
	}
	return size
}
