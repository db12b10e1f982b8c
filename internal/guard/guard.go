// Package guard serves blocks that lie between pages nobody can access, and
// knows whose block it was when somebody did.
//
// A [Pool] keeps places for blocks. A place is as many pages as a block needs,
// between two that are always guarded. All pages of a place are guarded as long
// as nobody lives there; a tenant gets those that it touches. Places are never
// unmapped and are let again oldest first, so that a pointer to a block that was
// freed goes on to fault for as long as possible, and never leads into memory
// that is none of the pool's.
//
// The race detector knows nothing of this memory.
package guard

import (
	"errors"
	"math/bits"
	"sync"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/stack"
	"github.com/allod-dev/allod/internal/vm"
)

// A Pool is safe for concurrent use. The zero Pool is empty and ready.
type Pool struct {
	mu      sync.Mutex
	regions []*region // in the order of their addresses
	classes [2 * classes]class
	by      vm.Guarding // of the newest region
	open    int         // places that are accessible in regions with protection, but those that keep
	keeping int         // places that keep their memory
	stuck   int         // places in the lists of that name
	count   int         // places in all regions
	watch   func(place int, t *Tenant)
}

// class is the places of one size for one side.
type class struct {
	newest *region // the one with places that were never let
	oldest *place  // to be let again, linked by next
	latest *place
	stuck  *place // released, but accessible or not emptied, linked by next
}

// A region is one mapping: a guarded page, then places, each of which ends with
// a guarded page.
type region struct {
	base   uintptr
	pages  []byte
	by     vm.Guarding
	cap    int     // bytes of a place without the page after it
	first  int     // number of its first place among those of all regions
	places []place // [:let] were let at some time
	let    int
}

type place struct {
	t       Tenant
	start   uintptr // its first byte, after the guarded page
	region  *region
	next    *place
	sealed  bool // no page is accessible
	keeps   bool // its memory, which is one page in a mapping of its own
	soiled  bool // was let before, and its memory is what it was then
	drained bool // soiled, but its memory was given back
}

// A Tenant is a block, or what is remembered of one until its place is let
// again.
type Tenant struct {
	Addr        uintptr
	Size        int
	Alloc, Free stack.ID
	Owner       uint64
	Side        Side
	Live        bool
}

// Side says what a block is put against.
type Side bool

// The sides of a block that a guarded page can adjoin. On the other there is
// what is left over of a page. Next to [End] it is as near as the alignment
// lets.
const (
	Start Side = false
	End   Side = true
)

// MaxAlign is the largest alignment that is served, in bytes.
const MaxAlign = 4 << 20

// To find a page of memory for a block and to give it back takes most of the time
// of a call. Most blocks are shorter than a page, and there are few at a time: so
// the first places of one page keep theirs. Each is two mappings then, itself and
// what cuts it off, for good: where all others take mappings too, few do.

// keepMost is how many places may keep their memory, a quarter of them in regions
// with protection.
var keepMost = sync.OnceValue(func() int {
	const bytes = 32 << 20
	if !vm.CanKeep {
		return 0
	}
	return min(bytes/vm.PageSize(), vm.MaxMappings()/8)
})

// As in other tables that the race detector must not take for a reason why one
// goroutine comes after another, the lock is hidden from it, nothing here is
// instrumented, and there is no copy, append or map.

//go:norace
func (p *Pool) lock() {
	race.Disable()
	p.mu.Lock()
}

//go:norace
func (p *Pool) unlock() {
	p.check()
	p.mu.Unlock()
	race.Enable()
}

// Alloc returns zero pages that t.Size > 0 bytes at a multiple of align lie in,
// and where in them. It remembers t as the tenant. On an error, which is ErrFull
// or one of package vm, nothing happened.
//
//go:norace
func (p *Pool) Alloc(t Tenant, align int) (pages []byte, front int, err error) {
	n, ok := vm.Whole(t.Size)
	room := n + max(0, align-vm.PageSize())
	if !ok || align > MaxAlign || room < n {
		return nil, 0, vm.ErrTooLarge
	}
	c, rounded, ok := classOf(room, t.Side)
	if !ok {
		return nil, 0, vm.ErrTooLarge
	}
	p.lock()
	at, err := p.take(c, rounded)
	if err != nil {
		p.unlock()
		return nil, 0, err
	}
	if at.keeps = at.keeps || at.t.Size == 0 && p.mayKeep(at); !at.keeps && at.region.by == vm.Protection {
		if p.full() {
			p.put(c, at)
			p.unlock()
			return nil, 0, ErrFull
		}
		p.open++
	}
	before := at.t
	at.settle(t, align)
	pages, front = at.pages()
	at.sealed = false
	p.tell(at)
	by := at.by()
	if !at.soiled { // it is guarded as all of the region is
		by = at.region.by
	}
	p.unlock()
	open := vm.Unguard
	if at.drained {
		open = vm.Refill
	}
	if err := open(pages, by); err != nil {
		p.lock()
		at.t, at.sealed = before, true
		p.tell(at)
		p.shut(at)
		p.put(c, at)
		p.unlock()
		return nil, 0, err
	}
	if at.kept() {
		clear(pages)
	}
	at.soiled, at.drained = at.keeps, false
	return pages, front, nil
}

// mayKeep tells whether a place that is let for the first time is to keep its
// memory.
//
//go:norace
func (p *Pool) mayKeep(at *place) bool {
	r, page, most := at.region, vm.PageSize(), keepMost()
	if r.by == vm.Protection {
		most /= 4
	}
	if r.cap != page || p.keeping >= most || p.full() {
		return false
	}
	end := int(at.start-r.base) + page
	if vm.Separate(r.pages[end:end+page]) != nil {
		return false
	}
	if before := end - 2*page; before == 0 && vm.Separate(r.pages[:page]) != nil {
		return false
	}
	p.keeping++
	return true
}

// by returns how a place is guarded that was let.
//
//go:norace
func (at *place) by() vm.Guarding {
	if at.keeps {
		return vm.Keeping
	}
	return at.region.by
}

// Watch makes the pool call f for each tenant that comes, or goes, with the number
// of its place, and for those that are there already; nil ends that. The pool is
// locked when f is called, which must not use it.
//
//go:norace
func (p *Pool) Watch(f func(place int, t *Tenant)) {
	p.lock()
	defer p.unlock()
	p.watch = f
	for _, r := range p.regions {
		for i := range r.let {
			p.tell(&r.places[i])
		}
	}
}

// tell calls who watches.
//
//go:norace
func (p *Pool) tell(at *place) {
	if p.watch == nil {
		return
	}
	r := at.region
	p.watch(r.first+r.index(at.start), &at.t)
}

// ErrFull says that more guarded blocks would need more mappings than a process
// should have.
var ErrFull = errors.New("guard: too many mappings")

// full tells whether no place may be opened that takes mappings to open: itself,
// and what it cuts off behind it. The Go runtime ends the process when it gets
// none, and others need some, so that part of what may be had is left.
//
//go:norace
func (p *Pool) full() bool {
	most := vm.MaxMappings()
	return most > 0 && len(p.regions)+2*(p.open+p.keeping) >= most-most/16
}

// shut counts a place that is inaccessible again.
//
//go:norace
func (p *Pool) shut(at *place) {
	if at.by() == vm.Protection {
		p.open--
	}
}

// Retire makes the block at addr, which is live, inaccessible. On an error its
// pages can still be accessed, and hold anything. Its place is not let again
// before [Pool.Release] either way, and not as long as it keeps memory that the
// system did not take back.
//
//go:norace
func (p *Pool) Retire(addr uintptr, free stack.ID) error {
	p.lock()
	at := p.tenant(addr)
	at.t.Live, at.t.Free = false, free
	p.tell(at)
	pages, _ := at.pages()
	at.sealed = true
	p.unlock()
	by := at.by()
	if by == vm.Keeping {
		// What was freed is nobody's to find, in a core dump for one.
		start := int(addr - address(pages))
		clear(pages[start : start+at.t.Size])
	}
	err := vm.Guard(pages, by)
	switch {
	case err != nil && err != vm.ErrKept:
		p.lock()
		at.sealed = false
		p.unlock()
		return err
	case by == vm.Protection:
		p.lock()
		at.soiled = err != nil
		p.shut(at)
		p.unlock()
	}
	return nil
}

// Release lets go of the place of the block at addr, which was retired. A place
// that cannot be made inaccessible, or does not lose its memory, is not used again
// until it can: see [Pool.Stuck].
//
//go:norace
func (p *Pool) Release(addr uintptr) {
	p.lock()
	defer p.unlock()
	at := p.tenant(addr)
	c, _, _ := classOf(at.region.cap, at.t.Side)
	if !p.seal(at) {
		k := &p.classes[c]
		at.next, k.stuck = k.stuck, at
		p.stuck++
		return
	}
	p.put(c, at)
}

// seal makes a place inaccessible that was released, and its memory the system's
// unless it keeps it, and tells whether that is so.
//
//go:norace
func (p *Pool) seal(at *place) bool {
	pages, _ := at.pages()
	if !at.sealed {
		err := vm.Guard(pages, at.by())
		if err != nil && err != vm.ErrKept {
			return false
		}
		at.sealed = true
		at.soiled = at.soiled || err != nil
		p.shut(at)
	}
	if at.soiled && !at.keeps {
		if vm.Drain(pages) != nil {
			return false
		}
		at.soiled = false
	}
	return true
}

// Stuck returns how many places were released, and wait for the system to make
// them inaccessible or to take their memory back.
//
//go:norace
func (p *Pool) Stuck() int {
	p.lock()
	defer p.unlock()
	return p.stuck
}

// Find returns the tenant that an access to addr is most likely about: that of
// the place that addr is in; on a guarded page, the one that was put against it;
// otherwise the nearest of those beside, rather one that is live. It is not ok
// if there is none.
//
//go:norace
func (p *Pool) Find(addr uintptr) (t Tenant, ok bool) {
	p.lock()
	defer p.unlock()
	r := p.region(addr)
	if r == nil {
		return t, false
	}
	i := r.index(addr)
	best := Unlikely
	for j := max(i-1, 0); j <= min(i+1, r.let-1); j++ {
		at := &r.places[j]
		if n := r.doubt(at, addr); at.t.Size > 0 && n < best {
			best, t = n, at.t
		}
	}
	return t, t.Size > 0
}

// doubt tells how unlikely it is that an access to addr is about the tenant of a
// place: less if addr is in the place or adjoins its tenant by intent, then if
// that is live, then if it is near.
//
//go:norace
func (r *region) doubt(at *place, addr uintptr) uintptr {
	end := at.start + uintptr(r.cap)
	n := at.t.distance(addr)
	if !at.t.Live {
		n += farther
	}
	page := uintptr(vm.PageSize())
	switch {
	case addr-at.start < uintptr(r.cap):
		return 0
	case at.t.Side == End && addr-end < page, at.t.Side == Start && at.start-addr <= page:
		return n
	}
	return n + 2*farther
}

// Doubt is doubt for who knows the tenant but not its place: [Unlikely] if addr is
// beyond the pages beside those of t.
func (t *Tenant) Doubt(addr uintptr) uintptr {
	page := uintptr(vm.PageSize())
	n := t.distance(addr)
	switch {
	case n == 0:
		return 0
	case n >= 2*page:
		return Unlikely
	case !t.Live:
		n += 2 * page
	}
	if t.Side == End != (addr > t.Addr) {
		n += 4 * page
	}
	return n
}

// Unlikely is more doubt than there can be.
const Unlikely = ^uintptr(0)

// farther is more than two bytes of neighbouring places can be apart.
const farther = 1 << (bits.UintSize - 3)

// By returns how the pages of the newest region are guarded, and NoGuarding if
// there is no region.
//
//go:norace
func (p *Pool) By() vm.Guarding {
	p.lock()
	defer p.unlock()
	return p.by
}

// distance returns how far addr is from the nearest byte of t.
//
//go:norace
func (t *Tenant) distance(addr uintptr) uintptr {
	switch {
	case addr < t.Addr:
		return t.Addr - addr
	case addr-t.Addr >= uintptr(t.Size):
		return addr - t.Addr - uintptr(t.Size-1)
	}
	return 0
}
