package generic

import "github.com/allod-dev/allod/mem"

// Memory that the system has mapped and nobody has written to costs a
// microsecond or two per page when somebody does, and a split writes to all pages
// of a new part: that would be a third of the time of the longest Put. So the
// memory of the parts to come is written to beforehand, a little whenever roomFor
// has nothing else to do. That is in every Put of a table that owns its keys, and
// in one of some dozen where keys are one word; as many as it takes come between
// two splits. A slab is asked for when the one before it is used up, and not when
// a part of it is needed.
//
// Nothing depends on it. Where there is no memory for a slab, the next split asks
// again.
const (
	warmPage  = 4 << 10 // bytes: no system has smaller pages
	warmPages = 2       // written to at a time
	warmParts = 2       // written to ahead of splits, in a large table
	warmShare = 16      // one part of so many, in a smaller one
)

// warmUp writes to some of the memory that the next splits take.
func (t *table[K, V]) warmUp(a mem.Allocator, ownedKeys bool, method string) {
	d := t.more
	// Nothing will be split that was reserved, and nothing soon where so much is free
	// as only a Clear or many a Remove leave behind: nothing is to be asked for.
	if t.n < d.reserved || t.room > t.n/2 {
		d.cold = false
		return
	}
	if len(d.fresh.slots) == 0 {
		t.from.check(a, method)
		if d.used+1 == len(d.slabs) && t.addSlab(a, t.slabParts(), ownedKeys) != nil {
			d.cold = false
			return
		}
		d.nextSlab()
		return
	}
	slots := bytesOf(d.fresh.slots)
	ahead := min(len(slots), min(warmParts, d.parts/warmShare)*t.slotBytes())
	for range warmPages {
		if d.warm >= ahead {
			d.cold = false
			return
		}
		slots[d.warm] = 0
		at := d.warm / sizeOf[slot[K, V]]()
		d.fresh.ctrl[at+at>>groupShift] = 0 // as it is, of a slot near by
		d.warm += warmPage
	}
}

// chill tells warmUp that a part was split.
func (t *table[K, V]) chill() {
	t.more.cold = t.more.parts >= warmShare && t.slotBytes() > 0
}

// slotBytes returns the size of the slots of a part.
func (t *table[K, V]) slotBytes() int { return (int(t.mask) + 1) * sizeOf[slot[K, V]]() }

// nextSlab makes the next slab the fresh one.
func (d *directory[K, V]) nextSlab() {
	d.used++
	d.fresh, d.warm = d.slabs[d.used], 0
}
