package generic

import (
	"math"
	"sort"

	"github.com/allod-dev/allod/mem"
)

// The parts of a large table divide the hashes among themselves, each a range of
// them. Two neighbours with ranges of one size are a unit. When one of the two
// is full, so is the other, and a third one comes between them, which takes a
// third from each: partial expansions, of linear hashing (Larson, 1980). When
// these are full, there are to be four, which are two units then. So a part is
// never emptied to less than two thirds, and the memory of a table is not twice
// what it needs after it has grown.
//
// Were all ranges of one size, all parts of a table would be full at the same
// time, and it would grow by leaps. The directory has indexes for less and less
// of the hashes, the last for half as much as the first, so that at any number
// of entries some units are about to grow and some have just grown, and memory
// per entry stays the same: spiral storage (Martin, 1979), with a parabola for
// the spiral.

// leastDir is the length of the least directory. A unit must have a number of
// indexes that can be divided by two and by three.
const leastDir = 6

// index returns the index in the directory for keys with hash h, of which the upper
// half counts. With x = h/2⁶⁴, what is shifted is x(2+x)/4 in the same units, which
// is below 3/4: of a directory of 3<<k, the shift is 62-k.
func (t *table[K, V]) index(h uint64) uint {
	h >>= 32
	return uint(h * uint64(uint32(h>>2)|1<<31) >> (t.shift & 63))
}

// share returns how much of the hashes the indexes from lo to hi have, in a
// directory of n: the difference of the roots of 1+3*hi/n and 1+3*lo/n.
func share(lo, hi, n float64) float64 {
	return 3 * (hi - lo) / n / (math.Sqrt(1+3*hi/n) + math.Sqrt(1+3*lo/n))
}

// A unit is some indexes in a row of a directory, those of one to three parts,
// each of which has as many. There is one part if there has never been more.
type unit struct {
	lo, span, parts int
}

// span returns how many indexes of the directory are those of p, a part that
// counts.
func (t *table[K, V]) span(p *part[K, V]) int {
	end := p.first + 1
	for int(end) < len(t.dir) && t.dir[end].first == p.first {
		end++
	}
	return int(end - p.first)
}

// unitOf returns the unit that p belongs to. The number of indexes of a part
// tells: the directory has 3<<k, a unit of two or three 3<<i, with i > 0.
func (t *table[K, V]) unitOf(p *part[K, V]) unit {
	n, lo := t.span(p), int(t.dir[p.first].first)
	switch {
	case n == len(t.dir):
		return unit{0, n, 1}
	case n&(n-1) == 0:
		return unit{lo - lo%(3*n), 3 * n, 3}
	}
	return unit{lo - lo%(2*n), 2 * n, 2}
}

// crowded tells whether, of n entries, more than limit are to be expected in
// indexes lo to hi of a directory of dir.
func crowded(n, limit int, lo, hi, dir float64) bool {
	return float64(n)*share(lo, hi, dir) > float64(limit)-0.01
}

// plan returns how many parts, of limit entries each, a unit of a directory of
// dir needs to have when there are n entries in all, and the length that the
// directory needs for that. Of the units that it is divided into, the first have
// most of the hashes, and so have the first parts of each.
func plan(n, limit int, u unit, dir int) (parts, need int) {
	lo, span, size := float64(u.lo), float64(u.span), float64(dir)
	if u.parts == 1 && !crowded(n, limit, lo, lo+span, size) {
		return 1, dir
	}
	need = max(leastDir, dir/u.span*leastDir)
	for units := 1; ; need *= 2 {
		three := sort.Search(units, func(i int) bool {
			at := lo + float64(i)*span
			return !crowded(n, limit, at, at+span/2, size)
		})
		if u.parts == 3 {
			three, u.parts = 1, 2
		}
		four := sort.Search(three, func(i int) bool {
			at := lo + float64(i)*span
			return !crowded(n, limit, at, at+span/3, size)
		})
		parts += 2*(units-four) + three - four
		if four == 0 {
			return parts, max(dir, need)
		}
		units, lo, size = 2*four, 2*lo, 2*size
	}
}

// splitOne adds a part to the unit of p, after it has seen to it that there is
// what that takes.
func (t *table[K, V]) splitOne(a mem.Allocator, p *part[K, V], ownedKeys bool, method string) error {
	t.from.check(a, method)
	t.unlocked(method)
	if err := t.direct(a); err != nil {
		return err
	}
	at := p.first
	d := t.more
	if len(d.fresh.slots) == 0 && d.used+1 == len(d.slabs) {
		if err := t.addSlab(a, t.slabParts(), ownedKeys); err != nil {
			return err
		}
	}
	if len(t.dir) == 0 {
		if err := t.setDir(a, leastDir); err != nil {
			return err
		}
	} else if u := t.unitOf(p); u.parts == 3 && u.span == leastDir {
		if err := t.setDir(a, 2*len(t.dir)); err != nil {
			return err
		}
		at *= 2
	}
	t.split(t.unitOf(&t.dir[at]))
	t.chill()
	return nil
}

// split adds a part to u, for which the directory is large enough, and takes
// fresh memory, which there is.
func (t *table[K, V]) split(u unit) {
	d := t.more
	if len(d.fresh.slots) == 0 {
		d.nextSlab()
	}
	fresh := d.fresh.cut(t.groups()).part()
	d.warm = max(0, d.warm-t.slotBytes())
	fresh.room = int32(t.limit())
	d.parts++
	t.room += int(fresh.room)
	t.moved++

	// The parts of u, as they are and as they are to be. The new one is the last
	// of two, the second of three, and the third of four, so that it takes from
	// those next to it and so do they.
	var parts [4]part[K, V]
	was := u.span / u.parts
	for i := range u.parts {
		parts[i] = t.dir[u.lo+i*was]
	}
	at := [...]int{1: 1, 2: 1, 3: 2}[u.parts]
	copy(parts[at+1:], parts[at:u.parts])
	parts[at] = fresh
	is := u.span / (u.parts + 1)
	for i := range u.span {
		parts[i/is].first = uint32(u.lo + i/is*is)
		t.dir[u.lo+i] = parts[i/is]
	}

	part := func(i int) *part[K, V] { return &t.dir[u.lo+i*is] }
	switch u.parts {
	case 1:
		t.settle(part(0), u.lo, was)
	case 2:
		t.settle(part(0), u.lo, was)
		t.settle(part(2), u.lo+was, was)
	case 3: // first the one that has to make room
		t.settle(part(1), u.lo+was, was)
		t.settle(part(0), u.lo, was)
		t.settle(part(3), u.lo+2*was, was)
	}
}

// settle moves the entries of p that have become those of another part, p having
// had the indexes from lo on, was of them. Those that stay keep their places,
// save for the few that had to pass a full group, or that may now have the slot
// which they want. What finds no slot stays as a stray.
//
// Whether an entry goes, or a slot has one, is not to be guessed, and so a group is
// looked at as a whole before anything depends on it.
func (t *table[K, V]) settle(p *part[K, V], lo, was int) {
	if int(p.room) == t.limit() {
		return // it is empty
	}
	pointers := hasPointers[slot[K, V]]()
	mask := uint(t.mask)
	first := uint64(p.first)
	last := first + uint64(t.span(p)) - 1
	brim := t.brim()
	var hashes [groupLen]uint64
	for i := range (mask + 1) >> groupShift {
		entries := wordAt(p.ctrl, i) & full
		if t.how == hashWord { // of every slot, as that is less than to leave some out
			for k := range uint(groupLen) {
				hashes[k] = mix(wordOf(&slotAt(p.slots, i<<groupShift+k).key) ^ t.seed)
			}
		} else {
			for m := entries; m != 0; m &= m - 1 {
				k := slotOf(m)
				hashes[k] = t.hashLong(&slotAt(p.slots, i<<groupShift+k).key)
			}
		}
		away, passed, stepped := t.weigh(&hashes, i, first, last)
		away, passed, stepped = away&entries, passed&entries, stepped&entries
		if t.stray > 0 {
			away = t.settleStrays(p, i, away, &hashes, uint(lo), uint(was))
		}
		for m := away | passed; m != 0; m &= m - 1 {
			at := i<<groupShift + slotOf(m)
			s := slotAt(p.slots, at)
			h := hashes[at&(groupLen-1)]
			to := p
			if away&m&-m != 0 {
				to = elementAt(t.dir, uint(elementAt(t.dir, t.index(h)).first))
				if to.room == brim {
					t.stray++ // it stays where it is
					continue
				}
				to.room--
				p.room++
			}
			if t.home(h)>>groupShift != i {
				if t.reflexive(&s.key) {
					t.unpass(p, h, i)
				} else {
					t.worn = true // it may have had another hash
				}
			}
			e := *s
			*ctrlAt(p.ctrl, at) = 0
			if pointers {
				*s = slot[K, V]{}
			}
			its := placeHome(to, mask, h)
			if its == nil {
				its = place(to, mask, h)
			}
			*its = e
		}
		for m := stepped &^ (away | passed); m != 0; m &= m - 1 {
			at := i<<groupShift + slotOf(m)
			h := hashes[at&(groupLen-1)]
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
}

// weigh returns bits of full for slots of group i of a part with the indexes from
// first to last: whose hash is of another part, of another group, and of another
// slot.
func (t *table[K, V]) weigh(hashes *[groupLen]uint64, i uint, first, last uint64) (away, passed, stepped uint64) {
	for k, h := range hashes {
		index := uint64(t.index(h))
		off := uint64(t.home(h) ^ (i<<groupShift + uint(k)))
		bit := uint64(0x80) << (k * 8)
		away |= bit & (sign(index-first) | sign(last-index))
		passed |= bit & sign(-(off >> groupShift))
		stepped |= bit & sign(-off)
	}
	return away, passed, stepped
}

// settleStrays returns which of the entries in group i of p are to leave it, of
// those that are not in their part: not what was a stray before. One that was
// and has come home is a stray no longer.
func (t *table[K, V]) settleStrays(p *part[K, V], i uint, away uint64, hashes *[groupLen]uint64, lo, was uint) uint64 {
	for m := wordAt(p.ctrl, i) & full; m != 0; m &= m - 1 {
		at := slotOf(m)
		if t.index(hashes[at])-lo < was {
			continue
		}
		if away&m&-m != 0 {
			away &^= m & -m
		} else if t.stray > 0 && t.reflexive(&slotAt(p.slots, i<<groupShift+at).key) {
			t.stray--
		}
	}
	return away
}

// sign returns all ones if x, as a signed number, is negative, else 0.
func sign(x uint64) uint64 { return uint64(int64(x) >> 63) }

// widen splits parts until n entries in all are to be expected to fit, or more.
// It changes nothing if there is no memory for that.
func (t *table[K, V]) widen(a mem.Allocator, n int, ownedKeys bool, method string) error {
	if t.stray > 0 || len(t.dir) == 0 && (t.from == 0 || t.groups() < partGroups[K, V]()) {
		return t.rebuild(a, n, ownedKeys, method)
	}
	t.from.check(a, method)
	t.unlocked(method)
	return t.widenParts(a, n, ownedKeys)
}

// widenParts is widen for a table with parts of the size that they are to have.
func (t *table[K, V]) widenParts(a mem.Allocator, n int, ownedKeys bool) error {
	if err := t.direct(a); err != nil {
		return err
	}
	d := t.more
	each := t.partLimit(t.groups())
	parts, length := 0, len(t.dir)
	if length == 0 {
		parts, length = plan(n, each, unit{span: leastDir, parts: 1}, leastDir)
	}
	for i := 0; i < len(t.dir); {
		u := t.unitOf(&t.dir[i])
		more, need := plan(n, each, u, len(t.dir))
		parts += more
		length = max(length, need)
		i += u.span
	}
	slabs := len(d.slabs)
	spare := len(d.fresh.slots)
	for _, s := range d.slabs[d.used+1:] {
		spare += len(s.slots)
	}
	if lack := parts - d.parts - spare/(int(t.mask)+1); lack > 0 {
		if err := t.addSlab(a, lack, ownedKeys); err != nil {
			return err
		}
	}
	if parts > d.parts && length > len(t.dir) {
		if err := t.setDir(a, length); err != nil {
			t.dropSlabs(a, slabs)
			return err
		}
	}
	for i := 0; i < len(t.dir); {
		u := t.unitOf(&t.dir[i])
		if crowded(n, each, float64(u.lo), float64(u.lo+u.span/u.parts), float64(len(t.dir))) {
			t.split(u)
		} else {
			i += u.span
		}
	}
	return nil
}
