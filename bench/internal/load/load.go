// Package load is what the loops over all allocators share. Each folder below
// it is one way to get memory in Go, as its users would call it: an adapter,
// and a copy of the loops, so that the calls between the two are static and are
// inlined: what they took would count as the allocator's, and those in C and Zig
// have none. So adapters return nil for an error, which the loops look for.
// The loops are written in the folder ours; go generate copies them.
package load

//go:generate go run ./copyloops

import (
	"fmt"
	"time"
	"unsafe"

	"github.com/allod-dev/allod/bench/internal/measure"
	"github.com/allod-dev/allod/bench/internal/spec"
)

// A Job is a workload with its data.
type Job struct {
	spec.Workload
	Threads int
	Sizes   []uint32  // of Mixed, Windows and Handover
	Order   []uint32  // of Random
	Ops     []spec.Op // of Trace
}

// A Rig performs the workload of a Job over one allocator.
type Rig interface {
	// Round performs at least n operations on each thread and returns how many,
	// and what they took. If sample is not nil, it is called now and then in a
	// Trace, when memory may be measured.
	Round(n int, sample func()) (ops int, took Took)
	// Close gives everything back.
	Close()
}

// Took is what a round took: time, and processor time of all threads together.
type Took struct{ Wall, CPU time.Duration }

// A Watch measures what is taken.
type Watch struct {
	wall time.Time
	cpu  time.Duration
}

// StartWatch begins to measure.
func StartWatch() Watch {
	cpu := measure.CPU()
	return Watch{time.Now(), cpu}
}

// Took returns what was taken since.
func (w Watch) Took() Took {
	wall := time.Since(w.wall)
	return Took{wall, measure.CPU() - w.cpu}
}

// Objects of fixed size have something at either end to verify.
type (
	Obj16 struct{ First, Last uint64 }
	Obj32 struct {
		First uint64
		_     [2]uint64
		Last  uint64
	}
	Obj64 struct {
		First uint64
		_     [6]uint64
		Last  uint64
	}
	ListNode struct {
		Next  *ListNode
		Value uint64
	}
	TreeNode struct {
		Left, Right *TreeNode
		Value       uint64
	}
)

// Sizes of nodes.
const (
	ListSize = int(unsafe.Sizeof(ListNode{}))
	TreeSize = int(unsafe.Sizeof(TreeNode{}))
)

// Put16 makes the bytes at p, which may be nil, an Obj16 with v. So do the functions
// after it for other types: the loops call them where an allocator gives bytes.
func Put16(p unsafe.Pointer, v uint64) *Obj16 {
	o := (*Obj16)(p)
	if o != nil {
		o.First, o.Last = v, ^v
	}
	return o
}

func Put32(p unsafe.Pointer, v uint64) *Obj32 {
	o := (*Obj32)(p)
	if o != nil {
		o.First, o.Last = v, ^v
	}
	return o
}

func Put64(p unsafe.Pointer, v uint64) *Obj64 {
	o := (*Obj64)(p)
	if o != nil {
		o.First, o.Last = v, ^v
	}
	return o
}

func PutList(p unsafe.Pointer, next *ListNode, v uint64) *ListNode {
	n := (*ListNode)(p)
	if n != nil {
		n.Next, n.Value = next, v
	}
	return n
}

func PutTree(p unsafe.Pointer, l, r *TreeNode, v uint64) *TreeNode {
	n := (*TreeNode)(p)
	if n != nil {
		n.Left, n.Right, n.Value = l, r, v
	}
	return n
}

// A Batch is what is passed at once in Pipeline.
type Batch [spec.BatchObjects]*Obj64

// Corrupt ends the process: what was written to memory is not what is there.
func Corrupt(what string, got, want uint64) {
	panic(fmt.Sprintf("%s: %#x is in memory where %#x was written", what, got, want))
}

// Refused ends the process: the allocator has refused memory.
func Refused(what string) { panic(what + ": no memory") }

// A Slot is where a Window keeps an object.
type Slot struct {
	P    unsafe.Pointer
	Size uint32
}

// A Window is a number of live objects, of which random ones are replaced.
type Window struct {
	Slots []Slot
	next  uint64 // state of the generator
	sizes []uint32
	drawn int
}

// NewWindow returns a window of n empty slots. Its random numbers depend on
// number alone.
func NewWindow(n, number int, sizes []uint32) *Window {
	return &Window{Slots: make([]Slot, n), next: 0x853C49E6748FEA9B + uint64(number), sizes: sizes, drawn: number * 7919}
}

// Slot returns a random slot.
func (w *Window) Slot() *Slot {
	x := w.next
	x ^= x << 13
	x ^= x >> 7
	x ^= x << 17
	w.next = x
	return &w.Slots[(x>>32)*uint64(len(w.Slots))>>32]
}

// Size returns the next random size.
func (w *Window) Size() uint32 {
	w.drawn++
	return w.sizes[w.drawn&(spec.TableSize-1)]
}

const stamp = 0x9E3779B97F4A7C15

// Put writes to both ends of the object p, of 8 bytes at least, and puts it in
// s.
func (s *Slot) Put(p unsafe.Pointer, size uint32) {
	*(*byte)(unsafe.Add(p, size-1)) = byte(size)
	*(*uint64)(p) = uint64(size) * stamp
	s.P, s.Size = p, size
}

// Verify looks at both ends of the object in s.
func (s *Slot) Verify() {
	size := s.Size
	if got := *(*uint64)(s.P); got != uint64(size)*stamp {
		Corrupt("mixed", got, uint64(size)*stamp)
	}
	if got := *(*byte)(unsafe.Add(s.P, size-1)); got != byte(size) && size > 8 {
		Corrupt("mixed", uint64(got), uint64(byte(size)))
	}
}

// Touch writes to an object of a trace, from the byte old on, as the
// description of the format says.
func Touch(p unsafe.Pointer, old, size int) {
	step := 64
	if size > 4096 {
		step = 4096
	}
	for i := (old + step - 1) &^ (step - 1); i < size; i += step {
		*(*byte)(unsafe.Add(p, i)) = 1
	}
}

// TouchPages writes to each page of a block, and looks at the last one.
func TouchPages(p unsafe.Pointer, size int) {
	for i := 0; i < size; i += 4096 {
		*(*byte)(unsafe.Add(p, i)) = byte(i >> 12)
	}
	last := size - 4096
	if got := *(*byte)(unsafe.Add(p, last)); got != byte(last>>12) {
		Corrupt("touched", uint64(got), uint64(byte(last>>12)))
	}
}

// VerifyVector looks at every so manyeth element.
func VerifyVector(s []uint64, n int) {
	if len(s) != n {
		Corrupt("length of vector", uint64(len(s)), uint64(n))
	}
	for i := 0; i < n; i += 4099 {
		if s[i] != uint64(i) {
			Corrupt("vector", s[i], uint64(i))
		}
	}
}

// Unable is for embedding in adapters: each of its methods says that the
// allocator is not for that.
type Unable struct{}

// unable panics. It is a variable so that tools that look at the loops do not
// conclude that what comes after it is never reached.
var unable = func() { panic("load: this allocator cannot do that: its kinds are listed wrongly") }

func (Unable) New16(uint64) *Obj16                                      { unable(); return nil }
func (Unable) Free16(*Obj16)                                            { unable() }
func (Unable) New32(uint64) *Obj32                                      { unable(); return nil }
func (Unable) Free32(*Obj32)                                            { unable() }
func (Unable) New64(uint64) *Obj64                                      { unable(); return nil }
func (Unable) Free64(*Obj64)                                            { unable() }
func (Unable) NewList(*ListNode, uint64) *ListNode                      { unable(); return nil }
func (Unable) FreeList(*ListNode)                                       { unable() }
func (Unable) NewTree(l, r *TreeNode, v uint64) *TreeNode               { unable(); return nil }
func (Unable) FreeTree(*TreeNode)                                       { unable() }
func (Unable) Alloc(int) unsafe.Pointer                                 { unable(); return nil }
func (Unable) Free(unsafe.Pointer, int)                                 { unable() }
func (Unable) AllocAs(int, uint32) unsafe.Pointer                       { unable(); return nil }
func (Unable) ZeroAs(int, uint32) unsafe.Pointer                        { unable(); return nil }
func (Unable) FreeAs(unsafe.Pointer, int, uint32)                       { unable() }
func (Unable) ResizeAs(unsafe.Pointer, int, int, uint32) unsafe.Pointer { unable(); return nil }
func (Unable) Vector(int)                                               { unable() }

// Reset gives up all objects of a phase, where Bulk says that this can be done.
func (Unable) Reset() {}

// Bulk says whether all objects can be given up at once.
func (Unable) Bulk() bool { return false }

// Close ends the use of a handle.
func (Unable) Close() {}
