package guard

import (
	"errors"
	"math/bits"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/vm"
)

// Places come in classes by their number of pages: exact up to 2^fine, and 2^fine
// classes for every doubling above, so that at most an eighth of a place stays
// idle. That is address space, since only pages that a block touches take memory.
// The sides have classes of their own: a guarded page between two places adjoins
// the tenant of one of them, never of both.

const (
	fine    = 3
	classes = (bits.UintSize - fine) << fine

	// Regions of a class grow from few places to as many as fit here, so that a
	// program with few blocks takes little, and one with very many has few
	// mappings. A place too large for that has a region to itself.
	firstPlaces = 16
	maxRegion   = 1 << 20 << (bits.UintSize / 64 * 5) // 32 MiB on 64-bit systems
)

// classOf returns the class of a place of n bytes, which are whole pages and
// more than none, and how many it has.
//
//go:norace
func classOf(n int, side Side) (c, rounded int, ok bool) {
	page := vm.PageSize()
	pages := uint(n/page) - 1 // so that a power of two belongs to what is below
	first := 0
	if side == End {
		first = classes
	}
	if pages < 1<<fine {
		return first + int(pages), n, true
	}
	shift := bits.Len(pages) - fine - 1
	top := pages >> shift // 2^fine to 2^(fine+1)-1
	rounded = int((top+1)<<shift) * page
	return first + (shift+1)<<fine + int(top-1<<fine), rounded, rounded/page == int((top+1)<<shift) && rounded >= n
}

// take returns a place of class c, which is inaccessible.
//
//go:norace
func (p *Pool) take(c, rounded int) (*place, error) {
	k := &p.classes[c]
	if r := k.newest; r != nil && r.let < len(r.places) {
		r.let++
		return &r.places[r.let-1], nil
	}
	if at := k.oldest; at != nil {
		k.oldest = at.next
		if k.oldest == nil {
			k.latest = nil
		}
		at.next = nil
		return at, nil
	}
	if at := k.stuck; at != nil && p.seal(at) {
		k.stuck, at.next = at.next, nil
		p.stuck--
		return at, nil
	}
	if err := p.grow(k, rounded); err != nil {
		return nil, err
	}
	return p.take(c, rounded)
}

// put adds a place to those that may be let again.
//
//go:norace
func (p *Pool) put(c int, at *place) {
	k := &p.classes[c]
	if k.latest == nil {
		k.oldest = at
	} else {
		k.latest.next = at
	}
	k.latest = at
}

// grow adds a region of places of n bytes.
//
//go:norace
func (p *Pool) grow(k *class, n int) error {
	page := vm.PageSize()
	count := firstPlaces
	if k.newest != nil {
		count = 2 * len(k.newest.places)
	}
	if n > maxRegion {
		count = 1
	} else {
		count = max(1, min(count, maxRegion/(n+page)))
	}
	if n > maxRange-2*page {
		return vm.ErrTooLarge
	}
	pages, err := vm.MapReal(page+count*(n+page), page)
	if err != nil {
		return err
	}
	by, err := guardAll(pages, count == 1)
	if err != nil {
		if err != errLost {
			vm.Unmap(pages)
		}
		return err
	}
	r := &region{base: address(pages), pages: pages, by: by, cap: n, first: p.count, places: make([]place, count)}
	p.count += count
	for i := range r.places {
		at := &r.places[i]
		at.region, at.sealed = r, true
		at.start = r.base + uintptr(page+i*(n+page))
	}
	p.add(r)
	k.newest, p.by = r, by
	return nil
}

const maxRange = 1<<(bits.UintSize-2) - 1

// guardAll makes pages inaccessible in the best way that works. That is, if they
// are many for few blocks, the one that need not visit each.
//
//go:norace
func guardAll(pages []byte, many bool) (by vm.Guarding, err error) {
	if many {
		if err := guardFresh(pages, vm.Protection); err == nil || err == errLost {
			return vm.Protection, err
		}
	}
	err = vm.ErrUnsupported
	for _, by := range vm.Guardings() {
		if err = guardFresh(pages, by); err == nil || err == errLost {
			return by, err
		}
	}
	return vm.NoGuarding, err
}

// guardFresh makes pages inaccessible that have no memory, or returns an error and
// leaves them as they are, unless that is errLost.
//
//go:norace
func guardFresh(pages []byte, by vm.Guarding) error {
	err := vm.Guard(pages, by)
	if err == vm.ErrKept && vm.Unguard(pages, vm.Keeping) != nil { // they are locked
		return errLost
	}
	return err
}

// errLost says that pages are inaccessible for good: whoever mapped them must
// neither use nor unmap them.
var errLost = errors.New("guard: pages are inaccessible and cannot be given back")

// add puts r among the regions.
//
//go:norace
func (p *Pool) add(r *region) {
	all := make([]*region, len(p.regions)+1)
	i := 0
	for ; i < len(p.regions) && p.regions[i].base < r.base; i++ {
		all[i] = p.regions[i]
	}
	all[i] = r
	for ; i < len(p.regions); i++ {
		all[i+1] = p.regions[i]
	}
	p.regions = all
}

// region returns the region that addr is in, or nil.
//
//go:norace
func (p *Pool) region(addr uintptr) *region {
	low, high := 0, len(p.regions)
	for low < high {
		if mid := int(uint(low+high) / 2); p.regions[mid].base <= addr {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low == 0 || addr-p.regions[low-1].base >= uintptr(len(p.regions[low-1].pages)) {
		return nil
	}
	return p.regions[low-1]
}

// index returns which place addr is in, the guarded page after it included; the
// first page of all counts as place 0.
//
//go:norace
func (r *region) index(addr uintptr) int {
	page := uintptr(vm.PageSize())
	if addr-r.base < page {
		return 0
	}
	return int((addr - r.base - page) / (uintptr(r.cap) + page))
}

// tenant returns the place of the block at addr, which the caller holds.
//
//go:norace
func (p *Pool) tenant(addr uintptr) *place {
	r := p.region(addr)
	at := &r.places[r.index(addr)]
	if at.t.Addr != addr {
		panic("guard: no block at that address")
	}
	return at
}

// settle makes t the tenant.
//
//go:norace
func (at *place) settle(t Tenant, align int) {
	from, mask := at.start, uintptr(align-1)
	if t.Side == End {
		t.Addr = (from + uintptr(at.region.cap) - uintptr(t.Size)) &^ mask
	} else {
		t.Addr = (from + mask) &^ mask
	}
	t.Live = true
	at.t = t
}

// pages returns those that the tenant touches, and where in them it starts.
//
//go:norace
func (at *place) pages() (pages []byte, front int) {
	mask := uintptr(vm.PageSize() - 1)
	from := at.t.Addr &^ mask
	to := (at.t.Addr + uintptr(at.t.Size) + mask) &^ mask
	base := at.region.base
	return at.region.pages[from-base : to-base : to-base], int(at.t.Addr - from)
}

// check looks at the order of the regions, and at the newest ones.
//
//go:norace
func (p *Pool) check() {
	if !invariant.Enabled {
		return
	}
	end := uintptr(0)
	for _, r := range p.regions {
		if r.base < end { // Check's arguments cost an allocation each
			invariant.Check(false, "guard: region %#x begins before %#x", r.base, end)
		}
		end = r.base + uintptr(len(r.pages))
		if r.let < 0 || r.let > len(r.places) {
			invariant.Check(false, "guard: %d of %d places let", r.let, len(r.places))
		}
	}
}
