package generic

import (
	"math"
	"math/bits"
	"math/rand/v2"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A table is what the maps of this package have in common: everything but who
// owns the keys.
//
// It is one block of groups of seven slots. The control word of a group has a
// byte for each slot, 0 if the slot is empty, else 0x80 and seven bits of the
// hash of its key, and one byte that counts the entries that wanted a place in
// the group or passed it on the way, and found it full. A search compares seven
// control bytes at once, looks at keys only where the bits agree, and goes on
// to the next group of its sequence only while that counter is not 0.
//
// Since the counter goes down again when such an entry is removed, nothing is
// left behind by a removal: there are no tombstones, searches do not become
// slower as entries come and go, and no entry ever moves but when the table
// grows. The scheme is that of F14 (Facebook, 2019), with the groups of one
// machine word that Abseil uses where there are no vector instructions. A
// counter that reaches 255 stays there; with a hash that is any good it does
// not get near.
//
// Keys and values lie next to each other, in the group: a hit touches the
// control word and one slot, mostly neighbouring cache lines of one page.
// Control words in a block of their own made misses twice as fast and hits a
// third slower; columns of keys and values in the group, which would save
// padding, made hits a tenth slower.
type table[K comparable, V any] struct {
	groups []group[K, V] // none, or a power of two
	n      int           // entries
	room   int           // entries that may be added before the table must grow
	seed   uint64        // since there are groups
	how    hashing       // since there are groups
	from   origin        // since there are groups
}

type group[K, V any] struct {
	ctrl  uint64
	slots [groupLen]slot[K, V]
}

// A slot has the value in front: a value of no size behind the key would cost
// padding, so that a pointer to it does not point past the slot.
type slot[K, V any] struct {
	val V
	key K
}

const (
	groupLen = 7
	maxLoad  = 6 // entries per group, on average, before the table grows

	ones    = 0x0001010101010101 // 1 in the byte of each slot
	full    = 0x0080808080808080 // the bit that is set for full slots
	onePass = 1 << 56            // 1 in the counter
	maxPass = 0xff
)

// tagOf returns the control byte of a key with hash h.
func tagOf(h uint64) uint64 { return h&0x7f | 0x80 }

// home returns the group where the search for a key with hash h begins. The
// k-th step from there goes k groups further, which visits all groups of a
// power of two.
func (t *table[K, V]) home(h uint64) uint { return uint(h>>7) & uint(len(t.groups)-1) }

// matches returns bits of full where ctrl has the byte that pattern, a tag times
// ones, consists of. It may also return the bit of a full slot whose tag differs
// in the lowest bit, above a true match.
func matches(ctrl, pattern uint64) uint64 {
	x := ctrl ^ pattern
	return (x - ones) &^ x & full
}

// slotOf returns the slot that the lowest bit of m, bits of full, stands for.
func slotOf(m uint64) uint { return uint(bits.TrailingZeros64(m)) >> 3 }

// find returns the group and slot of k, which has hash h, or nil. There
// must be groups.
func (t *table[K, V]) find(h uint64, k K) (*group[K, V], uint) {
	groups := t.groups
	mask := uint(len(groups) - 1)
	pattern := tagOf(h) * ones
	i := uint(h>>7) & mask
	for step := uint(1); ; step++ {
		g := &groups[i]
		ctrl := g.ctrl
		for match := matches(ctrl, pattern); match != 0; match &= match - 1 {
			if s := slotOf(match); g.slots[s].key == k {
				return g, s
			}
		}
		if ctrl < onePass || step > mask {
			return nil, 0
		}
		i = (i + step) & mask
	}
}

// lookup returns the slot of k, or nil. It is find written once more, since a
// call saved is a tenth of the time that it takes to find a key in the caches.
func (t *table[K, V]) lookup(k K) *slot[K, V] {
	groups := t.groups
	if len(groups) == 0 {
		return nil
	}
	h, ok := t.wordHash(&k)
	if !ok {
		h = t.hashLong(&k)
	}
	mask := uint(len(groups) - 1)
	pattern := tagOf(h) * ones
	i := uint(h>>7) & mask
	for step := uint(1); ; step++ {
		g := &groups[i]
		ctrl := g.ctrl
		for match := matches(ctrl, pattern); match != 0; match &= match - 1 {
			if s := &g.slots[slotOf(match)]; s.key == k {
				return s
			}
		}
		if ctrl < onePass || step > mask {
			return nil
		}
		i = (i + step) & mask
	}
}

// add takes a slot for a key with hash h, and returns it for the caller to
// fill. There must be room.
func (t *table[K, V]) add(h uint64) *slot[K, V] {
	t.n++
	t.room--
	return place(t.groups, h)
}

// place takes a slot of groups, one of which is empty, for a key with hash h.
func place[K comparable, V any](groups []group[K, V], h uint64) *slot[K, V] {
	mask := uint(len(groups) - 1)
	i := uint(h>>7) & mask
	for step := uint(1); ; step++ {
		g := &groups[i]
		if empty := ^g.ctrl & full; empty != 0 {
			s := slotOf(empty)
			g.ctrl |= tagOf(h) << (8 * s)
			return &g.slots[s]
		}
		if g.ctrl>>56 != maxPass {
			g.ctrl += onePass
		}
		i = (i + step) & mask
	}
}

// remove empties slot s of group g, which holds a key with hash h.
func (t *table[K, V]) remove(h uint64, g *group[K, V], s uint) {
	g.ctrl &^= 0xff << (8 * s)
	if hasPointers[slot[K, V]]() {
		g.slots[s] = slot[K, V]{}
	}
	t.n--
	t.room++
	mask := uint(len(t.groups) - 1)
	i := t.home(h)
	for step := uint(1); &t.groups[i] != g; step++ {
		if t.groups[i].ctrl>>56 != maxPass {
			t.groups[i].ctrl -= onePass
		}
		i = (i + step) & mask
	}
}

// capacity returns how many entries fit into n groups. A single group needs no
// empty slot to end a search.
func capacity(n int) int {
	if n == 1 {
		return groupLen
	}
	return n * maxLoad
}

// groupsFor returns how many groups hold n entries, or false if the number is
// out of range.
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

// ensure makes room for n entries in all. It panics if n is negative.
func (t *table[K, V]) ensure(a mem.Allocator, n int, ownedKeys bool, method string) error {
	if n < 0 {
		panic(method + ": negative capacity")
	}
	if n <= t.n+t.room {
		return nil
	}
	groups, ok := groupsFor(n)
	if !ok {
		t.from.check(a, method)
		return mem.ErrTooLarge
	}
	return t.resize(a, groups, ownedKeys, method)
}

// ensureMore makes room for n more entries.
func (t *table[K, V]) ensureMore(a mem.Allocator, n int, ownedKeys bool, method string) error {
	switch {
	case n < 0:
		panic(method + ": negative count")
	case n <= t.room:
		return nil
	case n > math.MaxInt-t.n:
		return mem.ErrTooLarge
	}
	return t.ensure(a, t.n+n, ownedKeys, method)
}

// resize makes the table one of n groups, which have room for its entries. If
// ownedKeys is set, the pointers in keys are to memory of the same allocator.
func (t *table[K, V]) resize(a mem.Allocator, n int, ownedKeys bool, method string) error {
	t.from.check(a, method)
	old := t.groups
	if 0 < len(old) && len(old) < n {
		if groups, ok := remapBlock(a, old, n, true); ok {
			t.groups = groups
			t.room = capacity(n) - t.n
			t.spread(len(old))
			return nil
		}
	}
	groups, err := allocGroups[K, V](a, n, ownedKeys)
	if err != nil {
		return err
	}
	if len(old) == 0 {
		t.seed, t.how, t.from = rand.Uint64(), hashingFor[K](), originOf(a)
	}
	for i := range old {
		g := &old[i]
		for m := g.ctrl & full; m != 0; m &= m - 1 {
			s := &g.slots[slotOf(m)]
			*place(groups, t.hash(&s.key)) = *s
		}
	}
	t.groups = groups
	t.room = capacity(n) - t.n
	mem.Free(a, old)
	return nil
}

// spread distributes the entries of the first n groups over all groups, of
// which the others are new. Doubling in the block that there is takes no second
// block, and leaves about half of the entries where they are.
//
// To begin with, the control byte of every entry is turned into unplaced, which
// counts as free for entries that look for a slot. An entry that takes the slot
// of an unplaced one changes places with it.
func (t *table[K, V]) spread(n int) {
	const unplaced = 0x40
	for i := range t.groups[:n] {
		g := &t.groups[i]
		g.ctrl = g.ctrl & full >> 1
	}
	mask := uint(len(t.groups) - 1)
	for i := range t.groups[:n] {
		g := &t.groups[i]
		for at := uint(0); at < groupLen; at++ {
			for g.ctrl>>(8*at)&0xc0 == unplaced {
				from := &g.slots[at]
				h := t.hash(&from.key)
				j := t.home(h)
				for step := uint(1); t.groups[j].ctrl&full == full; step++ {
					if t.groups[j].ctrl>>56 != maxPass {
						t.groups[j].ctrl += onePass
					}
					j = (j + step) & mask
				}
				if j == uint(i) {
					g.ctrl += (tagOf(h) - unplaced) << (8 * at)
					break
				}
				to := &t.groups[j]
				free := ^to.ctrl & full
				if empty := free &^ (to.ctrl << 1); empty != 0 {
					s := slotOf(empty)
					to.ctrl |= tagOf(h) << (8 * s)
					to.slots[s] = *from
					g.ctrl -= unplaced << (8 * at)
					if hasPointers[slot[K, V]]() {
						*from = slot[K, V]{}
					}
					break
				}
				s := slotOf(free)
				to.ctrl += (tagOf(h) - unplaced) << (8 * s)
				to.slots[s], *from = *from, to.slots[s]
			}
		}
	}
}

// shrink moves all entries into the smallest block that holds them, if that is
// smaller than what there is, and if there is memory for it.
func (t *table[K, V]) shrink(a mem.Allocator, ownedKeys bool, method string) {
	if len(t.groups) == 0 {
		return
	}
	t.from.check(a, method)
	n, _ := groupsFor(t.n)
	if n == 0 {
		t.close(a, method)
	} else if n < len(t.groups) {
		_ = t.resize(a, n, ownedKeys, method) // without memory, it stays as it is
	}
}

// copyOf returns a table with the entries of t, in the same places.
func (t *table[K, V]) copyOf(a mem.Allocator, ownedKeys bool, method string) (table[K, V], error) {
	var c table[K, V]
	c.from.check(a, method)
	if t.n == 0 {
		return c, nil
	}
	groups, err := allocGroups[K, V](a, len(t.groups), ownedKeys)
	if err != nil {
		return c, err
	}
	copy(groups, t.groups)
	c = *t
	c.groups, c.from = groups, originOf(a)
	return c, nil
}

// clear removes all entries and keeps the memory.
func (t *table[K, V]) clear() {
	if hasPointers[slot[K, V]]() {
		clear(t.groups)
	} else {
		for i := range t.groups {
			t.groups[i].ctrl = 0
		}
	}
	t.room += t.n
	t.n = 0
}

// close gives the memory back and leaves the zero table.
func (t *table[K, V]) close(a mem.Allocator, method string) {
	if len(t.groups) > 0 {
		t.from.check(a, method)
		mem.Free(a, t.groups)
	}
	*t = table[K, V]{}
}

// all yields the slots in use. While it runs, entries may be removed, and
// values replaced; if the table grows, it panics.
func (t *table[K, V]) all(yield func(*slot[K, V]) bool) {
	n := len(t.groups)
	for i := 0; i < len(t.groups); i++ {
		for m := t.groups[i].ctrl & full; m != 0; {
			s := slotOf(m)
			m &= m - 1
			if !yield(&t.groups[i].slots[s]) {
				return
			}
			if len(t.groups) != n {
				if len(t.groups) == 0 {
					return // cleared
				}
				panic("generic: a map was resized during an iteration over it")
			}
			m &= t.groups[i].ctrl // what was removed meanwhile is not yielded
		}
	}
}

// allocGroups returns a block of n empty groups.
//
// Blocks with pointers are asked for here and not through package mem: the
// types that have to be looked at are those of the keys and values, and the
// pointers of keys that the map owns need nobody's promise.
func allocGroups[K comparable, V any](a mem.Allocator, n int, ownedKeys bool) ([]group[K, V], error) {
	size := sizeOf[group[K, V]]()
	if n > math.MaxInt/size {
		return nil, mem.ErrTooLarge
	}
	if hasPointers[K]() && !ownedKeys {
		if err := mayHold[K](a); err != nil {
			return nil, err
		}
	}
	if hasPointers[V]() {
		if err := mayHold[V](a); err != nil {
			return nil, err
		}
	}
	l := mem.LayoutOf[group[K, V]]()
	if l.Kind == mem.Managed && a.Pointers() != mem.Scanned {
		l.Kind = mem.Local
	}
	b, err := a.Alloc(n*size, l)
	if err != nil {
		return nil, err
	}
	return sliceOf[group[K, V]](b, n), nil
}

// mayHold returns the error that the typed layer has for Ts in memory of a.
func mayHold[T any](a mem.Allocator) error {
	if _, err := mem.AllocUninit[T](&askers[a.Pointers()], 1); err != nil && err != errAsked {
		return err
	}
	return nil
}

// An asker has no memory. It exists to be asked for what it does not have, and
// to see whether the question is allowed.
type asker struct {
	mem.NoResize
	answer mem.Pointers
}

var askers = [...]asker{
	mem.PlainOnly: {answer: mem.PlainOnly},
	mem.Promised:  {answer: mem.Promised},
	mem.Scanned:   {answer: mem.Scanned},
}

var errAsked = mem.NewError("generic: the question is allowed", mem.ErrOutOfMemory)

func (*asker) Alloc(int, mem.Layout) ([]byte, error) { return nil, errAsked }
func (*asker) Free([]byte, mem.Layout)               {}
func (k *asker) Pointers() mem.Pointers              { return k.answer }

// checkMost is how many groups check looks at: it runs after every mutation.
const checkMost = 8

func (t *table[K, V]) check() {
	if !invariant.Enabled {
		return
	}
	if len(t.groups) == 0 {
		invariant.Check(t.n == 0 && t.room == 0 && t.from == 0, "generic: empty table with %d entries, room for %d", t.n, t.room)
		return
	}
	invariant.Check(len(t.groups)&(len(t.groups)-1) == 0, "generic: table of %d groups", len(t.groups))
	invariant.Check(t.n >= 0 && t.room >= 0 && t.n+t.room == capacity(len(t.groups)),
		"generic: table of %d groups with %d entries and room for %d", len(t.groups), t.n, t.room)
	if len(t.groups) > checkMost {
		return
	}
	n := 0
	var passed [checkMost]int
	for i := range t.groups {
		g := &t.groups[i]
		for m := uint(0); m < groupLen; m++ {
			tag := g.ctrl >> (8 * m) & 0xff
			invariant.Check(tag == 0 || tag&0x80 != 0, "generic: control byte %#x", tag)
			if tag == 0 {
				continue
			}
			n++
			h := t.hash(&g.slots[m].key)
			if tagOf(h) != tag {
				return // a key that is not equal to itself has no hash to go by
			}
			j := t.home(h)
			for step := uint(1); j != uint(i); step++ {
				passed[j]++
				j = (j + step) & uint(len(t.groups)-1)
			}
		}
	}
	invariant.Check(n == t.n, "generic: table with %d entries has %d", t.n, n)
	for i := range t.groups {
		c := t.groups[i].ctrl >> 56
		invariant.Check(c == maxPass || int(c) == passed[i], "generic: group %d was passed %d times, counts %d", i, passed[i], c)
	}
}
