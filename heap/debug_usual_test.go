package heap_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// Usual blocks have a way of their own through a Debug. A program full of mistakes,
// over a child full of lies, hears the same on it as on the way of all blocks, which
// a Debug takes that is to check them now and then; and the child does, too.
func TestDebugUsualTwin(t *testing.T) {
	rounds := 300
	if race.Enabled || invariant.Enabled || testing.Short() {
		rounds = 30
	}
	for seed := range uint64(rounds) {
		o := heap.DebugOptions{StackDepth: 3, QuarantineBlocks: 1 + int(seed%40), Remember: 10}
		// No block is usual that the quarantine has no room for.
		o.QuarantineBytes = [...]int{600, 0, 100, 0, 511, 0, 512}[seed%7]
		usual := wrongProgram(t, seed, o)
		o.CheckEvery = math.MaxInt
		other := wrongProgram(t, seed, o)
		for i := range max(len(usual), len(other)) {
			if i >= len(usual) || i >= len(other) || usual[i] != other[i] {
				t.Fatalf("seed %d: after\n%s\nusual:\n%s\nother:\n%s", seed, strings.Join(usual[max(0, i-10):i], "\n"),
					strings.Join(usual[i:min(i+3, len(usual))], "\n"), strings.Join(other[i:min(i+3, len(other))], "\n"))
			}
		}
	}
}

// A Debug keeps the place of a block in mind that went back to the child, but not
// its memory.
func TestDebugVacantIsCollected(t *testing.T) {
	d := newDebug(t, heap.GC{}, heap.DebugOptions{})
	var left atomic.Int32
	const n = 100
	for range n {
		b := debugAlloc(d, 64, word8)
		left.Add(1)
		runtime.AddCleanup(&b[0], func(left *atomic.Int32) { left.Add(-1) }, &left)
		d.Free(b, word8)
	}
	runtime.GC()
	if left.Load() != n {
		t.Fatal("blocks in quarantine were collected")
	}
	d.Trim()
	for range 1000 {
		if left.Load() == 0 {
			return
		}
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d of %d blocks are still there", left.Load(), n)
}

// Of the places that went back to the child so many are kept in mind, and no more,
// if it never serves them again.
func TestDebugVacantBounded(t *testing.T) {
	const most = 256
	d := newDebug(t, &bump{room: make([]byte, 1<<20)}, heap.DebugOptions{QuarantineBlocks: 4})
	for i := range 10 * most {
		d.Free(debugAlloc(d, 1+i%100, word8), word8)
	}
	if n := heap.DebugNodes(d.Debug); n > most+8 {
		t.Errorf("%d nodes", n)
	}
	d.none()
}

// A place that went back to the child is served again for a block of any other size.
func TestDebugVacantOfAnySize(t *testing.T) {
	child := &samePlace{room: make([]byte, 2048)}
	var got []*heap.Misuse
	d := heap.NewDebug(child, heap.DebugOptions{OnMisuse: func(m *heap.Misuse) { got = append(got, m) }})
	done := make(chan error)
	go func() { // what the index does not find it may look for without end
		for _, size := range []int{300, 10, 64, 65, 448, 1, 449, 30, 900, 64, 400, 63} {
			b := debugAlloc(d, size, word8)
			d.Free(b, word8)
			d.Trim()
		}
		done <- d.Close()
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("no end")
	}
	if len(got) != 0 {
		t.Errorf("heard %v", got)
	}
}

// samePlace serves one block at a time, which begins where all do.
type samePlace struct {
	mem.NoResize
	room []byte
}

func (c *samePlace) Alloc(size int, l mem.Layout) ([]byte, error) {
	from := l.Align.Pad(addr(c.room))
	return c.room[from : from+size : from+size], nil
}

func (c *samePlace) Free([]byte, mem.Layout) {}

// wrongProgram plays a program that the seed tells, and returns what happened.
func wrongProgram(t *testing.T, seed uint64, o heap.DebugOptions) (log []string) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	child := &trickster{room: make([]byte, 1<<17), rnd: rand.New(rand.NewPCG(seed, 2)), free: make(map[int][][]byte), log: &log}
	child.Allocator = child
	o.OnMisuse = func(m *heap.Misuse) {
		if m.Kind == heap.ChildLied && m.Alloc != nil {
			m.Alloc, m.Free, m.Hint = nil, nil, "the block overlaps" // one of several
		}
		log = append(log, fmt.Sprintf("%v %s %d of %d: %s; %s, %s", m.Kind, m.Op, child.at(m.Addr), m.Size, m.Hint, begins(m.Alloc), begins(m.Free)))
	}
	o.OnLeak = func(e *heap.LeakError) { log = append(log, fmt.Sprint(e.Blocks, e.Bytes)) }
	d := heap.NewDebug(child, o)
	type held struct {
		b []byte
		l mem.Layout
	}
	layouts := []mem.Layout{word8, word1, {Align: mem.Align(64)}, {Align: mem.Align(32), Zero: true},
		mem.LayoutOf[bool](), mem.LayoutOf[uint16](), {Align: mem.Align(4), Type: mem.TypeFor[float32]()},
		{Align: mem.Align(8), Type: mem.TypeFor[[3]*int]()}}
	var live, dead []held
	for range 400 {
		if len(live) < 20 || rnd.IntN(2) == 0 {
			l := layouts[rnd.IntN(len(layouts))]
			size := l.Type.Size() * (1 + rnd.IntN([...]int{8, 80, 500}[rnd.IntN(3)]))
			b, err := d.Alloc(size, l)
			log = append(log, fmt.Sprint("alloc ", size, l, err))
			if err == nil {
				log = append(log, fmt.Sprintf("at %d: %x", child.at(addr(b)), child.around(b)))
				live = append(live, held{b, l})
			}
			continue
		}
		i := rnd.IntN(len(live))
		h := live[i]
		free := func() {
			d.Free(h.b, h.l)
			live[i] = live[len(live)-1]
			live = live[:len(live)-1]
			dead = append(dead, h)
			log = append(log, fmt.Sprintf("freed %x", child.around(h.b)))
		}
		last := h
		if len(dead) > 0 {
			last = dead[rnd.IntN(len(dead))]
		}
		switch rnd.IntN(20) {
		case 0: // of another size
			d.Free(h.b[:len(h.b)-len(h.b)/2], h.l)
		case 1: // of another alignment
			h.l.Align = mem.Align(2 << h.l.Align.Log2())
			d.Free(h.b, h.l)
		case 2: // of another type
			h.l.Type = mem.TypeFor[[2]uint32]()
			d.Free(h.b, h.l)
		case 3: // in the middle
			d.Free(h.b[len(h.b)/2:], h.l)
		case 4:
			d.Free(last.b, last.l)
		case 5: // somewhere after the end
			child.write(addr(h.b)+uintptr(len(h.b)+rnd.IntN(32)), 1)
			free()
		case 6: // somewhere before the start
			child.write(addr(h.b)-uintptr(1+rnd.IntN(32)), 2)
			free()
		case 7: // after the end, before the start, or in the middle of one that is free
			child.write(addr(last.b)+uintptr(rnd.IntN(len(last.b)+64)-32), 3)
		case 8:
			child.dirty = true
		case 9:
			child.short = true
		case 10:
			child.overlaps = h.b
		case 11:
			child.empty = true
		case 12, 13:
			child.carves, child.twice = true, rnd.IntN(2) == 0
		case 16:
			child.grows = true
		case 17: // so many that not all places are kept in mind
			if rnd.IntN(40) == 0 {
				var all [][]byte
				for range 300 {
					if b, err := d.Alloc(1+rnd.IntN(100), word8); err == nil {
						all = append(all, b)
					}
				}
				for _, b := range all {
					d.Free(b, word8)
				}
				d.Trim()
			}
		case 14:
			b, ok := d.Remap(h.b, h.l, 1+rnd.IntN(100)*h.l.Type.Size())
			log = append(log, fmt.Sprint("remap ", len(b), ok))
			if ok {
				live[i].b = b
			}
		case 15:
			if rnd.IntN(20) == 0 {
				n := len(log)
				d.Close()
				slices.Sort(log[n:])
			}
		default:
			h.l.Zero = !h.l.Zero
			free()
		}
		s := d.Stats()
		log = append(log, fmt.Sprintf("%+v", s))
	}
	n := len(log)
	for _, m := range d.Check() {
		log = append(log, fmt.Sprint(m.Kind, child.at(m.Addr), m.Hint))
	}
	slices.Sort(log[n:]) // the order is that of nodes
	for d.Close(); len(live) > 0; live = live[1:] {
		d.Free(live[0].b, live[0].l)
	}
	return log
}

// A trickster serves blocks of a buffer, and again those that it got back, the last ones
// first. It does what is set here, once.
type trickster struct {
	mem.Allocator
	dirty    bool   // the next block is not zero
	short    bool   // nor is it as long as it should be
	empty    bool   // there is none
	carves   bool   // it is part of a larger one that was freed
	twice    bool   // which may be served even so
	grows    bool   // it begins where a smaller one did, and goes on into the next
	overlaps []byte // if not nil, it has bytes in common with this one

	room []byte
	used int
	rnd  *rand.Rand
	free map[int][][]byte
	log  *[]string
}

// at returns where in the buffer an address is.
func (c *trickster) at(address uintptr) int { return int(address - addr(c.room)) }

// write changes the byte at an address to v.
func (c *trickster) write(address uintptr, v byte) {
	if i := c.at(address); i >= 0 && i < c.used {
		c.room[i] = v
	}
}

// around returns b with what lies close to it.
func (c *trickster) around(b []byte) []byte {
	i := c.at(addr(b))
	return c.room[max(0, i-40):min(len(c.room), i+len(b)+40)]
}

func (c *trickster) Pointers() mem.Pointers { return mem.PlainOnly }

func (c *trickster) Alloc(size int, l mem.Layout) ([]byte, error) {
	*c.log = append(*c.log, fmt.Sprint("child.alloc ", size, l))
	var b []byte
	switch list := c.free[size]; {
	case c.empty, len(c.room)-c.used < size+64:
		c.empty = false
		return nil, errFake
	case len(c.overlaps) > 0:
		i := min(max(0, c.at(addr(c.overlaps))-size+1+c.rnd.IntN(size+len(c.overlaps)-1)), len(c.room)-size)
		c.overlaps = nil
		i += l.Align.Pad(addr(c.room[i:]))
		return c.room[i : i+size : i+size], nil
	case c.grows && c.grow(size, l, &b):
	case c.carves && c.carve(size, l, &b):
	case len(list) > 0 && l.Align.Check(addr(list[len(list)-1])):
		b = list[len(list)-1]
		c.free[size] = list[:len(list)-1]
	default:
		c.used += l.Align.Pad(addr(c.room[c.used:]))
		b = c.room[c.used : c.used+size : c.used+size]
		c.used += size
	}
	if c.dirty {
		c.dirty = false
		b[c.rnd.IntN(len(b))] = 1
	} else if l.Zero {
		clear(b)
	}
	if c.short {
		c.short = false
		return b[:len(b)-1], nil
	}
	return b, nil
}

// carve makes b a part of a freed block that is larger, if there is one.
func (c *trickster) carve(size int, l mem.Layout, b *[]byte) bool {
	c.carves = false
	for n := size + 1; n < 2*size+200; n++ {
		list := c.free[n]
		if len(list) == 0 {
			continue
		}
		old := list[len(list)-1]
		i := c.rnd.IntN(n - size + 1)
		i += l.Align.Pad(addr(old[i:]))
		if i > n-size {
			continue
		}
		if !c.twice {
			c.free[n] = list[:len(list)-1]
		}
		*b = old[i : i+size : i+size]
		return true
	}
	return false
}

// grow makes b a block that begins where a freed one does that is smaller.
func (c *trickster) grow(size int, l mem.Layout, b *[]byte) bool {
	c.grows = false
	for n := size - 1; n > 0; n-- {
		list := c.free[n]
		if len(list) == 0 {
			continue
		}
		i := c.at(addr(list[len(list)-1]))
		if i+size > c.used || !l.Align.Check(addr(c.room[i:])) {
			continue
		}
		*b = c.room[i : i+size : i+size]
		return true
	}
	return false
}

func (c *trickster) Free(b []byte, l mem.Layout) {
	*c.log = append(*c.log, fmt.Sprint("child.free ", c.at(addr(b)), len(b), l))
	c.free[len(b)] = append(c.free[len(b)], b)
}

func (c *trickster) Resize(b []byte, _ mem.Layout, size int) ([]byte, bool) {
	return b[:min(size, len(b)):min(size, len(b))], size <= len(b)
}

func (c *trickster) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	return c.Resize(b, l, size)
}
