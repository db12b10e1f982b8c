package heap_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// FuzzArena runs a program of operations on an arena whose child fails now and
// then, and keeps a model of what must be in memory.
func FuzzArena(f *testing.F) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 0))
		program := make([]byte, 400)
		for i := range program {
			program[i] = byte(r.Uint32())
		}
		f.Add(program)
	}
	f.Fuzz(playArena)
}

// TestArenaRandom runs programs that nobody chose.
func TestArenaRandom(t *testing.T) {
	n := 100
	if testing.Short() || race.Enabled {
		n = 10
	}
	for seed := range uint64(n) {
		r := rand.New(rand.NewPCG(seed, 1))
		program := make([]byte, 1000)
		for i := range program {
			program[i] = byte(r.Uint32())
		}
		playArena(t, program)
		if t.Failed() {
			t.Fatalf("program %d", seed)
		}
	}
}

// moody is a child that fails when told to.
type moody struct {
	mem.Allocator
	failing, refusing bool
}

func (c *moody) Alloc(size int, l mem.Layout) ([]byte, error) {
	if c.failing {
		return nil, mem.ErrOutOfMemory
	}
	return c.Allocator.Alloc(size, l)
}

func (c *moody) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	if c.refusing {
		return b, false
	}
	return c.Allocator.Resize(b, l, size)
}

func (c *moody) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	if c.refusing {
		return b, false
	}
	return c.Allocator.Remap(b, l, size)
}

// fuzzRecord is an object that the collector must see.
type fuzzRecord struct {
	n int
	p *int
	s string
}

type arenaModel struct {
	t     *testing.T
	prog  []byte
	a     *heap.Arena
	child *moody
	raws  []rawBlock
	recs  []recBlock
	marks []heap.Mark
	next  int
}

type rawBlock struct {
	b     []byte
	v     byte // what it is full of
	l     mem.Layout
	depth int // marks open when it was allocated
}

type recBlock struct {
	s     []fuzzRecord
	v     int
	depth int
}

func playArena(t *testing.T, program []byte) {
	m := &arenaModel{t: t, prog: program}
	switch m.byte() % 4 {
	case 0:
		m.child = &moody{Allocator: newArenaChild(t)}
	case 1:
		c := newArenaChild(t)
		c.grows = true
		m.child = &moody{Allocator: c}
	case 2:
		m.child = &moody{Allocator: heap.Page{}}
	default:
		m.child = &moody{Allocator: heap.GC{}}
	}
	m.a = heap.NewArena(m.child)
	defer m.a.Close()
	for len(m.prog) > 0 && !t.Failed() {
		before := m.a.Stats()
		if !m.step() && m.a.Stats() != before {
			t.Errorf("a failure changed %+v to %+v", before, m.a.Stats())
		}
		m.verify()
	}
	for len(m.marks) > 0 {
		m.rewind()
	}
}

func (m *arenaModel) byte() int {
	if len(m.prog) == 0 {
		return 0
	}
	b := m.prog[0]
	m.prog = m.prog[1:]
	return int(b)
}

func (m *arenaModel) size() int { return 1 + (m.byte()<<8|m.byte())>>(m.byte()%16) }

func (m *arenaModel) value() int { m.next++; return m.next }

// pick prefers the last of n.
func (m *arenaModel) pick(n int) int {
	if x := m.byte(); x%2 == 0 {
		return x / 2 % n
	}
	return n - 1
}

// step returns false if nothing may have happened.
func (m *arenaModel) step() bool {
	switch op := m.byte() % 16; op {
	case 0, 1, 2, 3:
		return m.alloc()
	case 4, 5:
		return m.allocTyped()
	case 6:
		if n := len(m.raws); n > 0 {
			i := m.pick(n)
			m.a.Free(m.raws[i].b, m.raws[i].l)
			m.raws = append(m.raws[:i], m.raws[i+1:]...)
		}
	case 7:
		if n := len(m.recs); n > 0 {
			i := m.pick(n)
			mem.Free(m.a, m.recs[i].s)
			m.recs = append(m.recs[:i], m.recs[i+1:]...)
		}
	case 8, 9:
		return m.resize(op == 8)
	case 10:
		return m.resizeTyped()
	case 11:
		m.marks = append(m.marks, m.a.Mark())
	case 12:
		m.rewind()
	case 13:
		if n := len(m.marks); n > 0 {
			m.a.Keep(m.marks[n-1])
			m.marks = m.marks[:n-1]
			for i := range m.raws {
				m.raws[i].depth = min(m.raws[i].depth, n-1)
			}
			for i := range m.recs {
				m.recs[i].depth = min(m.recs[i].depth, n-1)
			}
		}
	case 14:
		x := m.byte()
		m.child.failing, m.child.refusing = x%8 == 0, x%3 == 0
	case 15:
		m.reset()
	}
	return true
}

func (m *arenaModel) alloc() bool {
	n, x := m.size(), m.byte()
	l := mem.Layout{Align: mem.AlignLog2(x % 13), Zero: x&16 != 0}
	b, err := m.a.Alloc(n, l)
	if err != nil {
		if !m.child.failing {
			m.t.Errorf("Alloc(%d, %v): %v", n, l, err)
		}
		return false
	}
	if len(b) != n || cap(b) != n {
		m.t.Errorf("Alloc(%d): len %d, cap %d", n, len(b), cap(b))
	}
	m.zero(l, b)
	r := rawBlock{b, byte(m.value() | 1), l, len(m.marks)}
	r.fill()
	m.raws = append(m.raws, r)
	return true
}

func (r *rawBlock) fill() {
	for i := range r.b {
		r.b[i] = r.v
	}
}

func (m *arenaModel) zero(l mem.Layout, b []byte) {
	if l.Zero && !bytes.Equal(b, make([]byte, len(b))) {
		m.t.Errorf("%d bytes are not zero", len(b))
	}
}

func (m *arenaModel) allocTyped() bool {
	if m.a.Pointers() != mem.Scanned {
		return true
	}
	s, err := mem.Alloc[fuzzRecord](m.a, 1+m.byte()*m.byte()>>(m.byte()%16))
	if err != nil {
		if !m.child.failing {
			m.t.Error(err)
		}
		return false
	}
	r := recBlock{s, m.value(), len(m.marks)}
	r.fill(m, 0)
	m.recs = append(m.recs, r)
	return true
}

func (r *recBlock) fill(m *arenaModel, from int) {
	for i := from; i < len(r.s); i++ {
		if r.s[i] != (fuzzRecord{}) {
			m.t.Errorf("record %d of %d is %+v, want zeroes", i, len(r.s), r.s[i])
		}
		n := r.v + i
		r.s[i] = fuzzRecord{r.v, &n, string(rune(n))}
	}
}

func (m *arenaModel) resize(remap bool) bool {
	if len(m.raws) == 0 {
		return true
	}
	r := &m.raws[m.pick(len(m.raws))]
	n, old := m.size(), len(r.b)
	var b []byte
	var ok bool
	if remap {
		b, ok = m.a.Remap(r.b, r.l, n)
	} else {
		b, ok = m.a.Resize(r.b, r.l, n)
	}
	if !ok {
		if len(b) != old || &b[0] != &r.b[0] || n <= old {
			m.t.Errorf("changing %d bytes to %d: false and %d bytes", old, n, len(b))
		}
		return false
	}
	if len(b) != n || cap(b) != n {
		m.t.Errorf("changed %d bytes to %d: len %d, cap %d", old, n, len(b), cap(b))
	}
	both := min(n, old)
	if !bytes.Equal(b[:both], bytes.Repeat([]byte{r.v}, both)) {
		m.t.Errorf("changing %d bytes to %d lost them", old, n)
	}
	m.zero(r.l, b[both:])
	r.b = b
	r.fill()
	return true
}

func (m *arenaModel) resizeTyped() bool {
	if len(m.recs) == 0 {
		return true
	}
	r := &m.recs[m.pick(len(m.recs))]
	n, old := 1+m.byte(), len(r.s)
	s, ok := mem.Resize(m.a, r.s, n)
	if !ok {
		return false
	}
	r.s = s
	r.fill(m, min(n, old))
	return true
}

func (m *arenaModel) rewind() {
	n := len(m.marks)
	if n == 0 {
		return
	}
	m.a.Rewind(m.marks[n-1])
	m.marks = m.marks[:n-1]
	raws, recs := m.raws[:0], m.recs[:0]
	for _, r := range m.raws {
		if r.depth < n {
			raws = append(raws, r)
		}
	}
	for _, r := range m.recs {
		if r.depth < n {
			recs = append(recs, r)
		}
	}
	m.raws, m.recs = raws, recs
}

func (m *arenaModel) reset() {
	if len(m.marks) > 0 {
		return
	}
	x := m.byte()
	before := m.a.Stats().Capacity
	switch x % 4 {
	case 0:
		m.a.Release()
		if m.a.Stats().Capacity != 0 {
			m.t.Errorf("after Release %+v", m.a.Stats())
		}
	case 1:
		limit := m.size()
		if m.a.ResetTo(limit) && m.a.Stats().Capacity > limit {
			m.t.Errorf("after ResetTo(%d) %+v", limit, m.a.Stats())
		}
	default:
		m.a.Reset()
	}
	if st := m.a.Stats(); st.InUse != 0 || st.Capacity > before {
		m.t.Errorf("after a reset of %d bytes %+v", before, st)
	}
	m.raws, m.recs = nil, nil
}

func (m *arenaModel) verify() {
	for _, r := range m.raws {
		if !bytes.Equal(r.b, bytes.Repeat([]byte{r.v}, len(r.b))) {
			m.t.Errorf("a block of %d bytes changed", len(r.b))
		}
	}
	for _, r := range m.recs {
		for i := range r.s {
			if e := &r.s[i]; e.n != r.v || *e.p != r.v+i || e.s != string(rune(r.v+i)) {
				m.t.Errorf("record %d of %d changed: %+v", i, len(r.s), *e)
			}
		}
	}
	st := m.a.Stats()
	if st.InUse < 0 || st.Wasted < 0 || st.InUse > st.Capacity-st.Wasted || st.Capacity > st.Peak {
		m.t.Errorf("%+v", st)
	}
}
