package mem_test

import (
	"reflect"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/mem"
)

// fake is an allocator that watches the typed layer: it keeps what it handed
// out, checks every argument against it, hands out dirty memory, and fails or
// resizes as told. Every block has room to grow in place to twice its size.
type fake struct {
	t        testing.TB
	pointers mem.Pointers
	live     map[uintptr]block
	calls    int   // to Alloc
	failFrom int   // Alloc fails from this call on, 0: never
	inPlace  bool  // Resize works
	moves    bool  // Remap moves
	freed    []int // sizes
	last     mem.Layout
}

type block struct {
	room []byte
	size int
	l    mem.Layout
}

func newFake(t testing.TB, p mem.Pointers) *fake {
	f := &fake{t: t, pointers: p, live: map[uintptr]block{}}
	t.Cleanup(func() {
		for addr, b := range f.live {
			t.Errorf("leak: %d bytes of %v at %#x", b.size, b.l.Type, addr)
		}
	})
	return f
}

func addr(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

func (f *fake) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("fake: Alloc", size)
	f.calls++
	if f.failFrom > 0 && f.calls >= f.failFrom {
		return nil, mem.ErrOutOfMemory
	}
	if l.Kind == mem.Managed && f.pointers != mem.Scanned {
		f.t.Errorf("fake: managed block of %v asked of an allocator that answers %v", l.Type, f.pointers)
		return nil, mem.Refuse(l)
	}
	if size%l.Type.Size() != 0 {
		f.t.Errorf("fake: %d bytes are no whole number of %v", size, l.Type)
	}
	if l.Type == (mem.Type{}) {
		f.t.Errorf("fake: Alloc without a type")
	}
	var room []byte
	if f.pointers == mem.Scanned && l.Type.HasPointers() {
		n := 2 * size / l.Type.Size()
		s := reflect.MakeSlice(reflect.SliceOf(l.Type.Reflect()), n, n)
		room = unsafe.Slice((*byte)(s.UnsafePointer()), 2*size)
	} else {
		align := max(l.Align.Bytes(), 8)
		raw := make([]byte, 2*size+align)
		pad := l.Align.Pad(addr(raw))
		room = raw[pad : pad+2*size]
		if !l.Zero && l.Kind == mem.Plain {
			for i := range room {
				room[i] = 0xDD
			}
		}
	}
	f.live[addr(room)] = block{room, size, l}
	f.last = l
	return room[:size:size], nil
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
	if !ok || !f.inPlace || size > len(got.room) {
		return b, false
	}
	if size > got.size {
		l.Type.Clear(got.room[got.size:size])
	}
	f.live[addr(b)] = block{got.room, size, got.l}
	return got.room[:size:size], true
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
		f.freed = append(f.freed, len(b))
	}
}

func (f *fake) Pointers() mem.Pointers { return f.pointers }

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
