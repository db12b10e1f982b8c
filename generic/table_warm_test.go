package generic

import (
	"strconv"
	"testing"

	"github.com/allod-dev/allod/mem"
)

// dirty is a heapOf whose memory is not zero where nobody asked for that, and
// that counts requests for slabs: for blocks of at least so many bytes.
type dirty struct {
	heapOf
	least, slabs int
	out          bool // of slabs
}

func (d *dirty) Alloc(size int, l mem.Layout) ([]byte, error) {
	if size >= d.least {
		d.slabs++
		if d.out {
			return nil, mem.ErrOutOfMemory
		}
	}
	b, err := d.heapOf.Alloc(size, l)
	if err == nil && !l.Zero {
		for i := range b {
			b[i] = 0xff
		}
	}
	return b, err
}

// watchSplits calls put for i from 0 on until m has parts of them, and returns
// how many splits there were since it had more than from, how many of these had
// to ask for a slab, and how many found the memory of the new part untouched.
func watchSplits[K comparable, V any](t *testing.T, m *table[K, V], d *dirty, from, parts int, put func(i int)) (splits, asked, cold int) {
	for i := 0; m.more == nil || m.more.parts < parts; i++ {
		before, slabs, untouched := 0, d.slabs, false
		if m.more != nil {
			before = m.more.parts
			if x := m.more.fresh; len(x.slots) == 0 {
				untouched = true
			} else if !hasPointers[slot[K, V]]() { // else, it is zero
				for at := 0; at < m.slotBytes(); at += warmPage {
					untouched = untouched || bytesOf(x.slots)[at] != 0
				}
			}
		}
		put(i)
		if before <= from || m.more.parts == before {
			continue
		}
		splits++
		if d.slabs > slabs {
			asked++
		}
		if untouched {
			cold++
		}
	}
	return splits, asked, cold
}

// A split finds memory that was asked for and written to before.
func TestTableWarmUp(t *testing.T) {
	defer SmallParts(64)()
	const parts = 300
	d := &dirty{least: 64 * groupLen * 16}
	var m HashMapUnmanaged[int, int]
	splits, asked, cold := watchSplits(t, &m.t, d, warmShare+1, parts, func(i int) {
		if err := m.Put(d, i, -i); err != nil {
			t.Fatal(err)
		}
	})
	// Now and then one split follows another too soon.
	if splits < parts-warmShare-5 || asked > splits/20 || cold > splits/10 {
		t.Errorf("of %d splits, %d ask for memory and %d find it cold", splits, asked, cold)
	}
	for i := range m.Len() {
		if v, ok := m.Get(i); !ok || v != -i {
			t.Fatalf("of key %d: %d, %t", i, v, ok)
		}
	}
	c, err := m.Clone(d)
	if err != nil {
		t.Fatal(err)
	}
	m.Remove(7)
	m.ShrinkAndFree(d)
	for i := range 1000 {
		if err := c.Put(d, -1-i, i); err != nil {
			t.Fatal(err)
		}
	}
	m.Close(d)
	c.Close(d)
	d.none(t)

	var s StringHashMapUnmanaged[int]
	d = &dirty{least: 64 * groupLen * 24}
	splits, asked, _ = watchSplits(t, &s.t, d, warmShare+1, parts, func(i int) {
		if _, err := s.Put(d, strconv.Itoa(i), i); err != nil {
			t.Fatal(err)
		}
	})
	if splits < parts-warmShare-5 || asked > splits/20 {
		t.Errorf("of %d splits of a map of strings, %d ask for memory", splits, asked)
	}
	s.Close(d)
	d.none(t)
}

// Without memory for a slab that no split needs yet, a Put does not fail, and does
// not ask for it again and again. With memory, all goes on.
func TestTableWarmUpFails(t *testing.T) {
	defer SmallParts(64)()
	d := &dirty{least: 64 * groupLen * 24}
	var m StringHashMapUnmanaged[int]
	put := func() {
		t.Helper()
		if _, err := m.Put(d, strconv.Itoa(m.Len()), 1); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		for m.t.more == nil || len(m.t.more.fresh.slots) > 0 || !m.t.more.cold {
			put()
		}
		d.out = true
		slabs := d.slabs
		for range 30 {
			put()
		}
		// A split, had one been due, would have asked as well.
		if n := d.slabs - slabs; n == 0 || n > 5 {
			t.Fatalf("%d requests", n)
		}
		d.out = false
		for parts := m.t.more.parts; m.t.more.parts == parts; {
			put()
		}
	}
	for i := range m.Len() {
		if !m.Contains(strconv.Itoa(i)) {
			t.Fatalf("%d is gone", i)
		}
	}
	m.Close(d)
	d.none(t)
}

// What was reserved is there: no memory is asked for, not for later either.
func TestTableWarmUpReserved(t *testing.T) {
	defer SmallParts(64)()
	d := &dirty{least: 64 * groupLen * 24}
	var m StringHashMapUnmanaged[int]
	put := func() {
		t.Helper()
		if _, err := m.Put(d, strconv.Itoa(m.Len()), 1); err != nil {
			t.Fatal(err)
		}
	}
	for m.t.more == nil || !m.t.more.cold {
		put()
	}
	n := 3 * m.Len()
	if err := m.EnsureTotalCapacity(d, n); err != nil {
		t.Fatal(err)
	}
	for slabs := d.slabs; m.Len() < n; {
		if put(); d.slabs != slabs {
			t.Fatalf("the %d-th of %d entries that were reserved asked for memory", m.Len(), n)
		}
	}
	m.Close(d)
	d.none(t)
}

// A map that was emptied asks for no memory until it is as full as it was.
func TestTableWarmUpEmptied(t *testing.T) {
	defer SmallParts(64)()
	for name, empty := range map[string]func(m *StringHashMapUnmanaged[int], d *dirty){
		"Clear": func(m *StringHashMapUnmanaged[int], d *dirty) { m.Clear(d) },
		"Remove": func(m *StringHashMapUnmanaged[int], d *dirty) {
			for i := m.Len() - 1; i >= 0; i-- {
				m.Remove(d, strconv.Itoa(i))
			}
		},
	} {
		d := &dirty{least: 64 * groupLen * 24}
		var m StringHashMapUnmanaged[int]
		put := func() {
			t.Helper()
			if _, err := m.Put(d, strconv.Itoa(m.Len()), 1); err != nil {
				t.Fatal(err)
			}
		}
		spent := func() bool { // the next Put would ask for a slab
			x := m.t.more
			return x != nil && x.cold && len(x.fresh.slots) == 0 && x.used+1 == len(x.slabs)
		}
		for m.Len() < 20_000 || !spent() {
			put()
		}
		n, slabs := m.Len(), d.slabs
		empty(&m, d)
		for m.Len() < n/2 {
			put()
		}
		if d.slabs != slabs {
			t.Errorf("%s: %d slabs were asked for, to put half of what there was", name, d.slabs-slabs)
		}
		m.Close(d)
		d.none(t)
	}
}
