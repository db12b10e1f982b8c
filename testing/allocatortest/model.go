package allocatortest

import (
	"errors"
	"math"
	"math/bits"

	"github.com/allod-dev/allod/mem"
)

// Play runs a program of operations on a, and fails tb where a does something
// else than a simple model of an allocator: blocks that overlap or are not what
// was asked for, contents that change, zeroes that are not. At the end it frees
// what is live. It is made for fuzzing:
//
//	func FuzzRing(f *testing.F) {
//		f.Add([]byte("a program"))
//		f.Fuzz(func(t *testing.T, program []byte) {
//			allocatortest.Play(t, NewRing(allocatortest.New(t)), program)
//		})
//	}
//
// Every byte string is a program; a longer one does more. Requests may fail for
// want of memory, which costs the program nothing. Blocks with pointers are
// among the requests that a serves: local ones, and managed ones if it is
// scanned.
func Play(tb TB, a mem.Allocator, program []byte) {
	tb.Helper()
	m := &model{a: a, program: program, tb: tb}
	m.play()
}

// model knows what an allocator should have served.
type model struct {
	a       mem.Allocator
	program []byte
	tb      TB
	served  func(size int, l mem.Layout, err error) // told of every request

	live   []*modelBlock
	bytes  int // in live blocks
	steps  int
	failed bool
}

type modelBlock struct {
	block
	managed *planted // if it holds pointers that only it keeps alive
	mute    bool     // nothing is written to it
}

const (
	modelBlocks = 40      // most live blocks
	modelBytes  = 4 << 20 // most live bytes
	modelTyped  = 4 << 10 // most bytes of a block whose elements all point somewhere
)

// narrow tells that any bytes may look like a pointer into the Go heap, which
// must not be in a local block: those are left alone.
const narrow = bits.UintSize == 32

func (m *model) byte() int {
	if len(m.program) == 0 {
		return 0
	}
	b := m.program[0]
	m.program = m.program[1:]
	return int(b)
}

// size returns a size of which the small ones are likelier, and those around
// powers of two likelier still.
func (m *model) size(most int) int {
	x, y := m.byte(), m.byte()
	n := 1 << (x & 15)
	switch x >> 4 & 3 {
	case 0: // as it is
	case 1:
		n += y&3 - 1
	default:
		n += n * y / 256
	}
	if x >= 250 {
		n = 1<<20 + y
	}
	return min(max(n, 1), most)
}

func (m *model) fail(format string, args ...any) {
	m.tb.Helper()
	m.failed = true
	fail(m.tb, "operation %d: "+format, append([]any{m.steps}, args...)...)
}

func (m *model) play() {
	for len(m.program) > 0 && !m.failed {
		m.steps++
		switch op := m.byte(); op % 8 {
		case 0, 1:
			m.alloc(false)
		case 2:
			m.alloc(true)
		case 3:
			m.free()
		case 4:
			m.change(resize)
		case 5:
			m.change(remap)
		case 6:
			m.check(m.byte())
		case 7:
			m.huge(op)
		}
	}
	for len(m.live) > 0 && !m.failed {
		m.free()
	}
}

func (m *model) alloc(typed bool) {
	if len(m.live) == modelBlocks {
		m.free()
	}
	size := m.size(modelBytes / 4)
	x := m.byte()
	k := &modelBlock{block: block{seed: uint64(m.steps)}}
	k.l = mem.Layout{Align: mem.AlignLog2(x & 7), Zero: x&8 != 0}
	if x&0xf0 == 0xf0 {
		k.l.Align = mem.AlignLog2(12 + x&7) // pages and more
	}
	var s shape
	if typed {
		s = shapes[x%len(shapes)]
		size = min(size, modelTyped)
		if m.a.Pointers() == mem.Scanned {
			k.l = s.layout(mem.Managed)
			if x&16 != 0 {
				k.l.Kind = mem.Local
			}
			k.managed = &planted{block: &k.block, s: s, seed: k.seed}
		} else {
			k.l = s.layout(mem.Local)
			k.mute = narrow
		}
		k.l.Zero = x&8 != 0
		size = (size + s.size() - 1) / s.size() * s.size()
	}
	if m.bytes+size > modelBytes {
		return
	}
	m.place(k, size)
}

// place asks for the memory of k, whose layout is known, and checks what it gets.
// It tells whether k is live.
func (m *model) place(k *modelBlock, size int) bool {
	b, err := m.a.Alloc(size, k.l)
	if m.served != nil {
		m.served(size, k.l, err)
	}
	if err != nil {
		if b != nil {
			m.fail("%v: error %v and a block", request(size, k.l), err)
		}
		if !errors.Is(err, mem.ErrOutOfMemory) {
			m.fail("%v: %v", request(size, k.l), err)
		}
		return false
	}
	k.b = b
	switch {
	case len(b) != size || cap(b) != size:
		m.fail("%v = %s", request(size, k.l), show(b))
		return false
	case !k.l.Align.Check(address(b)):
		m.fail("%v = %s, not aligned", request(size, k.l), show(b))
		return false
	}
	if i := cleared(b); i >= 0 && (k.l.Zero || k.l.Kind != mem.Plain) {
		m.fail("%v: byte %d is %#x", request(size, k.l), i, b[i])
		return false
	}
	m.apart(k)
	m.bytes += size
	m.live = append(m.live, k)
	m.write(k)
	return !m.failed
}

// apart wants k to overlap no other block.
func (m *model) apart(k *modelBlock) {
	for _, other := range m.live {
		if other != k && overlap(other.b, k.b) {
			m.fail("block %s overlaps %s", show(k.b), show(other.b))
		}
	}
}

// write gives k contents that intact knows.
func (m *model) write(k *modelBlock) {
	if m.failed {
		return
	}
	switch {
	case k.managed != nil:
		k.managed.plant(0)
	case !k.mute:
		k.paint(k.seed)
	}
}

// intact wants the n first bytes of k to be what write left there.
func (m *model) intact(k *modelBlock, n int, after string) {
	if k.mute {
		if i := cleared(k.b[:n]); i >= 0 {
			m.fail("%s: byte %d of %s is %#x, want 0", after, i, show(k.b), k.b[i])
		}
		return
	}
	if k.managed == nil {
		if i := painted(k.b[:n], k.n, k.seed); i >= 0 {
			m.fail("%s: byte %d of %s is %#x, want %#x", after, i, show(k.b), k.b[i], tint(k.seed, i))
		}
		return
	}
	x := k.managed
	for i, r := range x.refs[:n/x.s.size()] {
		t := r.Value()
		if t == nil {
			m.fail("%s: what element %d of %d %v points at was collected", after, i, len(x.refs), x.s.typ())
			return
		}
		if x.s.load(k.b, i) != t || t[0] != magic^x.seed || t[5] != uint64(i) {
			m.fail("%s: element %d of %d %v points elsewhere", after, i, len(x.refs), x.s.typ())
			return
		}
	}
}

func (m *model) pick() (int, *modelBlock) {
	if len(m.live) == 0 {
		return 0, nil
	}
	i := m.byte() % len(m.live)
	return i, m.live[i]
}

func (m *model) free() {
	i, k := m.pick()
	if k == nil {
		return
	}
	m.release(i)
}

// release frees the block number i of those that are live.
func (m *model) release(i int) {
	k := m.live[i]
	m.intact(k, len(k.b), "before Free")
	m.live[i] = m.live[len(m.live)-1]
	m.live = m.live[:len(m.live)-1]
	m.bytes -= len(k.b)
	m.a.Free(k.b, k.l)
	if len(m.live) > 0 {
		next := m.live[i%len(m.live)]
		m.intact(next, len(next.b), "after Free of another block")
	}
}

func (m *model) change(w way) {
	_, k := m.pick()
	if k == nil {
		return
	}
	size := m.size(modelBytes / 4)
	if k.managed != nil || k.l.Kind != mem.Plain {
		each := k.l.Type.Size()
		size = min(size, modelTyped)
		size = max(size/each, 1) * each
	}
	if m.bytes-len(k.b)+size > modelBytes {
		return
	}
	m.apply(k, w, size)
}

// apply resizes k, and checks what comes of it.
func (m *model) apply(k *modelBlock, w way, size int) {
	old, at := len(k.b), address(k.b)
	m.intact(k, old, "before "+w.name)
	b, ok := w.call(m.a, k.b, k.l, size)
	if !ok {
		if !same(b, k.b) {
			m.fail("%s(%d -> %d) = %s, false; want %s", w.name, old, size, show(b), show(k.b))
			return
		}
		m.intact(k, old, w.name+" = false")
		return
	}
	if len(b) != size || cap(b) != size || !k.l.Align.Check(address(b)) {
		m.fail("%s(%d -> %d) = %s, true; aligned to %v", w.name, old, size, show(b), k.l.Align)
		return
	}
	if address(b) != at && (w.name == resize.name || k.l.Kind != mem.Plain && m.a.Pointers() == mem.Scanned) {
		m.fail("%s(%d -> %d): moved from %#x to %#x", w.name, old, size, at, address(b))
	}
	k.b = b
	m.bytes += size - old
	m.intact(k, min(old, size), w.name)
	if size > old && (k.l.Zero || k.l.Kind != mem.Plain) {
		if i := cleared(b[old:]); i >= 0 {
			m.fail("%s(%d -> %d): byte %d is %#x, want 0", w.name, old, size, old+i, b[old+i])
			return
		}
	}
	m.apart(k)
	if m.failed {
		return
	}
	switch {
	case k.managed != nil:
		k.managed.plant(min(old, size) / k.managed.s.size())
	case !k.mute:
		k.paint(k.seed)
	}
}

func (m *model) check(x int) {
	if x == 0xff && m.a.Pointers() == mem.Scanned {
		collect()
	}
	for _, k := range m.live {
		m.intact(k, len(k.b), "at a check")
	}
}

// huge asks for what there is nowhere.
func (m *model) huge(x int) {
	size := math.MaxInt - x<<(x&15)
	if x&16 != 0 {
		size = math.MaxInt - x
	}
	l := mem.Layout{Align: mem.AlignLog2(x & 15)}
	b, err := m.a.Alloc(size, l)
	switch {
	case err == nil && len(b) == size:
		m.a.Free(b, l)
	case err == nil:
		m.fail("%v: len %d and no error", request(size, l), len(b))
	case !errors.Is(err, mem.ErrOutOfMemory):
		m.fail("%v: %v", request(size, l), err)
	}
}
