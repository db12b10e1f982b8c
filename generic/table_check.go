package generic

import "github.com/allod-dev/allod/internal/invariant"

// checkMost is how many groups check looks at: it runs after every mutation.
const checkMost = 32

func (t *table[K, V]) check() {
	if !invariant.Enabled {
		return
	}
	if t.from == 0 {
		invariant.Check(t.n == 0 && t.room == 0 && t.more == nil && len(t.dir) == 0,
			"generic: table without memory with %d entries, room for %d", t.n, t.room)
		return
	}
	invariant.Check(t.mask&(t.mask+1) == 0, "generic: parts of %d slots", t.mask+1)
	invariant.Check(len(t.dir) == 0 || uint64(len(t.dir)) == 3<<(62-t.shift), "generic: directory of %d", len(t.dir))
	invariant.Check(t.n >= 0 && t.room >= 0 && t.stray <= uint32(t.n), "generic: %d entries, room for %d, %d strays", t.n, t.room, t.stray)
	t.checkSlabs()
	if max(1, len(t.dir))*t.groups() > checkMost {
		return
	}
	parts, room, n, strays, known := 0, 0, 0, 0, true
	for p := range t.parts {
		parts++
		room += int(p.room)
		full, away, ok := t.checkPart(p)
		n += full
		strays += away
		known = known && ok
		invariant.Check(int(p.room) == t.limit()-full, "generic: part with %d entries and room for %d", full, p.room)
	}
	invariant.Check(n == t.n && room == t.room, "generic: %d entries and room for %d, counted as %d and %d", n, room, t.n, t.room)
	invariant.Check(!known || strays == int(t.stray) || t.loose() && strays < int(t.stray), "generic: %d strays, counted as %d", strays, t.stray)
	invariant.Check(parts == 1 || parts == t.more.parts, "generic: %d parts", parts)
	for i := range t.dir {
		p := &t.dir[i]
		q := &t.dir[p.first]
		invariant.Check(p.ctrl == q.ctrl && p.slots == q.slots && p.first == q.first, "generic: part %d is not what it is a copy of", i)
		if u := t.unitOf(p); int(p.first) == i {
			invariant.Check(u.lo <= i && i+t.span(p) <= u.lo+u.span && (i-u.lo)%t.span(p) == 0, "generic: part %d is not in its place", i)
		}
	}
}

// checkSlabs checks that all memory is that of parts, or of parts to come.
func (t *table[K, V]) checkSlabs() {
	d := t.more
	if len(t.dir) == 0 || len(d.slabs) > checkMost {
		return
	}
	held, spare := 0, len(d.fresh.slots)
	for i, x := range d.slabs {
		held += len(x.slots)
		if i > d.used {
			spare += len(x.slots)
		}
	}
	invariant.Check(held == d.parts*(int(t.mask)+1)+spare, "generic: %d slots in slabs, %d of them in none of %d parts", held, spare, d.parts)
	invariant.Check(0 <= d.warm && d.warm < len(d.fresh.slots)*sizeOf[slot[K, V]]()+warmPage, "generic: %d bytes are warm", d.warm)
}

// checkPart returns the number of entries of p, and that of those which belong
// into another part, unless the hash of a key is not what it was: that of a key
// that is not equal to itself has no hash to go by.
func (t *table[K, V]) checkPart(p *part[K, V]) (n, strays int, ok bool) {
	ctrl, slots := t.ctrlOf(p), t.slotsOf(p)
	var passed [checkMost]int
	ok = true
	for i := range slots {
		tag := ctrl[i]
		invariant.Check(tag == 0 || tag&0x80 != 0, "generic: control byte %#x", tag)
		if tag == 0 {
			continue
		}
		n++
		if !t.reflexive(&slots[i].key) {
			ok = false
			continue
		}
		h := t.hash(&slots[i].key)
		invariant.Check(tagOf(h) == tag, "generic: control byte %#x of a key whose hash says %#x", tag, tagOf(h))
		if t.partOf(h) != p {
			strays++
		}
		j := t.home(h) >> groupShift
		for step := uint(1); j != uint(i)>>groupShift; step++ {
			passed[j]++
			j = (j + step) & uint(t.groups()-1)
		}
	}
	for i, c := range ctrl[len(slots):] {
		invariant.Check(!ok || c == maxPass || int(c) == passed[i] || t.loose() && int(c) > passed[i], "generic: group %d was passed %d times, counts %d", i, passed[i], c)
	}
	return n, strays, ok
}

// loose tells whether there may have been keys that are not equal to themselves,
// which leave behind what they counted.
func (t *table[K, V]) loose() bool { return t.how == hashAny || t.how == hashContext }
