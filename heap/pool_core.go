package heap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"slices"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/rtype"
	"github.com/allod-dev/allod/mem"
)

// poolCore is what a Pool does that does not depend on the type of its objects.
type poolCore struct {
	stride uintptr            // from one slot to the next; 0 if objects have no size
	plain  bool               // the collector does not look at objects: Create clears
	stale  bool               // objects are plain, and hold pointers
	poison bool               // fill what is destroyed, in builds with invariants
	filled uint               // mag[:filled] is the magazine; filled <= len(mag)
	mag    [magazine]poolSlot // free slots, the next one last

	current *poolSlab   // that the magazine was last filled from, if there is one
	slabs   []*poolSlab // in the order of their ids
	sorted  []*poolSlab // in the order of their addresses
	addrs   []uintptr   // of these
	cells   []*poolSlab // a slab that is at the addresses from low+i<<shift on; maybe noSlab
	low     uintptr     // the least of addrs
	shift   uint
	avail   []uint64 // a bit per slab: its summary is not empty
	bump    int      // slabs before this one have no fresh slots

	slots  int // in all slabs
	fresh  int // of these, how many have been used since the last reset
	parked int // of these, how many are free and not in the magazine
	bytes  int // size of all slabs

	child   mem.Allocator
	layout  mem.Layout // of a slab
	size    int        // of an object
	preheat int
	most    int   // objects at once
	err     error // of every request, once there is one

	meter meterRef // where others read what is held
}

// poolPairs tells that pairs of Create and Destroy are cut short. Not where each
// call is checked, or told to the race detector.
const poolPairs = !invariant.Enabled && !race.Enabled

// poolSlot is a free slot, by its address and by that of the byte that tells
// whether its object is live. Both are in memory that the slab keeps. They are
// numbers, so that storing them is not the collector's business.
type poolSlot struct {
	addr uintptr
	live uintptr
}

// poolSlab is a block of the child, cut into slots. A slot is fresh until it is
// used for the first time; it then is live, or in the magazine, or parked: free,
// with its group's bit set in the summary.
type poolSlab struct {
	addr    uintptr  // of block
	span    uintptr  // len(block)
	live    []byte   // a byte per slot, 1 if its object is live; a whole number of groups
	summary []uint64 // a bit per group of 64: may have parked slots
	top     uint64   // a bit per word of the summary that is not zero
	block   []byte
	id      int
	n       int // slots; at most maxSlots
	fresh   int // slots before this one are not fresh
	touched int // what fresh was at most, before resets
}

// noSlab is where cells have no slab.
var noSlab poolSlab

const (
	magazine        = 64             // a group fits
	maxSlots        = 64 * 64 * 64   // in a slab, so that top is one word
	poolFirstSlab   = 4 << 10        // bytes
	poolLargestSlab = 64 << 20       // bytes, if it holds more than one slot
	largeObject     = 1 << 10        // bytes; from here on fresh slots are not cleared
	enough          = magazine/2 + 1 // slots for one refill
	slabCells       = 32             // for each slab but the first
)

func (c *poolCore) init(child mem.Allocator, l mem.Layout, err error, o PoolOptions) {
	c.child, c.layout, c.err = child, l, err
	c.size = l.Type.Size()
	c.preheat = o.Preheat
	c.most = o.Max
	if c.most == 0 {
		c.most = math.MaxInt
	}
	pointers := l.Type.HasPointers()
	c.stale = pointers && l.Kind == mem.Local // unless the first slab tells otherwise
	c.plain = !pointers || c.stale
	if c.size == 0 || err != nil {
		return
	}
	c.layout.Align = l.Align.Max(o.Align)
	// Objects without pointers are cleared one by one. For large ones fresh
	// memory that is zero already is worth asking for.
	c.layout.Zero = pointers || c.size >= largeObject
	stride, ok := strideFor(c.size, c.layout)
	if !ok {
		c.err = mem.ErrTooLarge
		return
	}
	c.stride = uintptr(stride)
	if invariant.Enabled {
		c.poison = !pointers && !rtype.FactsOf(l.Type.Reflect()).Bools
	}
}

// strideFor returns how far apart objects are, which is a multiple of the
// alignment; and of the size, if slabs may be typed.
func strideFor(size int, l mem.Layout) (stride int, ok bool) {
	align := l.Align.Bytes()
	if l.Kind != mem.Plain {
		shift := max(l.Align.Log2()-bits.TrailingZeros(uint(size)), 0)
		if size > math.MaxInt>>shift {
			return 0, false
		}
		return size << shift, true
	}
	if size > math.MaxInt-(align-1) {
		return 0, false
	}
	return (size + align - 1) &^ (align - 1), true
}

// refill puts free slots into the empty magazine: parked ones if there are any,
// then fresh ones, then those of a new slab. Zeroed tells that it is one slot,
// known to be zero.
func (c *poolCore) refill() (zeroed bool, err error) {
	c.measure()
	if c.current != nil && c.current.top != 0 {
		c.takeParked(c.current)
		return false, nil
	}
	if c.parked > 0 {
		for i, w := range c.avail {
			if w != 0 {
				s := c.slabs[i*64+bits.TrailingZeros64(w)]
				c.current = s
				c.takeParked(s)
				return false, nil
			}
		}
	}
	for ; c.bump < len(c.slabs); c.bump++ {
		if s := c.slabs[c.bump]; s.fresh < s.n {
			c.current = s
			return c.takeFresh(s), nil
		}
	}
	if err := c.grow(); err != nil {
		return false, err
	}
	s := c.slabs[c.bump]
	c.current = s
	return c.takeFresh(s), nil
}

// noCurrent empties the magazine, whose slots the caller takes care of.
func (c *poolCore) noCurrent() {
	c.current, c.filled = nil, 0
}

// takeParked moves parked slots of s into the magazine, the lowest first, whole
// groups until there are enough.
func (c *poolCore) takeParked(s *poolSlab) {
	k := 0
	for k < enough && s.top != 0 {
		a := bits.TrailingZeros64(s.top)
		g := a*64 + bits.TrailingZeros64(s.summary[a])
		free := s.freeIn(g)
		if k+bits.OnesCount64(free) > magazine {
			break
		}
		for ; free != 0; free &= free - 1 {
			c.mag[k] = c.slot(s, uintptr(g*64+bits.TrailingZeros64(free)))
			k++
		}
		if s.summary[a] &= s.summary[a] - 1; s.summary[a] == 0 {
			s.top &= s.top - 1
		}
	}
	if s.top == 0 {
		c.avail[s.id>>6] &^= 1 << (s.id & 63)
	}
	c.parked -= k
	slices.Reverse(c.mag[:k])
	c.filled = uint(k)
}

// takeFresh moves the next fresh slots of s into the magazine: the rest of a
// group, or only one if objects are large and may be zero already.
func (c *poolCore) takeFresh(s *poolSlab) (zeroed bool) {
	from, to := s.fresh, min(s.fresh|63+1, s.n)
	if c.size >= largeObject {
		to = from + 1
		zeroed = from >= s.touched
	}
	for i := from; i < to; i++ {
		c.mag[to-1-i] = c.slot(s, uintptr(i))
	}
	s.fresh = to
	s.touched = max(s.touched, to)
	c.fresh += to - from
	c.filled = uint(to - from)
	return zeroed
}

func (c *poolCore) slot(s *poolSlab, index uintptr) poolSlot {
	return poolSlot{s.addr + index*c.stride, pointerAddress(&s.live[index])}
}

// put frees the slot of a live object of s.
func (c *poolCore) put(s *poolSlab, index uintptr) {
	s.live[index] = 0
	if c.filled < magazine {
		c.mag[c.filled] = c.slot(s, index)
		c.filled++
		return
	}
	c.park(s, index)
}

// park records that a slot is free and not in the magazine.
func (c *poolCore) park(s *poolSlab, index uintptr) {
	if g := index / 64; !s.knows(index) {
		s.summary[g/64] |= 1 << (g % 64)
		if s.top == 0 {
			c.avail[s.id>>6] |= 1 << (s.id & 63)
		}
		s.top |= 1 << (g / 64)
	}
	if c.parked++; c.parked%magazine == 0 {
		c.measure()
	}
}

// knows tells whether the summary has the group of a slot. In a slab of which
// much is parked it has nearly every one: to look costs less than to write where,
// for all that the processor knows, it is about to read.
func (s *poolSlab) knows(index uintptr) bool {
	g := index / 64
	return s.summary[g/64]>>(g%64)&1 != 0
}

// slabOf returns the slab that addr lies in, or nil.
func (c *poolCore) slabOf(addr uintptr) *poolSlab {
	if k := (addr - c.low) >> (c.shift % 64); k < uintptr(len(c.cells)) {
		if s := c.cells[k]; addr-s.addr < s.span {
			return s
		}
	}
	return c.search(addr)
}

// search is slabOf for an address where a cell has no slab, or another one.
func (c *poolCore) search(addr uintptr) *poolSlab {
	// Without a branch that depends on the address, which nobody could predict.
	from, n := uint(0), uint(len(c.addrs))
	for n > 1 {
		half := n / 2
		_, in := bits.Sub(uint(c.addrs[from+half]), uint(addr)+1, 0)
		from += half & -in
		n -= half
	}
	if from < uint(len(c.sorted)) {
		if s := c.sorted[from]; addr-s.addr < s.span {
			return s
		}
	}
	return nil
}

// divide makes the cells anew, many for each slab, so that few objects lie where
// two slabs share one, which then has the larger of them. Slabs that are far apart
// may share more.
func (c *poolCore) divide() {
	c.cells, c.low, c.shift = c.cells[:0], 0, 0
	if len(c.sorted) == 0 || c.stride != uintptr(c.size) {
		return
	}
	last := c.sorted[len(c.sorted)-1]
	c.low = c.addrs[0]
	span := last.addr - c.low + last.span
	for (span-1)>>c.shift > uintptr(slabCells*(len(c.sorted)-1)) {
		c.shift++
	}
	n := int((span-1)>>c.shift) + 1
	c.cells = slices.Grow(c.cells, n)[:n]
	for k := range c.cells {
		c.cells[k] = &noSlab
	}
	for _, s := range c.sorted {
		from := s.addr - c.low
		for k := from >> c.shift; k <= (from+s.span-1)>>c.shift; k++ {
			if c.cells[k].span < s.span {
				c.cells[k] = s
			}
		}
	}
}

// misuse reports what is wrong with destroying addr.
//
//go:noinline
func (c *poolCore) misuse(op string, addr uintptr) {
	m := &Misuse{Kind: ForeignFree, Op: op, Addr: addr, Size: c.size,
		Hint: "not an object of this pool; another pool of the type or the Go heap may have made it"}
	switch s := c.slabOf(addr); {
	case c.err == mem.ErrClosed:
		m.Kind, m.Hint = UseAfterClose, "Close destroyed all objects"
	case c.child == nil:
		m.Kind, m.Hint = Uninitialised, "the zero value has no child; call NewPool"
	case s == nil:
	case (addr-s.addr)%c.stride != 0:
		m.Kind, m.Hint = InteriorFree, "the pointer is not to the start of an object"
	default:
		m.Kind, m.Hint = DoubleFree, "no object is live there"
	}
	report(m)
}

// grow adds a slab as large as all others together, or as the first must be.
func (c *poolCore) grow() error {
	if c.err != nil {
		return c.err
	}
	if c.child == nil {
		return zeroValue("heap: Pool.Create", "NewPool")
	}
	if len(c.slabs) == 0 && c.preheat > 0 {
		return c.makeRoom(min(c.preheat, c.most))
	}
	n := c.fitting(max(c.bytes, poolFirstSlab) / int(c.stride))
	if n == 0 {
		return mem.ErrLimit
	}
	err := c.addSlab(n)
	// What was wished for is more than what is needed. A failure that a test
	// induced is passed on all the same, lest it go unnoticed.
	for n > 1 && errors.Is(err, mem.ErrOutOfMemory) && !errors.Is(err, ErrInduced) {
		n /= 2
		err = c.addSlab(n)
	}
	return err
}

// fitting returns how many slots a slab gets that is to have n: one at least,
// and none if the pool is full.
func (c *poolCore) fitting(n int) int {
	most := min(maxSlots, max(poolLargestSlab/int(c.stride), 1))
	return min(max(n, 1), most, c.most-c.slots)
}

// addSlab asks the child for a slab of n slots. On an error nothing changed.
func (c *poolCore) addSlab(n int) error {
	stride := int(c.stride)
	if n > math.MaxInt/stride {
		return mem.ErrTooLarge
	}
	b, err := c.child.Alloc(n*stride, c.layout)
	if err != nil {
		return err
	}
	if len(b) != n*stride || !c.layout.Align.Check(address(b)) {
		misuse(ChildLied, "heap: Pool.Create", b, "the block is too short or not aligned")
		return mem.ErrOutOfMemory
	}
	if c.stale && len(c.slabs) == 0 && !unscanned(b) {
		c.stale, c.plain = false, false // as it is with all slabs: they are of one place
	}
	groups := (n + 63) / 64
	s := &poolSlab{
		block: b, addr: address(b), span: uintptr(len(b)), id: len(c.slabs), n: n,
		live: make([]byte, groups*64), summary: make([]uint64, (groups+63)/64),
	}
	c.slabs = append(c.slabs, s)
	at, _ := slices.BinarySearch(c.addrs, s.addr)
	c.sorted = slices.Insert(c.sorted, at, s)
	c.addrs = slices.Insert(c.addrs, at, s.addr)
	c.divide()
	if len(c.slabs) > len(c.avail)*64 {
		c.avail = append(c.avail, 0)
	}
	c.slots += n
	c.bytes += len(b)
	c.measure()
	return nil
}

// dropSlabs gives back every slab for which drop answers true, asking of the
// newest first, and numbers the others anew. No object is live in what is
// dropped, and the magazine is not of it.
func (c *poolCore) dropSlabs(drop func(*poolSlab) bool) (freed int) {
	const gone = -1
	for _, s := range slices.Backward(c.slabs) {
		if !drop(s) {
			continue
		}
		s.id = gone
		c.slots -= s.n
		c.bytes -= len(s.block)
		c.fresh -= s.fresh
		c.parked -= s.fresh
		freed += len(s.block)
		c.child.Free(s.block, c.layout)
	}
	isGone := func(s *poolSlab) bool { return s.id == gone }
	c.slabs = slices.DeleteFunc(c.slabs, isGone)
	c.sorted = slices.DeleteFunc(c.sorted, isGone)
	c.addrs = c.addrs[:0]
	for _, s := range c.sorted {
		c.addrs = append(c.addrs, s.addr)
	}
	clear(c.cells[:cap(c.cells)])
	c.divide()
	clear(c.avail)
	for id, s := range c.slabs {
		s.id = id
		if s.top != 0 {
			c.avail[id>>6] |= 1 << (id & 63)
		}
	}
	c.bump = 0
	c.measure()
	return freed
}

// reset ends the life of every object. All slots are fresh again.
func (c *poolCore) reset() {
	for _, s := range c.slabs {
		used := s.block[:s.fresh*int(c.stride)]
		if race.Enabled {
			race.Free(used)
		}
		if !c.plain {
			c.layout.Type.Clear(used)
		} else if invariant.Enabled && c.poison {
			poison(used)
		}
		clear(s.live)
		clear(s.summary)
		s.top, s.fresh = 0, 0
	}
	clear(c.avail)
	c.noCurrent()
	c.bump, c.fresh, c.parked = 0, 0, 0
	c.measure()
}

// flush parks what is in the magazine.
func (c *poolCore) flush() {
	for c.filled > 0 {
		c.filled--
		m := c.mag[c.filled]
		s := c.slabOf(m.addr)
		c.park(s, (m.addr-s.addr)/c.stride)
	}
	c.noCurrent()
}

func (c *poolCore) len() int { return c.fresh - c.parked - int(c.filled) }

func (s *poolSlab) base() *byte { return &s.block[0] }

// liveIn returns a bit per slot of the group g, set if its object is live.
func (s *poolSlab) liveIn(g int) (mask uint64) {
	group := s.live[g*64 : g*64+64]
	for i := 0; i < 64; i += 8 {
		// Eight bytes of 0 or 1 become the top eight bits of the product.
		w := binary.LittleEndian.Uint64(group[i:])
		mask |= w * 0x0102040810204080 >> 56 << i
	}
	return mask
}

// freeIn returns a bit per slot of the group g, set if it is neither live nor
// fresh.
func (s *poolSlab) freeIn(g int) uint64 {
	free := ^s.liveIn(g)
	if left := s.fresh - g*64; left < 64 {
		free &= 1<<max(left, 0) - 1
	}
	return free
}

// nextLive returns the first slot from i on whose object is live, or -1.
func (s *poolSlab) nextLive(i int) int {
	if i >= s.fresh {
		return -1
	}
	n := bytes.IndexByte(s.live[i:s.fresh], 1)
	if n < 0 {
		return -1
	}
	return i + n
}

// empty tells whether no object of s is live.
func (s *poolSlab) empty() bool { return s.nextLive(0) < 0 }

// fullCheck is how many slots a pool may have and still be checked after every
// call; larger ones are checked in full only where slots move.
const fullCheck = 1 << 8

// check derives the counters, the summaries and the order of the slabs anew.
func (c *poolCore) check(moved bool) {
	if !invariant.Enabled || c.slots > fullCheck && !moved {
		return
	}
	const marked = 2 // the slot is in the magazine, for as long as check runs
	for _, m := range c.mag[:c.filled] {
		s := c.slabOf(m.addr)
		invariant.Check(s != nil, "heap: Pool: slot %#x in the magazine is in no slab", m.addr)
		index := (m.addr - s.addr) / c.stride
		invariant.Check(int(index) < s.fresh, "heap: Pool: slot %d in the magazine was never used", index)
		invariant.Check(m == c.slot(s, index), "heap: Pool: slot %d is not where the magazine says", index)
		invariant.Check(s.live[index] == 0, "heap: Pool: slot %d in the magazine is live, or there twice", index)
		s.live[index] = marked
	}
	slots, fresh, parked, size := 0, 0, 0, 0
	for id, s := range c.slabs {
		invariant.Check(s.id == id, "heap: Pool: slab %d has id %d", id, s.id)
		s.check()
		invariant.Check(id >= c.bump || s.fresh == s.n, "heap: Pool: slab %d before %d has fresh slots", id, c.bump)
		invariant.Check(s.top != 0 == (c.avail[id>>6]>>(id&63)&1 != 0), "heap: Pool: slab %d: top %#x is not what avail says", id, s.top)
		slots += s.n
		fresh += s.fresh
		size += len(s.block)
		parked += bytes.Count(s.live[:s.fresh], []byte{0})
	}
	for _, m := range c.mag[:c.filled] {
		*byteAt(&m.live) = 0
	}
	invariant.Check(slots == c.slots && fresh == c.fresh && parked == c.parked && size == c.bytes,
		"heap: Pool: %d slots, %d fresh, %d parked, %d bytes; counted %d, %d, %d, %d",
		c.slots, c.fresh, c.parked, c.bytes, slots, fresh, parked, size)
	invariant.Check(len(c.sorted) == len(c.slabs) && len(c.addrs) == len(c.slabs),
		"heap: Pool: %d of %d slabs are sorted, %d addresses", len(c.sorted), len(c.slabs), len(c.addrs))
	for i, s := range c.sorted {
		invariant.Check(c.addrs[i] == s.addr, "heap: Pool: address %d is not that of the slab", i)
	}
	for k, s := range c.cells {
		from := c.low + uintptr(k)<<c.shift
		invariant.Check(s == &noSlab || slices.Contains(c.slabs, s) && s.addr+s.span > from && s.addr-c.low <= uintptr(k+1)<<c.shift-1,
			"heap: Pool: cell %d has a slab that is not there", k)
	}
	for i := 1; i < len(c.sorted); i++ {
		a, b := c.sorted[i-1], c.sorted[i]
		invariant.Check(a.addr+a.span <= b.addr, "heap: Pool: slabs out of order or overlapping")
	}
}

// check verifies the summary of s against its slots.
func (s *poolSlab) check() {
	invariant.Check(s.fresh <= s.touched && s.touched <= s.n && s.n <= len(s.live) && len(s.live)%64 == 0,
		"heap: Pool: fresh %d, touched %d of %d slots, %d bytes", s.fresh, s.touched, s.n, len(s.live))
	invariant.Check(bytes.IndexByte(s.live[s.fresh:], 1) < 0, "heap: Pool: a fresh slot is live")
	for g := 0; g*64 < s.fresh; g++ {
		free := bytes.IndexByte(s.live[g*64:min(g*64+64, s.fresh)], 0) >= 0
		invariant.Check(!free || s.summary[g>>6]>>(g&63)&1 != 0, "heap: Pool: the summary does not know of free slots in group %d", g)
	}
	for a, w := range s.summary {
		invariant.Check(w != 0 == (s.top>>a&1 != 0), "heap: Pool: top %#x is not what summary %d says", s.top, a)
	}
}
