package generic

import "github.com/allod-dev/allod/mem"

// halve moves the entries of x whose hash has a bit of which to y, which is empty
// and of the same length, and returns how many these are. Those that stay keep
// their places, save for the few that had to pass a full group: there may be room
// for them there now.
func halve[K comparable, V any](t *hasher[K], x, y []group[K, V], which uint64) (moved int) {
	mask := uint(len(x) - 1)
	pointers := hasPointers[slot[K, V]]()
	for i := range x {
		g := &x[i]
		for m := g.ctrl & full; m != 0; m &= m - 1 {
			s := slotAt(g, m)
			h, ok := t.wordHash(&s.key)
			if !ok {
				h = t.hashLong(&s.key)
			}
			home := uint(h>>tagBits) & mask
			goes := h&which != 0
			if !goes && home == uint(i) {
				continue
			}
			// A key that is not equal to itself may have had another hash.
			if home != uint(i) && same(s.key, s.key) {
				unpass(&x[0], mask, home, g)
			}
			e := *s
			g.ctrl &^= 0xff << (8 * slotOf(m))
			if pointers {
				*s = slot[K, V]{}
			}
			to := &x[0]
			if goes {
				to = &y[0]
				moved++
			}
			*place(to, mask, h) = e
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
	if len(d.fresh) == 0 && d.used+1 == len(d.slabs) {
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
	if len(d.fresh) == 0 {
		d.used++
		d.fresh = d.slabs[d.used]
	}
	n := int(t.mask) + 1
	y := d.fresh[:n:n]
	d.fresh = d.fresh[n:]
	// The memory is zero, but it may be memory that no one has touched yet. To
	// read it before it is written would cost two faults for every page.
	for i := range y {
		y[i].ctrl = 0
	}
	p := &t.dir[at]
	bit := uint(1) << p.depth
	moved := halve(&t.hasher, t.groupsOf(p), y, uint64(bit)<<dirShift)
	for i := at; i < uint(len(t.dir)); i += bit {
		t.dir[i].depth++
	}
	q := *p
	q.groups = &y[0]
	q.room = int32(limit(n) - moved)
	p.room += int32(moved)
	for i := at | bit; i < uint(len(t.dir)); i += 2 * bit {
		t.dir[i] = q
	}
	d.parts++
	t.room += limit(n)
	t.moved++
}

// widen splits parts until there are 1<<depth of them, or more. It changes
// nothing if there is no memory for that.
func (t *table[K, V]) widen(a mem.Allocator, depth int, ownedKeys bool, method string) error {
	per := partGroups[K, V]()
	if t.stray > 0 || len(t.dir) == 0 && (t.from == 0 || int(t.mask)+1 < per) {
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
	spare := len(d.fresh)
	for _, s := range d.slabs[d.used+1:] {
		spare += len(s)
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
