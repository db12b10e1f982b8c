package generic

import (
	"encoding/binary"
	"unsafe"

	"github.com/allod-dev/allod/mem"
)

// Every conversion of package generic between bytes and values is in this file.

// bytesOf returns the bytes of s[:cap(s)], the block that s stands for.
func bytesOf[T any](s []T) []byte {
	var v T
	// Valid: a slice of cap(s) Ts is cap(s)*sizeof(T) bytes of memory, which
	// cannot overflow since it exists.
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), cap(s)*int(unsafe.Sizeof(v)))
}

// sliceOf returns the n Ts that b holds. b must be a block that an allocator
// served for n Ts: aligned, long enough and, if T holds pointers, of its type.
func sliceOf[T any](b []byte, n int) []T {
	// Valid: the caller's duty above. checkptr verifies it.
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

// sizeOf returns the size of a T in bytes.
func sizeOf[T any]() int {
	var v T
	return int(unsafe.Sizeof(v))
}

// overlap tells whether v has elements in the block s[:cap(s)].
func overlap[T any](s, v []T) bool {
	var e T
	if cap(s) == 0 || len(v) == 0 || unsafe.Sizeof(e) == 0 {
		return false
	}
	// The numbers keep nothing alive and are compared only.
	at := uintptr(unsafe.Pointer(unsafe.SliceData(v))) - uintptr(unsafe.Pointer(unsafe.SliceData(s)))
	return at < uintptr(cap(s))*unsafe.Sizeof(e) || -at < uintptr(len(v))*unsafe.Sizeof(e)
}

// isNil tells whether a may be nil or hold a nil pointer, in one comparison. It
// does not tell a nil pointer from a struct of just one, which is for [panicNil].
func isNil(a mem.Allocator) bool {
	// Valid: an interface is two words, and the second is a pointer.
	return (*[2]unsafe.Pointer)(unsafe.Pointer(&a))[1] == nil
}

// bytesAt returns the bytes of *p, to be read.
func bytesAt[T any](p *T) []byte {
	// Valid: a T is sizeof(T) bytes of memory.
	return unsafe.Slice((*byte)(unsafe.Pointer(p)), int(unsafe.Sizeof(*p)))
}

// wordOf returns the bytes of *p as a number. A T has 1, 2, 4 or 8 bytes.
func wordOf[T any](p *T) uint64 {
	// Valid: a T has as many bytes as the number, or the array, that it is read
	// as; the number is aligned as T is, and arrays of bytes have no alignment.
	// The compiler makes one load of each, and of a number none at all if it
	// knows what was stored there, so that a variable stays in its register.
	switch unsafe.Sizeof(*p) {
	case 8:
		if unsafe.Alignof(*p) >= unsafe.Alignof(uint64(0)) {
			return *(*uint64)(unsafe.Pointer(p))
		}
		return binary.NativeEndian.Uint64((*[8]byte)(unsafe.Pointer(p))[:])
	case 4:
		if unsafe.Alignof(*p) >= unsafe.Alignof(uint32(0)) {
			return uint64(*(*uint32)(unsafe.Pointer(p)))
		}
		return uint64(binary.NativeEndian.Uint32((*[4]byte)(unsafe.Pointer(p))[:]))
	case 2:
		return uint64(binary.NativeEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:]))
	case 1:
		return uint64(*(*byte)(unsafe.Pointer(p)))
	}
	return 0
}

// stringAt returns *p, whose type has the kind string.
func stringAt[T any](p *T) string {
	// Valid: types of kind string have the representation of string.
	return *(*string)(unsafe.Pointer(p))
}

// stringBytes returns the bytes of s, to be read.
func stringBytes(s string) []byte {
	// Valid: s is len(s) bytes of memory; nil if there are none.
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

// offsetOf returns how far into *v p points.
func offsetOf[T, F any](v *T, p *F) uintptr {
	// The numbers keep nothing alive and are compared only.
	return uintptr(unsafe.Pointer(p)) - uintptr(unsafe.Pointer(v))
}

// fieldAt returns the links that n has at field.
func fieldAt[L, T any](n *T, field linksField) *L {
	// Valid: linksFieldOf found an L there, inside of a T.
	return (*L)(unsafe.Add(unsafe.Pointer(n), field))
}

// A colType is what a column has to know of the type of its elements: their
// size, and where in an element there are pointers.
type colType struct {
	size int
	ptrs []int // ascending, aligned; of a string, the first word
}

// copyElem copies *src to *dst, both of the type c, as an assignment would. The
// words that are pointers are assigned as pointers, so that the collector knows,
// and no other word is.
func (c *colType) copyElem(dst, src unsafe.Pointer) {
	// Valid: both point to c.size bytes, of which there is a pointer at each of
	// c.ptrs; the bytes between are reached from the same pointers.
	if len(c.ptrs) == 0 {
		switch c.size {
		case 1:
			*(*byte)(dst) = *(*byte)(src)
		case 4:
			*(*[4]byte)(dst) = *(*[4]byte)(src)
		case 8:
			*(*[8]byte)(dst) = *(*[8]byte)(src)
		default:
			copy(unsafe.Slice((*byte)(dst), c.size), unsafe.Slice((*byte)(src), c.size))
		}
		return
	}
	at := 0
	for _, p := range c.ptrs {
		if at < p {
			copy(unsafe.Slice((*byte)(unsafe.Add(dst, at)), p-at), unsafe.Slice((*byte)(unsafe.Add(src, at)), p-at))
		}
		*(*unsafe.Pointer)(unsafe.Add(dst, p)) = *(*unsafe.Pointer)(unsafe.Add(src, p))
		at = p + int(unsafe.Sizeof(dst))
	}
	if at < c.size {
		copy(unsafe.Slice((*byte)(unsafe.Add(dst, at)), c.size-at), unsafe.Slice((*byte)(unsafe.Add(src, at)), c.size-at))
	}
}

// load copies element i of the column b to the field at off of *v.
func load[T any](c *colType, v *T, off int, b []byte, i int) {
	// Valid: the field has the type of the column, and b has an element i.
	c.copyElem(unsafe.Add(unsafe.Pointer(v), off), unsafe.Pointer(&b[i*c.size]))
}

// store copies the field at off of *v to element i of the column b.
func store[T any](c *colType, v *T, off int, b []byte, i int) {
	// Valid: as for load.
	c.copyElem(unsafe.Pointer(&b[i*c.size]), unsafe.Add(unsafe.Pointer(v), off))
}

// copyElems copies n elements of the column src, from element from on, to the
// column dst, from element to on. The two may be one and overlap.
func (c *colType) copyElems(dst []byte, to int, src []byte, from, n int) {
	if len(c.ptrs) == 0 {
		copy(dst[to*c.size:], src[from*c.size:(from+n)*c.size])
		return
	}
	for k := range n {
		if to > from {
			k = n - 1 - k
		}
		// Valid: both are elements of columns of the type c.
		c.copyElem(unsafe.Pointer(&dst[(to+k)*c.size]), unsafe.Pointer(&src[(from+k)*c.size]))
	}
}

// A nodePtr points to a node of one of two types, which its owner tells apart.
type nodePtr = unsafe.Pointer

// refOf returns p as a nodePtr.
func refOf[N any](p *N) nodePtr { return unsafe.Pointer(p) }

// nodeAt returns the node that p was made from by refOf.
func nodeAt[N any](p nodePtr) *N { return (*N)(p) }

// linkOf returns the first word of n, a node of a list, which has its links in
// front: a pointer to such a node.
func linkOf[N any](n *N) **N {
	// Valid: the node types embed their links, and before all else.
	return (**N)(unsafe.Pointer(n))
}

// nodesBehind returns the block that b is the head of.
func nodesBehind[B, N any](b *nodeBlock[N]) *B {
	// Valid: every head is the first field of a block, and its length says of
	// which type.
	return (*B)(unsafe.Pointer(b))
}

// viewAs returns s as a slice of Ds, which are the same as Ss but for the name
// of the type.
func viewAs[D, S any](s []S) []D {
	// Valid: the caller has compared the kinds, which are basic ones.
	return unsafe.Slice((*D)(unsafe.Pointer(unsafe.SliceData(s))), len(s))
}

// valueAs returns *p as a D, on the terms of viewAs.
func valueAs[D, S any](p *S) D { return *(*D)(unsafe.Pointer(p)) }

// elementAt returns element i of s, which the caller knows to be one: of a
// directory since i is of table.index, of the words of a set of bits since it
// has one for every bit below its length. What is done for one element is so
// little that a second check, of bounds, would be seen.
func elementAt[T any](s []T, i uint) *T {
	// Valid: the caller's duty above.
	return (*T)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(s)), i*uint(unsafe.Sizeof(s[0]))))
}

// ctrlAt returns the i-th of the bytes at base.
func ctrlAt(base *byte, i uint) *byte {
	// Valid: i is below the number of slots of a part, or of its groups behind
	// them, which is what the masks in a table are for.
	return (*byte)(unsafe.Add(unsafe.Pointer(base), i))
}

// wordAt returns the control bytes of group i of those at base, that of the first
// slot lowest.
func wordAt(base *byte, i uint) uint64 {
	// Valid: as for ctrlAt. Arrays of bytes have no alignment.
	return binary.LittleEndian.Uint64((*[groupLen]byte)(unsafe.Add(unsafe.Pointer(base), i*groupLen))[:])
}

// slotAt returns the i-th of the slots at base.
func slotAt[K, V any](base *slot[K, V], i uint) *slot[K, V] {
	// Valid: as for ctrlAt.
	return (*slot[K, V])(unsafe.Add(unsafe.Pointer(base), i*uint(unsafe.Sizeof(*base))))
}

// slotIndex returns the index of s among the slots at base, or more than there
// are.
func slotIndex[K, V any](base, s *slot[K, V]) uint {
	// The numbers keep nothing alive and are compared only.
	return uint(uintptr(unsafe.Pointer(s))-uintptr(unsafe.Pointer(base))) / uint(max(1, unsafe.Sizeof(*s)))
}

// elementsAt returns the n Ts at base.
func elementsAt[T any](base *T, n int) []T {
	// Valid: a table keeps how many slots each of its parts has.
	return unsafe.Slice(base, n)
}

// oneOf returns the slice of which p is the one element.
func oneOf[T any](p *T) []T { return unsafe.Slice(p, 1) }

// ownedAt returns *k, whose type is ownedKey.
func ownedAt[K any](k *K) *ownedKey {
	// Valid: the caller's duty above.
	return (*ownedKey)(unsafe.Pointer(k))
}

// ownedOf returns the key whose bytes are those of s. They must not be more than
// an ownedKey can count.
func ownedOf(s string, h uint64) ownedKey {
	return ownedKey{unsafe.StringData(s), uint32(len(s)), uint32(h)}
}

// string returns the bytes of k, which live as long as k is in its container.
func (k ownedKey) string() string {
	// Valid: ownedOf took them from a string.
	return unsafe.String(k.data, int(k.n))
}

// stringFrom returns the bytes of b as a string, which is not to be kept.
func stringFrom(b []byte) string {
	// Valid: b is len(b) bytes of memory, which the caller does not change
	// while the string is in use.
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// bytesFrom returns the n bytes at p.
func bytesFrom(p *byte, n int) []byte {
	// Valid: the owner of p keeps how many there are.
	return unsafe.Slice(p, n)
}

// firstOf returns a pointer to the first byte of b, nil if there is none.
func firstOf(b []byte) *byte {
	if len(b) == 0 {
		return nil
	}
	return &b[0]
}
