package heap_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

var validationSizes = []int{1, 8, 4<<10 - 1, 4 << 10, 256 << 10, 2<<20 + 1}

// Every way to give back what is not a live block is told apart, and none of
// them reaches the child.
func TestValidationFrees(t *testing.T) {
	type crime struct {
		name  string
		kind  heap.MisuseKind
		small bool // also with one byte
		block func(b []byte) []byte
	}
	l := mem.Layout{Align: mem.Align(8)}
	for _, c := range []crime{
		{"foreign", heap.ForeignFree, true, func(b []byte) []byte { return make([]byte, len(b)) }},
		{"nil", heap.ForeignFree, true, func([]byte) []byte { return nil }},
		{"moved by append", heap.ForeignFree, true, func(b []byte) []byte { return append(b, 1) }},
		{"interior", heap.InteriorFree, false, func(b []byte) []byte { return b[1:] }},
		{"last byte", heap.InteriorFree, false, func(b []byte) []byte { return b[len(b)-1:] }},
		{"too short", heap.SizeMismatch, false, func(b []byte) []byte { return b[: len(b)/2 : len(b)/2] }},
		{"empty", heap.SizeMismatch, true, func(b []byte) []byte { return b[:0] }},
		{"too long", heap.SizeMismatch, true, func(b []byte) []byte { return unsafe.Slice(unsafe.SliceData(b), len(b)+1) }},
	} {
		for _, size := range validationSizes {
			if size == 1 && !c.small || size > 4<<10 && race.Enabled {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", c.name, size), func(t *testing.T) {
				// On the first, a middle and the last of three.
				for i := range 3 {
					child := &fakeChild{}
					v := heap.NewValidation(child)
					var blocks [3][]byte
					for j := range blocks {
						blocks[j] = mem.Must(v.Alloc(size, l))
					}
					b := c.block(blocks[i])
					calls := child.calls
					wantMisuse(t, c.kind, func() { v.Free(b, l) })
					if len(b) > 0 {
						wantMisuse(t, c.kind, func() { v.Resize(b, l, len(b)+1) })
						wantMisuse(t, c.kind, func() { v.Remap(b, l, len(b)+1) })
					}
					if child.calls != calls {
						t.Error("a misuse reached the child")
					}
					noMisuse(t, func() { // the good twin
						blocks[i], _ = v.Resize(blocks[i], l, size+1)
						for j := range blocks {
							v.Free(blocks[j], l)
						}
					})
					if n, _ := v.Live(); n != 0 {
						t.Errorf("%d blocks are live", n)
					}
				}
			})
		}
	}
}

func TestValidationDoubleFree(t *testing.T) {
	v := heap.NewValidation(&fakeChild{move: true})
	l := mem.Layout{}
	b := mustAlloc(t, v, 16)
	noMisuse(t, func() { v.Free(b, l) })
	wantMisuse(t, heap.DoubleFree, func() { v.Free(b, l) })
	wantMisuse(t, heap.DoubleFree, func() { v.Resize(b, l, 8) })
	wantMisuse(t, heap.DoubleFree, func() { v.Remap(b, l, 8) })

	// Remap that moved the block was its end.
	b = mustAlloc(t, v, 16)
	r, ok := v.Remap(b, l, 600)
	if !ok || addr(r) == addr(b) {
		t.Fatalf("the child did not move the block")
	}
	wantMisuse(t, heap.DoubleFree, func() { v.Free(b, l) })
	noMisuse(t, func() { v.Free(r, l) })

	// What died is known for a while.
	b = mustAlloc(t, v, 16)
	v.Free(b, l)
	for range 255 {
		v.Free(mustAlloc(t, v, 16), l)
	}
	wantMisuse(t, heap.DoubleFree, func() { v.Free(b, l) })
	runtime.KeepAlive(b)
}

func TestValidationLayoutMismatch(t *testing.T) {
	type celsius int64
	v := heap.NewValidation(&fakeChild{})
	b := mem.Must(v.Alloc(64, mem.LayoutOf[int64]()))
	wide := mem.LayoutOf[int64]()
	wide.Align = mem.Align(64)
	wantMisuse(t, heap.AlignMismatch, func() { v.Free(b, wide) })
	wantMisuse(t, heap.AlignMismatch, func() { v.Resize(b, wide, 8) })
	wantMisuse(t, heap.AlignMismatch, func() { v.Remap(b, wide, 8) })
	other := mem.LayoutOf[uint64]()
	wantMisuse(t, heap.TypeMismatch, func() { v.Free(b, other) })
	raw := mem.Layout{Align: mem.AlignOf[int64]()}
	wantMisuse(t, heap.TypeMismatch, func() { v.Remap(b, raw, 8) })

	// Zero and Kind are ignored, and a declared conversion changes nothing.
	noMisuse(t, func() {
		l := mem.LayoutOf[celsius]()
		l.Zero, l.Kind = false, mem.Local
		v.Free(b, l)
	})

	p := mem.Must(mem.Create[uint64](v))
	got := misuses(t, func() { mem.Destroy(v, (*[2]uint32)(unsafe.Pointer(p))) })
	if len(got) != 1 || got[0].Kind != heap.TypeMismatch && got[0].Kind != heap.AlignMismatch {
		t.Errorf("reported %v, want a type or alignment mismatch", got)
	}
	noMisuse(t, func() { mem.Destroy(v, p) })
}

// Blocks that are not plain are whole elements of a type.
func TestValidationElements(t *testing.T) {
	v := heap.NewValidation(heap.GC{})
	l := mem.LayoutOf[[3]*int]()
	size := l.Type.Size()
	untyped := mem.Layout{Kind: mem.Local}
	beyond := mem.LayoutOf[*int]()
	beyond.Kind = mem.Managed + 1
	empty := mem.LayoutOf[struct{}]()
	empty.Kind = mem.Local
	for _, fn := range []func() ([]byte, error){
		func() ([]byte, error) { return v.Alloc(size-1, l) },
		func() ([]byte, error) { return v.Alloc(8, untyped) },
		func() ([]byte, error) { return v.Alloc(8, beyond) },
		func() ([]byte, error) { return v.Alloc(8, empty) },
	} {
		var err error
		wantMisuse(t, heap.TypeMismatch, func() { _, err = fn() })
		if err == nil {
			t.Error("Alloc returned no error")
		}
	}
	b := mem.Must(v.Alloc(2*size, l))
	wantMisuse(t, heap.TypeMismatch, func() { v.Resize(b, l, size+1) })
	wantMisuse(t, heap.TypeMismatch, func() { v.Remap(b, l, size+1) })
	noMisuse(t, func() {
		b, ok := v.Resize(b, l, size)
		if !ok {
			t.Error("the collected heap can shrink")
		}
		v.Free(b, l)
	})
}

// liar serves blocks with a single thing wrong.
type liar struct {
	fakeChild
	alloc  func(b []byte, err error) ([]byte, error)
	resize func(b, r []byte, ok bool) ([]byte, bool)
}

func (l *liar) Alloc(size int, lay mem.Layout) ([]byte, error) {
	b, err := l.fakeChild.Alloc(size, lay)
	if l.alloc != nil {
		return l.alloc(b, err)
	}
	return b, err
}

func (l *liar) Resize(b []byte, lay mem.Layout, size int) ([]byte, bool) {
	r, ok := l.fakeChild.Resize(b, lay, size)
	if l.resize != nil {
		return l.resize(b, r, ok)
	}
	return r, ok
}

func (l *liar) Remap(b []byte, lay mem.Layout, size int) ([]byte, bool) {
	r, ok := l.fakeChild.Remap(b, lay, size)
	if l.resize != nil {
		return l.resize(b, r, ok)
	}
	return r, ok
}

func TestValidationAllocLies(t *testing.T) {
	first := make([]byte, 64)
	zero := mem.Layout{Align: mem.Align(8), Zero: true}
	dirty := func(i int) func([]byte, error) ([]byte, error) {
		return func(b []byte, err error) ([]byte, error) {
			b[(i+len(b))%len(b)] = 1
			return b, err
		}
	}
	for _, row := range []struct {
		name string
		size int
		l    mem.Layout
		lie  func(b []byte, err error) ([]byte, error)
		hint string
	}{
		{"nothing", 64, zero, func([]byte, error) ([]byte, error) { return nil, nil }, "neither a block nor an error"},
		{"empty", 64, zero, func(b []byte, _ error) ([]byte, error) { return b[:0:0], nil }, "neither a block nor an error"},
		{"both", 64, zero, func(b []byte, _ error) ([]byte, error) { return b, errFake }, "an error and a block"},
		{"short", 64, zero, func(b []byte, _ error) ([]byte, error) { return b[:63:63], nil }, "63 bytes with room for 63, not 64"},
		{"long", 64, zero, func(b []byte, _ error) ([]byte, error) { return make([]byte, 65), nil }, "65 bytes"},
		{"room", 64, zero, func(b []byte, _ error) ([]byte, error) { return unsafe.Slice(unsafe.SliceData(b), 65)[:64], nil }, "64 bytes with room for 65"},
		{"misaligned", 64, zero, func(b []byte, _ error) ([]byte, error) { return make([]byte, 80)[1:65:65], nil }, "not aligned to 8"},
		{"stale first byte", 64, zero, dirty(0), "not zero"},
		{"stale last byte", 4097, zero, dirty(-1), "not zero"},
		{"stale middle", 1 << 20, zero, dirty(1 << 19), "not zero"},
		{"stale start of many", 3 << 20, zero, dirty(65_000), "not zero"},
		{"stale end of many", 3 << 20, zero, dirty(-65_000), "not zero"},
		{"stale line of a page", 3 << 20, zero, dirty(1<<20 + 10), "not zero"},
		{"stale local", 64, mem.Layout{Align: mem.Align(8), Kind: mem.Local, Type: mem.TypeFor[*int]()}, dirty(3), "not zero"},
		{"same block twice", 64, zero, func([]byte, error) ([]byte, error) { return first, nil }, "overlaps a live one of 64 bytes"},
		{"overlaps the end", 32, mem.Layout{}, func([]byte, error) ([]byte, error) { return unsafe.Slice(unsafe.SliceData(first[63:]), 32), nil }, "overlaps"},
		{"inside", 8, mem.Layout{}, func([]byte, error) ([]byte, error) { return first[20:28:28], nil }, "overlaps"},
		{"managed", int(unsafe.Sizeof(new(int))), mem.LayoutOf[*int](), func([]byte, error) ([]byte, error) { return make([]byte, unsafe.Sizeof(new(int))), nil }, "managed block"},
	} {
		t.Run(row.name, func(t *testing.T) {
			child := &liar{}
			v := heap.NewValidation(child)
			back := make([]byte, 128)
			back = back[zero.Align.Pad(addr(back)):]
			first = back[:64:64]
			child.alloc = func([]byte, error) ([]byte, error) { return first, nil }
			noMisuse(t, func() { mem.Must(v.Alloc(64, zero)) })

			child.alloc = row.lie
			var b []byte
			var err error
			got := misuses(t, func() {
				defer func() { recover() }() // the fake knows not what it served
				b, err = nil, errFake
				b, err = v.Alloc(row.size, row.l)
			})
			if len(got) != 1 || got[0].Kind != heap.ChildLied || !strings.Contains(got[0].Hint, row.hint) {
				t.Errorf("reported %v, want a lie with %q", got, row.hint)
			}
			if b != nil || err == nil {
				t.Errorf("Alloc gave %d bytes, %v", len(b), err)
			}
			if n, _ := v.Live(); n != 1 {
				t.Errorf("%d blocks are live, want the first", n)
			}

			child.alloc = nil // the good twin
			if row.l.Kind != mem.Managed {
				noMisuse(t, func() { v.Free(mem.Must(v.Alloc(row.size, row.l)), row.l) })
			}
		})
	}
}

func TestValidationResizeLies(t *testing.T) {
	for _, row := range []struct {
		name     string
		old, new int
		lie      func(b, r []byte, ok bool) ([]byte, bool)
		hint     string
		remap    string // "" if Remap may do that
	}{
		{"moved", 64, 32, func(_, r []byte, ok bool) ([]byte, bool) { return append([]byte(nil), r...)[:32:32], ok }, "moved the block in Resize", ""},
		{"short", 64, 100, func(_, r []byte, ok bool) ([]byte, bool) { return r[:99:99], ok }, "99 bytes", "99 bytes"},
		{"room", 64, 32, func(b, _ []byte, ok bool) ([]byte, bool) { return b[:32], ok }, "32 bytes with room for 64", "32 bytes with room for 64"},
		{"old length", 64, 100, func(b, _ []byte, ok bool) ([]byte, bool) { return b, ok }, "64 bytes", "64 bytes"},
		{"lost first byte", 64, 100, func(_, r []byte, ok bool) ([]byte, bool) { r[0]++; return r, ok }, "keep the contents", "keep the contents"},
		{"lost last byte", 64, 32, func(_, r []byte, ok bool) ([]byte, bool) { r[31]++; return r, ok }, "keep the contents", "keep the contents"},
		{"refused and wrote", 64, 9000, func(b, r []byte, ok bool) ([]byte, bool) { b[5]++; return r, ok }, "keep the contents", "keep the contents"},
		{"refused and cut", 64, 9000, func(b, r []byte, ok bool) ([]byte, bool) { return b[:10:10], ok }, "refused and returned another", "refused and returned another"},
		{"not zero", 64, 100, func(b, r []byte, ok bool) ([]byte, bool) { r[64] = 1; return r, ok }, "not zero", "not zero"},
	} {
		for _, method := range []string{"Resize", "Remap"} {
			want := row.hint
			if method == "Remap" {
				want = row.remap
			}
			t.Run(row.name+"/"+method, func(t *testing.T) {
				child := &liar{}
				v := heap.NewValidation(child)
				l := mem.Layout{Zero: true}
				b := mem.Must(v.Alloc(row.old, l))
				for i := range b {
					b[i] = byte(i)
				}
				child.resize = row.lie
				resize := v.Resize
				if method == "Remap" {
					resize = v.Remap
				}
				var r []byte
				var ok bool
				got := misuses(t, func() { r, ok = resize(b, l, row.new) })
				if want == "" {
					if len(got) != 0 || !ok {
						t.Errorf("reported %v, ok %v, want nothing", got, ok)
					}
					return
				}
				if len(got) != 1 || got[0].Kind != heap.ChildLied || !strings.Contains(got[0].Hint, want) {
					t.Errorf("reported %v, want a lie with %q", got, want)
				}
				if !ok && (addr(r) != addr(b) || len(r) != len(b)) {
					t.Errorf("refused and returned %d bytes at %#x", len(r), addr(r))
				}
			})
		}
	}
}

// A block that grows into another is a lie of the child, and so is one with
// pointers that moves.
func TestValidationResizeOverlaps(t *testing.T) {
	child := &liar{}
	v := heap.NewValidation(child)
	back := make([]byte, 128)
	next := back[:64:64]
	child.alloc = func([]byte, error) ([]byte, error) { return next, nil }
	b1 := mem.Must(v.Alloc(64, mem.Layout{}))
	next = back[64:128:128]
	mem.Must(v.Alloc(64, mem.Layout{}))
	child.put(b1, back)
	child.resize = func([]byte, []byte, bool) ([]byte, bool) { return back[:65:65], true }
	wantLie(t, "overlaps", func() { v.Resize(b1, mem.Layout{}, 65) })
	if n, bytes := v.Live(); n != 2 || bytes != 128 {
		t.Errorf("%d bytes in %d blocks are live, want both as they were", bytes, n)
	}
	child.live, child.sizes = nil, nil
	child.put(b1, back)
	wantLie(t, "overlaps", func() { v.Remap(b1, mem.Layout{}, 65) })
}

func wantLie(t *testing.T, hint string, fn func()) {
	t.Helper()
	got := misuses(t, fn)
	if len(got) != 1 || got[0].Kind != heap.ChildLied || !strings.Contains(got[0].Hint, hint) {
		t.Errorf("reported %v, want a lie with %q", got, hint)
	}
}

// movingGC is a collected heap that copies blocks with pointers byte by byte.
type movingGC struct{ heap.GC }

func (m movingGC) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	r, err := m.Alloc(size, l)
	if err != nil {
		return b, false
	}
	copy(r, b)
	return r, true
}

func TestValidationMovesPointers(t *testing.T) {
	v := heap.NewValidation(movingGC{})
	for _, kind := range []mem.Kind{mem.Managed, mem.Local} {
		l := mem.LayoutOf[[2]*int]()
		l.Kind = kind
		b := mem.Must(v.Alloc(l.Type.Size(), l))
		wantLie(t, "moved a block with pointers", func() { b, _ = v.Remap(b, l, 2*l.Type.Size()) })
		v.Free(b, l)
	}
	l := mem.LayoutOf[int]()
	b := mem.Must(v.Alloc(l.Type.Size(), l))
	noMisuse(t, func() { b, _ = v.Remap(b, l, 2*l.Type.Size()) }) // the good twin
	v.Free(b, l)
	// Off the Go heap a local block may move.
	v = heap.NewValidation(&localMover{})
	l = mem.LayoutOf[*int]()
	l.Kind = mem.Local
	b = mem.Must(v.Alloc(l.Type.Size(), l))
	noMisuse(t, func() { b, _ = v.Remap(b, l, 2*l.Type.Size()) })
	v.Free(b, l)
}

// localMover is an unscanned allocator that moves everything.
type localMover struct{ mem.NoResize }

func (*localMover) Alloc(size int, _ mem.Layout) ([]byte, error) {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))), size), nil
}

func (m *localMover) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	r, err := m.Alloc(size, l)
	copy(r, b)
	return r, err == nil
}

func (*localMover) Free([]byte, mem.Layout) {}

func TestValidationPointersChange(t *testing.T) {
	child := &fakeChild{}
	v := heap.NewValidation(child)
	noMisuse(t, func() { v.Pointers() })
	child.answer = mem.Scanned
	wantLie(t, "the child answers scanned, and answered plain only before", func() { v.Pointers() })
}

// blocking is a child whose Resize and Remap wait until they are told to go on.
type blocking struct {
	fakeChild
	entered, release chan struct{}
}

func (k *blocking) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	k.entered <- struct{}{}
	<-k.release
	return k.fakeChild.Resize(b, l, size)
}

func (k *blocking) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	k.entered <- struct{}{}
	<-k.release
	return k.fakeChild.Remap(b, l, size)
}

// A second call for a block that is inside Resize or Remap is found, and the
// first goes on as if nothing had happened.
func TestValidationConcurrentUse(t *testing.T) {
	l := mem.Layout{}
	for name, resize := range map[string]func(*heap.Validation, []byte) ([]byte, bool){
		"Resize": func(v *heap.Validation, b []byte) ([]byte, bool) { return v.Resize(b, l, 8) },
		"Remap":  func(v *heap.Validation, b []byte) ([]byte, bool) { return v.Remap(b, l, 200) },
	} {
		t.Run(name, func(t *testing.T) {
			child := &blocking{entered: make(chan struct{}), release: make(chan struct{})}
			child.move = true
			v := heap.NewValidation(child)
			b := mustAlloc(t, v, 64)
			done := make(chan []byte)
			go func() {
				r, ok := resize(v, b)
				if !ok {
					t.Error("refused")
				}
				done <- r
			}()
			<-child.entered
			wantMisuse(t, heap.ConcurrentUse, func() { v.Free(b, l) })
			wantMisuse(t, heap.ConcurrentUse, func() { v.Resize(b, l, 100) })
			wantMisuse(t, heap.ConcurrentUse, func() { v.Remap(b, l, 100) })
			if n, _ := v.Live(); n != 1 {
				t.Errorf("%d blocks are live, want 1", n)
			}
			close(child.release)
			noMisuse(t, func() { v.Free(<-done, l) })
		})
	}
}

// The child's own report on a Free leaves the block live.
func TestValidationChildRefusesFree(t *testing.T) {
	child := &reportingChild{}
	v := heap.NewValidation(child)
	b := mustAlloc(t, v, 16)
	child.Free(b, mem.Layout{}) // behind its back
	if got := misuses(t, func() { v.Free(b, mem.Layout{}) }); len(got) != 1 {
		t.Errorf("reported %v, want what the child found", got)
	}
	if n, bytes := v.Live(); n != 1 || bytes != 16 {
		t.Errorf("%d bytes in %d blocks are live, want the one", bytes, n)
	}
	v.Reset()
	if n, bytes := v.Live(); n != 0 || bytes != 0 {
		t.Errorf("%d bytes in %d blocks after Reset", bytes, n)
	}
	wantMisuse(t, heap.ForeignFree, func() { v.Free(b, mem.Layout{}) })
}

// Reset lets a child that freed everything serve the same memory again.
func TestValidationReset(t *testing.T) {
	v := heap.NewValidation(&oneBlock{block: make([]byte, 64)})
	mustAlloc(t, v, 64)
	wantLie(t, "overlaps", func() { v.Alloc(64, mem.Layout{}) })
	noMisuse(t, func() {
		v.Reset()
		v.Free(mustAlloc(t, v, 64), mem.Layout{})
	})
}

// Collections run, and a block of the Go heap that is dropped without Free does
// not come back as an overlap.
func TestValidationOverGC(t *testing.T) {
	v := heap.NewValidation(heap.GC{})
	noMisuse(t, func() {
		for range 200 {
			mem.Must(mem.Alloc[*int](v, 10))
			mem.Must(mem.Alloc[int](v, 10))
		}
		runtime.GC()
		for range 200 {
			mem.Must(mem.Alloc[*int](v, 10))
			mem.Must(mem.Alloc[int](v, 10))
		}
	})
}

// Many blocks, in no order, are all found again, and nothing is allocated for
// them in a steady state.
func TestValidationManyBlocks(t *testing.T) {
	v := heap.NewValidation(&fakeChild{move: true})
	p := newProgram(v, 9)
	steps := 5000
	if testing.Short() || race.Enabled {
		steps = 500
	}
	noMisuse(t, func() {
		for i := range steps {
			if err := p.step(); err != nil {
				t.Fatalf("step %d: %v", i, err)
			}
			if n, bytes := v.Live(); n != len(p.blocks) || bytes != p.bytes {
				t.Fatalf("step %d: %d bytes in %d blocks are live, want %d in %d", i, bytes, n, p.bytes, len(p.blocks))
			}
		}
		if err := p.close(); err != nil {
			t.Fatal(err)
		}
	})

	bump := &slots{memory: make([]byte, 64*100)}
	v = heap.NewValidation(bump)
	run := func() {
		for i := range 100 {
			bump.next = i * 37 % 100
			mustAlloc(t, v, 64)
		}
		for i := range 100 {
			k := i * 61 % 100 * 64
			v.Free(bump.memory[k:k+64:k+64], mem.Layout{})
		}
	}
	run()
	if n := testing.AllocsPerRun(20, run); n != 0 {
		t.Errorf("%v allocations per run in a steady state", n)
	}
}

// slots serves the block that next says.
type slots struct {
	mem.NoResize
	memory []byte
	next   int
}

func (s *slots) Alloc(size int, _ mem.Layout) ([]byte, error) {
	return s.memory[s.next*64:][:size:size], nil
}

func (s *slots) Free([]byte, mem.Layout) {}

// Goroutines that free and allocate at once get each other's memory; none of
// that is an overlap.
func TestValidationRecycles(t *testing.T) {
	child := &recycler{}
	v := heap.NewValidation(child)
	rounds := 500
	if testing.Short() || race.Enabled {
		rounds = 100
	}
	l := mem.Layout{}
	got := misuses(t, func() {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range rounds {
					b := mem.Must(v.Alloc(128, l))
					b, ok := v.Resize(b, l, 64) // the rest is anybody's at once
					if !ok {
						t.Error("shrink refused")
					}
					if r, ok := v.Remap(b, l, 128); ok {
						b = r
					}
					v.Free(b, l)
				}
			})
		}
		wg.Wait()
	})
	if len(got) > 0 {
		t.Errorf("reported %v", got[0])
	}
	if n, _ := v.Live(); n != 0 {
		t.Errorf("%d blocks are live", n)
	}
}

// Memory that a child takes back may be another's before the call returns.
func TestValidationHandsOver(t *testing.T) {
	child := &handsOver{}
	v := heap.NewValidation(child)
	l := mem.Layout{}
	var others [][]byte
	child.given = func() {
		child.given = nil
		others = append(others, mustAlloc(t, v, 64))
	}
	again := child.given
	noMisuse(t, func() {
		b := mustAlloc(t, v, 128)
		b, _ = v.Resize(b, l, 64)
		child.given = again
		b, _ = v.Remap(b, l, 192)
		child.given = again
		v.Free(b, l)
		if len(others) != 3 || addr(others[2]) != addr(b) {
			t.Errorf("%d blocks were handed over, the last at %#x, want it at %#x", len(others), addr(others[2]), addr(b))
		}
		for _, o := range others {
			v.Free(o, l)
		}
	})
}

// handsOver calls given, if set, each time that it has taken memory back.
type handsOver struct {
	recycler
	given func()
}

func (h *handsOver) give() {
	if h.given != nil {
		h.given()
	}
}

func (h *handsOver) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	defer h.give()
	return h.recycler.Resize(b, l, size)
}

func (h *handsOver) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	defer h.give()
	return h.recycler.Remap(b, l, size)
}

func (h *handsOver) Free(b []byte, l mem.Layout) {
	defer h.give()
	h.recycler.Free(b, l)
}

// recycler serves units of 64 bytes, the last one freed first.
type recycler struct {
	mu   sync.Mutex
	back []byte
	used []bool
}

func (r *recycler) Alloc(size int, _ mem.Layout) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.back == nil {
		r.back, r.used = make([]byte, 64*64), make([]bool, 64)
	}
	n := size / 64
	for i := range len(r.used) - n + 1 {
		if !r.used[i] && !r.used[i+n-1] {
			for j := range n {
				r.used[i+j] = true
			}
			return r.back[i*64 : i*64+size : i*64+size], nil
		}
	}
	return nil, errFake
}

func (r *recycler) release(b []byte) {
	i := int(addr(b)-addr(r.back)) / 64
	for j := range len(b) / 64 {
		r.used[i+j] = false
	}
}

func (r *recycler) Resize(b []byte, _ mem.Layout, size int) ([]byte, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if size > len(b) {
		return b, false
	}
	r.release(b[size:])
	return b[:size:size], true
}

func (r *recycler) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	n, err := r.Alloc(size, l)
	if err != nil {
		return b, false
	}
	copy(n, b)
	r.Free(b, l)
	return n, true
}

func (r *recycler) Free(b []byte, _ mem.Layout) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.release(b)
}

func (*recycler) Pointers() mem.Pointers { return mem.PlainOnly }

// FuzzValidation runs programs with crimes in them, each of which must be found
// and must leave everything as it was.
func FuzzValidation(f *testing.F) {
	f.Add(uint64(1), []byte{0, 1, 2, 3, 4, 5, 6, 7, 0x10, 0x20, 0x30, 0x40, 0x50})
	f.Add(uint64(2), []byte{0, 0, 0, 0x18, 0x28, 0x38, 0x48, 0x58, 0x68, 0, 0x18})
	f.Fuzz(func(t *testing.T, seed uint64, moods []byte) {
		child := &fakeChild{}
		v := heap.NewValidation(child)
		p := newProgram(v, seed)
		var dead []byte
		for _, mood := range moods {
			child.fail, child.refuse, child.move = mood&1 != 0, mood&2 != 0, mood&4 != 0
			noMisuse(t, func() {
				if err := p.step(); err != nil {
					t.Fatal(err)
				}
			})
			if len(p.blocks) == 0 {
				continue
			}
			k := p.blocks[int(mood)%len(p.blocks)]
			want, crime := heap.MisuseKind(0), func() {}
			switch mood >> 4 {
			case 1:
				want, crime = heap.ForeignFree, func() { v.Free(make([]byte, len(k.b)), k.l) }
			case 2:
				if len(k.b) > 1 {
					want, crime = heap.InteriorFree, func() { v.Free(k.b[1:], k.l) }
				}
			case 3:
				want, crime = heap.SizeMismatch, func() { v.Remap(k.b[:len(k.b)-1], k.l, 500) }
			case 4:
				l := k.l
				l.Align = mem.AlignLog2(l.Align.Log2() + 1)
				want, crime = heap.AlignMismatch, func() { v.Resize(k.b, l, 1) }
			case 5:
				l := k.l
				l.Type = mem.TypeFor[[3]int16]()
				want, crime = heap.TypeMismatch, func() { v.Free(k.b, l) }
			case 6:
				if dead != nil && !child.Owns(dead) {
					want, crime = heap.DoubleFree, func() { v.Free(dead, mem.Layout{}) }
				}
			}
			if got := misuses(t, crime); want == 0 && len(got) != 0 || want != 0 && (len(got) != 1 || got[0].Kind != want) {
				if want != heap.DoubleFree || len(got) != 1 { // may be inside another by now
					t.Fatalf("reported %v, want %v", got, want)
				}
			}
			if n, bytes := v.Live(); n != len(p.blocks) || bytes != p.bytes {
				t.Fatalf("%d bytes in %d blocks are live, want %d in %d", bytes, n, p.bytes, len(p.blocks))
			}
			child.fail = false
			if b, err := v.Alloc(16, mem.Layout{}); err == nil {
				v.Free(b, mem.Layout{})
				dead = b
			}
		}
		noMisuse(t, func() {
			if err := p.close(); err != nil {
				t.Fatal(err)
			}
		})
	})
}
