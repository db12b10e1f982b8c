package allocatortest

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/allod-dev/allod/mem"
)

// A Trace is what a program asked of an allocator, call by call. A [Tracer]
// writes one down, [Trace.Replay] does it again on another allocator, and
// [Trace.Shrink] finds the few calls of a long one that a failure needs.
type Trace []Call

// A Call is one call of a method of [mem.Allocator].
type Call struct {
	// Method is "Alloc", "Resize", "Remap" or "Free".
	Method string
	// Block is the number of the block that it was about: 1 for the first that
	// was asked for, and so on. It is 0 if the block was none of these.
	Block int
	// Size is what was asked for, in bytes; for a Free, the size of the block.
	Size int
	// Layout is as it was passed.
	Layout mem.Layout
	// OK tells whether the call was served. Free always is.
	OK bool
}

// String is the call as a program would have it: "b3 = Alloc(64, align 8)".
func (c Call) String() string {
	b := fmt.Sprintf("b%d", c.Block)
	if c.Block == 0 {
		b = "unknown"
	}
	s := ""
	switch c.Method {
	case "Alloc":
		s = fmt.Sprintf("%s = %v", b, request(c.Size, c.Layout))
	case "Free":
		return fmt.Sprintf("Free(%s)", b)
	default:
		s = fmt.Sprintf("%s = %s(%[1]s, %[3]d)", b, c.Method, c.Size)
	}
	if !c.OK {
		s += " // refused"
	}
	return s
}

// String lists the calls, one a line.
func (t Trace) String() string {
	var b strings.Builder
	for _, c := range t {
		fmt.Fprintln(&b, c)
	}
	return b.String()
}

// A Tracer passes calls on to an allocator and writes them down.
//
// Memory comes from the child, which does all the work. A Tracer is safe for
// concurrent use if its child is, and then writes calls down in some order. It
// must not be copied. There is no zero Tracer; call [NewTracer].
type Tracer struct {
	_     noCopy
	child mem.Allocator

	mu     sync.Mutex
	trace  Trace
	blocks int
	live   map[uintptr]int // numbers of blocks, by address
}

var _ mem.Allocator = (*Tracer)(nil)

// NewTracer returns a Tracer without a call.
func NewTracer(child mem.Allocator) *Tracer {
	if child == nil {
		panic("allocatortest: NewTracer: nil Allocator")
	}
	return &Tracer{child: child, live: make(map[uintptr]int)}
}

// Trace returns the calls so far.
func (t *Tracer) Trace() Trace {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.trace)
}

// Alloc implements [mem.Allocator].
func (t *Tracer) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("allocatortest: Tracer.Alloc", size)
	b, err := t.child.Alloc(size, l)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.blocks++
	if err == nil {
		t.live[address(b)] = t.blocks
	}
	t.trace = append(t.trace, Call{"Alloc", t.blocks, size, l, err == nil})
	return b, err
}

// Resize implements [mem.Allocator].
func (t *Tracer) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("allocatortest: Tracer.Resize", size)
	return t.change(resize, b, l, size)
}

// Remap implements [mem.Allocator].
func (t *Tracer) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("allocatortest: Tracer.Remap", size)
	return t.change(remap, b, l, size)
}

// change forgets the block's address before it asks: the child may serve it to
// somebody else at once.
func (t *Tracer) change(w way, b []byte, l mem.Layout, size int) ([]byte, bool) {
	n := t.take(b)
	c, ok := w.call(t.child, b, l, size)
	t.mu.Lock()
	defer t.mu.Unlock()
	if n != 0 {
		t.live[address(c)] = n
	}
	t.trace = append(t.trace, Call{w.name, n, size, l, ok})
	return c, ok
}

// Free implements [mem.Allocator].
func (t *Tracer) Free(b []byte, l mem.Layout) {
	n := t.take(b)
	t.mu.Lock()
	t.trace = append(t.trace, Call{"Free", n, len(b), l, true})
	t.mu.Unlock()
	t.child.Free(b, l)
}

// take forgets the block at b's address, and returns its number.
func (t *Tracer) take(b []byte) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.live[address(b)]
	delete(t.live, address(b))
	return n
}

// Pointers implements [mem.Allocator].
func (t *Tracer) Pointers() mem.Pointers { return t.child.Pointers() }

// Unwrap returns the child.
func (t *Tracer) Unwrap() mem.Allocator { return t.child }

// Replay makes the calls of t on a, and fails tb where a does something else
// than the model of [Play]. The contents of blocks are Replay's own. Calls about
// blocks that are not live are left out, and blocks that are live at the end are
// freed.
func (t Trace) Replay(tb TB, a mem.Allocator) {
	tb.Helper()
	m := &model{a: a, tb: tb}
	live := make(map[int]*modelBlock)
	for i, c := range t {
		if m.failed {
			return
		}
		m.steps = i + 1
		k := live[c.Block]
		switch {
		case c.Method == "Alloc":
			k := m.prepare(c.Layout)
			if k != nil && k.fits(c.Size) && m.place(k, c.Size) {
				live[c.Block] = k
			}
		case k == nil:
		case c.Method == "Free":
			delete(live, c.Block)
			m.release(slices.Index(m.live, k))
		case k.fits(c.Size):
			w := resize
			if c.Method == remap.name {
				w = remap
			}
			m.apply(k, w, c.Size)
		}
	}
	for len(m.live) > 0 && !m.failed {
		m.steps++
		m.release(0)
	}
}

// prepare returns a block of that layout without memory, or nil if the
// allocator serves none.
func (m *model) prepare(l mem.Layout) *modelBlock {
	k := &modelBlock{block: block{seed: uint64(m.steps), l: l}}
	switch answer := m.a.Pointers(); {
	case l.Kind == mem.Plain:
		return k
	case l.Kind == mem.Local && answer != mem.Scanned:
		k.mute = narrow
		return k
	case answer != mem.Scanned:
		return nil
	}
	k.mute = true
	for _, s := range shapes {
		if s.typ() == l.Type {
			k.mute, k.managed = false, &planted{block: &k.block, s: s, seed: k.seed}
		}
	}
	return k
}

// fits tells whether k may have that many bytes.
func (k *modelBlock) fits(size int) bool {
	return k.l.Kind == mem.Plain || k.l.Type.Size() > 0 && size%k.l.Type.Size() == 0
}

// shrinkRuns is how often Shrink asks at most.
const shrinkRuns = 2000

// Shrink returns a short trace for which fails still returns true: without one
// of its calls it would not, and blocks are as small as they may be. fails is
// called with one trace after another, for instance with what was left out:
//
//	short := trace.Shrink(func(t Trace) bool {
//		return !t.Plays(NewRing(heap.Page{}))
//	})
//
// and must say the same of the same trace; it is not called more than 2000
// times. If it is false for t itself, Shrink returns t.
//
// The way is that of Zeller and Hildebrandt: Simplifying and isolating
// failure-inducing input, 2002.
func (t Trace) Shrink(fails func(Trace) bool) Trace {
	runs := 0
	bad := func(t Trace) bool {
		runs++
		return runs <= shrinkRuns && fails(t)
	}
	if !bad(t) {
		return t
	}
	t = t.fewer(bad)
	t, smaller := t.smaller(bad)
	if smaller {
		t = t.fewer(bad)
	}
	return t.renumber()
}

// fewer leaves out calls, in pieces that get smaller.
func (t Trace) fewer(bad func(Trace) bool) Trace {
	for piece := (len(t) + 1) / 2; piece > 0; piece /= 2 {
		for again := true; again; {
			again = false
			for at := 0; at < len(t); {
				rest := slices.Concat(t[:at], t[min(at+piece, len(t)):])
				if bad(rest) {
					t, again = rest, true
				} else {
					at += piece
				}
			}
			again = again && piece == 1
		}
	}
	return t
}

// smaller makes sizes as small as can be, or else halves them, and tells whether
// it could.
func (t Trace) smaller(bad func(Trace) bool) (Trace, bool) {
	any := false
	for i := range t {
		least := 1
		if l := t[i].Layout; l.Kind != mem.Plain {
			least = max(l.Type.Size(), 1)
		}
		to := least
		for t[i].Method != "Free" && t[i].Size > least {
			less := slices.Clone(t)
			less[i].Size = to
			if bad(less) {
				t, any = less, true
			} else if to != least || t[i].Size/2/least <= 1 {
				break
			}
			to = max(t[i].Size/2/least*least, least)
		}
	}
	return t, any
}

// renumber gives the blocks that are left the numbers from 1 on.
func (t Trace) renumber() Trace {
	t = slices.Clone(t)
	names := map[int]int{0: 0}
	for i := range t {
		n, ok := names[t[i].Block]
		if !ok {
			n = len(names)
			names[t[i].Block] = n
		}
		t[i].Block = n
	}
	return t
}

// Plays tells whether [Trace.Replay] finds nothing wrong with a, a panic of a
// included: the question to shrink by.
func (t Trace) Plays(a mem.Allocator) bool {
	q := &quiet{}
	caught(q, func() { t.Replay(q, a) })
	return len(q.failures()) == 0
}
