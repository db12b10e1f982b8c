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
		if p := &t.dir[i]; i>>p.depth == 0 && !yield(p) {
			return
		}
	}
}

// groupsOf returns the groups of p.
func (t *table[K, V]) groupsOf(p *part[K, V]) []group[K, V] {
	return groupsAt(p.groups, int(t.mask)+1)
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
	t      *table[K, V]
	p      *part[K, V]
	g      *group[K, V]
	bits   uint64        // slots of g that are yet to be visited
	groups []group[K, V] // of p, behind g
	index  int           // in the directory, behind p
	moved  uint32
}

func (t *table[K, V]) walk() cursor[K, V] { return cursor[K, V]{t: t, moved: t.moved} }

// group goes to the next group with entries, and returns false behind the last.
func (c *cursor[K, V]) group() bool {
	if c.moved != c.t.moved {
		return c.disturbed()
	}
	for {
		for len(c.groups) > 0 {
			c.g = &c.groups[0]
			c.groups = c.groups[1:]
			if c.bits = c.g.ctrl & full; c.bits != 0 {
				return true
			}
		}
		if !c.part() {
			return false
		}
	}
}

// part goes to the next part.
func (c *cursor[K, V]) part() bool {
	t := c.t
	if len(t.dir) == 0 {
		if c.index > 0 || t.from == 0 {
			return false
		}
		c.p = &t.first
		c.index++
		c.groups = t.groupsOf(c.p)
		return true
	}
	for c.index < len(t.dir) {
		p := &t.dir[c.index]
		counts := c.index>>p.depth == 0
		c.index++
		if counts {
			c.p = p
			c.groups = t.groupsOf(p)
			return true
		}
	}
	return false
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
	c.bits &= c.g.ctrl
	return c.bits != 0
}

// next goes to the next slot of the group.
func (c *cursor[K, V]) next() *slot[K, V] {
	s := &c.g.slots[slotOf(c.bits)]
	c.bits &= c.bits - 1
	return s
}

// disturbed ends the walk if the table was cleared, and panics otherwise.
func (c *cursor[K, V]) disturbed() bool {
	if c.t.n == 0 {
		c.bits, c.groups, c.index = 0, nil, len(c.t.dir)+1
		c.moved = c.t.moved
		return false
	}
	panic("generic: a container was resized during an iteration over it")
}

// remove removes the entry in s, the slot that next returned last.
func (c *cursor[K, V]) remove(s *slot[K, V], method string) {
	t := c.t
	if same(s.key, s.key) {
		t.remove(t.hash(&s.key), s, method)
		return
	}
	// A key that is not equal to itself has no hash to go by. What it counted
	// where it passed stays there, which makes searches longer and not wrong.
	t.unlocked(method)
	at, _ := slotIndex(c.g, s)
	t.vacate(c.p, c.g, at)
}

func same[K comparable](a, b K) bool { return a == b }

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
