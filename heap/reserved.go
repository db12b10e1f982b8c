package heap

import (
	"math/bits"
	"sync"

	"github.com/allod-dev/allod/internal/addrmap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

// Reserved gives every block room to grow: addresses after it that nobody else
// gets, so that Resize grows the block where it is, without a copy, until the
// room is used up. Want it for a few blocks that grow to a size unknown, and
// above all where others hold their addresses: the memory of a WebAssembly
// program, a table that readers use while it grows.
//
// Memory comes from the operating system. Room costs addresses, of which 64-bit
// systems have 128 TiB, but no memory: that is put behind whole pages as the
// block reaches them, and is zero then. What lies beyond the block's last page
// cannot be touched, and so neither can it be by mistake.
//
// Free gives memory and addresses back. Resize to a smaller size gives the pages
// back at once. Only Free ends a block's life: Remap is Resize, and never moves
// a block.
//
// Reserved is safe for concurrent use. It must not be copied. There is no useful
// zero value; call [NewReserved]. Nothing but its blocks needs to be given back,
// so there is no Close.
//
// The race detector does not see what happens in such memory. On systems that
// know nothing of the kind (js, wasip1, plan9), blocks are those of [Page], and
// may not be able to grow in place at all.
type Reserved struct {
	copies noCopy
	pages  Pages // in whose name the blocks stand in the table of live ones
	room   int

	mu       sync.Mutex
	rooms    addrmap.Map[int] // start of a block -> bytes of addresses it has
	reserved int              // their sum
}

var _ mem.Allocator = (*Reserved)(nil)

// Blocks are in the table of Page and Pages, which tells what a block is that
// somebody frees; it has their size, and rooms has the rest. What is committed of
// a block is its size in whole pages, always.

// ReservedStats says what a [Reserved] holds.
type ReservedStats struct {
	Blocks   int // live blocks
	Bytes    int // their size, in whole pages
	Reserved int // bytes of addresses, those of the blocks themselves among them
}

// defaultRoom is 4 GiB on 64-bit systems, which is all that a 32-bit program can
// address, and little where addresses are scarce.
const defaultRoom = 16 << 20 << (bits.UintSize / 64 * 8)

// NewReserved returns a Reserved whose blocks can grow to room bytes: 0 stands for
// 4 GiB, or 16 MiB on 32-bit systems. It panics if room is negative.
func NewReserved(room int) *Reserved {
	if room < 0 {
		panic("heap: NewReserved: negative room")
	}
	if room == 0 {
		room = defaultRoom
	}
	return &Reserved{pages: Pages{id: pagesMade.Add(1)}, room: room}
}

// Alloc implements [mem.Allocator]. The block is zero whether asked for or not. A
// block that is larger than the room has none beyond its last page.
func (r *Reserved) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("heap: Reserved.Alloc", size)
	return r.alloc("heap: Reserved.Alloc", size, r.room, l)
}

// AllocRoom is Alloc of a block that can grow to room bytes, rather than to the
// number that NewReserved was told.
func (r *Reserved) AllocRoom(size, room int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("heap: Reserved.AllocRoom", size)
	return r.alloc("heap: Reserved.AllocRoom", size, room, l)
}

func (r *Reserved) alloc(op string, size, room int, l mem.Layout) ([]byte, error) {
	r.copies.check(op)
	if r.room == 0 {
		return nil, zeroValue(op, "NewReserved")
	}
	if !vm.HasOS {
		return r.pages.alloc(op, size, l)
	}
	if l.Kind == mem.Managed {
		return nil, mem.Refuse(l)
	}
	n, ok := vm.Whole(size)
	if !ok {
		return nil, mem.ErrTooLarge
	}
	if room, ok = vm.Whole(max(room, size)); !ok {
		return nil, mem.ErrTooLarge
	}
	b, err := vm.Reserve(room, l.Align.Bytes())
	if err != nil {
		return nil, pageError(err)
	}
	if err := vm.Commit(b[:n]); err != nil {
		vm.Unreserve(b, 0)
		return nil, pageError(err)
	}
	r.note(address(b), room)
	livePages.add(address(b), size, r.pages.id)
	return b[:size:size], nil
}

// Resize implements [mem.Allocator]. It refuses what has no room, and what the
// system has no memory for.
func (r *Reserved) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: Reserved.Resize", size)
	return r.resize("heap: Reserved.Resize", b, l, size)
}

// Remap implements [mem.Allocator]. It is Resize: the block does not move.
func (r *Reserved) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: Reserved.Remap", size)
	return r.resize("heap: Reserved.Remap", b, l, size)
}

func (r *Reserved) resize(op string, b []byte, l mem.Layout, size int) ([]byte, bool) {
	if r.room == 0 {
		_ = zeroValue(op, "NewReserved")
		return b, false
	}
	if !vm.HasOS {
		return r.pages.resize(op, b, l, size, false)
	}
	if !r.pages.take(op, b) {
		return b, false
	}
	whole := wider(b, r.roomOf(b))
	if !recommitted(whole, len(b), size) {
		livePages.add(address(b), len(b), r.pages.id)
		return b, false
	}
	livePages.add(address(b), size, r.pages.id)
	return r.pages.regrown(b, whole, l, size), true
}

// recommitted makes the first size bytes of whole what is committed of it, rather
// than the first old bytes, or returns false.
func recommitted(whole []byte, old, size int) bool {
	if size > len(whole) {
		return false
	}
	have, _ := vm.Whole(old)
	want, _ := vm.Whole(size)
	switch {
	case want > have:
		return vm.Commit(whole[have:want]) == nil
	case want < have:
		return vm.Uncommit(whole[want:have]) == nil
	}
	return true
}

// Free implements [mem.Allocator].
func (r *Reserved) Free(b []byte, _ mem.Layout) {
	const op = "heap: Reserved.Free"
	if r.room == 0 {
		_ = zeroValue(op, "NewReserved")
		return
	}
	if !vm.HasOS {
		r.pages.release(op, b)
		return
	}
	if !r.pages.take(op, b) {
		return
	}
	n, _ := vm.Whole(len(b))
	whole := wider(b, r.roomOf(b))
	r.note(address(b), 0) // before somebody else gets the addresses
	vm.Unreserve(whole, n)
}

// Pointers returns [mem.PlainOnly].
func (r *Reserved) Pointers() mem.Pointers { return mem.PlainOnly }

// Owns implements [mem.Owner]. It costs what it costs with [Page].
func (r *Reserved) Owns(b []byte) bool { return r.pages.Owns(b) }

// GoodSize implements [mem.GoodSizer]: it rounds size up to whole pages.
func (r *Reserved) GoodSize(size int, _ mem.Layout) int { return goodPageSize(size) }

// Room returns to how many bytes the live block b can grow: what is reserved for
// it.
func (r *Reserved) Room(b []byte) int {
	if !vm.HasOS {
		return len(b)
	}
	return r.roomOf(b)
}

// Stats returns what r holds. It takes a time that grows with the number of
// blocks, and is not a snapshot of one moment.
func (r *Reserved) Stats() ReservedStats {
	blocks, bytes := livePages.count(r.pages.id)
	return ReservedStats{Blocks: blocks, Bytes: bytes, Reserved: r.sum(bytes)}
}

// sum returns how many bytes are reserved.
//
//go:norace
func (r *Reserved) sum(bytes int) int {
	if !vm.HasOS {
		return bytes
	}
	r.lock()
	defer r.unlock()
	return r.reserved
}

// roomOf returns the room of a block that is the caller's.
//
//go:norace
func (r *Reserved) roomOf(b []byte) int {
	r.lock()
	defer r.unlock()
	room, _ := r.rooms.Get(address(b))
	return room
}

// note writes down the room of the block at addr, or forgets it if room is 0.
//
//go:norace
func (r *Reserved) note(addr uintptr, room int) {
	r.lock()
	defer r.unlock()
	old, _ := r.rooms.Get(addr)
	if room > 0 {
		r.rooms.Put(addr, room)
	} else {
		r.rooms.Delete(addr)
	}
	r.reserved += room - old
	r.check()
}

// The race detector must not take the lock for a reason why one goroutine comes
// after another.

//go:norace
func (r *Reserved) lock() {
	race.Disable()
	r.mu.Lock()
}

//go:norace
func (r *Reserved) unlock() {
	r.mu.Unlock()
	race.Enable()
}

// check adds the rooms up, while there are few.
//
//go:norace
func (r *Reserved) check() {
	if !invariant.Enabled || r.rooms.Len() > 64 {
		return
	}
	sum := 0
	for i := range r.rooms.Slots() {
		if _, room, ok := r.rooms.At(i); ok {
			sum += room
		}
	}
	invariant.Check(sum == r.reserved, "heap: Reserved: %d bytes are reserved, counted %d", sum, r.reserved)
}
