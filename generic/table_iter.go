package generic

// parts yields the parts, each once, the copies that count.
func (t *table[K, V]) parts(yield func(*part[K, V]) bool) {
	if len(t.dir) == 0 {
		if t.from != 0 {
			yield(&t.first)
		}
		return
	}
	for i := 0; i < len(t.dir); i++ {
		if p := &t.dir[i]; int(p.first) == i && !yield(p) {
			return
		}
	}
}

// ctrlOf returns the control bytes of p: of its slots, then of its groups.
func (t *table[K, V]) ctrlOf(p *part[K, V]) []byte {
	n := t.groups()
	return bytesFrom(p.ctrl, n*groupLen+n)
}

// slotsOf returns the slots of p.
func (t *table[K, V]) slotsOf(p *part[K, V]) []slot[K, V] {
	return elementsAt(p.slots, int(t.mask)+1)
}

// slabOf returns the memory of p, which is a slab by itself.
func (t *table[K, V]) slabOf(p *part[K, V]) slab[K, V] {
	x := slab[K, V]{t.ctrlOf(p), t.slotsOf(p)}
	if joint[K, V]() {
		x.slots = elementsAt(p.slots, jointSlots[K, V](t.groups()))[:len(x.slots)]
	}
	return x
}

// A cursor walks over the slots in use:
//
//	for c := t.walk(); c.group(); {
//		for c.more() {
//			s := c.next()
//			...
//		}
//	}
//
// Meanwhile entries may be removed, and values replaced; if entries move, group
// or more panics. What it needs for every slot is inlined.
type cursor[K comparable, V any] struct {
	t     *table[K, V]
	p     *part[K, V]
	bits  uint64      // slots of the group that are yet to be visited
	ctrl  *byte       // control bytes of the group
	slots *slot[K, V] // slots of the group
	ahead uint        // the group of p behind it
	end   uint        // groups of p
	index int         // in the directory, behind p
	moved uint32
}

func (t *table[K, V]) walk() cursor[K, V] { return cursor[K, V]{t: t, moved: t.moved} }

// group goes to the next group with entries, and returns false behind the last.
func (c *cursor[K, V]) group() bool {
	if c.moved != c.t.moved {
		return c.disturbed()
	}
	for {
		for c.ahead < c.end {
			i := c.ahead
			c.ahead++
			if c.bits = wordAt(c.p.ctrl, i) & full; c.bits != 0 {
				c.ctrl, c.slots = ctrlAt(c.p.ctrl, i<<groupShift), slotAt(c.p.slots, i<<groupShift)
				return true
			}
		}
		if !c.part() {
			return false
		}
	}
}

// part goes before the first group of the next part.
func (c *cursor[K, V]) part() bool {
	t := c.t
	if len(t.dir) == 0 {
		if c.index > 0 || t.from == 0 {
			return false
		}
		c.index++
		c.begin(&t.first)
		return true
	}
	for c.index < len(t.dir) {
		p := &t.dir[c.index]
		counts := int(p.first) == c.index
		c.index++
		if counts {
			c.begin(p)
			return true
		}
	}
	return false
}

func (c *cursor[K, V]) begin(p *part[K, V]) {
	c.p, c.ahead, c.end = p, 0, uint(c.t.groups())
}

// more tells whether there are slots left in the group, save for what was
// removed meanwhile.
func (c *cursor[K, V]) more() bool {
	if c.bits == 0 {
		return false
	}
	if c.moved != c.t.moved {
		return c.disturbed()
	}
	c.bits &= wordAt(c.ctrl, 0)
	return c.bits != 0
}

// next goes to the next slot of the group.
func (c *cursor[K, V]) next() *slot[K, V] {
	s := slotAt(c.slots, slotOf(c.bits))
	c.bits &= c.bits - 1
	return s
}

// disturbed ends the walk if the table was cleared, and panics otherwise.
func (c *cursor[K, V]) disturbed() bool {
	if c.t.n == 0 {
		c.bits, c.ahead, c.end, c.index = 0, 0, 0, len(c.t.dir)+1
		c.moved = c.t.moved
		return false
	}
	panic("generic: a container was resized during an iteration over it")
}

// holds tells whether k is still in slot at of the group, where it was before a
// function of the user's was called, which may have removed it, and may have put
// another key there.
func (c *cursor[K, V]) holds(at uint, k K) bool {
	if c.moved != c.t.moved || *ctrlAt(c.ctrl, at) == 0 {
		return false
	}
	s := slotAt(c.slots, at)
	return c.t.same(s.key, k) || !c.t.reflexive(&k)
}

// remove removes the entry in s, the slot that next returned last.
func (c *cursor[K, V]) remove(s *slot[K, V], method string) {
	t := c.t
	if t.reflexive(&s.key) {
		t.remove(t.hash(&s.key), s, method)
		return
	}
	// A key that is not equal to itself has no hash to go by. What it counted
	// where it passed stays there, and it may stay counted as a stray, which makes
	// searches longer and not wrong.
	t.unlocked(method)
	t.worn = true
	t.vacate(c.p, slotIndex(c.p.slots, s))
}

// removeValue removes the entry whose value is at v, for which it looks at all.
func (t *table[K, V]) removeValue(v *V, method string) {
	for c := t.walk(); c.group(); {
		for c.more() {
			if s := c.next(); &s.val == v {
				c.remove(s, method)
				return
			}
		}
	}
}

// all yields the slots in use.
func (t *table[K, V]) all(yield func(*slot[K, V]) bool) {
	for c := t.walk(); c.group(); {
		for c.more() {
			if !yield(c.next()) {
				return
			}
		}
	}
}

// drain yields copies of the slots in use and removes each before.
func (t *table[K, V]) drain(method string, yield func(slot[K, V]) bool) {
	for c := t.walk(); c.group(); {
		for c.more() {
			s := c.next()
			e := *s
			c.remove(s, method)
			if !yield(e) {
				return
			}
		}
	}
}
