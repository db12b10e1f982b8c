package mem

import (
	"fmt"
	"math"
	"math/bits"
	"unsafe"

	"github.com/allod-dev/allod/internal/rtype"
)

// The functions of the typed layer ask three things before they ask an
// allocator: how many bytes, which layout, which kind. Most are in two parts. What
// depends on T is one call, little enough to be inlined, that passes a *T, nil or
// not: a word that the compiler knows, and all that is left of T. The rest is one
// function for all types; its answers are loads from the descriptor that the word
// leads to. New and Destroy are faster in one part each, where size and alignment
// are constants.

// Create returns a zero T in memory of a.
//
// A T that holds Go pointers is served by allocators that answer [Scanned], and
// under the promise of [NoGoPointers]; otherwise the error is a
// [*PointerError]. If T has no size, the result is not nil, may equal other
// such pointers, and a is not asked.
func Create[T any](a Allocator) (*T, error) {
	p, _, err := request(a, (*T)(nil), 1, Alignment{}, zeroed, "mem: Create")
	return (*T)(p), err // valid: request served it as a T
}

// New returns a copy of v in memory of a. The errors are those of [Create].
func New[T any](a Allocator, v T) (*T, error) {
	// What is commonest stands in one line, and takes no jumps.
	if isNil(a) || !glances() || unsafe.Sizeof(v) == 0 {
		return newOther(a, v)
	}
	id, plain := glance((*T)(nil))
	l := Layout{Align: AlignOf[T](), Type: Type{id}}
	if !plain {
		promised, ok := a.(*promise)
		if !ok || !isClear(id) {
			return newOther(a, v)
		}
		a, l.Kind = promised.Allocator, Local
	}
	b, err := a.Alloc(int(unsafe.Sizeof(v)), l)
	if err != nil {
		return nil, err
	}
	p := pointerTo[T](b)
	*p = v
	return p, nil
}

// newOther is New for what is not so common.
//
//go:noinline
func newOther[T any](a Allocator, v T) (*T, error) {
	p, _, err := requestOther(a, (*T)(nil), 1, Alignment{}, written, "mem: New")
	if p != nil {
		*(*T)(p) = v // valid: as in Create
	}
	return (*T)(p), err
}

// Destroy gives the memory of *p, which came from [Create] or [New] with the
// same a, back. It invalidates p. A nil p is a no-op.
func Destroy[T any](a Allocator, p *T) {
	if p == nil {
		return
	}
	if isNil(a) || !glances() || unsafe.Sizeof(*p) == 0 {
		releaseOther(a, p, 1, Alignment{}, "mem: Destroy")
		return
	}
	id, plain := glance((*T)(nil))
	l := Layout{Align: AlignOf[T](), Zero: true, Type: Type{id}}
	if !plain {
		promised, ok := a.(*promise)
		if !ok || !isClear(id) {
			releaseOther(a, p, 1, Alignment{}, "mem: Destroy")
			return
		}
		a, l.Kind = promised.Allocator, Local
	}
	a.Free(bytesAt(p), l)
}

// What New and Destroy ask has functions of this package: the compiler does not
// export the bodies of another's functions, which only generic functions call here,
// to the packages where these are instantiated, and would make it calls there.

func glances() bool { return rtype.Glances() }

func glance(p any) (id rtype.ID, plain bool) { return rtype.Glance(p) }

func isClear(id rtype.ID) bool { return id.Clear() }

// Alloc returns n zero Ts in memory of a, with len == cap == n. It panics if n
// is negative, as make does. The errors are those of [Create], and
// [ErrTooLarge] if n*sizeof(T) overflows. If that product is 0, the result is
// not nil and a is not asked.
func Alloc[T any](a Allocator, n int) ([]T, error) {
	p, n, err := request(a, (*T)(nil), n, Alignment{}, zeroed, "mem: Alloc")
	return unsafe.Slice((*T)(p), n), err
}

// AllocUninit is [Alloc] without the promise of zeroes: the contents are
// undefined, and writing them first is up to the caller. Memory for a T that
// holds pointers or a bool is zero even so, since other values of these would
// crash the collector or miscompile the program.
func AllocUninit[T any](a Allocator, n int) ([]T, error) {
	p, n, err := request(a, (*T)(nil), n, Alignment{}, undefined, "mem: AllocUninit")
	return unsafe.Slice((*T)(p), n), err
}

// AllocAligned is [Alloc] with the address aligned to align, or to what T needs
// if that is more. Such a block is given back with [FreeAligned].
func AllocAligned[T any](a Allocator, n int, align Alignment) ([]T, error) {
	p, n, err := request(a, (*T)(nil), n, align, zeroed, "mem: AllocAligned")
	return unsafe.Slice((*T)(p), n), err
}

// contents says what memory is to hold.
type contents uint8

const (
	zeroed    contents = iota
	undefined          // zeroes only where anything else would be no value of the type
	written            // what it likes: the caller writes all of it
)

// request returns the address of n Ts in memory of a, and n; or nil, 0 and an
// error. t is a *T. The alignment is what T needs, if that is more than align.
func request(a Allocator, t any, n int, align Alignment, c contents, name string) (unsafe.Pointer, int, error) {
	if isNil(a) || !rtype.Glances() {
		return requestOther(a, t, n, align, c, name)
	}
	id := rtype.GlanceAt(t)
	size, log2, plain := id.Glance()
	over, bytes := bits.Mul(uint(size), uint(n))
	if over != 0 || bytes-1 >= math.MaxInt || c == undefined && !id.Boolless() {
		return requestOther(a, t, n, align, c, name)
	}
	l := Layout{Align: align.Max(Alignment{log2}), Zero: c == zeroed, Type: Type{id}}
	if !plain {
		p, ok := a.(*promise)
		if !ok || !id.Clear() {
			return requestOther(a, t, n, align, c, name)
		}
		a, l.Kind = p.Allocator, Local
	}
	b, err := a.Alloc(int(bytes), l)
	if err != nil {
		return nil, 0, err
	}
	return unsafe.Pointer(unsafe.SliceData(b)), n, nil
}

// requestOther is request for everything, and in the order in which it asks.
//
//go:noinline
func requestOther(a Allocator, t any, n int, align Alignment, c contents, name string) (unsafe.Pointer, int, error) {
	if isNil(a) {
		panicNil(name, a)
	}
	if n < 0 {
		panic(name + ": negative length")
	}
	id := rtype.Elem(t)
	size := id.Size()
	if size == 0 || n == 0 {
		return unsafe.Pointer(new(struct{})), n, nil // no bytes: the runtime allocates nothing
	}
	if n > math.MaxInt/size {
		return nil, 0, ErrTooLarge
	}
	l := Layout{
		Align: align.Max(Align(id.Reflect().Align())),
		Zero:  c == zeroed || c == undefined && id.HasBools(),
		Type:  Type{id},
	}
	if l.Type.HasPointers() {
		var err error
		if a, l.Kind, err = kindOf(a, l.Type); err != nil {
			return nil, 0, err
		}
	}
	b, err := a.Alloc(n*size, l)
	if err != nil {
		return nil, 0, err
	}
	return unsafe.Pointer(unsafe.SliceData(b)), n, nil
}

// alloc is Alloc and its like.
func alloc[T any](a Allocator, n int, align Alignment, c contents, name string) ([]T, error) {
	p, n, err := request(a, (*T)(nil), n, align, c, name)
	return unsafe.Slice((*T)(p), n), err
}

// Free gives the block s[:cap(s)] back, which came from [Alloc] or a function
// like it with the same a. It invalidates every slice of the block. A slice of
// no bytes, nil among them, is a no-op.
//
// Since the block is s[:cap(s)], freeing s[:0] is right, while s[1:] and
// s[:n:n] are other blocks, and freeing them a misuse.
func Free[T any](a Allocator, s []T) {
	if cap(s) != 0 {
		release(a, unsafe.SliceData(s), cap(s), Alignment{}, "mem: Free")
	}
}

// FreeAligned is [Free] for blocks from [AllocAligned] with the same align.
func FreeAligned[T any](a Allocator, s []T, align Alignment) {
	free(a, s, align, "mem: FreeAligned")
}

// free is Free and its like.
func free[T any](a Allocator, s []T, align Alignment, name string) {
	if cap(s) != 0 {
		release(a, unsafe.SliceData(s), cap(s), align, name)
	}
}

// release gives the memory of n Ts, n > 0, back to a; t is the *T that the first of
// them lies at. The alignment is what T needs, if that is more than align.
func release(a Allocator, t any, n int, align Alignment, name string) {
	if isNil(a) || !rtype.Glances() {
		releaseOther(a, t, n, align, name)
		return
	}
	id := rtype.GlanceAt(t)
	size, log2, plain := id.Glance()
	if size == 0 {
		return
	}
	l := Layout{Align: align.Max(Alignment{log2}), Zero: true, Type: Type{id}}
	if !plain {
		p, ok := a.(*promise)
		if !ok {
			releaseOther(a, t, n, align, name)
			return
		}
		a, l.Kind = p.Allocator, Local
	}
	a.Free(bytesIn(t, n*size), l)
}

// releaseOther is release for everything.
//
//go:noinline
func releaseOther(a Allocator, t any, n int, align Alignment, name string) {
	if isNil(a) {
		panicNil(name, a)
	}
	id := rtype.Elem(t)
	size := id.Size()
	if size == 0 {
		return
	}
	l := Layout{Align: align.Max(Align(id.Reflect().Align())), Zero: true, Type: Type{id}}
	if l.Type.HasPointers() {
		a, l.Kind = liveKindOf(a)
	}
	a.Free(bytesIn(t, n*size), l)
}

// Resize grows or shrinks the block s[:cap(s)] to n Ts without moving it. On
// true the result has len == cap == n, its elements are those of s and zeroes
// past len(s), and s is dead. On false nothing happened, and the result is s.
//
// To 0 it frees the block, and answers true. From a slice of no bytes it cannot
// grow. It panics if n is negative.
func Resize[T any](a Allocator, s []T, n int) ([]T, bool) {
	return resize(a, s, n, AlignOf[T](), inPlace, "mem: Resize")
}

// Remap is [Resize] that may move the block, if a knows a way cheaper than to
// allocate, copy and free. False does not mean that memory ran out; [Realloc]
// then takes the long way.
func Remap[T any](a Allocator, s []T, n int) ([]T, bool) {
	return resize(a, s, n, AlignOf[T](), mayMove, "mem: Remap")
}

type movement bool

const (
	inPlace movement = false
	mayMove movement = true
)

func resize[T any](a Allocator, s []T, n int, align Alignment, move movement, name string) ([]T, bool) {
	if isNil(a) {
		panicNil(name, a)
	}
	if n < 0 {
		panic(name + ": negative length")
	}
	var v T
	size := int(unsafe.Sizeof(v))
	switch {
	case size == 0:
		return make([]T, n), true
	case n == 0:
		free(a, s, align, name)
		return make([]T, 0), true
	case cap(s) == 0 || n > math.MaxInt/size:
		return s, false
	}
	b, l := bytesOf(s), Layout{Align: align, Zero: true, Type: TypeFor[T]()}
	if l.Type.HasPointers() {
		a, l.Kind = liveKindOf(a)
	}
	var ok bool
	if move == mayMove {
		b, ok = a.Remap(b, l, n*size)
	} else {
		b, ok = a.Resize(b, l, n*size)
	}
	if !ok {
		return s, false
	}
	r := sliceOf[T](b, n)
	if dead := r[min(len(s), n):min(cap(s), n)]; len(dead) > 0 {
		clear(dead)
	}
	return r, true
}

// Realloc changes the block s[:cap(s)] to one of n Ts: in place, moved by a, or
// allocated, copied and freed. The result has len == cap == n, its elements are
// those of s and zeroes past len(s), and s is dead. On an error the result is
// s, which is live and unchanged.
//
//	Realloc(a, nil, n)   allocates
//	Realloc(a, s, 0)     frees, cannot fail, returns an empty slice, not nil
//	Realloc(a, s, -1)    panics
func Realloc[T any](a Allocator, s []T, n int) ([]T, error) {
	return realloc(a, s, n, AlignOf[T](), "mem: Realloc")
}

// ReallocAligned is [Realloc] for blocks from [AllocAligned] with the same
// align.
func ReallocAligned[T any](a Allocator, s []T, n int, align Alignment) ([]T, error) {
	return realloc(a, s, n, align.Max(AlignOf[T]()), "mem: ReallocAligned")
}

func realloc[T any](a Allocator, s []T, n int, align Alignment, name string) ([]T, error) {
	if r, ok := resize(a, s, n, align, mayMove, name); ok {
		return r, nil
	}
	r, err := alloc[T](a, n, align, zeroed, name)
	if err != nil {
		return s, err
	}
	copy(r, s)
	free(a, s, align, name)
	return r, nil
}

// Append appends v to s, which has no capacity or came from a function of this
// package with the same a, and returns the longer slice. When the block must grow, it
// grows by half at least, so that n appends cost O(n); s is then dead. On an
// error the result is s, which is live and unchanged.
//
// The builtin append must not be used on such a slice: past the capacity it
// moves the elements to the Go heap without a word. Arguments may overlap s.
func Append[T any](a Allocator, s []T, v ...T) ([]T, error) {
	if isNil(a) {
		panicNil("mem: Append", a)
	}
	n := len(s)
	if len(v) <= cap(s)-n {
		s = s[:n+len(v)]
		copy(s[n:], v)
		return s, nil
	}
	if len(v) > math.MaxInt-n {
		return s, ErrTooLarge
	}
	need := n + len(v)
	room := growth[T](cap(s), need)
	if !overlap(s[:cap(s)], v) {
		r, err := realloc(a, s, room, AlignOf[T](), "mem: Append")
		if err != nil {
			return s, err
		}
		copy(r[n:need], v)
		return r[:need], nil
	}
	// The old block must outlive the copy of what v shows of it.
	r, err := alloc[T](a, room, Alignment{}, zeroed, "mem: Append")
	if err != nil {
		return s, err
	}
	copy(r, s)
	copy(r[n:need], v)
	Free(a, s)
	return r[:need], nil
}

// growth returns the capacity that follows have when need Ts must fit: half as
// much again, and at least a cache line, so that small slices do not crawl.
func growth[T any](have, need int) int {
	var v T
	const line = 64
	least := 1
	if size := int(unsafe.Sizeof(v)); size > 0 && size < line {
		least = line / size
	}
	if have > math.MaxInt/2 {
		return need
	}
	return max(need, have+have/2, least)
}

// overlap tells whether v has elements in the block s.
func overlap[T any](s, v []T) bool {
	var e T
	if len(s) == 0 || len(v) == 0 || unsafe.Sizeof(e) == 0 {
		return false
	}
	d := addrOf(v) - addrOf(s)
	return d < uintptr(len(s))*unsafe.Sizeof(e) || -d < uintptr(len(v))*unsafe.Sizeof(e)
}

// Dupe returns a copy of s in memory of a, with len == cap == len(s).
func Dupe[T any](a Allocator, s []T) ([]T, error) {
	r, err := alloc[T](a, len(s), Alignment{}, written, "mem: Dupe")
	if err != nil {
		return nil, err
	}
	copy(r, s)
	return r, nil
}

// Concat returns the elements of all parts, in order, in one block of a.
func Concat[T any](a Allocator, parts ...[]T) ([]T, error) {
	n := 0
	for _, p := range parts {
		if len(p) > math.MaxInt-n {
			return nil, ErrTooLarge
		}
		n += len(p)
	}
	r, err := alloc[T](a, n, Alignment{}, written, "mem: Concat")
	if err != nil {
		return nil, err
	}
	at := r
	for _, p := range parts {
		at = at[copy(at, p):]
	}
	return r, nil
}

// panicNil panics if a is nil or a nil pointer. It is called where [isNil] says
// that it might be.
//
//go:noinline
func panicNil(name string, a Allocator) {
	if a == nil {
		panic(name + ": nil Allocator")
	}
	if rtype.IsNilPointer(a) {
		panic(fmt.Sprintf("%s: nil %T as Allocator", name, a))
	}
}
