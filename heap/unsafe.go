package heap

import (
	"sync/atomic"
	"unsafe"

	"github.com/allod-dev/allod/internal/rt"
	"github.com/allod-dev/allod/mem"
)

// Every conversion of package heap between pointers and numbers is in this file, but
// for those of SMP.Alloc and SMP.Free where nothing is called.

// address returns the address of b's first byte. The number keeps nothing alive.
func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// stackAddress returns an address in the calling goroutine's stack: somewhere in
// the frame that it is called from, or next to it. The stack may move.
func stackAddress() uintptr {
	var here byte
	return uintptr(unsafe.Pointer(&here))
}

// bytesAt returns the n bytes at p, which must be memory of one allocation.
func bytesAt(p unsafe.Pointer, n int) []byte {
	// Valid: the callers just allocated n bytes there.
	return unsafe.Slice((*byte)(p), n)
}

// wider returns the n bytes that begin where b does. The caller must know that
// its own memory goes on for n bytes there.
func wider(b []byte, n int) []byte {
	// Valid: the caller's duty. checkptr verifies it for the Go heap.
	return unsafe.Slice(unsafe.SliceData(b), n)
}

// typeHash returns a number that is the same for equal types and for few others.
func typeHash(t mem.Type) int {
	// Valid: a Type is one word, the address of a descriptor, which stays where
	// it is. Descriptors are aligned, so the low bits say little.
	return int(*(*uintptr)(unsafe.Pointer(&t)) >> 5)
}

// sizeOf returns the size of a T.
func sizeOf[T any]() uintptr {
	var v T
	return unsafe.Sizeof(v)
}

// pointerAddress returns the address of *p. The number keeps nothing alive.
func pointerAddress[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// bytesOf returns the bytes of *p.
func bytesOf[T any](p *T) []byte {
	// Valid: a T is sizeof(T) bytes of memory.
	return unsafe.Slice((*byte)(unsafe.Pointer(p)), int(unsafe.Sizeof(*p)))
}

// slotAt returns the T at the given offset from base. The memory there must be
// of one block with base, aligned for T and, if T holds pointers that the
// collector sees, typed as T.
func slotAt[T any](base *byte, offset uint32) *T {
	// Valid: the caller's duty.
	return (*T)(unsafe.Add(unsafe.Pointer(base), offset))
}

// objectAt returns the T whose address is *p, a slot of a block that others
// keep.
func objectAt[T any](p *uintptr) *T {
	// Valid: as for blockAt, or the block is an object of the Go heap that a slab
	// holds, which does not move.
	return *(**T)(unsafe.Pointer(p))
}

// clearTyped sets *p to zero with write barriers.
func clearTyped[T any](p *T) {
	if unsafe.Sizeof(*p) <= 4*unsafe.Sizeof(uintptr(0)) {
		*p = *new(T)
		return
	}
	// For more than a few words the assignment would copy a zero from the stack.
	clear(unsafe.Slice(p, 1))
}

// clearPlain sets *p, which the collector does not look at, to zero, without write
// barriers.
func clearPlain[T any](p *T) {
	const word = unsafe.Sizeof(uintptr(0))
	if unsafe.Alignof(*p) >= unsafe.Alignof(word) {
		// Valid: a T is as many words of memory, and aligned as they are.
		switch q := unsafe.Pointer(p); unsafe.Sizeof(*p) {
		case word:
			*(*uintptr)(q) = 0
			return
		case 2 * word:
			*(*[2]uintptr)(q) = [2]uintptr{}
			return
		case 3 * word:
			*(*[3]uintptr)(q) = [3]uintptr{}
			return
		case 4 * word:
			*(*[4]uintptr)(q) = [4]uintptr{}
			return
		}
	}
	if unsafe.Sizeof(*p) <= 2*word { // without pointers, which would align it
		*p = *new(T)
		return
	}
	clear(bytesOf(p))
}

// slotBytes returns the n bytes at the given offset from base. They must be
// memory of one block with base.
func slotBytes(base *byte, offset uintptr, n int) []byte {
	// Valid: the caller's duty.
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(base), offset)), n)
}

// stackHash returns a number that depends on where the stack of the calling
// goroutine lies.
func stackHash() uintptr {
	var here byte
	// Stacks are at least 2 KiB long, and aligned to that.
	return uintptr(uint64(uintptr(unsafe.Pointer(&here))>>11) * 0x9E3779B97F4A7C15 >> 33)
}

// blockAt returns the n bytes at addr, which are memory of package vm that is
// still mapped.
func blockAt(addr uintptr, n int) []byte {
	// Valid: such memory is no object of the Go heap, or one that vm holds.
	// Going through memory keeps the number a pointer in the eyes of vet.
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&addr)), n)
}

// firstOf returns the address of b's first byte as a pointer.
func firstOf(b []byte) *byte { return unsafe.SliceData(b) }

// bytesFrom returns the n bytes from p on, which must be memory of one block.
func bytesFrom(p *byte, n int) []byte {
	// Valid: the caller's duty. checkptr verifies it for the Go heap.
	return unsafe.Slice(p, n)
}

// byteAt returns the byte whose address is *p, as blockAt does.
func byteAt(p *uintptr) *byte { return *(**byte)(unsafe.Pointer(p)) }

// byteFrom returns the byte at addr, which is in memory that others keep.
//
//go:nocheckptr
func byteFrom(addr uintptr) *byte {
	// Valid: as for blockAt. Where nobody checks, the number need not go through
	// memory.
	return (*byte)(unsafe.Add(nil, addr))
}

// slotFrom returns the n bytes at addr, the start of a slot of at least as many.
//
//go:nocheckptr
func slotFrom(addr uintptr, n int) []byte {
	// Valid: as for byteFrom. No slot is longer than the array.
	return (*[smpMaxSmall]byte)(unsafe.Add(nil, addr))[:n:n]
}

// bytesAtWord returns the n bytes whose address is *p, as blockAt does.
func bytesAtWord(p *uintptr, n int) []byte {
	return unsafe.Slice(*(**byte)(unsafe.Pointer(p)), n)
}

const (
	smpHeadSize       = unsafe.Sizeof(smpHead{})
	smpDescriptorSize = int(unsafe.Sizeof(smpSegment{}))
)

// An smpBinAddress is the address of a bin, which stands where the collector may
// not look. The bin is held by its SMP.
type smpBinAddress struct{ n atomic.Uintptr }

//go:norace
func (a *smpBinAddress) Load() *smpBin {
	n := a.n.Load()
	// Valid: it was a pointer to what is still held, and which does not move.
	return *(**smpBin)(unsafe.Pointer(&n))
}

//go:norace
func (a *smpBinAddress) Store(b *smpBin) { a.n.Store(uintptr(unsafe.Pointer(b))) }

// segmentIn returns the descriptor that lies in b.
func segmentIn(b []byte) *smpSegment {
	// Valid: descriptors get whole pages of package vm, which are zero at first and no
	// object of the Go heap, and no pointer in them leads to one.
	return (*smpSegment)(unsafe.Pointer(unsafe.SliceData(b)))
}

// theCaches returns the caches, or nil.
//
//go:norace
func (s *SMP) theCaches() *smpCaches {
	// Valid: the field is a pointer to that.
	return (*smpCaches)(atomic.LoadPointer((*unsafe.Pointer)(unsafe.Pointer(&s.caches))))
}

//go:norace
func (s *SMP) setCaches(t *smpCaches) {
	// Valid: as for theCaches.
	atomic.StorePointer((*unsafe.Pointer)(unsafe.Pointer(&s.caches)), unsafe.Pointer(t))
}

// processor returns the number of the processor on which m, the thread of the
// caller, runs. rt.ProcessorAt must not be 0.
//
//go:norace
//go:nosplit
func processor(m unsafe.Pointer) uint {
	// Valid: there is a pointer to the processor's number, as package rt verified.
	return uint(**(**uint32)(unsafe.Add(m, rt.ProcessorAt)))
}

// at returns slot i of the magazine, i < e.keep.
//
//go:nosplit
func (e *smpEntry) at(i uint32) *smpSlot {
	// Valid: the magazine is e.keep slots of one allocation.
	return (*smpSlot)(unsafe.Add(unsafe.Pointer(e.mag), uintptr(i)*unsafe.Sizeof(*e.mag)))
}

// slots returns the slots in the magazine.
func (e *smpEntry) slots() []smpSlot {
	// Valid: as for at.
	return unsafe.Slice(e.mag, int(e.count.slots()))
}

// clearSlot clears b, and maybe what is left of its slot, which is 16 bytes at
// least and a multiple of 8.
func clearSlot(b []byte) {
	if len(b) > 32 {
		clear(b)
		return
	}
	// Valid: the caller's duty. Slots are aligned to 8 bytes.
	p := unsafe.Pointer(unsafe.SliceData(b))
	*(*[2]uint64)(p) = [2]uint64{}
	if len(b) > 16 {
		*(*uint64)(unsafe.Add(p, 16)) = 0
		if len(b) > 24 {
			*(*uint64)(unsafe.Add(p, 24)) = 0
		}
	}
}
