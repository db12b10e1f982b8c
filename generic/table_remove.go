package generic

import "github.com/allod-dev/allod/internal/rtype"

// take removes the entry of k and tells whether there was one. If v is not nil,
// it leaves the value there.
//
// As find does, it settles itself what is to be settled in the first group of a
// key of one word: with several calls, a processor has room for the instructions
// of one removal only, and waits for the memory of each by itself.
func (t *table[K, V]) take(k K, v *V, method string) bool {
	if t.how != hashWord || t.stray|uint32(t.locks) != 0 {
		return t.takeLong(k, v, method)
	}
	key := k
	h := mix(wordOf(&key) ^ t.seed)
	p := &t.first
	if len(t.dir) > 0 {
		p = elementAt(t.dir, t.index(h))
	}
	i := uint(h) & uint(t.mask)
	if *ctrlAt(p.ctrl, i) != tagOf(h) {
		group := i >> groupShift
		match := matches(wordAt(p.ctrl, group), patternOf(h))
		if match == 0 {
			if *ctrlAt(p.ctrl, uint(t.mask)+1+group) == 0 {
				return false
			}
			return t.takeLong(k, v, method)
		}
		i = group<<groupShift + slotOf(match)
	}
	s := slotAt(p.slots, i)
	if s.key != k {
		return t.takeLong(k, v, method)
	}
	if v != nil {
		*v = s.val
	}
	*ctrlAt(p.ctrl, i) = 0
	if !rtype.Plain[slot[K, V]]() {
		*s = slot[K, V]{}
	}
	if len(t.dir) > 0 {
		p = elementAt(t.dir, uint(p.first))
	}
	p.room++
	t.n--
	t.room++
	return true
}

// takeLong is take for any key.
//
//go:noinline
func (t *table[K, V]) takeLong(k K, v *V, method string) bool {
	s, h := t.lookup(k)
	if s == nil {
		return false
	}
	if v != nil {
		*v = s.val
	}
	t.remove(h, s, method)
	return true
}

// remove empties slot s, which holds a key with hash h.
func (t *table[K, V]) remove(h uint64, s *slot[K, V], method string) {
	t.unlocked(method)
	home := t.partOf(h)
	p := home
	at, ok := t.indexIn(p, h, s)
	for !ok { // a stray
		p = t.nextPart(p)
		at, ok = t.indexIn(p, h, s)
	}
	if p != home {
		t.stray--
	}
	t.unpass(p, h, at>>groupShift)
	t.vacate(p, at)
}

// unpass takes back what an entry with hash h counted on the way to group i of p.
func (t *table[K, V]) unpass(p *part[K, V], h uint64, i uint) {
	mask := uint(t.mask)
	j := t.home(h) >> groupShift
	for step := uint(1); j != i; step++ {
		if passed := ctrlAt(p.ctrl, mask+1+j); *passed != maxPass {
			*passed--
		} else {
			t.worn = true
		}
		j = (j + step) & (mask >> groupShift)
	}
}

// indexIn returns the index in p of slot s, which holds a key with hash h; false
// if it is in another part.
func (t *table[K, V]) indexIn(p *part[K, V], h uint64, s *slot[K, V]) (uint, bool) {
	if sizeOf[slot[K, V]]() > 0 {
		i := slotIndex(p.slots, s)
		return i, i <= uint(t.mask)
	}
	// All slots of no size are one. Any entry is as good as another, then.
	mask := uint(t.mask)
	i := t.home(h) >> groupShift
	for step := uint(1); step <= mask>>groupShift+1; step++ {
		if match := matches(wordAt(p.ctrl, i), patternOf(h)); match != 0 {
			return i<<groupShift + slotOf(match), true
		}
		i = (i + step) & (mask >> groupShift)
	}
	return 0, false
}

// vacate empties slot at of part p.
func (t *table[K, V]) vacate(p *part[K, V], at uint) {
	*ctrlAt(p.ctrl, at) = 0
	if hasPointers[slot[K, V]]() {
		*slotAt(p.slots, at) = slot[K, V]{}
	}
	p.room++
	t.n--
	t.room++
	if int(t.stray) > t.n { // some were not equal to themselves, see cursor.remove
		t.stray = uint32(t.n)
	}
}
