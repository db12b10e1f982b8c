// Package a hides Go pointers, and does what looks like it.
package a

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

type object struct{ n int }

// node lives in memory of an allocator.
type node struct {
	value uint64
	addr  uintptr
}

type withPointer struct {
	n int
	p *object
}

// A pointer that is stored in bytes.
func stores(a mem.Allocator) {
	b, _ := a.Alloc(64, mem.Layout{})
	*(**object)(unsafe.Pointer(&b[0])) = new(object) // want `a value of type \*object, which holds Go pointers, is stored in memory without pointers`
	p := unsafe.Pointer(&b[0])
	w := (*withPointer)(unsafe.Add(p, 16))
	w.n = 1
	w.p = &object{}    // want `a value of type \*object`
	w.p = nil          // nothing is hidden
	*w = withPointer{} // nor here
	*w = make1()       // want `a value of type withPointer`
	slots := unsafe.Slice((*string)(unsafe.Pointer(unsafe.SliceData(b))), 2)
	slots[1] = name() // want `a value of type string`
	slots[0] = "a constant is no object of the Go heap"
	words := (*[4]unsafe.Pointer)(unsafe.Pointer(&b[8]))
	words[2] = unsafe.Pointer(new(int)) // want `a value of type unsafe.Pointer`
	var f *func() = (*func())(unsafe.Pointer(&b[0]))
	*f = func() { _ = b } // want `a value of type func\(\)`
}

func make1() withPointer { return withPointer{p: new(object)} }
func name() string       { return string(make([]byte, 3)) }

// Bytes of the Go heap are not looked at, either.
func goBytes() {
	var array [64]byte
	*(**object)(unsafe.Pointer(&array[8])) = new(object) // want `a value of type \*object`
	slice := make([]uint64, 10)
	*(**object)(unsafe.Pointer(&slice[0])) = new(object) // want `a value of type \*object`
}

// From one function to the next.
func place(b []byte) *withPointer { return (*withPointer)(unsafe.Pointer(&b[0])) }

func param(b []byte, o *object) {
	(*withPointer)(unsafe.Pointer(&b[0])).p = o // want `a value of type \*object`
	if len(b) > 100 {
		b = b[50:]
	}
	(*withPointer)(unsafe.Pointer(&b[0])).p = o // want `a value of type \*object`
}

// Atomic stores.
func stored(b []byte, o *object) {
	slot := (*unsafe.Pointer)(unsafe.Pointer(&b[0]))
	atomic.StorePointer(slot, unsafe.Pointer(o))               // want `a Go pointer is stored`
	atomic.CompareAndSwapPointer(slot, nil, unsafe.Pointer(o)) // want `a Go pointer is stored`
	atomic.StorePointer(slot, nil)
}

// A pointer as a number.
func numbers(a mem.Allocator, o *object) {
	n, _ := mem.Create[node](a)
	n.addr = uintptr(unsafe.Pointer(o))               // want `the address of a Go object is stored as a number`
	n.value = uint64(uintptr(unsafe.Pointer(o))) | 1  // want `the address of a Go object`
	n.value = uint64(uintptr(unsafe.Pointer(o))) * 31 // a hash
	n.value = 7
	all, _ := mem.Alloc[uintptr](a, 10)
	all[3] = uintptr(unsafe.Pointer(new(object))) // want `the address of a Go object`
	b, _ := a.Alloc(8, mem.Layout{})
	binary.NativeEndian.PutUint64(b, uint64(uintptr(unsafe.Pointer(o))))               // want `the address of a Go object`
	_ = binary.LittleEndian.AppendUint64(b, uint64(uintptr(unsafe.Pointer(new(int))))) // want `the address of a Go object`
	binary.NativeEndian.PutUint64(b, 5)
	mem.Destroy(a, n)
	mem.Free(a, all)
}

func set(n *node, o *object) { n.addr = uintptr(unsafe.Pointer(o)) } // want `the address of a Go object`

func ofPool(p *heap.Pool[node], o *object) {
	n, _ := p.Create()
	n.addr = uintptr(unsafe.Pointer(o)) // want `the address of a Go object`
	p.Destroy(n)
}

// The bytes of a pointer.
func copies(a mem.Allocator, o *object) {
	b, _ := a.Alloc(8, mem.Layout{})
	copy(b, unsafe.Slice((*byte)(unsafe.Pointer(&o)), 8)) // want `bytes of \*object, which holds Go pointers, are copied`
	w := withPointer{p: o}
	copy(b, (*[8]byte)(unsafe.Pointer(&w))[:])                     // want `bytes of withPointer`
	_ = append(b, unsafe.Slice((*byte)(unsafe.Pointer(&w)), 8)...) // want `bytes of withPointer`
	n := node{}
	copy(b, unsafe.Slice((*byte)(unsafe.Pointer(&n)), 16))
}

// What is right.

// Blocks may lead to blocks.
func blocks(a mem.Allocator) {
	one, _ := mem.Create[node](a)
	other, _ := mem.Create[node](a)
	one.addr = uintptr(unsafe.Pointer(other))
	b, _ := mem.Alloc[byte](a, 100)
	one.addr = uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	*(**node)(unsafe.Pointer(&b[0])) = other
	*(**byte)(unsafe.Pointer(&b[8])) = &b[16]
}

// Globals live as long as the program.
func globals(b []byte) {
	*(**object)(unsafe.Pointer(&b[0])) = &global
	*(*func())(unsafe.Pointer(&b[8])) = forEver
}

var global object

func forEver() {}

// Memory with pointers, seen otherwise and back again.
func seen(w *withPointer, o *object) {
	p := unsafe.Pointer(w)
	(*withPointer)(p).p = o
	b := unsafe.Slice((*byte)(p), unsafe.Sizeof(*w))
	(*withPointer)(unsafe.Pointer(&b[0])).p = o
	*(**object)(unsafe.Add(p, unsafe.Offsetof(w.p))) = o
	*(**object)(unsafe.Pointer(uintptr(p) + unsafe.Offsetof(w.p))) = o
}

// Addresses that are compared, passed on, or kept on the Go heap as numbers.
func compared(o, q *object) bool {
	table := map[uintptr]bool{uintptr(unsafe.Pointer(o)): true}
	keep = uintptr(unsafe.Pointer(q))
	return table[uintptr(unsafe.Pointer(q))]
}

var keep uintptr

// Numbers in bytes, handles, and containers.
func plain(a mem.Allocator, b []byte, v uint64) {
	*(*uint64)(unsafe.Pointer(&b[0])) = v
	*(*node)(unsafe.Pointer(&b[0])) = node{value: v}
	n, _ := mem.Create[struct{ next mem.Ptr[node] }](a)
	m, _ := mem.Create[node](a)
	n.next = mem.PtrTo(m)
	l := generic.NewArrayList[node](a)
	l.Append(node{value: v})
}

// Of a type parameter nothing is known.
func of[T any](b []byte, v T) { *(*T)(unsafe.Pointer(&b[0])) = v }
