package mem_test

import (
	"reflect"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// fake is an allocator that watches the typed layer: it keeps what it handed
// out, checks every argument against it, and fails or resizes as told. Every
// block has room to grow in place to twice its size. Its memory comes from a
// [heap.Debug], which fills it, and in which these tests may not provoke a
// report.
type fake struct {
	mem.Allocator // where memory comes from
	t             testing.TB
	live          map[uintptr]block
	calls         int   // to Alloc
	failFrom      int   // Alloc fails from this call on, 0: never
	inPlace       bool  // Resize works
	moves         bool  // Remap moves
	freed         []int // sizes
	last          mem.Layout
}

type block struct {
	size int
	l    mem.Layout
}

func newFake(t testing.TB, p mem.Pointers) *fake {
	f := &fake{t: t, live: map[uintptr]block{}}
	f.Allocator = allocatortest.New(t, allocatortest.Child(roomy{p, map[uintptr][]byte{}}))
	return f
}

func addr(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

func (f *fake) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("fake: Alloc", size)
	f.calls++
	if f.failFrom > 0 && f.calls >= f.failFrom {
		return nil, mem.ErrOutOfMemory
	}
	if l.Kind == mem.Managed && f.Pointers() != mem.Scanned {
		f.t.Errorf("fake: managed block of %v asked of an allocator that answers %v", l.Type, f.Pointers())
		return nil, mem.Refuse(l)
	}
	if l.Type == (mem.Type{}) {
		f.t.Errorf("fake: Alloc without a type")
	} else if size%l.Type.Size() != 0 {
		f.t.Errorf("fake: %d bytes are no whole number of %v", size, l.Type)
	}
	b, err := f.Allocator.Alloc(size, l)
	if err != nil {
		f.t.Errorf("fake: %d bytes of %v: %v", size, l.Type, err)
		return nil, err
	}
	f.live[addr(b)] = block{size, l}
	f.last = l
	return b, nil
}

func (f *fake) find(op string, b []byte, l mem.Layout) (block, bool) {
	got, ok := f.live[addr(b)]
	switch {
	case !ok:
		f.t.Errorf("fake: %s of a foreign block of %d bytes", op, len(b))
	case got.size != len(b):
		f.t.Errorf("fake: %s of %d bytes, the block has %d", op, len(b), got.size)
	case got.l.Align != l.Align || got.l.Type != l.Type:
		f.t.Errorf("fake: %s with %v of %v, allocated as %v of %v", op, l.Align, l.Type, got.l.Align, got.l.Type)
	}
	return got, ok
}

func (f *fake) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("fake: Resize", size)
	got, ok := f.find("Resize", b, l)
	if !ok || !f.inPlace {
		return b, false
	}
	if b, ok = f.Allocator.Resize(b, l, size); ok {
		f.live[addr(b)] = block{size, got.l}
	}
	return b, ok
}

func (f *fake) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	if !f.moves || l.Kind != mem.Plain {
		return f.Resize(b, l, size)
	}
	if _, ok := f.find("Remap", b, l); !ok {
		return b, false
	}
	n, err := f.Alloc(size, mem.Layout{Align: l.Align, Zero: true, Type: l.Type})
	if err != nil {
		return b, false
	}
	copy(n, b)
	f.Free(b, l)
	return n, true
}

func (f *fake) Free(b []byte, l mem.Layout) {
	if _, ok := f.find("Free", b, l); ok {
		delete(f.live, addr(b))
		f.Allocator.Free(b, l)
		f.freed = append(f.freed, len(b))
	}
}

// roomy serves zero memory with room behind it to grow in place, by the address
// of the block.
type roomy struct {
	pointers mem.Pointers
	room     map[uintptr][]byte
}

func (r roomy) Alloc(size int, l mem.Layout) ([]byte, error) {
	var room []byte
	if r.pointers == mem.Scanned && l.Type.HasPointers() {
		n := 2 * size / l.Type.Size()
		s := reflect.MakeSlice(reflect.SliceOf(l.Type.Reflect()), n, n)
		room = unsafe.Slice((*byte)(s.UnsafePointer()), 2*size)
	} else {
		raw := make([]byte, 2*size+l.Align.Bytes())
		pad := l.Align.Pad(addr(raw))
		room = raw[pad : pad+2*size]
	}
	r.room[addr(room)] = room
	return room[:size:size], nil
}

func (r roomy) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	room := r.room[addr(b)]
	if size > len(room) {
		return b, false
	}
	if size > len(b) {
		l.Type.Clear(room[len(b):size])
	}
	return room[:size:size], true
}

func (r roomy) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) { return r.Resize(b, l, size) }
func (r roomy) Free(b []byte, _ mem.Layout)                           { delete(r.room, addr(b)) }
func (r roomy) Pointers() mem.Pointers                                { return r.pointers }

// panics returns what f panics with, as text; "" if it does not.
func panics(f func()) (text string) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case string:
			text = r
		case error:
			text = r.Error()
		}
	}()
	f()
	return ""
}
