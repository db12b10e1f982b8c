package generic

import (
	"math/bits"

	"github.com/allod-dev/allod/mem"
)

// A table is what the maps of this package have in common: everything but who
// owns the keys.
//
// It consists of groups of eight slots. Each slot has a control byte, 0 if the
// slot is empty, else 0x80 and seven bits of the hash of its key, and each group
// one byte that counts the entries that wanted a place in the group or passed it
// on the way, and found it full. The hash says which slot of which group a key
// wants. A search looks there first; then it compares the eight control bytes of
// the group at once, looks at keys only where the bits agree, and goes on to the
// next group of its sequence only while that counter is not 0.
//
// Since the counter goes down again when such an entry is removed, nothing is
// left behind by a removal: there are no tombstones, searches do not become
// slower as entries come and go, and no entry ever moves but when the table
// grows. The scheme is that of F14 (Facebook, 2019), with the groups of one
// machine word that Abseil uses where there are no vector instructions. A
// counter that reaches 255 stays there; with a hash that is any good it does
// not get near.
//
// The control bytes of a part lie together, apart from its slots: a fifteenth of
// the memory or so, which stays in the caches that slots do not fit into. A miss
// waits for no memory, nor does a processor that guessed wrong how a search goes
// on. The slot that a key wants, which two of three keys get, is known from the
// hash alone: its memory is asked for while the control byte is on its way, and
// for some searches to come as well. Keys and values lie next to each other, so that
// a hit waits for one line of them.
//
// Rejected: to take every slot from a comparison of all eight bytes, which guesses
// wrong less often, and made hits a third slower; and to do without control bytes
// and look at the keys of a line one by one, which took a quarter longer, since who
// guesses wrong there knows it only when the slot's memory has come.
//
// Groups are kept in parts, each of which is a hash table of its own. A small
// table is one part that doubles. A large one has parts of one fixed size and a
// directory that is indexed by the upper bits of the hash: extendible hashing
// (Fagin et al., 1979). A part that is full gives some of its entries to a new
// one, so that the longest insertion takes the time of a few parts, however large
// the table is, and no memory is needed for a second copy of anything. Which
// part gives what is at the type unit.
type table[K comparable, V any] struct {
	hasher[K]
	first part[K, V]       // the only part, if there is no directory
	dir   []part[K, V]     // none, or 6<<i; see directory
	more  *directory[K, V] // since there was to be more than one part
	n     int              // entries
	room  int              // entries that fit, without overfilling parts
	moved uint32           // how often entries changed their places
	mask  uint32           // slots in a part - 1
	stray uint32           // entries that are not in the part of their hash
	locks uint16           // entries must not move, unless it is 0
	from  origin           // where memory comes from; 0 if there is none
	shift uint8            // see index
	worn  bool             // counters may count entries that are gone
}

// A part of a table. The directory holds a copy for every index that is its own,
// which are some in a row; only the copy at the lowest index counts room.
type part[K comparable, V any] struct {
	ctrl  *byte       // a byte for each slot, then one for each group
	slots *slot[K, V] // as many for every part
	room  int32       // entries until it is full to its limit, which may be passed
	first uint32      // the lowest index of a copy
}

// A slot has the value in front: a value of no size behind the key would cost
// padding, so that a pointer to it does not point past the slot.
type slot[K, V any] struct {
	val V
	key K
}

// The bits of a hash are, from the lowest: three for the slot in its group, those
// of the group in its part, and from tagShift on the seven of the control byte.
// The highest, as many as it takes, are for the part.
const (
	groupLen   = 8
	groupShift = 3
	maxLoad    = 7  // entries per group, on average, before the only part grows
	maxLoads   = 13 // entries per two groups, before one of many parts is split
	largeSlot  = 16 // bytes; maxLoad holds for parts with larger slots, too

	ones    = 0x0101010101010101 // 1 in the byte of each slot
	full    = 0x8080808080808080 // the bit that is set for full slots
	maxPass = 0xff

	tagShift = groupShift + 11
)

// tagOf returns the control byte of a key with hash h.
func tagOf(h uint64) byte { return byte(h>>tagShift) | 0x80 }

// patternOf returns a word of control bytes of keys with hash h.
func patternOf(h uint64) uint64 { return uint64(tagOf(h)) * ones }

// home returns the slot of a part that a key with hash h wants. The search for it
// begins in that group. The k-th step from there goes k groups further, which
// visits all groups of a power of two.
func (t *table[K, V]) home(h uint64) uint { return uint(h) & uint(t.mask) }

// groups returns how many groups there are in a part.
func (t *table[K, V]) groups() int { return (int(t.mask) + 1) >> groupShift }

// matches returns bits of full where ctrl has the byte that pattern consists of.
// It may also return the bit of a full slot whose tag differs in the lowest bit,
// above a true match.
func matches(ctrl, pattern uint64) uint64 {
	x := ctrl ^ pattern
	return (x - ones) &^ x & full
}

// slotOf returns the slot that the lowest bit of m, bits of full, stands for.
func slotOf(m uint64) uint { return uint(bits.TrailingZeros64(m)) >> 3 }

// slotNear returns the slot for a key that wants slot i, which is taken, of those
// that m stands for: one in the same half of the group, if there is any. That half
// is in the line of memory that a search asks for first, if slots have two words.
func slotNear(m uint64, i uint) uint {
	near := m & (full >> 32 << (i & (groupLen / 2) << 3))
	if near == 0 {
		near = m
	}
	return slotOf(near)
}

// find returns the slot of k, or nil.
//
// Where keys are one word it does all that there is to do, as long as there are
// no strays. In a table larger than the caches nearly all of the time is spent
// waiting for memory, and a processor waits for as many lookups at once as it
// has room for the instructions of: so these are few, none calls, and nothing
// is kept for later.
func (t *table[K, V]) find(k K) *slot[K, V] {
	if t.how != hashWord { // as if there is no memory
		s, _ := t.lookupLong(k)
		return s
	}
	key := k // that has an address, so that k can be in a register
	h := mix(wordOf(&key) ^ t.seed)
	p := &t.first
	if len(t.dir) > 0 {
		p = elementAt(t.dir, t.index(h))
	}
	i := uint(h) & uint(t.mask)
	if *ctrlAt(p.ctrl, i) == tagOf(h) {
		if s := slotAt(p.slots, i); s.key == k {
			return s
		}
	}
	pattern := patternOf(h)
	i >>= groupShift
	for step := uint(1); ; step++ {
		for match := matches(wordAt(p.ctrl, i), pattern); match != 0; match &= match - 1 {
			if s := slotAt(p.slots, i<<groupShift+slotOf(match)); s.key == k {
				return s
			}
		}
		mask := uint(t.mask)
		if *ctrlAt(p.ctrl, mask+1+i) == 0 || step > mask>>groupShift {
			break
		}
		i = (i + step) & (mask >> groupShift)
	}
	if t.stray == 0 {
		return nil
	}
	return t.findStray(k)
}

// findStray is find for a table with strays. Only the key is kept for it.
//
//go:noinline
func (t *table[K, V]) findStray(k K) *slot[K, V] { return t.lookupEqual(t.hash(&k), k) }

// lookup returns the slot of k, or nil, and the hash of k unless there is no
// memory.
func (t *table[K, V]) lookup(k K) (*slot[K, V], uint64) {
	if t.how != hashWord {
		return t.lookupLong(k)
	}
	return t.find(k), mix(wordOf(&k) ^ t.seed)
}

// lookupLong is lookup for keys that are not one word.
//
//go:noinline
func (t *table[K, V]) lookupLong(k K) (*slot[K, V], uint64) {
	if t.from == 0 {
		return nil, 0
	}
	h := t.hashLong(&k)
	if t.how == hashContext {
		equal := t.ctx.Equal
		return t.lookupFunc(h, func(x K) bool { return equal(x, k) }), h
	}
	return t.search(h, k), h
}

// search returns the slot of k, which has the hash h, or nil.
//
//go:noinline
func (t *table[K, V]) search(h uint64, k K) *slot[K, V] {
	p := &t.first
	if len(t.dir) > 0 {
		p = elementAt(t.dir, t.index(h))
	}
	mask := uint(t.mask)
	pattern := patternOf(h)
	i := t.home(h) >> groupShift
	for step := uint(1); ; step++ {
		for match := matches(wordAt(p.ctrl, i), pattern); match != 0; match &= match - 1 {
			if s := slotAt(p.slots, i<<groupShift+slotOf(match)); s.key == k {
				return s
			}
		}
		if *ctrlAt(p.ctrl, mask+1+i) == 0 || step > mask>>groupShift {
			break
		}
		i = (i + step) & (mask >> groupShift)
	}
	if t.stray == 0 {
		return nil
	}
	return t.lookupEqual(h, k)
}

// lookupEqual is lookupFunc for the == of Go.
//
//go:noinline
func (t *table[K, V]) lookupEqual(h uint64, k K) *slot[K, V] {
	return t.lookupFunc(h, func(x K) bool { return x == k })
}

// lookupFunc returns the slot of the key with hash h for which equal returns
// true, or nil.
func (t *table[K, V]) lookupFunc(h uint64, equal func(K) bool) *slot[K, V] {
	if t.from == 0 {
		return nil
	}
	p := t.partOf(h)
	if s := t.lookupIn(p, h, equal); s != nil || t.stray == 0 {
		return s
	}
	for q := t.nextPart(p); q != p; q = t.nextPart(q) {
		if s := t.lookupIn(q, h, equal); s != nil {
			return s
		}
	}
	return nil
}

func (t *table[K, V]) lookupIn(p *part[K, V], h uint64, equal func(K) bool) *slot[K, V] {
	mask := uint(t.mask)
	pattern := patternOf(h)
	i := t.home(h) >> groupShift
	for step := uint(1); ; step++ {
		for match := matches(wordAt(p.ctrl, i), pattern); match != 0; match &= match - 1 {
			if s := slotAt(p.slots, i<<groupShift+slotOf(match)); equal(s.key) {
				return s
			}
		}
		if *ctrlAt(p.ctrl, mask+1+i) == 0 || step > mask>>groupShift {
			return nil
		}
		i = (i + step) & (mask >> groupShift)
	}
}

// partOf returns the part for keys with hash h, the copy that counts.
func (t *table[K, V]) partOf(h uint64) *part[K, V] {
	if len(t.dir) == 0 {
		return &t.first
	}
	return &t.dir[elementAt(t.dir, t.index(h)).first]
}

// nextPart returns the part behind p, or the first behind the last.
func (t *table[K, V]) nextPart(p *part[K, V]) *part[K, V] {
	if len(t.dir) == 0 {
		return p
	}
	end := int(p.first) + t.span(p)
	if end == len(t.dir) {
		end = 0
	}
	return &t.dir[end]
}

// limit returns how many entries fit into a part, on average, before the table
// grows. A single group needs no empty slot to end a search.
func (t *table[K, V]) limit() int {
	if len(t.dir) > 0 {
		return t.partLimit(t.groups())
	}
	return soleLimit(t.groups())
}

// soleLimit is limit for a part of n groups that is the only one.
func soleLimit(n int) int {
	if n == 1 {
		return groupLen
	}
	return n * maxLoad
}

// partLimit is limit for a part of n groups that is one of many. These are never
// as empty as a table that has doubled, and need not be as full to take little
// memory, unless slots are large.
func (t *table[K, V]) partLimit(n int) int {
	if n == 1 || sizeOf[slot[K, V]]() > largeSlot {
		return soleLimit(n)
	}
	return n * maxLoads / 2
}

// brim returns the room of a part without an empty slot.
func (t *table[K, V]) brim() int32 {
	return int32(t.limit() - t.groups()*groupLen)
}

// add takes a slot for a key with hash h, and returns it for the caller to
// fill. There must be room.
func (t *table[K, V]) add(h uint64) *slot[K, V] {
	p := t.partOf(h)
	if p.room <= 0 && p.room == t.brim() {
		t.stray++
		for p.room == t.brim() {
			p = t.nextPart(p)
		}
	}
	p.room--
	t.n++
	t.room--
	return place(p, uint(t.mask), h)
}

// place takes a slot in p, which has mask+1 of them and an empty one, for a key
// with hash h.
func place[K comparable, V any](p *part[K, V], mask uint, h uint64) *slot[K, V] {
	if s := placeHome(p, mask, h); s != nil {
		return s
	}
	want := uint(h) & mask
	i := want >> groupShift
	for step := uint(1); ; step++ {
		if empty := ^wordAt(p.ctrl, i) & full; empty != 0 {
			at := i<<groupShift + slotNear(empty, want)
			*ctrlAt(p.ctrl, at) = tagOf(h)
			return slotAt(p.slots, at)
		}
		if passed := ctrlAt(p.ctrl, mask+1+i); *passed != maxPass {
			*passed++
		}
		i = (i + step) & (mask >> groupShift)
	}
}

// placeHome is place for a key that gets the slot which it wants. If it does not,
// it returns nil. It is inlined.
func placeHome[K comparable, V any](p *part[K, V], mask uint, h uint64) *slot[K, V] {
	want := uint(h) & mask
	c := ctrlAt(p.ctrl, want)
	if *c != 0 {
		return nil
	}
	*c = tagOf(h)
	return slotAt(p.slots, want)
}

// unlocked panics if pointers into the table are locked.
func (t *table[K, V]) unlocked(method string) {
	if t.locks != 0 {
		panic(method + ": pointers into the container are locked")
	}
}

// unlock takes back a lock.
func (t *table[K, V]) unlock(method string) {
	if t.locks == 0 {
		panic(method + ": not locked")
	}
	t.locks--
}

// entry returns the slot of k, and whether it was there. If it is new, the
// caller sets the value.
func (t *table[K, V]) entry(a mem.Allocator, k K, method string) (*slot[K, V], bool, error) {
	if s, found := t.entryWord(k); s != nil {
		return s, found, nil
	}
	return t.entryRest(a, k, method)
}

// entryWord is entry for a key of one word, if the first group that it may be in
// settles the matter. If not, it returns nil.
//
// As in find, it is few instructions that matter. So it calls nothing, which makes
// it need neither a frame nor a look at how much stack there is. And it is left to
// the processor to guess that a key gets the slot that it wants: where that is
// computed instead, no store can begin before the control bytes have come.
func (t *table[K, V]) entryWord(k K) (s *slot[K, V], found bool) {
	if t.how != hashWord {
		return nil, false
	}
	key := k
	h := mix(wordOf(&key) ^ t.seed)
	p := &t.first
	if len(t.dir) > 0 {
		p = elementAt(t.dir, t.index(h))
	}
	i := uint(h) & uint(t.mask)
	if *ctrlAt(p.ctrl, i) == tagOf(h) {
		if s := slotAt(p.slots, i); s.key == k {
			return s, true
		}
	}
	word := wordAt(p.ctrl, i>>groupShift)
	if match := matches(word, patternOf(h)); match != 0 {
		if s := slotAt(p.slots, i&^(groupLen-1)+slotOf(match)); s.key == k {
			return s, true
		}
		return nil, false
	}
	if *ctrlAt(p.ctrl, uint(t.mask)+1+i>>groupShift) != 0 || t.stray != 0 {
		return nil, false
	}
	if *ctrlAt(p.ctrl, i) != 0 {
		empty := ^word & full
		if empty == 0 {
			return nil, false
		}
		i = i&^(groupLen-1) + slotNear(empty, i)
	}
	if len(t.dir) > 0 {
		p = elementAt(t.dir, uint(p.first))
	}
	if p.room <= 0 || t.room <= 0 {
		return nil, false
	}
	p.room--
	t.n++
	t.room--
	*ctrlAt(p.ctrl, i) = tagOf(h)
	s = slotAt(p.slots, i)
	s.key = k
	return s, false
}

// entryRest is entry for what entryWord has not settled.
//
//go:noinline
func (t *table[K, V]) entryRest(a mem.Allocator, k K, method string) (*slot[K, V], bool, error) {
	if t.how != hashWord {
		return t.entryLong(a, k, method)
	}
	h := t.hash(&k)
	if s := t.search(h, k); s != nil {
		return s, true, nil
	}
	return t.entryNew(a, k, h, method)
}

// entryLong is entry for keys that are not one word.
//
//go:noinline
func (t *table[K, V]) entryLong(a mem.Allocator, k K, method string) (*slot[K, V], bool, error) {
	s, h := t.lookupLong(k)
	if s != nil {
		return s, true, nil
	}
	if t.from == 0 {
		if err := t.begin(a, false, method); err != nil {
			return nil, false, err
		}
		h = t.hash(&k)
	}
	return t.entryNew(a, k, h, method)
}

// entryNew adds an entry for k, which has the hash h.
//
//go:noinline
func (t *table[K, V]) entryNew(a mem.Allocator, k K, h uint64, method string) (*slot[K, V], bool, error) {
	if err := t.roomFor(a, h, false, method); err != nil {
		return nil, false, err
	}
	s := t.add(h)
	s.key = k
	return s, false, nil
}

// entryAdapted is entry for the key with the given hash by the context for which
// equal returns true; it calls key for one that is new.
func (t *table[K, V]) entryAdapted(a mem.Allocator, hash uint64, equal func(K) bool, key func() (K, error), method string) (*slot[K, V], bool, error) {
	h := t.adapted(hash, method)
	if s := t.lookupFunc(h, equal); s != nil {
		return s, true, nil
	}
	if t.from == 0 {
		if err := t.begin(a, false, method); err != nil {
			return nil, false, err
		}
		h = t.adapted(hash, method)
	}
	if err := t.roomFor(a, h, false, method); err != nil {
		return nil, false, err
	}
	k, err := key()
	if err != nil {
		return nil, false, err
	}
	s := t.add(h)
	*s = slot[K, V]{key: k}
	return s, false, nil
}

// entryReserved is entry without growing: it returns nil if k is new and there
// is no room.
func (t *table[K, V]) entryReserved(k K) (s *slot[K, V], found bool) {
	if s, found = t.entryWord(k); s != nil {
		if !found {
			s.val = *new(V)
		}
		return s, found
	}
	s, h := t.lookup(k)
	if s != nil || t.room == 0 {
		return s, s != nil
	}
	s = t.add(h)
	*s = slot[K, V]{key: k}
	return s, false
}

// clear removes all entries and keeps the memory.
func (t *table[K, V]) clear(method string) {
	t.unlocked(method)
	if t.n == 0 && !t.worn {
		return
	}
	for p := range t.parts {
		clear(t.ctrlOf(p))
		if hasPointers[slot[K, V]]() {
			clear(t.slotsOf(p))
		}
		p.room = int32(t.limit())
	}
	t.room += t.n
	t.n, t.stray, t.worn = 0, 0, false
	t.moved++
}
