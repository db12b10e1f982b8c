package heap_test

import (
	"bytes"
	"errors"
	"math"
	"runtime"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

func TestBufferFirstOverflowsToChild(t *testing.T) {
	child := &fakeChild{}
	a := heap.NewBufferFirst(filled(64, 0xFF), child)
	l := mem.Layout{Zero: true}
	var blocks [][]byte
	for range 10 {
		blocks = append(blocks, take(t, a, 16, l))
	}
	if n, size := child.use(); n != 6 || size != 96 || a.Buffered() != 64 {
		t.Errorf("%d blocks of %d bytes in the child, %d bytes in the buffer; want 6, 96, 64", n, size, a.Buffered())
	}
	for i := len(blocks) - 1; i >= 0; i-- {
		if !a.Owns(blocks[i]) {
			t.Errorf("block %d is not owned", i)
		}
		a.Free(blocks[i], l)
	}
	if n, _ := child.use(); n != 0 || a.Buffered() != 0 {
		t.Errorf("%d blocks left in the child, %d bytes in the buffer", n, a.Buffered())
	}
	// More than the buffer could ever hold goes past it.
	b := take(t, a, 1000, l)
	if a.Buffered() != 0 {
		t.Errorf("a block of the child left %d bytes in the buffer", a.Buffered())
	}
	a.Free(b, l)
}

// Resize and Remap keep a block where it is, Realloc moves it out of the buffer.
func TestBufferFirstNeverMigrates(t *testing.T) {
	child := &fakeChild{move: true}
	a := heap.NewBufferFirst(make([]byte, 64), child)
	s, err := mem.Alloc[byte](a, 48)
	if err != nil {
		t.Fatal(err)
	}
	copy(s, "contents")
	for name, resize := range map[string]func([]byte, mem.Layout, int) ([]byte, bool){"Resize": a.Resize, "Remap": a.Remap} {
		if b, ok := resize(s, mem.Layout{}, 65); ok || len(b) != 48 {
			t.Errorf("%s past the buffer: %d bytes, %v", name, len(b), ok)
		}
		if b, ok := resize(s, mem.Layout{}, math.MaxInt); ok || len(b) != 48 {
			t.Errorf("%s to MaxInt: %d bytes, %v", name, len(b), ok)
		}
	}
	child.fail = true
	if r, err := mem.Realloc(a, s, 100); !errors.Is(err, mem.ErrOutOfMemory) || &r[0] != &s[0] || string(r[:8]) != "contents" {
		t.Errorf("Realloc with a failing child: %q, %v", r[:8], err)
	}
	child.fail = false
	s, err = mem.Realloc(a, s, 100)
	if n, size := child.use(); err != nil || n != 1 || size != 100 || a.Buffered() != 0 || string(s[:8]) != "contents" {
		t.Errorf("Realloc: %v, %d blocks of %d bytes in the child, %d in the buffer, %q", err, n, size, a.Buffered(), s[:8])
	}
	// A block of the child stays there, also if the buffer has room now.
	s, ok := mem.Remap(a, s, 8)
	if n, size := child.use(); !ok || n != 1 || size != 8 || a.Buffered() != 0 {
		t.Errorf("Remap of a block of the child: %v, %d blocks of %d bytes, %d in the buffer", ok, n, size, a.Buffered())
	}
	mem.Free(a, s)
	if n, _ := child.use(); n != 0 {
		t.Errorf("%d blocks left in the child", n)
	}
}

func TestBufferFirstReset(t *testing.T) {
	child := &fakeChild{}
	a := heap.NewBufferFirst(make([]byte, 64), child)
	inside := take(t, a, 64, mem.Layout{})
	outside := take(t, a, 64, mem.Layout{})
	copy(outside, "contents")
	a.Reset()
	if a.Buffered() != 0 || string(outside[:8]) != "contents" {
		t.Errorf("%d bytes in the buffer, block of the child %q", a.Buffered(), outside[:8])
	}
	wantMisuse(t, heap.DoubleFree, func() { a.Free(inside, mem.Layout{}) })
	noMisuse(t, func() { a.Free(outside, mem.Layout{}) })
	if n, _ := child.use(); n != 0 {
		t.Errorf("%d blocks left in the child", n)
	}
}

// Blocks with pointers never go into the buffer.
func TestBufferFirstPointers(t *testing.T) {
	type node struct {
		_ int
		_ *node
	}
	for _, answer := range []mem.Pointers{mem.PlainOnly, mem.Promised, mem.Scanned} {
		if got := heap.NewBufferFirst(nil, &fakeChild{answer: answer}).Pointers(); got != answer {
			t.Errorf("over a child that answers %v: %v", answer, got)
		}
	}

	child := &fakeChild{}
	a := heap.NewBufferFirst(make([]byte, 1024), child)
	if _, err := mem.Create[node](a); !errors.Is(err, mem.ErrPointers) {
		t.Errorf("Create: %v, want ErrPointers", err)
	}
	if _, err := a.Alloc(8, mem.Layout{Kind: mem.Managed}); !errors.Is(err, mem.ErrPointers) {
		t.Errorf("Alloc of a managed block: %v, want ErrPointers", err)
	}
	p := mem.NoGoPointers(a)
	n, err := mem.Create[node](p)
	if err != nil {
		t.Fatal(err)
	}
	if blocks, _ := child.use(); blocks != 1 || a.Buffered() != 0 {
		t.Errorf("local: %d blocks in the child, %d bytes in the buffer, want 1, 0", blocks, a.Buffered())
	}
	mem.Destroy(p, n)

	// Over the collected heap the nodes are seen by the collector, and the
	// strings that only they hold stay.
	scanned := heap.NewBufferFirst(make([]byte, 64), heap.GC{})
	type named struct {
		name *string
		next *named
	}
	var head *named
	for i := range 100 {
		s := string(rune('a' + i%26))
		head, err = mem.New(scanned, named{&s, head})
		if err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	for i, n := 99, head; n != nil; i, n = i-1, n.next {
		if *n.name != string(rune('a'+i%26)) {
			t.Fatalf("node %d holds %q", i, *n.name)
		}
	}
	if scanned.Buffered() != 0 {
		t.Errorf("%d bytes of nodes in the buffer", scanned.Buffered())
	}
	if _, err := mem.Alloc[int32](scanned, 8); err != nil || scanned.Buffered() < 32 {
		t.Errorf("plain: %v, %d bytes in the buffer, want 32", err, scanned.Buffered())
	}
}

func TestBufferFirstMisuse(t *testing.T) {
	f := heap.NewFixedBuffer(make([]byte, 100))
	a := heap.NewBufferFirst(make([]byte, 64), f)
	foreign := make([]byte, 8)
	wantMisuse(t, heap.ForeignFree, func() { a.Free(foreign, mem.Layout{}) })
	wantMisuse(t, heap.ForeignFree, func() { a.Resize(foreign, mem.Layout{}, 4) })
	wantMisuse(t, heap.ForeignFree, func() { a.Remap(foreign, mem.Layout{}, 4) })
	b := take(t, a, 8, mem.Layout{})
	wantMisuse(t, heap.InteriorFree, func() { a.Free(b[1:], mem.Layout{}) })
	wantMisuse(t, heap.SizeMismatch, func() { a.Free(b[:7:7], mem.Layout{}) })
	wantMisuse(t, heap.ForeignFree, func() { f.Free(b, mem.Layout{}) }) // the child's, past the wrapper
	noMisuse(t, func() { a.Free(b, mem.Layout{}) })
	wantMisuse(t, heap.DoubleFree, func() { a.Free(b, mem.Layout{}) })

	got := misuses(t, func() { a.Free(b, mem.Layout{}); a.Remap(b, mem.Layout{}, 1) })
	if len(got) != 2 || got[0].Op != "heap: BufferFirst.Free" || got[1].Op != "heap: BufferFirst.Remap" {
		t.Errorf("reported %v", got)
	}
}

func TestBufferFirstZeroValue(t *testing.T) {
	var a heap.BufferFirst
	b := make([]byte, 8)
	wantMisuse(t, heap.Uninitialised, func() {
		if _, err := a.Alloc(8, mem.Layout{}); err == nil {
			t.Error("Alloc succeeded")
		}
	})
	wantMisuse(t, heap.Uninitialised, func() { a.Free(b, mem.Layout{}) })
	wantMisuse(t, heap.Uninitialised, func() { a.Resize(b, mem.Layout{}, 4) })
	wantMisuse(t, heap.Uninitialised, func() { a.Remap(b, mem.Layout{}, 4) })
	if a.Pointers() != mem.PlainOnly || a.Owns(b) || a.UsableSize(b) != 8 || a.GoodSize(8, mem.Layout{}) != 8 {
		t.Error("the zero value claims something")
	}
	for _, child := range []mem.Allocator{nil, (*fakeChild)(nil)} {
		if catch(func() { heap.NewBufferFirst(nil, child) }) == nil {
			t.Errorf("NewBufferFirst(%T) did not panic", child)
		}
	}
	for _, size := range []int{0, -1} {
		a := heap.NewBufferFirst(make([]byte, 8), &fakeChild{})
		for _, fn := range []func(){
			func() { a.Alloc(size, mem.Layout{}) },
			func() { a.Resize(b, mem.Layout{}, size) },
			func() { a.Remap(b, mem.Layout{}, size) },
		} {
			if catch(fn) == nil {
				t.Errorf("size %d did not panic", size)
			}
		}
	}
}

// What the child says of sizes and blocks is not said of those in the buffer.
func TestBufferFirstAbilities(t *testing.T) {
	child := &fakeChild{}
	a := heap.NewBufferFirst(make([]byte, 100), child)
	if n := mem.GoodSize(a, 10, mem.Layout{}); n != 10 {
		t.Errorf("GoodSize(10) = %d while it fits the buffer, want 10", n)
	}
	if n := mem.GoodSize(a, 101, mem.Layout{}); n != 128 {
		t.Errorf("GoodSize(101) = %d, want the child's 128", n)
	}
	inside := take(t, a, 100, mem.Layout{})
	outside := take(t, a, 10, mem.Layout{})
	if n := mem.GoodSize(a, 10, mem.Layout{}); n != 64 {
		t.Errorf("GoodSize(10) = %d with a full buffer, want the child's 64", n)
	}
	u, _ := mem.As[mem.UsableSizer](a)
	if u.UsableSize(inside) != 100 || u.UsableSize(outside) != child.UsableSize(outside) {
		t.Errorf("UsableSize %d and %d", u.UsableSize(inside), u.UsableSize(outside))
	}
	if a.Unwrap() != mem.Allocator(child) || mem.Trim(a) != 42 {
		t.Error("the child is not to be found")
	}
	if a.Owns(make([]byte, 1)) {
		t.Error("a foreign block is owned")
	}
	noMisuse(t, func() { a.Free(outside, mem.Layout{}); a.Free(inside, mem.Layout{}) })
}

func TestBufferFirstProgram(t *testing.T) {
	for seed := range uint64(20) {
		child := &fakeChild{}
		a := heap.NewBufferFirst(make([]byte, 512), child)
		p := newProgram(a, seed)
		noMisuse(t, func() {
			for i := range 300 {
				child.fail, child.refuse, child.move = i%5 == 4, i%7 == 6, i%2 == 0
				if err := p.step(); err != nil {
					t.Fatalf("seed %d, step %d: %v", seed, i, err)
				}
			}
			if err := p.close(); err != nil {
				t.Fatal(err)
			}
		})
		if n, _ := child.use(); n != 0 {
			t.Fatalf("seed %d: %d blocks left in the child", seed, n)
		}
	}
}

// The input is a program, as for a FixedBuffer, with a child that fails.
func FuzzBufferFirst(f *testing.F) {
	f.Add([]byte("\x00\x40\x00\x40\x01\x40\x02\x90\x03\x00\x04\x05"))
	f.Add([]byte("\x00\xff\x00\xff\x06\x00\xff\x02\x10\x02\x80\x04\x00\x05"))
	f.Fuzz(func(t *testing.T, input []byte) {
		ops := script(input)
		child := &fakeChild{}
		a := heap.NewBufferFirst(filled(256, 0xC3), child)
		var s shadow
		before := heap.OnMisuse(nil) // panic
		defer func() { heap.OnMisuse(before) }()
		for len(ops) > 0 {
			op := ops.byte()
			child.fail, child.refuse = op&16 != 0, op&32 != 0
			switch op % 6 {
			case 0, 1:
				size := 1 + ops.byte()
				l := mem.Layout{Align: mem.AlignLog2(size % 6), Zero: op%6 == 1}
				if b, err := a.Alloc(size, l); err == nil {
					if (l.Zero && nonzero(b) >= 0) || len(b) != size || !l.Align.Check(addr(b)) {
						t.Fatalf("Alloc(%d, %v): %d bytes at %#x", size, l, len(b), addr(b))
					}
					s.add(t, b, l)
				} else if !child.fail {
					t.Fatalf("Alloc(%d): %v", size, err)
				}
			case 2, 3:
				if len(s.blocks) == 0 {
					break
				}
				i, size := ops.byte()%len(s.blocks), 1+ops.byte()
				b, ok := a.Resize(s.blocks[i].b, s.blocks[i].l, size)
				s.resized(t, i, b, ok, size)
			case 4:
				if len(s.blocks) > 0 {
					i := ops.byte() % len(s.blocks)
					a.Free(s.blocks[i].b, s.blocks[i].l)
					s.remove(i)
				}
			case 5:
				a.Reset()
				var left []shadowBlock
				for _, o := range s.blocks {
					if child.Owns(o.b) {
						left = append(left, o)
					}
				}
				s.blocks = left
			}
			s.check(t)
		}
		a.Reset()
		for _, o := range s.blocks {
			if child.Owns(o.b) {
				a.Free(o.b, o.l)
			}
		}
		if n, _ := child.use(); n != 0 {
			t.Fatalf("%d blocks left in the child", n)
		}
	})
}

func TestBufferFirstAllocates(t *testing.T) {
	if invariant.Enabled {
		t.Skip("checking invariants allocates")
	}
	a := heap.NewBufferFirst(make([]byte, 256), heap.NewFixedBuffer(make([]byte, 256)))
	if n := testing.AllocsPerRun(100, func() {
		b, _ := a.Alloc(200, mem.Layout{})
		c, _ := a.Alloc(200, mem.Layout{})
		a.Alloc(200, mem.Layout{}) // fails
		a.Resize(c, mem.Layout{}, 300)
		a.Free(c, mem.Layout{})
		a.Free(b, mem.Layout{})
	}); n != 0 {
		t.Errorf("%v allocations on the Go heap, want 0", n)
	}
}

func TestBufferFirstContents(t *testing.T) {
	a := heap.NewBufferFirst(filled(32, 0xFF), heap.GC{})
	var s []byte
	var err error
	for i := range 1000 {
		if s, err = mem.Append(a, s, byte(i)); err != nil {
			t.Fatal(err)
		}
	}
	want := make([]byte, 1000)
	for i := range want {
		want[i] = byte(i)
	}
	if !bytes.Equal(s, want) {
		t.Error("contents were lost on the way out of the buffer")
	}
}

func BenchmarkBufferFirst(b *testing.B) {
	b.Run("impl=bufferfirst/size=200", func(b *testing.B) {
		a := heap.NewBufferFirst(make([]byte, 1024), heap.GC{})
		b.ReportAllocs()
		for b.Loop() {
			p, err := a.Alloc(200, mem.Layout{Zero: true})
			if err != nil {
				b.Fatal(err)
			}
			a.Free(p, mem.Layout{})
		}
	})
	b.Run("impl=make/size=200", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			fixedSink = make([]byte, 200)
		}
	})
}

func TestBufferFirstContract(t *testing.T) {
	for name, child := range map[string]func(t *testing.T) mem.Allocator{
		"scanned": func(t *testing.T) mem.Allocator { return allocatortest.New(t) },
		"pages":   func(t *testing.T) mem.Allocator { return allocatortest.New(t, allocatortest.Child(heap.Page{})) },
	} {
		t.Run(name, func(t *testing.T) {
			allocatortest.Run(t, func(t *testing.T) mem.Allocator {
				return heap.NewBufferFirst(filled(4096, 0xC3), child(t))
			})
		})
	}
}
