package heap_test

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

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
