package heap_test

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/allod-dev/allod/mem"
)

// A fakeChild serves plain and local blocks from the Go heap, each with room to
// grow in place, and keeps a table of them. It is safe for concurrent use.
type fakeChild struct {
	fail    bool // Alloc fails
	refuse  bool // Resize and Remap refuse
	move    bool // Remap moves
	panics  bool // every method but Pointers panics
	answer  mem.Pointers
	lie     func(b []byte) []byte // what Alloc, Resize and Remap return instead of b
	entered func()                // called in every method but Pointers

	mu    sync.Mutex
	live  map[uintptr][]byte // whole backing
	sizes map[uintptr]int
	bytes int
	calls int
}

const fakeRoom = 256 // bytes that a block can grow by in place

var errFake = mem.NewError("fake: out of memory", mem.ErrOutOfMemory)

func addr(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

func (f *fakeChild) enter() {
	if f.entered != nil {
		f.entered()
	}
	if f.panics {
		panic("fake: panics")
	}
	f.calls++
}

func (f *fakeChild) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("fake.Alloc", size)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.enter()
	if l.Kind == mem.Managed {
		return nil, mem.Refuse(l)
	}
	if f.fail {
		return nil, errFake
	}
	if size > 1<<24 || l.Align.Log2() > 22 {
		return nil, mem.ErrTooLarge
	}
	b := f.make(size, l)
	if f.lie != nil {
		return f.lie(b), nil
	}
	return b, nil
}

func (f *fakeChild) make(size int, l mem.Layout) []byte {
	back := make([]byte, size+l.Align.Bytes()+fakeRoom)
	pad := l.Align.Pad(addr(back))
	back = back[pad:]
	b := back[:size:size]
	if !l.Zero && l.Kind == mem.Plain {
		for i := range back {
			back[i] = 0xAA
		}
	}
	f.put(b, back)
	return b
}

func (f *fakeChild) put(b, back []byte) {
	if f.live == nil {
		f.live, f.sizes = map[uintptr][]byte{}, map[uintptr]int{}
	}
	f.live[addr(b)], f.sizes[addr(b)] = back, len(b)
	f.bytes += len(b)
}

// own panics unless b is a live block.
func (f *fakeChild) own(op string, b []byte) {
	if size, ok := f.sizes[addr(b)]; !ok || size != len(b) {
		panic(fmt.Sprintf("fake.%s: %d bytes at %#x are not a block (%v, %d)", op, len(b), addr(b), ok, size))
	}
}

func (f *fakeChild) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("fake.Resize", size)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.enter()
	return f.resize(b, l, size)
}

func (f *fakeChild) resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	f.own("Resize", b)
	back := f.live[addr(b)]
	if f.refuse || size > len(back) {
		return b, false
	}
	r := back[:size:size]
	if size > len(b) && (l.Zero || l.Kind != mem.Plain) {
		clear(r[len(b):])
	}
	f.sizes[addr(b)] = size
	f.bytes += size - len(b)
	if f.lie != nil {
		return f.lie(r), true
	}
	return r, true
}

func (f *fakeChild) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("fake.Remap", size)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.enter()
	if !f.move || l.Type.HasPointers() {
		return f.resize(b, l, size)
	}
	f.own("Remap", b)
	if f.refuse || size > 1<<24 {
		return b, false
	}
	r := f.make(size, l)
	copy(r, b)
	f.drop(b)
	if f.lie != nil {
		return f.lie(r), true
	}
	return r, true
}

func (f *fakeChild) Free(b []byte, _ mem.Layout) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.enter()
	f.own("Free", b)
	f.drop(b)
}

func (f *fakeChild) drop(b []byte) {
	back := f.live[addr(b)]
	for i := range back {
		back[i] = 0xDD
	}
	delete(f.live, addr(b))
	delete(f.sizes, addr(b))
	f.bytes -= len(b)
}

func (f *fakeChild) Pointers() mem.Pointers { return f.answer }

// Owns implements mem.Owner.
func (f *fakeChild) Owns(b []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.live[addr(b)]
	return ok
}

// Trim implements mem.Trimmer.
func (f *fakeChild) Trim() int { return 42 }

// GoodSize implements mem.GoodSizer.
func (f *fakeChild) GoodSize(size int, _ mem.Layout) int { return (size + 63) &^ 63 }

// UsableSize implements mem.UsableSizer.
func (f *fakeChild) UsableSize(b []byte) int { return len(f.live[addr(b)]) }

// blocks and bytes that are live.
func (f *fakeChild) use() (blocks, bytes int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.live), f.bytes
}
