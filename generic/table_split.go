package generic

import "github.com/allod-dev/allod/mem"

// halve moves the entries of p whose hash has a bit of which to q, which is empty,
// and returns how many these are. Those that stay keep their places, save for the
// few that had to pass a full group, or that may now have the slot which they
// want.
func (t *table[K, V]) halve(p, q *part[K, V], which uint64) (moved int) {
	mask := uint(t.mask)
	pointers := hasPointers[slot[K, V]]()
	for i := range (mask + 1) >> groupShift {
		var late [groupLen]uint64 // hashes of those that may have another slot
		var lates uint64          // bits of full for them
		for m := wordAt(p.ctrl, i) & full; m != 0; m &= m - 1 {
			at := i<<groupShift + slotOf(m)
			s := slotAt(p.slots, at)
			h, ok := t.wordHash(&s.key)
			if !ok {
				h = t.hashLong(&s.key)
			}
			home := t.home(h)
			goes := h&which != 0
			if !goes && home>>groupShift == i {
				if home != at {
					late[at&(groupLen-1)] = h
					lates |= m & -m
				}
				continue
			}
			// A key that is not equal to itself may have had another hash.
			if home>>groupShift != i && same(s.key, s.key) {
				t.unpass(p, h, i)
			}
			e := *s
			*ctrlAt(p.ctrl, at) = 0
			if pointers {
				*s = slot[K, V]{}
			}
			to := p
			if goes {
				to = q
				moved++
			}
			*place(to, mask, h) = e
		}
		for ; lates != 0; lates &= lates - 1 {
			at := i<<groupShift + slotOf(lates)
			h := late[at&(groupLen-1)]
			home := t.home(h)
			if *ctrlAt(p.ctrl, home) != 0 {
				continue
			}
			*ctrlAt(p.ctrl, home) = tagOf(h)
			*ctrlAt(p.ctrl, at) = 0
			s := slotAt(p.slots, at)
			*slotAt(p.slots, home) = *s
			if pointers {
				*s = slot[K, V]{}
			}
		}
	}
	return moved
}

// splitOne splits p, after it has seen to it that there is what that takes.
func (t *table[K, V]) splitOne(a mem.Allocator, p *part[K, V], ownedKeys bool, method string) error {
	t.from.check(a, method)
	t.unlocked(method)
	if err := t.direct(a); err != nil {
		return err
	}
	at := uint(0)
	if len(t.dir) > 0 {
		at = t.indexOf(p)
	}
	d := t.more
	if len(d.fresh.slots) == 0 && d.used+1 == len(d.slabs) {
		if err := t.addSlab(a, t.slabParts(), ownedKeys); err != nil {
			return err
		}
	}
	if len(t.dir) == 0 || 1<<t.dir[at].depth == len(t.dir) {
		if err := t.double(a); err != nil {
			return err
		}
	}
	t.split(at)
	return nil
}

// split splits the part at index at of the directory, which is large enough,
// and takes fresh memory, which there is.
func (t *table[K, V]) split(at uint) {
	d := t.more
	if len(d.fresh.slots) == 0 {
		d.used++
		d.fresh = d.slabs[d.used]
	}
	n := t.groups()
	x := d.fresh.cut(n)
	p := &t.dir[at]
	bit := uint(1) << p.depth
	y := x.part()
	moved := t.halve(p, &y, uint64(bit)<<dirShift)
	for i := at; i < uint(len(t.dir)); i += bit {
		t.dir[i].depth++
	}
	y.room, y.depth = int32(limit(n)-moved), p.depth
	p.room += int32(moved)
	for i := at | bit; i < uint(len(t.dir)); i += 2 * bit {
		t.dir[i] = y
	}
	d.parts++
	t.room += limit(n)
	t.moved++
}

// widen splits parts until there are 1<<depth of them, or more. It changes
// nothing if there is no memory for that.
func (t *table[K, V]) widen(a mem.Allocator, depth int, ownedKeys bool, method string) error {
	per := partGroups[K, V]()
	if t.stray > 0 || len(t.dir) == 0 && (t.from == 0 || t.groups() < per) {
		return t.rebuild(a, limit(per)<<depth, ownedKeys, method)
	}
	t.from.check(a, method)
	t.unlocked(method)
	return t.widenParts(a, depth, ownedKeys)
}

// widenParts is widen for a table with parts of the size that they are to have.
func (t *table[K, V]) widenParts(a mem.Allocator, depth int, ownedKeys bool) error {
	if err := t.direct(a); err != nil {
		return err
	}
	d := t.more
	slabs := len(d.slabs)
	lack := 0
	for p := range t.parts {
		lack += max(0, 1<<max(0, depth-int(p.depth))-1)
	}
	spare := len(d.fresh.slots)
	for _, s := range d.slabs[d.used+1:] {
		spare += len(s.slots)
	}
	if lack -= spare / (int(t.mask) + 1); lack > 0 {
		if err := t.addSlab(a, lack, ownedKeys); err != nil {
			return err
		}
	}
	if 1<<depth > len(t.dir) {
		dir, err := allocOwned[part[K, V]](a, 1<<depth)
		if err != nil {
			t.dropSlabs(a, slabs)
			return err
		}
		t.setDir(a, dir)
	}
	for i := range t.dir {
		for at := uint(i); int(t.dir[at].depth) < depth; {
			t.split(at & (1<<t.dir[at].depth - 1))
		}
	}
	return nil
}
