package generic

import (
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/allod-dev/allod/mem"
)

// The directory has an index for every hash, and as many hashes for every index
// as share says.
func TestTableIndex(t *testing.T) {
	for size, shift := leastDir, uint8(61); size < 1<<20; size, shift = 2*size, shift-1 {
		x := table[int, int]{}
		x.shift = shift
		if i := x.index(math.MaxUint64); i != uint(size)-1 {
			t.Errorf("directory of %d: the last index is %d", size, i)
		}
		if i := x.index(0); i != 0 {
			t.Errorf("directory of %d: the first index is %d", size, i)
		}
	}
	x := table[int, int]{}
	x.shift = 61 - 3
	const size, n = leastDir << 3, 1 << 20
	var found [size]int
	for i := range uint64(n) {
		found[x.index(i<<44)]++
	}
	for i, f := range found {
		if want := n * share(float64(i), float64(i+1), size); math.Abs(float64(f)-want) > 2 {
			t.Errorf("index %d has %d of %d hashes, not %.1f", i, f, n, want)
		}
	}
	if first, last := found[0], found[size-1]; float64(first)/float64(last) < 1.9 || first > 2*last {
		t.Errorf("the first index has %d of the hashes, the last %d", first, last)
	}
}

// A plan says how many parts there will be, and how large the directory has to
// be, when units are split until none is crowded.
func TestTablePlan(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		lim, n := 1+r.IntN(50), r.IntN(5000)
		dir := leastDir << r.IntN(3)
		u := unit{0, dir, 1 + r.IntN(3)}
		if u.parts > 1 && r.IntN(2) == 0 && dir > leastDir {
			u.span /= 2
			u.lo = r.IntN(2) * u.span
		}
		parts, need := plan(n, lim, u, dir)
		wantParts, wantNeed := planSlowly(n, lim, u, dir)
		if parts != wantParts || need != wantNeed {
			t.Fatalf("plan(%d, %d, %v, %d): %d parts, directory of %d; want %d, %d", n, lim, u, dir, parts, need, wantParts, wantNeed)
		}
	}
	// A number that there is no memory for takes no time.
	if parts, _ := plan(math.MaxInt>>5, 8, unit{0, leastDir, 1}, leastDir); parts < math.MaxInt>>9 {
		t.Errorf("%d parts", parts)
	}
}

func planSlowly(n, lim int, u unit, dir int) (parts, need int) {
	if !crowded(n, lim, float64(u.lo), float64(u.lo+u.span/u.parts), float64(dir)) {
		return u.parts, dir
	}
	if u.parts < 3 {
		u.parts++
		return planSlowly(n, lim, u, dir)
	}
	if u.span == leastDir {
		u.lo, u.span, dir = 2*u.lo, 2*u.span, 2*dir
	}
	half := u.span / 2
	p1, n1 := planSlowly(n, lim, unit{u.lo, half, 2}, dir)
	p2, n2 := planSlowly(n, lim, unit{u.lo + half, half, 2}, dir)
	return p1 + p2, max(n1, n2)
}

// heapOf is an allocator over Go's heap that counts, and can be out of memory. It
// holds the blocks: those that refer to others are not scanned.
type heapOf struct {
	mem.NoResize
	live, peak int
	out        bool
	blocks     map[*byte][]uint64
}

func (h *heapOf) Alloc(size int, l mem.Layout) ([]byte, error) {
	if h.out {
		return nil, mem.ErrOutOfMemory
	}
	h.live += size
	h.peak = max(h.peak, h.live)
	words := make([]uint64, (size+7)/8)
	b := bytesOf(words)[:size:size]
	if h.blocks == nil {
		h.blocks = make(map[*byte][]uint64)
	}
	h.blocks[&b[0]] = words
	return b, nil
}

func (h *heapOf) Free(b []byte, l mem.Layout) {
	h.live -= len(b)
	delete(h.blocks, &b[0])
}

func (h *heapOf) Pointers() mem.Pointers { return mem.PlainOnly }

// badFor returns a context that spreads keys from 0 on, and gives all others the
// same hash.
func badFor() *Context[int] {
	return &Context[int]{
		Hash: func(k int) uint64 {
			if k < 0 {
				return 3
			}
			return uint64(k) * 0x9e3779b97f4a7c15
		},
		Equal: func(a, b int) bool { return a == b },
	}
}

// An entry that stays in its part as a stray while the part is settled is counted
// once, wherever the search for its slot would lead.
func TestTableStraysCounted(t *testing.T) {
	strays := 0
	for _, groups := range []int{2, 4, 8} {
		restore := SmallParts(groups)
		for seed := range uint64(Rounds(150)) {
			r := rand.New(rand.NewPCG(seed, uint64(groups)))
			few := make([]uint64, 2+r.IntN(6))
			for i := range few {
				few[i] = r.Uint64()
			}
			spread := r.IntN(4) // of four keys so many have hashes of their own
			a := new(heapOf)
			var m HashMapUnmanaged[int, int]
			m.SetContext(&Context[int]{
				Hash: func(k int) uint64 {
					if k%4 < spread {
						return uint64(k) * 0x9e3779b97f4a7c15
					}
					return few[k/4%len(few)]
				},
				Equal: func(a, b int) bool { return a == b },
			})
			keys := groups * 8 * (4 + r.IntN(8))
			for range 2 * keys {
				k := r.IntN(keys)
				if r.IntN(10) < 3 {
					m.Remove(k)
				} else if err := m.Put(a, k, k); err != nil {
					t.Fatal(err)
				}
				if m.t.stray == 0 {
					continue
				}
				strays++
				if n := m.t.countStrays(); n != int(m.t.stray) {
					t.Fatalf("parts of %d, seed %d: %d strays, counted as %d", groups, seed, n, m.t.stray)
				}
			}
			m.Close(a)
			if a.live != 0 {
				t.Fatalf("%d bytes leaked", a.live)
			}
		}
		restore()
	}
	if strays == 0 {
		t.Error("no table had strays")
	}
}

// none wants all blocks to be freed.
func (h *heapOf) none(t *testing.T) {
	t.Helper()
	if h.live != 0 {
		t.Errorf("%d bytes leaked", h.live)
	}
}

// putUpTo puts the keys below n into m, each with its value.
func putUpTo[V any](t *testing.T, m *HashMapUnmanaged[int, V], a mem.Allocator, n int, value func(k int) V) {
	t.Helper()
	for k := range n {
		if err := m.Put(a, k, value(k)); err != nil {
			t.Fatal(err)
		}
	}
}

// putInOrder puts the entries of from into m, in the order of from, and wants no
// part of m to get so many that others have to take them in.
func putInOrder[V any](t *testing.T, m *HashMapUnmanaged[int, V], a mem.Allocator, from *HashMapUnmanaged[int, V]) {
	t.Helper()
	few := m.Len()
	for k, v := range from.All() {
		if err := m.Put(a, k, v); err != nil {
			t.Fatal(err)
		}
		if m.t.stray > 100 {
			t.Fatalf("a copy of %d entries: after %d, %d are not in their parts", few, m.Len(), m.t.stray)
		}
	}
}

// What has become of a map goes into a copy of what it was, in its order, without
// piling up in one part after the other.
func TestTableCopyOfFew(t *testing.T) {
	defer SmallParts(4)()
	// Seeds that differ in about half of the lower bits: with few or nearly all of
	// them, numbers in a row have about the same order, or the opposite.
	newSeed = rand.New(rand.NewPCG(5, 2)).Uint64
	negative := func(k int) int { return -k }
	for _, few := range []int{1, 7, 25, 100, 200} {
		a := new(heapOf)
		var m HashMapUnmanaged[int, int]
		putUpTo(t, &m, a, few, negative)
		c, err := m.Clone(a)
		if err != nil {
			t.Fatal(err)
		}
		if c.Len() != few || c.t.seed == m.t.seed {
			t.Errorf("of %d entries, the copy has %d, in the same places", few, c.Len())
		}
		putUpTo(t, &m, a, 20_000, negative)
		putInOrder(t, &c, a, &m)
		for k := range 20_000 {
			if v, ok := c.Get(k); !ok || v != -k {
				t.Fatalf("of key %d: %d, %t", k, v, ok)
			}
		}
		m.Close(a)
		c.Close(a)
		a.none(t)
	}
}

// The same of a map that owns its keys, with a context and without.
func TestStringTableCopyOfFew(t *testing.T) {
	defer SmallParts(4)()
	newSeed = rand.New(rand.NewPCG(1, 2)).Uint64
	contexts := []*Context[string]{nil, {
		Hash:  func(k string) uint64 { return hashOf(1, stringBytes(k)) },
		Equal: func(a, b string) bool { return a == b },
	}}
	for i, ctx := range contexts {
		for _, few := range []int{1, 25, 100, 200} {
			a := new(heapOf)
			var m StringHashMapUnmanaged[int]
			if ctx != nil {
				m.SetContext(ctx)
			}
			put := func(m *StringHashMapUnmanaged[int], k int) {
				t.Helper()
				if _, err := m.Put(a, strconv.Itoa(k), -k); err != nil {
					t.Fatal(err)
				}
			}
			for k := range few {
				put(&m, k)
			}
			c, err := m.Clone(a)
			if err != nil {
				t.Fatal(err)
			}
			if c.Len() != few || c.t.seed == m.t.seed {
				t.Errorf("context %d: of %d entries, the copy has %d, in the same places", i, few, c.Len())
			}
			for k := range 6000 {
				put(&m, k)
			}
			for k, v := range m.All() {
				if _, err := c.Put(a, k, v); err != nil {
					t.Fatal(err)
				}
				if c.t.stray > 100 {
					t.Fatalf("context %d, a copy of %d entries: after %d, %d are not in their parts", i, few, c.Len(), c.t.stray)
				}
			}
			for k := range 6000 {
				if v, ok := c.Get(strconv.Itoa(k)); !ok || v != -k {
					t.Fatalf("context %d: of key %d: %d, %t", i, k, v, ok)
				}
			}
			m.Close(a)
			c.Close(a)
			a.none(t)
		}
	}
}

// So it does if the copy is of more parts than are given another order, since its
// directory may be as long as that of the original.
func TestTableCopyOfMany(t *testing.T) {
	defer SmallParts(4)()
	type large [150]uint64 // so that a part takes the memory of a directory that is long enough
	none := func(int) (v large) { return v }
	a := new(heapOf)
	var m HashMapUnmanaged[int, large]
	putUpTo(t, &m, a, 500, none)
	c, err := m.Clone(a)
	if err != nil {
		t.Fatal(err)
	}
	if m.t.isSmall() || c.t.seed != m.t.seed {
		t.Fatalf("a table of %d parts is copied as a small one", m.t.more.parts)
	}
	putUpTo(t, &m, a, 8000, none)
	putInOrder(t, &c, a, &m)
	m.Close(a)
	c.Close(a)
	a.none(t)
}

// What is reserved in a map is reserved in a copy of it: asking for it again is
// not answered by what only the original has.
func TestTableCopyReserved(t *testing.T) {
	defer SmallParts(4)()
	for _, n := range []int{20, 40, 300, 1000} {
		for _, few := range []int{1, 60, n - 1} {
			if few >= n {
				continue
			}
			a := new(heapOf)
			var m HashMapUnmanaged[int, int]
			var s StringHashMapUnmanaged[int]
			if err := errors.Join(m.EnsureTotalCapacity(a, n), s.EnsureTotalCapacity(a, n)); err != nil {
				t.Fatal(err)
			}
			for k := range few {
				m.PutAssumeCapacity(k, k)
				if _, err := s.Put(a, strconv.Itoa(k), k); err != nil {
					t.Fatal(err)
				}
			}
			c, err := m.Clone(a)
			if err != nil {
				t.Fatal(err)
			}
			d, err := s.Clone(a)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(c.EnsureTotalCapacity(a, n), d.EnsureTotalCapacity(a, n)); err != nil {
				t.Fatal(err)
			}
			if c.Cap() < n || d.Cap() < n {
				t.Errorf("of %d entries of %d, copies have room for %d and %d", few, n, c.Cap(), d.Cap())
			}
			m.Close(a)
			s.Close(a)
			c.Close(a)
			d.Close(a)
			a.none(t)
		}
	}
}

// countStrays returns how many entries are in a part that is not theirs.
func (t *table[K, V]) countStrays() (n int) {
	for p := range t.parts {
		ctrl, slots := t.ctrlOf(p), t.slotsOf(p)
		for i := range slots {
			if ctrl[i] != 0 && t.partOf(t.hash(&slots[i].key)) != p {
				n++
			}
		}
	}
	return n
}

// As many equal hashes as fill a part make a large map no larger than it would be
// with others. Parts are small: equal hashes are looked at one by one.
func TestTableEqualHashes(t *testing.T) {
	defer SmallParts(32)()
	a := new(heapOf)
	var m HashMapUnmanaged[int, int]
	m.SetContext(badFor())
	for i := 0; m.t.more == nil || m.t.more.parts < 12; i++ {
		if err := m.Put(a, i, i); err != nil {
			t.Fatal(err)
		}
	}
	before := a.live
	for i := range m.t.groups()*groupLen + 100 {
		if err := m.Put(a, -1-i, i); err != nil {
			t.Fatal(err)
		}
	}
	if a.peak > 4*before {
		t.Errorf("%d bytes for %d entries, %d before some with one hash", a.peak, m.Len(), before)
	}
	m.Close(a)
}

// Room that there is already is never refused, whatever it would take to have it
// in the best places.
func TestTableEnsureWithin(t *testing.T) {
	defer SmallParts(32)()
	a := new(heapOf)
	var m HashMapUnmanaged[int, int]
	m.SetContext(badFor())
	for i := range 8000 {
		if err := m.Put(a, i, i); err != nil {
			t.Fatal(err)
		}
		if m.t.more == nil || i%97 != 0 {
			continue
		}
		m.t.more.reserved, a.out = 0, true
		if err := m.EnsureTotalCapacity(a, min(m.Len()+1, m.Cap())); err != nil {
			t.Fatalf("Len %d, Cap %d: %v", m.Len(), m.Cap(), err)
		}
		a.out = false
	}
	m.t.more.reserved = 0
	m.LockPointers()
	if err := m.EnsureUnusedCapacity(a, 1); err != nil {
		t.Error(err)
	}
	m.UnlockPointers()
	for i := range m.t.groups()*groupLen + 100 { // until there are strays
		if err := m.Put(a, -1-i, i); err != nil {
			t.Fatal(err)
		}
	}
	if m.t.stray == 0 {
		t.Fatal("no strays")
	}
	before := m.Cap()
	m.t.more.reserved = 0
	if err := m.EnsureTotalCapacity(a, m.Len()+1); err != nil || m.Cap() != before {
		t.Errorf("Cap %d, then %d; %v", before, m.Cap(), err)
	}
	m.Close(a)
}

// Room for one more, again and again, is not planned anew every time.
func TestTableReservedByOne(t *testing.T) {
	defer SmallParts(8)()
	a := new(heapOf)
	var m HashMapUnmanaged[int, int]
	const n = 8000
	plans, planned := 0, 0
	for i := range n {
		if err := m.EnsureUnusedCapacity(a, 1); err != nil {
			t.Fatal(err)
		}
		if m.t.more != nil && m.t.more.reserved != planned {
			planned = m.t.more.reserved
			plans++
		}
		m.PutAssumeCapacity(i, i)
	}
	if m.Len() != n || plans < 10 || plans > n/8 {
		t.Errorf("%d plans for %d entries", plans, m.Len())
	}
	m.Close(a)
}

// A split moves the entries of at most three parts: these are no larger than what
// may be moved at a time, for all sizes of slots but those of which a part of the
// least length has more.
func TestTablePartsAreBounded(t *testing.T) {
	check := func(slotSize, groups, most int) {
		t.Helper()
		if bytes := groups * groupLen * slotSize; bytes > most || groups < maxPart && 4*bytes < most {
			t.Errorf("slots of %d bytes: parts of %d", slotSize, bytes)
		}
	}
	check(1, partGroups[uint8, struct{}](), 2*partBytes)
	check(16, partGroups[uint64, uint64](), 2*partBytes)
	check(24, partGroups[uint64, [2]uint64](), partBytes)
	check(24, partGroups[[2]uint64, uint64](), partBytes)
	check(72, partGroups[uint64, [8]uint64](), partBytes)
	if n := partGroups[uint64, [100]uint64](); n != minPart {
		t.Errorf("very large slots: parts of %d groups", n)
	}
}
