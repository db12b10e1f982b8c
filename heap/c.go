//go:build cgo

package heap

import (
	"github.com/allod-dev/allod/internal/cmalloc"
	"github.com/allod-dev/allod/internal/rt"
	"github.com/allod-dev/allod/mem"
)

// C is the allocator of the C library, with any alignment. Want it where blocks
// are handed to C code that frees them, or where the process has a malloc that
// is preferred. Each call crosses from Go to C, which costs more than the
// allocators in Go do for small blocks. C exists only in builds with cgo.
//
// Memory comes from malloc, calloc or posix_memalign; on Windows from
// _aligned_malloc, so that only _aligned_free frees it there. Go's collector
// does not scan it, its memory limit does not count it, and the race detector
// does not see it.
//
// Free frees the block, and only that or a Remap that moves the block ends its
// life. Resize shrinks always, and grows within what the library rounded the
// size up to, where it tells. Remap is realloc for blocks of no more than the
// C library's own alignment.
//
// The C library cannot tell whether a block is its own, so neither can C: to
// free a block twice, or one from elsewhere, is undefined and most likely ends
// the process. Only a block that lies in the Go heap, where append moves them,
// is recognised and reported, in builds that can tell.
//
// C is safe for concurrent use. The zero value is all there is: it has no
// fields, and copies are the same allocator.
type C struct{}

// RawC is [C] without anything added: malloc, realloc and free. Want it for the
// least overhead, or as the model to compare with. It refuses requests for more
// alignment than malloc gives, and Resize refuses any change. In all else it is
// as C is, and blocks of one may be freed by the other, except on Windows.
type RawC struct{}

var (
	_ mem.Allocator = C{}
	_ mem.Allocator = RawC{}
)

// errRawAlign is what RawC answers to alignments beyond those of malloc.
var errRawAlign = mem.NewError("heap: RawC: malloc does not align that far", mem.ErrTooLarge)

// Alloc implements [mem.Allocator].
func (C) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("heap: C.Alloc", size)
	return cAlloc(size, l)
}

// Resize implements [mem.Allocator].
func (C) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: C.Resize", size)
	if !cMine("heap: C.Resize", b) {
		return b, false
	}
	return cResize(b, l, size)
}

// Remap implements [mem.Allocator].
func (C) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: C.Remap", size)
	if !cMine("heap: C.Remap", b) {
		return b, false
	}
	if l.Align.Bytes() > cmalloc.MaxAlign {
		return cResize(b, l, size)
	}
	return cRemap(b, l, size)
}

// Free implements [mem.Allocator].
func (C) Free(b []byte, _ mem.Layout) {
	if cMine("heap: C.Free", b) {
		cmalloc.Free(b)
	}
}

// Pointers returns [mem.PlainOnly].
func (C) Pointers() mem.Pointers { return mem.PlainOnly }

// Alloc implements [mem.Allocator]. It refuses alignments that malloc does not
// give, above 16 bytes on most systems.
func (RawC) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("heap: RawC.Alloc", size)
	if l.Align.Bytes() > cmalloc.MaxAlign && l.Kind != mem.Managed {
		return nil, errRawAlign
	}
	return cAlloc(size, l)
}

// Resize implements [mem.Allocator]. It refuses, unless nothing would change.
func (RawC) Resize(b []byte, _ mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: RawC.Resize", size)
	return b, cMine("heap: RawC.Resize", b) && size == len(b)
}

// Remap implements [mem.Allocator].
func (RawC) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: RawC.Remap", size)
	if !cMine("heap: RawC.Remap", b) || l.Align.Bytes() > cmalloc.MaxAlign {
		return b, false
	}
	return cRemap(b, l, size)
}

// Free implements [mem.Allocator].
func (RawC) Free(b []byte, _ mem.Layout) {
	if cMine("heap: RawC.Free", b) {
		cmalloc.Free(b)
	}
}

// Pointers returns [mem.PlainOnly].
func (RawC) Pointers() mem.Pointers { return mem.PlainOnly }

func cAlloc(size int, l mem.Layout) ([]byte, error) {
	if l.Kind == mem.Managed {
		return nil, mem.Refuse(l)
	}
	b := cmalloc.Alloc(size, l.Align.Bytes(), l.Zero || l.Kind != mem.Plain)
	if b == nil {
		return nil, mem.ErrOutOfMemory
	}
	return b, nil
}

func cResize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	if size > len(b) && size > cmalloc.Usable(b) {
		return b, false
	}
	r := wider(b, size)
	cZero(r, len(b), l)
	return r, true
}

func cRemap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	r := cmalloc.Realloc(b, size, l.Align.Bytes())
	if r == nil {
		return b, false
	}
	cZero(r, len(b), l)
	return r, true
}

// cZero clears what was added to a block of old bytes.
func cZero(b []byte, old int, l mem.Layout) {
	if len(b) > old && (l.Zero || l.Kind != mem.Plain) {
		clear(b[old:])
	}
}

// cMine reports a block that the C library cannot have served: none, or one in
// memory of the Go runtime.
func cMine(op string, b []byte) bool {
	if is, _ := rt.GoMemory(address(b)); is || len(b) == 0 {
		misuse(ForeignFree, op, b, hintForeign)
		return false
	}
	return true
}
