package heap_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strings"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/asan"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// plainAt is the layout of raw bytes aligned to align.
func plainAt(align int) mem.Layout { return mem.Layout{Align: mem.Align(align)} }

// take allocates or fails the test.
func take(t testing.TB, a mem.Allocator, size int, l mem.Layout) []byte {
	t.Helper()
	b, err := a.Alloc(size, l)
	if err != nil {
		t.Fatalf("Alloc(%d, align %v): %v", size, l.Align, err)
	}
	if len(b) != size || cap(b) != size {
		t.Fatalf("Alloc(%d): len %d, cap %d", size, len(b), cap(b))
	}
	if !l.Align.Check(addr(b)) {
		t.Fatalf("Alloc(%d): address %#x is not aligned to %v", size, addr(b), l.Align)
	}
	if l.Zero || l.Kind != mem.Plain {
		if i := nonzero(b); i >= 0 {
			t.Fatalf("Alloc(%d): byte %d is %#x, want 0", size, i, b[i])
		}
	}
	return b
}

func nonzero(b []byte) int {
	return bytes.IndexFunc(b, func(r rune) bool { return r != 0 })
}

func filled(n int, v byte) []byte { return bytes.Repeat([]byte{v}, n) }

func TestFixedBufferAlloc(t *testing.T) {
	f := heap.NewFixedBuffer(filled(4096, 0x55))
	if f.Cap() != 4096 || f.Used() != 0 {
		t.Errorf("Cap, Used = %d, %d, want 4096, 0", f.Cap(), f.Used())
	}
	var at []([]byte)
	for _, align := range []int{1, 2, 4, 8, 16, 64, 256} {
		for _, size := range []int{1, 3, 8, 17} {
			at = append(at, take(t, f, size, mem.Layout{Align: mem.Align(align), Zero: size&1 == 1}))
		}
	}
	for i, b := range at {
		for j, c := range at[:i] {
			if addr(b) < addr(c)+uintptr(len(c)) && addr(c) < addr(b)+uintptr(len(b)) {
				t.Fatalf("blocks %d and %d overlap", i, j)
			}
		}
		if !f.Owns(b) {
			t.Errorf("block %d is not owned", i)
		}
	}
}

func TestFixedBufferWholeBuffer(t *testing.T) {
	f := heap.NewFixedBuffer(make([]byte, 100, 200))
	b := take(t, f, 100, plainAt(1))
	if _, err := f.Alloc(1, plainAt(1)); !errors.Is(err, mem.ErrOutOfMemory) || errors.Is(err, mem.ErrTooLarge) {
		t.Errorf("Alloc(1) of a full buffer: %v, want ErrOutOfMemory", err)
	}
	f.Free(b, plainAt(1))
	take(t, f, 100, plainAt(1))
	f.Reset()
	if _, err := f.Alloc(101, plainAt(1)); !errors.Is(err, mem.ErrTooLarge) {
		t.Errorf("Alloc(101) of a buffer of 100: %v, want ErrTooLarge", err)
	}
}

// A buffer at an odd address: blocks are aligned by address, not by offset.
func TestFixedBufferUnalignedBuffer(t *testing.T) {
	buf := make([]byte, 256)
	for skip := range 16 {
		f := heap.NewFixedBuffer(buf[skip:])
		take(t, f, 8, plainAt(16))
		take(t, f, 1, plainAt(1))
		take(t, f, 8, plainAt(8))
	}
}

func TestFixedBufferEmpty(t *testing.T) {
	var zero heap.FixedBuffer
	for name, f := range map[string]*heap.FixedBuffer{
		"zero":  &zero,
		"nil":   heap.NewFixedBuffer(nil),
		"empty": heap.NewFixedBuffer([]byte{}),
		"slack": heap.NewFixedBuffer(make([]byte, 0, 64)),
	} {
		t.Run(name, func(t *testing.T) {
			if b, err := f.Alloc(1, mem.Layout{}); b != nil || !errors.Is(err, mem.ErrOutOfMemory) {
				t.Errorf("Alloc(1): %v, %v, want ErrOutOfMemory", b, err)
			}
			if b, err := f.ThreadSafe().Alloc(1, mem.Layout{}); b != nil || !errors.Is(err, mem.ErrOutOfMemory) {
				t.Errorf("ThreadSafe().Alloc(1): %v, %v, want ErrOutOfMemory", b, err)
			}
			if s, err := mem.Alloc[int](f, 0); s == nil || err != nil {
				t.Errorf("mem.Alloc(0): %v, %v, want an empty slice", s, err)
			}
			m := f.Mark()
			f.Rewind(m)
			f.Reset()
			if f.Cap() != 0 || f.Used() != 0 || f.Owns([]byte{1}) {
				t.Errorf("Cap %d, Used %d, want 0, 0", f.Cap(), f.Used())
			}
			wantReport(t, heap.ForeignFree, func() { f.Free([]byte{1}, mem.Layout{}) })
		})
	}
}

// Sizes and alignments whose sums overflow an int.
func TestFixedBufferHuge(t *testing.T) {
	f := heap.NewFixedBuffer(make([]byte, 100))
	take(t, f, 3, plainAt(1))
	b := take(t, f, 4, plainAt(1))
	for name, a := range map[string]mem.Allocator{"direct": f, "shared": f.ThreadSafe()} {
		for log2 := range bits.UintSize - 1 {
			for k := range 200 {
				l := mem.Layout{Align: mem.AlignLog2(log2)}
				if c, err := a.Alloc(math.MaxInt-k, l); c != nil || !errors.Is(err, mem.ErrTooLarge) {
					t.Fatalf("%s: Alloc(MaxInt-%d, 1<<%d): %v, want ErrTooLarge", name, k, log2, err)
				}
			}
		}
		for k := range 200 {
			if c, ok := a.Resize(b, plainAt(1), math.MaxInt-k); ok || len(c) != 4 {
				t.Fatalf("%s: Resize(MaxInt-%d): %d bytes, %v", name, k, len(c), ok)
			}
			if c, ok := a.Remap(b, plainAt(1), math.MaxInt-k); ok || len(c) != 4 {
				t.Fatalf("%s: Remap(MaxInt-%d): %d bytes, %v", name, k, len(c), ok)
			}
		}
		if f.Used() != 7 {
			t.Fatalf("%s: Used %d after failures, want 7", name, f.Used())
		}
	}
	// The largest alignments fail unless the address happens to be so aligned.
	if _, err := f.Alloc(1, mem.Layout{Align: mem.AlignLog2(bits.UintSize - 2)}); !errors.Is(err, mem.ErrOutOfMemory) {
		t.Errorf("Alloc(1) at the largest alignment: %v", err)
	}
	if _, err := mem.Alloc[uint64](f, math.MaxInt/8+1); !errors.Is(err, mem.ErrTooLarge) {
		t.Errorf("mem.Alloc with an overflowing product: %v", err)
	}
}

func TestFixedBufferSizePanics(t *testing.T) {
	f := heap.NewFixedBuffer(make([]byte, 100))
	b := take(t, f, 4, plainAt(1))
	for name, a := range map[string]mem.Allocator{"FixedBuffer": f, "SharedBuffer": f.ThreadSafe()} {
		for _, size := range []int{0, -1, math.MinInt} {
			for method, call := range map[string]func(){
				"Alloc":  func() { a.Alloc(size, mem.Layout{}) },
				"Resize": func() { a.Resize(b, mem.Layout{}, size) },
				"Remap":  func() { a.Remap(b, mem.Layout{}, size) },
			} {
				func() {
					defer func() {
						if got := fmt.Sprint(recover()); !strings.HasPrefix(got, "heap: "+name+"."+method) {
							t.Errorf("%s.%s(%d): panic %q", name, method, size, got)
						}
					}()
					call()
				}()
			}
		}
	}
	if f.Used() != 4 {
		t.Errorf("Used %d after panics, want 4", f.Used())
	}
}

func TestFixedBufferPointers(t *testing.T) {
	type node struct {
		v    int
		next *node
	}
	f := heap.NewFixedBuffer(filled(1024, 0xFF))
	for name, a := range map[string]mem.Allocator{"direct": f, "shared": f.ThreadSafe()} {
		if a.Pointers() != mem.PlainOnly {
			t.Errorf("%s: Pointers: %v", name, a.Pointers())
		}
		if p, err := mem.Create[node](a); p != nil || !errors.Is(err, mem.ErrPointers) {
			t.Errorf("%s: Create of a type with pointers: %v, want ErrPointers", name, err)
		}
		if b, err := a.Alloc(8, mem.Layout{Kind: mem.Managed}); b != nil || !errors.Is(err, mem.ErrPointers) {
			t.Errorf("%s: Alloc of a managed block: %v, want ErrPointers", name, err)
		}
	}
	if f.Used() != 0 {
		t.Errorf("Used %d after refusals, want 0", f.Used())
	}
	// Under the promise nodes live in the buffer, dead ones read as zero when
	// they come back.
	p := mem.NoGoPointers(f)
	var head *node
	for i := range 10 {
		n, err := mem.New(p, node{i, head})
		if err != nil {
			t.Fatal(err)
		}
		head = n
	}
	for i, n := 9, head; n != nil; i, n = i-1, n.next {
		if n.v != i {
			t.Fatalf("node %d holds %d", i, n.v)
		}
	}
	f.Reset()
	n, err := mem.Create[node](p)
	if err != nil || *n != (node{}) {
		t.Errorf("Create after Reset: %v, %v, want a zero node", n, err)
	}
}

// Typed memory that dies and comes back as another type must read as zero.
func TestFixedBufferZero(t *testing.T) {
	f := heap.NewFixedBuffer(filled(64, 0xFF))
	for _, l := range []mem.Layout{
		{Zero: true},
		{Kind: mem.Local, Type: mem.TypeFor[*int]()},
		{Kind: mem.Local, Type: mem.TypeFor[string](), Align: mem.AlignOf[string]()},
	} {
		size := 2 * l.Type.Size()
		b := take(t, f, size, l)
		copy(b, filled(size, 0xFF))
		b, ok := f.Resize(b, l, 2*size)
		if !ok {
			t.Fatal("the last block does not grow")
		}
		if nonzero(b) != 0 || nonzero(b[size:]) >= 0 {
			t.Errorf("%v: after growth %x, want %d bytes of 0xFF and zeroes", l.Kind, b, size)
		}
		copy(b, filled(2*size, 0xFF))
		b, _ = f.Resize(b, l, size)
		b, _ = f.Remap(b, l, 2*size)
		if nonzero(b[size:]) >= 0 {
			t.Errorf("%v: after shrinking and growing %x, want zeroes from byte %d", l.Kind, b, size)
		}
		copy(b, filled(2*size, 0xFF))
		f.Free(b, l)
	}
}

func TestFixedBufferFreeLast(t *testing.T) {
	f := heap.NewFixedBuffer(make([]byte, 256))
	take(t, f, 3, plainAt(1))
	a := take(t, f, 1, plainAt(1))
	b := take(t, f, 16, plainAt(64)) // behind padding
	used := f.Used()
	f.Free(b, plainAt(64))
	if f.Used() != 4 {
		t.Errorf("Used %d, want 4: padding comes back", f.Used())
	}
	if c := take(t, f, 16, plainAt(64)); addr(c) != addr(b) {
		t.Error("the next block is elsewhere")
	}
	f.Free(a, plainAt(1)) // not the last: a no-op
	if f.Used() != used {
		t.Errorf("Used %d, want %d: freeing another block frees nothing", f.Used(), used)
	}
}

// Blocks freed in reverse order leave an empty buffer, whatever the sizes.
func TestFixedBufferFreeInReverse(t *testing.T) {
	f := heap.NewFixedBuffer(make([]byte, 1024))
	var blocks [][]byte
	for i := 1; i < 20; i++ {
		blocks = append(blocks, take(t, f, i, plainAt(1)))
	}
	for i := len(blocks) - 1; i >= 0; i-- {
		f.Free(blocks[i], plainAt(1))
	}
	if f.Used() != 0 {
		t.Errorf("Used %d, want 0", f.Used())
	}
}

func TestFixedBufferResize(t *testing.T) {
	f := heap.NewFixedBuffer(make([]byte, 64))
	a := take(t, f, 8, plainAt(1))
	copy(a, "contents")
	b := take(t, f, 8, plainAt(1))
	copy(b, "the last")

	if c, ok := f.Resize(a, plainAt(1), 9); ok || &c[0] != &a[0] || len(c) != 8 || string(c) != "contents" {
		t.Errorf("growing a block that is not the last: %q, %v", c, ok)
	}
	if c, ok := f.Resize(a, plainAt(1), 8); !ok || &c[0] != &a[0] || len(c) != 8 {
		t.Errorf("resizing to the same size: %q, %v", c, ok)
	}
	a, ok := f.Resize(a, plainAt(1), 3)
	if !ok || string(a) != "con" || cap(a) != 3 || f.Used() != 16 {
		t.Errorf("shrinking a block that is not the last: %q (cap %d), %v, Used %d", a, cap(a), ok, f.Used())
	}
	if c, ok := f.Resize(b, plainAt(1), 57); ok || len(c) != 8 {
		t.Errorf("growing past the buffer: %d bytes, %v", len(c), ok)
	}
	b, ok = f.Resize(b, plainAt(1), 56)
	if !ok || string(b[:8]) != "the last" || cap(b) != 56 || f.Used() != 64 {
		t.Errorf("growing to the end: %q (cap %d), %v, Used %d", b, cap(b), ok, f.Used())
	}
	b, ok = f.Remap(b, plainAt(1), 3)
	if !ok || string(b) != "the" || f.Used() != 11 {
		t.Errorf("shrinking the last block: %q, %v, Used %d", b, ok, f.Used())
	}
	wantNoReport(t, func() {
		f.Free(b, plainAt(1))
		f.Free(a, plainAt(1))
	})
	if f.Used() != 8 {
		t.Errorf("Used %d, want 8", f.Used())
	}
}

// Sizes around every power of two, freed and resized as the last block.
func TestFixedBufferPowers(t *testing.T) {
	f := heap.NewFixedBuffer(make([]byte, 1<<16))
	for log2 := range 17 {
		for _, size := range []int{1<<log2 - 1, 1 << log2, 1<<log2 + 1} {
			if size <= 0 || size > 1<<16 {
				continue
			}
			b := take(t, f, size, mem.Layout{Zero: true})
			if half := size / 2; half > 0 {
				b, _ = f.Resize(b, mem.Layout{}, half)
			}
			f.Free(b, mem.Layout{})
			if f.Used() != 0 {
				t.Fatalf("size %d: Used %d", size, f.Used())
			}
		}
	}
}

// A handler runs while the call that it hears of is under way, so that a call
// from the handler stands for one from another goroutine.
func TestFixedBufferMixedUse(t *testing.T) {
	if !invariant.Enabled {
		t.Skip("checked in builds with invariants")
	}
	f := heap.NewFixedBuffer(make([]byte, 100))
	foreign := make([]byte, 1)
	var at string
	nested := func(outer, inner mem.Allocator) (got []*heap.Misuse) {
		before := heap.OnMisuse(nil)
		defer func() { heap.OnMisuse(before) }()
		heap.OnMisuse(func(m *heap.Misuse) {
			got = append(got, m)
			if m.Kind == heap.ForeignFree && len(got) == 1 {
				inner.Alloc(1, plainAt(1))
			}
		})
		at = next()
		outer.Free(foreign, plainAt(1))
		return got
	}
	for name, got := range map[string][]*heap.Misuse{
		"shared in direct": nested(f, f.ThreadSafe()),
		"direct in shared": nested(f.ThreadSafe(), f),
		"direct in direct": nested(f, f),
	} {
		if len(got) < 2 || got[1].Kind != heap.ConcurrentUse {
			t.Errorf("%s: %v, want %v", name, got, heap.ConcurrentUse)
		} else if other := begins(got[1].Other.Program()); other != at {
			t.Errorf("%s: the other call is told to be at %q, want %q", name, other, at)
		}
	}
	if got := nested(f.ThreadSafe(), f.ThreadSafe()); len(got) != 1 {
		t.Errorf("shared in shared: %v, want no misuse", got[1:])
	}
	wantNoReport(t, func() { take(t, f, 1, plainAt(1)); take(t, f.ThreadSafe(), 1, plainAt(1)) })
	// A handler that panics leaves nobody inside.
	func() {
		defer func() { recover() }()
		before := heap.OnMisuse(func(m *heap.Misuse) {
			if m.Kind == heap.ForeignFree {
				f.Alloc(1, plainAt(1))
				return
			}
			panic(m)
		})
		defer func() { heap.OnMisuse(before) }()
		f.ThreadSafe().Free(foreign, plainAt(1))
	}()
	wantNoReport(t, func() { take(t, f, 1, plainAt(1)); take(t, f.ThreadSafe(), 1, plainAt(1)) })
}

//go:noinline
func growStack(n int) int {
	var pad [256]byte
	if n == 0 {
		return 0
	}
	return growStack(n-1) + int(pad[n%256])
}

// The stack moves when it grows, and the array must not.
func TestFixedBufferEscape(t *testing.T) {
	done := make(chan [2]uintptr)
	go func() { // on a small stack
		var array [512]byte
		f := heap.NewFixedBuffer(array[:])
		before := uintptr(unsafe.Pointer(&array))
		growStack(10_000)
		after := uintptr(unsafe.Pointer(&array))
		b, err := f.Alloc(8, mem.Layout{Align: mem.Align(8)})
		if err != nil || addr(b)-after >= 512 {
			after = 0
		}
		done <- [2]uintptr{before, after}
	}()
	if at := <-done; at[0] != at[1] {
		t.Errorf("the array moved from %#x to %#x", at[0], at[1])
	}
	var f heap.FixedBuffer
	var array [64]byte
	before := uintptr(unsafe.Pointer(&array))
	f.Init(array[:])
	growStack(20_000)
	if uintptr(unsafe.Pointer(&array)) != before {
		t.Error("the array given to Init moved")
	}
}

func TestFixedBufferAllocates(t *testing.T) {
	if asan.Enabled {
		t.Skip("sanitized builds allocate more")
	}
	if invariant.Enabled {
		t.Skip("checking invariants allocates")
	}
	f := heap.NewFixedBuffer(make([]byte, 1024))
	l := mem.Layout{Align: mem.Align(8), Zero: true}
	for name, fn := range map[string]func(){
		"success": func() {
			m := f.Mark()
			b, _ := f.Alloc(64, l)
			b, _ = f.Resize(b, l, 128)
			f.Free(b, l)
			f.Rewind(m)
			f.ThreadSafe().Alloc(64, l)
			f.Reset()
		},
		"failure": func() {
			f.Alloc(2048, l)
			f.ThreadSafe().Alloc(2048, l)
			b, _ := f.Alloc(1024, l)
			f.Alloc(1, l)
			f.Resize(b, l, 2048)
			f.Alloc(8, mem.Layout{Kind: mem.Managed, Type: mem.TypeFor[*int]()})
			f.Reset()
		},
		"typed": func() {
			p, _ := mem.Create[[4]int](f)
			mem.Destroy(f, p)
			f.Reset()
		},
	} {
		if n := testing.AllocsPerRun(100, fn); n != 0 {
			t.Errorf("%s: %v allocations on the Go heap, want 0", name, n)
		}
	}
}

// Direct use before and after shared use, in turn: what is known of the last
// block must not be what was known before.
func TestFixedBufferInTurn(t *testing.T) {
	f := heap.NewFixedBuffer(make([]byte, 100))
	a := take(t, f, 8, plainAt(1))
	b := take(t, f.ThreadSafe(), 8, plainAt(1))
	wantNoReport(t, func() {
		a, _ = f.Resize(a, plainAt(1), 4)
		f.Free(b, plainAt(1))
		f.Free(a, plainAt(1))
	})
	if f.Used() != 8 {
		t.Errorf("Used %d, want 8", f.Used())
	}
}

func TestFixedBufferContract(t *testing.T) {
	const size = 256 << 10
	promises := allocatortest.Promises{MaxSize: size, MaxAlign: mem.Align(4096), NoGarbage: !invariant.Enabled}
	t.Run("direct", func(t *testing.T) {
		allocatortest.RunWith(t, promises, func(t *testing.T) mem.Allocator {
			return heap.NewFixedBuffer(filled(size+4096, 0xC3))
		})
	})
	promises.Concurrent = true
	t.Run("shared", func(t *testing.T) {
		allocatortest.RunWith(t, promises, func(t *testing.T) mem.Allocator {
			return heap.NewFixedBuffer(filled(size+4096, 0xC3)).ThreadSafe()
		})
	})
}
