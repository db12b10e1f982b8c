package generic

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/allod-dev/allod/mem"
)

// keysWith returns n keys whose hash, in tables with steady hashes, is wanted.
func keysWith(n int, wanted func(h uint64) bool) (keys []uint64) {
	seed := newSeed()
	for k := uint64(0); len(keys) < n; k++ {
		if wanted(mix(k ^ seed)) {
			keys = append(keys, k)
		}
	}
	return keys
}

func putAll(t *testing.T, m *HashMapUnmanaged[uint64, uint64], a mem.Allocator, keys []uint64, plus uint64) {
	t.Helper()
	for _, k := range keys {
		if err := m.Put(a, k, k+plus); err != nil {
			t.Fatal(err)
		}
	}
}

// removeSome removes the first n of all keys of m, puts the others in once more, and
// wants no other entries than these, which it returns.
func removeSome(t *testing.T, m *HashMapUnmanaged[uint64, uint64], a mem.Allocator, keys []uint64, n int) []uint64 {
	t.Helper()
	for _, k := range keys[:n] {
		if !m.Remove(k) {
			t.Errorf("%d is not there", k)
		}
	}
	keys = keys[n:]
	putAll(t, m, a, keys, 1)
	if m.Len() != len(keys) {
		t.Errorf("%d entries, want %d", m.Len(), len(keys))
	}
	return keys
}

// Where keys of one word are strays, they are found and removed, and not added
// again when there is room in their part.
func TestTableStraysOfWords(t *testing.T) {
	defer SmallParts(1)()
	a := new(heapOf)
	var m HashMapUnmanaged[uint64, uint64]
	defer m.Close(a)
	if err := m.EnsureTotalCapacity(a, 100); err != nil {
		t.Fatal(err)
	}
	keys := keysWith(30, func(h uint64) bool { return m.t.index(h) == 0 })
	putAll(t, &m, a, keys, 0)
	if want := uint32(len(keys) - groupLen); m.t.stray != want {
		t.Fatalf("%d strays, want %d", m.t.stray, want)
	}
	keys = removeSome(t, &m, a, keys, 4)
	for _, k := range keys {
		v, ok := m.FetchRemove(k)
		if !ok || v != k+1 || m.Contains(k) {
			t.Errorf("of %d, %d was removed: %t", k, v, ok)
		}
		if n := m.t.countStrays(); n != int(m.t.stray) {
			t.Fatalf("%d strays, counted as %d", n, m.t.stray)
		}
	}
	if m.Len() != 0 {
		t.Errorf("%d entries are left", m.Len())
	}
}

// An entry that found its group full is not added again when there is room.
func TestTablePassedGroup(t *testing.T) {
	defer SteadyHashes()()
	a := new(heapOf)
	var m HashMapUnmanaged[uint64, uint64]
	defer m.Close(a)
	if err := m.EnsureTotalCapacity(a, 20); err != nil {
		t.Fatal(err)
	}
	keys := keysWith(12, func(h uint64) bool { return m.t.home(h)>>groupShift == 0 })
	putAll(t, &m, a, keys, 0)
	keys = removeSome(t, &m, a, keys, 3)
	for _, k := range keys {
		if v, ok := m.FetchRemove(k); !ok || v != k+1 || m.Contains(k) {
			t.Errorf("of %d, %d was removed: %t", k, v, ok)
		}
	}
	for _, passed := range m.t.ctrlOf(&m.t.first) {
		if passed != 0 {
			t.Fatalf("an empty table has %v", m.t.ctrlOf(&m.t.first))
		}
	}
}

// A table whose entries are uneven takes no more than there is room for in all.
func TestTableRoomInAll(t *testing.T) {
	defer SmallParts(4)()
	a := new(heapOf)
	var m HashMapUnmanaged[uint64, uint64]
	defer m.Close(a)
	if err := m.EnsureTotalCapacity(a, 100); err != nil {
		t.Fatal(err)
	}
	a.out = true
	first := m.t.partOf(0)
	putAll(t, &m, a, keysWith(4*groupLen, func(h uint64) bool { return m.t.partOf(h) == first }), 0)
	if first.room >= 0 {
		t.Fatalf("the first part has room for %d more", first.room)
	}
	others := keysWith(10*m.Cap(), func(h uint64) bool { return m.t.partOf(h) != first })
	for _, k := range others {
		full := m.t.room == 0
		if err := m.Put(a, k, k); full != errors.Is(err, mem.ErrOutOfMemory) {
			t.Fatalf("%d of %d entries: %v", m.Len(), m.Cap(), err)
		}
	}
	if m.Len() != m.Cap() {
		t.Errorf("%d of %d entries", m.Len(), m.Cap())
	}
}

// The room of every part is what its entries leave of it, where the directory has
// copies of parts as well.
func TestTableRoomOfParts(t *testing.T) {
	defer SmallParts(4)()
	a := new(heapOf)
	var m HashMapUnmanaged[uint64, uint64]
	defer m.Close(a)
	copies := 0
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 8000 {
		if k := r.Uint64N(4000); i%3 == 2 {
			m.Remove(k)
		} else if err := m.Put(a, k, k); err != nil {
			t.Fatal(err)
		}
		if i%400 != 0 {
			continue
		}
		room := 0
		for p := range m.t.parts {
			n := 0
			for _, c := range m.t.ctrlOf(p)[:m.t.mask+1] {
				n += int(c >> 7)
			}
			if int(p.room) != m.t.limit()-n || p.room < 0 {
				t.Fatalf("step %d: a part with %d entries has room for %d of %d", i, n, p.room, m.t.limit())
			}
			room += int(p.room)
			if len(m.t.dir) > 0 {
				copies += m.t.span(p) - 1
			}
		}
		if m.t.room != room {
			t.Fatalf("step %d: room for %d, parts have %d", i, m.t.room, room)
		}
	}
	if copies == 0 {
		t.Error("no part has copies")
	}
}

// Nothing that was removed is kept alive.
func TestTableRemoveClears(t *testing.T) {
	a := mem.NoGoPointers(new(heapOf))
	var m HashMapUnmanaged[uint64, *int]
	defer m.Close(a)
	for name, remove := range map[string]func(k uint64) bool{
		"Remove":      m.Remove,
		"FetchRemove": func(k uint64) bool { v, ok := m.FetchRemove(k); return ok && *v == 1 },
	} {
		for k := range uint64(100) {
			if err := m.Put(a, k, oneInt); err != nil {
				t.Fatal(err)
			}
		}
		for k := range uint64(100) {
			if !remove(k) {
				t.Errorf("%s: %d is not there", name, k)
			}
		}
		for p := range m.t.parts {
			for i, s := range m.t.slotsOf(p) {
				if s != (slot[uint64, *int]{}) {
					t.Fatalf("%s: slot %d still has %v", name, i, s)
				}
			}
		}
	}
}

var oneInt = func() *int { n := 1; return &n }()

// A node that is removed has no element, and is in no list.
func TestDoublyLinkedListRemoveClears(t *testing.T) {
	a := mem.NoGoPointers(new(heapOf))
	var l DoublyLinkedListUnmanaged[*int]
	defer l.Close(a)
	var nodes []*DoublyNode[*int]
	for range 9 {
		n, err := l.PushBack(a, oneInt)
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, n)
	}
	for _, i := range []int{4, 0, 8, 3} {
		if v := l.Remove(a, nodes[i]); v != oneInt {
			t.Errorf("node %d: %v", i, v)
		}
		if n := nodes[i]; n.Value != nil || n.Next() != nil {
			t.Errorf("node %d still has %v and is before %v", i, n.Value, n.Next())
		}
	}
	if l.Len() != 5 {
		t.Errorf("%d elements", l.Len())
	}
}

// The first node that becomes free, in a list that had none, is the last of those
// that another list gets.
func TestDoublyLinkedListConcatOfFull(t *testing.T) {
	a := new(heapOf)
	full := func() *DoublyLinkedListUnmanaged[int] {
		l := new(DoublyLinkedListUnmanaged[int])
		for i := range 7 {
			if _, err := l.PushBack(a, i); err != nil {
				t.Fatal(err)
			}
		}
		if l.nodes.newest.free != nil {
			t.Fatal("there are free nodes")
		}
		l.Remove(a, l.First().Next().Next())
		return l
	}
	l, o := full(), full()
	l.Concat(o)
	live := a.live
	for range 2 {
		if _, err := l.PushBack(a, 7); err != nil {
			t.Fatal(err)
		}
	}
	if a.live != live {
		t.Errorf("%d bytes more for as many elements", a.live-live)
	}
	sum := 0
	for v := range l.Values() {
		sum += v
	}
	if l.Len() != 14 || sum != 2*(21-2)+14 {
		t.Errorf("%d elements, of %d together", l.Len(), sum)
	}
	l.Close(a)
	a.none(t)
}

// A ring that has grown in place has all elements in order, and nothing beside
// them.
func TestRingUnwrap(t *testing.T) {
	var values [6]int
	for old := 1; old <= len(values); old++ {
		for now := old + 1; now <= 2*old+2; now++ {
			for head := range old {
				for n := range old + 1 {
					buf := make([]*int, now)
					r := ring[*int]{block: buf[:old], head: head, tail: head + n, from: borrowed}
					for i := range n {
						r.block[r.wrap(head+i)] = &values[i]
					}
					r.block = buf
					r.unwrap(old)
					if r.n() != n {
						t.Fatalf("%d of %d from %d: %d elements in %d", n, old, head, r.n(), now)
					}
					for i := range n {
						if *r.element(i, "TestRingUnwrap") != &values[i] {
							t.Fatalf("%d of %d from %d: in %d, element %d is another", n, old, head, now, i)
						}
					}
					first, second := r.parts(n, r.room())
					for _, p := range append(first[:len(first):len(first)], second...) {
						if p != nil {
							t.Fatalf("%d of %d from %d: in %d, something is beside the elements", n, old, head, now)
						}
					}
				}
			}
		}
	}
}

// A key whose slot is taken gets one in the same half of the group while there is
// one, and else any that is free.
func TestSlotNear(t *testing.T) {
	for i := range uint(2 * groupLen) {
		for m := range uint(1 << groupLen) {
			var empty uint64
			for k := range groupLen {
				if m>>k&1 != 0 {
					empty |= 0x80 << (8 * k)
				}
			}
			if empty == 0 {
				continue
			}
			half := i & (groupLen / 2)
			at := slotNear(empty, i)
			if m>>at&1 == 0 {
				t.Fatalf("of %08b: slot %d is taken", m, at)
			}
			if m>>half&0xf != 0 && at&(groupLen/2) != half {
				t.Fatalf("of %08b, for slot %d: slot %d, in the other half", m, i, at)
			}
		}
	}
}

// A new entry that is added without growing has a zero value, also where another
// was before.
func TestTableReservedIsZero(t *testing.T) {
	a := new(heapOf)
	var m HashMapUnmanaged[uint64, uint64]
	for k := range uint64(100) {
		if err := m.Put(a, k, ^k); err != nil {
			t.Fatal(err)
		}
	}
	for k := range uint64(100) {
		m.Remove(k)
	}
	for k := range uint64(100) {
		if s := m.GetOrPutAssumeCapacity(k); s.Found || *s.Value != 0 {
			t.Fatalf("key %d: found %t, value %#x", k, s.Found, *s.Value)
		}
	}
	m.Close(a)
	a.none(t)
}
