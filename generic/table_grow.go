package generic

import (
	"math"
	"math/bits"

	"github.com/allod-dev/allod/mem"
)

// A directory is what a table of more than one part has beside the directory
// itself, which lookups need at hand.
type directory[K comparable, V any] struct {
	slabs    []slab[K, V] // memory of the parts; those behind used hold none yet
	fresh    slab[K, V]   // of slabs[used], what is not yet a part
	warm     int          // bytes of the slots of fresh that warmUp is done with
	cold     bool         // warmUp may have more to do
	used     int
	parts    int
	reserved int // as long as there are fewer entries, no part is split
}

// A slab is memory for one part, or for several in a row. The slots have a larger
// capacity than length if the control bytes are in the same block.
type slab[K comparable, V any] struct {
	ctrl  []byte
	slots []slot[K, V]
}

// ctrlBytes returns how many bytes a part of n groups has: one for each slot, and
// one for each group.
func ctrlBytes(n int) int { return n * (groupLen + 1) }

// A part takes at most partBytes, unless its slots are very large: few entries
// would be spread too unevenly. Splitting three is then a matter of a quarter of
// a millisecond. Slots of 16 bytes may take twice as much, which is split in not much
// more: with half as many parts the directory stays in the nearest caches,
// and misses, which wait for nothing else, take 8 % less time.
//
// Memory for parts is asked for in slabs, which grow with the table, to an
// eighth of it, and until one is as large as a huge page of most systems. An
// allocator that has huge pages to give then gives them: in a table much larger
// than the caches, what a search costs is two or three lines of memory and one
// entry of the page table, which huge pages make a hit of the TLB.
//
// They are variables for the tests.
var (
	partBytes = 160 << 10
	minPart   = 256
	maxPart   = 1 << (tagShift - groupShift)
)

const slabBytes = 2 << 20

// partGroups returns how many groups each part of a large table has.
func partGroups[K comparable, V any]() int {
	bytes := partBytes
	if sizeOf[slot[K, V]]() <= largeSlot {
		bytes *= 2
	}
	n := max(1, bytes/groupBytes[K, V]())
	return max(minPart, min(maxPart, 1<<(bits.Len(uint(n))-1)))
}

// groupBytes returns the size of a group and of what belongs to it.
func groupBytes[K comparable, V any]() int {
	const ctrl = groupLen + 1
	return groupLen*min(sizeOf[slot[K, V]](), (math.MaxInt-ctrl)/groupLen) + ctrl
}

// groupsFor returns how many groups hold n entries in one part, or false if the
// number is out of range.
func groupsFor(n int) (int, bool) {
	if n <= groupLen {
		return min(n, 1), true
	}
	least := (n-1)/maxLoad + 1
	if least > 1<<(bits.UintSize-2)/groupLen {
		return 0, false
	}
	return 1 << bits.Len(uint(least-1)), true
}

// begin allocates the first group of a table without memory.
func (t *table[K, V]) begin(a mem.Allocator, ownedKeys bool, method string) error {
	return t.resize(a, 1, ownedKeys, method)
}

// roomFor makes room for one more entry, with hash h.
//
// A part that is full to its limit is split. It is filled beyond that if there is
// room in the table that was reserved, if there is no memory, or if the table is
// so empty, or the part was split so often, that the hash must be to blame. An
// entry that finds no slot left in its part goes into another, as a stray. So an
// entry can be added as long as the table as a whole has room, whatever the
// hashes are. With hashes that are good, hardly any part of many has no slot left
// when the table has no room.
func (t *table[K, V]) roomFor(a mem.Allocator, h uint64, ownedKeys bool, method string) error {
	for split := false; ; split = true {
		p := t.partOf(h)
		if p.room > 0 && t.room > 0 { // the others may be overfull
			if !split && t.more != nil && t.more.cold {
				t.warmUp(a, ownedKeys, method)
			}
			return nil
		}
		n := t.groups()
		if len(t.dir) == 0 && n < partGroups[K, V]() {
			return t.resize(a, 2*n, ownedKeys, method)
		}
		if t.room > 0 && (t.n < t.more.reserved || t.room/3 >= t.n || len(t.dir) > max(t.longDir(), 32*t.more.parts)) {
			return nil
		}
		var err error
		if t.stray > 0 {
			err = t.rebuild(a, 2*(t.n+t.room), ownedKeys, method)
		} else {
			err = t.splitOne(a, p, ownedKeys, method)
		}
		if err != nil {
			if t.room > 0 {
				return nil
			}
			return err
		}
	}
}

// longDir returns up to which length a directory may always double: while it takes
// no more memory than four parts. That of six million entries is shorter, that of
// 20 million where slots have 16 bytes, so that a table that is much smaller may
// yet be filled in the order of such a one.
func (t *table[K, V]) longDir() int {
	return 4 * t.groups() * groupBytes[K, V]() / sizeOf[part[K, V]]()
}

// ensure makes room for n entries in all. It panics if n is negative.
func (t *table[K, V]) ensure(a mem.Allocator, n int, ownedKeys bool, method string) error {
	if n < 0 {
		panic(method + ": negative capacity")
	}
	if n <= t.n || t.more == nil && n <= t.n+t.room || t.more != nil && n <= t.more.reserved {
		return nil
	}
	groups, ok := groupsFor(n)
	if !ok || groups > math.MaxInt/groupBytes[K, V]() {
		t.from.check(a, method)
		return mem.ErrTooLarge
	}
	if len(t.dir) == 0 && groups <= partGroups[K, V]() {
		if n > t.n+t.room {
			return t.resize(a, groups, ownedKeys, method)
		}
		t.more.reserved = n
		return nil
	}
	// Where the table as a whole has the room already, each part had better have what
	// it can expect; but all can be added as it is.
	fits := n <= t.n+t.room
	if fits && (t.stray > 0 || t.locks > 0) {
		t.more.reserved = n
		return nil
	}
	// To make a plan takes time for every part. Who asks for little again and again
	// is given more, if there is more.
	if more := n + n/64; n-t.n < n/64 && t.widen(a, more, ownedKeys, method) == nil {
		n = more
	} else if err := t.widen(a, n, ownedKeys, method); err != nil && !fits {
		return err
	}
	if t.more != nil {
		t.more.reserved = n
	}
	return nil
}

// ensureMore makes room for n more entries.
func (t *table[K, V]) ensureMore(a mem.Allocator, n int, ownedKeys bool, method string) error {
	switch {
	case n < 0:
		panic(method + ": negative count")
	case n > math.MaxInt-t.n:
		return mem.ErrTooLarge
	}
	return t.ensure(a, t.n+n, ownedKeys, method)
}

// resize makes the table one part of n groups, which have room for its entries,
// of one that has no directory. If ownedKeys is set, the pointers in keys are to
// memory of the same allocator.
func (t *table[K, V]) resize(a mem.Allocator, n int, ownedKeys bool, method string) error {
	t.from.check(a, method)
	t.unlocked(method)
	var old slab[K, V]
	if t.from != 0 {
		old = t.slabOf(&t.first)
	}
	held := len(old.slots) >> groupShift
	if 0 < held && held < n {
		x, ok, err := remapPart(a, old, n, ownedKeys)
		if err != nil {
			return err
		}
		if ok {
			t.setFirst(x)
			t.spread(&t.first, held)
			return nil
		}
	}
	x, err := allocPart[K, V](a, n, ownedKeys)
	if err != nil {
		return err
	}
	if held == 0 {
		t.hasher.begin(ownedKeys)
		t.from = originOf(a)
	}
	p := x.part()
	for i := range uint(held) {
		for m := wordAt(t.first.ctrl, i) & full; m != 0; m &= m - 1 {
			s := slotAt(t.first.slots, i<<groupShift+slotOf(m))
			*place(&p, uint(len(x.slots)-1), t.hash(&s.key)) = *s
		}
	}
	t.setFirst(x)
	old.free(a)
	return nil
}

// setFirst makes x the only part.
func (t *table[K, V]) setFirst(x slab[K, V]) {
	t.mask = uint32(len(x.slots) - 1)
	t.room = t.limit() - t.n
	t.first = x.part()
	t.first.room = int32(t.room)
	t.moved++
}

// spread distributes the entries of the first n groups of p, the others being
// empty, over all of them. Doubling in the block that there is takes no second
// block, and leaves about half of the entries where they are.
//
// To begin with, the control byte of every entry is turned into unplaced, which
// counts as free for entries that look for a slot. An entry that takes the slot
// of an unplaced one changes places with it.
func (t *table[K, V]) spread(p *part[K, V], n int) {
	const unplaced = 0x40
	ctrl, slots := t.ctrlOf(p), t.slotsOf(p)
	for i := range ctrl[:n<<groupShift] {
		ctrl[i] = ctrl[i] & 0x80 >> 1
	}
	passed := ctrl[len(slots):]
	clear(passed)
	mask := uint(t.mask)
	pointers := hasPointers[slot[K, V]]()
	for i := range uint(n) << groupShift {
		for ctrl[i] == unplaced {
			h := t.hash(&slots[i].key)
			to := t.home(h)
			if ctrl[to]&0x80 != 0 {
				j := to >> groupShift
				for step := uint(1); wordAt(p.ctrl, j)&full == full; step++ {
					if passed[j] != maxPass {
						passed[j]++
					}
					j = (j + step) & (mask >> groupShift)
				}
				word := wordAt(p.ctrl, j)
				free := ^word & full
				if j == i>>groupShift {
					to = i
				} else if empty := free &^ (word << 1); empty != 0 {
					to = j<<groupShift + slotOf(empty)
				} else {
					to = j<<groupShift + slotOf(free)
				}
			}
			was := ctrl[to]
			ctrl[to] = tagOf(h)
			switch {
			case to == i:
			case was == unplaced:
				slots[to], slots[i] = slots[i], slots[to]
			default:
				slots[to] = slots[i]
				ctrl[i] = 0
				if pointers {
					slots[i] = slot[K, V]{}
				}
			}
		}
	}
}

// rehash puts every entry where it would go if the others of its part were not
// there.
func (t *table[K, V]) rehash(method string) {
	t.unlocked(method)
	for p := range t.parts {
		t.spread(p, t.groups())
	}
	t.worn = false
	t.moved++
}

// direct makes what a table of one part needs beside its directory to become
// one of more.
func (t *table[K, V]) direct(a mem.Allocator) error {
	if t.more != nil {
		return nil
	}
	d, err := allocOwned[directory[K, V]](a, 1)
	if err != nil {
		return err
	}
	d[0].parts = 1
	t.more = &d[0]
	if err := t.growSlabs(a); err != nil {
		t.undirect(a)
		return err
	}
	// The part that there is counts as a slab, also while it may yet grow.
	t.more.slabs = append(t.more.slabs, t.slabOf(&t.first))
	return nil
}

// undirect is the opposite of direct.
func (t *table[K, V]) undirect(a mem.Allocator) {
	if t.more != nil {
		mem.Free(a, t.more.slabs)
		mem.Free(a, oneOf(t.more))
		t.more = nil
	}
}

// growSlabs makes room for another slab in the list of them.
func (t *table[K, V]) growSlabs(a mem.Allocator) error {
	d := t.more
	if len(d.slabs) < cap(d.slabs) {
		return nil
	}
	slabs, err := allocOwned[slab[K, V]](a, max(8, 2*cap(d.slabs)))
	if err != nil {
		return err
	}
	n := copy(slabs, d.slabs)
	mem.Free(a, d.slabs)
	d.slabs = slabs[:n]
	return nil
}

// slabParts returns for how many parts to ask at once.
func (t *table[K, V]) slabParts() int {
	per := max(1, sizeOf[slot[K, V]]()) * (int(t.mask) + 1)
	return max(1, min(t.more.parts/8, (slabBytes-1)/per+1))
}

// addSlab adds a slab of n parts.
func (t *table[K, V]) addSlab(a mem.Allocator, n int, ownedKeys bool) error {
	if err := t.growSlabs(a); err != nil {
		return err
	}
	x, err := allocSlab[K, V](a, n, t.groups(), ownedKeys)
	if err != nil {
		return err
	}
	t.more.slabs = append(t.more.slabs, x)
	return nil
}

// dropSlabs gives back all slabs but the first n.
func (t *table[K, V]) dropSlabs(a mem.Allocator, n int) {
	d := t.more
	for i := n; i < len(d.slabs); i++ {
		d.slabs[i].free(a)
		d.slabs[i] = slab[K, V]{}
	}
	d.slabs = d.slabs[:n]
}

// setDir makes the directory one of n copies, which are more than it has.
func (t *table[K, V]) setDir(a mem.Allocator, n int) error {
	dir, err := allocOwned[part[K, V]](a, n)
	if err != nil {
		return err
	}
	old := t.dir
	if len(old) == 0 {
		less := soleLimit(t.groups()) - t.partLimit(t.groups())
		t.first.room -= int32(less)
		t.room -= less
		old = oneOf(&t.first)
	}
	each := n / len(old)
	for i := range dir {
		dir[i] = old[i/each]
		dir[i].first *= uint32(each)
	}
	mem.Free(a, t.dir)
	t.first, t.dir = part[K, V]{}, dir
	t.shift = uint8(62 - bits.TrailingZeros(uint(n/3)))
	return nil
}

// rebuild moves all entries to new memory, which has room for n.
func (t *table[K, V]) rebuild(a mem.Allocator, n int, ownedKeys bool, method string) error {
	t.from.check(a, method)
	t.unlocked(method)
	c := table[K, V]{hasher: t.hasher, moved: t.moved + 1}
	groups, ok := groupsFor(n)
	if !ok {
		return mem.ErrTooLarge
	}
	per := partGroups[K, V]()
	if err := c.resize(a, max(1, min(groups, per)), ownedKeys, method); err != nil {
		return err
	}
	if groups > per {
		if err := c.widenParts(a, n, ownedKeys); err != nil {
			c.close(a, method)
			return err
		}
		if t.more != nil {
			c.more.reserved = t.more.reserved
		}
	}
	for s := range t.all {
		*c.add(c.hash(&s.key)) = *s
	}
	if t.from != 0 {
		t.close(a, method)
	}
	*t = c
	return nil
}

// shrink moves all entries into the least memory that holds them, if that is
// less than what there is, and if there is memory for it.
func (t *table[K, V]) shrink(a mem.Allocator, ownedKeys bool, method string) {
	if t.from == 0 {
		return
	}
	t.from.check(a, method)
	t.unlocked(method)
	if t.n == 0 {
		t.close(a, method)
		return
	}
	n, _ := groupsFor(t.n)
	if per := partGroups[K, V](); n > per {
		parts, _ := plan(t.n, t.partLimit(per), unit{span: leastDir, parts: 1}, leastDir)
		n = parts * per
	}
	held := t.groups()
	if t.more != nil {
		t.more.reserved = 0
		held = 0
		for _, s := range t.more.slabs {
			held += len(s.slots) >> groupShift
		}
	}
	if n < held {
		_ = t.rebuild(a, t.n, ownedKeys, method) // without memory, it stays as it is
	}
}

// copyOf returns a table with the entries of t. If they are many, they are in the
// same places. A few have an order of their own: t may have become many times as
// large when its entries are put into the copy, in the order of t, and would all
// be wanted in one part.
func (t *table[K, V]) copyOf(a mem.Allocator, method string) (table[K, V], error) {
	if !t.isSmall() {
		return t.copyOfMany(a, false, method)
	}
	c, err := t.copyWithout(a, false, method)
	if err != nil {
		return c, err
	}
	for s := range t.all {
		*c.add(c.hash(&s.key)) = *s
	}
	return c, nil
}

// isSmall tells whether a copy of t has an order of its own. What is larger takes
// what comes in the order of t, since the directory may be so much longer than
// parts are many.
func (t *table[K, V]) isSmall() bool { return t.more == nil || t.more.parts <= 16 }

// copyWithout returns a table with room for the entries of t, which is small, and
// for what is reserved there.
func (t *table[K, V]) copyWithout(a mem.Allocator, ownedKeys bool, method string) (table[K, V], error) {
	c := table[K, V]{hasher: hasher[K]{ctx: t.ctx}}
	c.from.check(a, method)
	switch {
	case t.n == 0:
		return c, nil
	case len(t.dir) == 0:
		err := c.resize(a, t.groups(), ownedKeys, method)
		return c, err
	}
	err := c.ensure(a, max(t.n, t.more.reserved), ownedKeys, method)
	return c, err
}

// copyOfMany returns a table with the entries of t, which has a directory, in the
// same places.
func (t *table[K, V]) copyOfMany(a mem.Allocator, ownedKeys bool, method string) (table[K, V], error) {
	c := table[K, V]{hasher: hasher[K]{ctx: t.ctx}}
	c.from.check(a, method)
	if t.n == 0 {
		return c, nil
	}
	c = *t
	c.from, c.locks = originOf(a), 0
	c.first, c.dir, c.more = part[K, V]{}, nil, nil
	if err := c.copyParts(a, t, ownedKeys); err != nil {
		c.closeParts(a)
		return table[K, V]{}, err
	}
	return c, nil
}

// copyParts gives c copies of the parts of t, in one slab.
func (c *table[K, V]) copyParts(a mem.Allocator, t *table[K, V], ownedKeys bool) error {
	d, err := allocOwned[directory[K, V]](a, 1)
	if err != nil {
		return err
	}
	c.more = &d[0]
	c.more.parts, c.more.reserved = t.more.parts, t.more.reserved
	if err := c.addSlab(a, t.more.parts, ownedKeys); err != nil {
		return err
	}
	dir, err := allocOwned[part[K, V]](a, len(t.dir))
	if err != nil {
		return err
	}
	c.dir = dir
	rest := c.more.slabs[0]
	for i := range t.dir {
		p := &t.dir[i]
		if int(p.first) != i {
			c.dir[i] = c.dir[p.first]
			continue
		}
		c.dir[i] = t.copyPart(p, rest.cut(t.groups()))
	}
	return nil
}

// copyPart copies p to x, and returns it as a part.
func (t *table[K, V]) copyPart(p *part[K, V], x slab[K, V]) part[K, V] {
	copy(x.ctrl, t.ctrlOf(p))
	copy(x.slots, t.slotsOf(p))
	q := x.part()
	q.room, q.first = p.room, p.first
	return q
}

// close gives the memory back and leaves the table as it was before it had any.
func (t *table[K, V]) close(a mem.Allocator, method string) {
	if t.from != 0 {
		t.from.check(a, method)
		t.unlocked(method)
		if t.more == nil {
			t.slabOf(&t.first).free(a)
		} else {
			t.closeParts(a)
		}
	}
	*t = table[K, V]{hasher: hasher[K]{ctx: t.ctx}, moved: t.moved + 1}
}

// closeParts gives back the memory of a table that has a directory, or was to
// have one.
func (t *table[K, V]) closeParts(a mem.Allocator) {
	if t.more != nil {
		t.dropSlabs(a, 0)
		t.undirect(a)
		mem.Free(a, t.dir)
	}
}
