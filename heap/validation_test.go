package heap_test

import (
	"fmt"
	"runtime"
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
	var at string // where the first call is
	for name, resize := range map[string]func(*heap.Validation, []byte) ([]byte, bool){
		"Resize": func(v *heap.Validation, b []byte) ([]byte, bool) {
			at = next()
			return v.Resize(b, l, 8)
		},
		"Remap": func(v *heap.Validation, b []byte) ([]byte, bool) {
			at = next()
			return v.Remap(b, l, 200)
		},
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
			for second, call := range map[string]func(){
				"Free":   func() { v.Free(b, l) },
				"Resize": func() { v.Resize(b, l, 100) },
				"Remap":  func() { v.Remap(b, l, 100) },
			} {
				got := misuses(t, call)
				if len(got) != 1 || got[0].Kind != heap.ConcurrentUse || begins(got[0].Other.Program()) != at {
					t.Errorf("%s: %v, want concurrent use with the call in %s", second, got, at)
				}
			}
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
