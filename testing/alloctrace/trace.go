package alloctrace

import (
	"fmt"

	"github.com/allod-dev/allod/mem"
)

// A Kind says what an operation does.
type Kind uint8

const (
	// Alloc makes an object.
	Alloc Kind = iota + 1
	// ZeroAlloc makes an object that reads as zero.
	ZeroAlloc
	// Free ends the life of an object.
	Free
	// Realloc gives an object a new size and keeps its contents up to the
	// smaller of both sizes.
	Realloc

	end    Kind = 0
	thread Kind = 5

	kindBits = 3
	maxLog2  = 31 // what the argument of an operation can say
)

var kindNames = [...]string{Alloc: "alloc", ZeroAlloc: "zalloc", Free: "free", Realloc: "realloc"}

// String returns the name of the kind.
func (k Kind) String() string {
	if Alloc <= k && k <= Realloc {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// An Op is one operation of a trace.
type Op struct {
	// Size is the size in bytes that the object has afterwards, 0 for Free.
	Size int
	// Old is the size that the object had before, 0 for Alloc and ZeroAlloc.
	Old int
	// Object is the number of the object: objects are counted from 0 in the
	// order in which they are made, and numbers are not used again.
	Object uint32
	// Turn is how many operations on this object came before.
	Turn uint32
	// Thread is the number of the thread that performs the operation.
	Thread uint32
	// Kind says what is done.
	Kind Kind
	// Log2 is the base 2 logarithm of the alignment that was asked for when the
	// object was made. 0 means none: C gives 16 bytes then.
	Log2 uint8
}

// naturalLog2 is what C's malloc aligns to, and what programs rely on.
const naturalLog2 = 4

// Align returns the alignment of the object of o: what was asked for, else the
// 16 bytes that C gives to everything.
func (o Op) Align() mem.Alignment {
	if o.Log2 == 0 {
		return mem.AlignLog2(naturalLog2)
	}
	return mem.AlignLog2(int(o.Log2))
}

// A Header is what a trace says of itself. Counts are not in it: see [Summary].
type Header struct {
	// Name, Program and Workload say what was recorded.
	Name     string `json:"name,omitempty"`
	Program  string `json:"program,omitempty"`
	Workload string `json:"workload,omitempty"`
	// Truncated says that recording ended before the program did.
	Truncated bool `json:"truncated,omitempty"`
}

// A Summary is what can be counted in a trace.
type Summary struct {
	// Threads is how many threads performed operations.
	Threads int
	// Ops is the sum of Allocs, Frees and Reallocs.
	Ops, Allocs, Frees, Reallocs int
	// PeakBytes and PeakObjects are the most that were live at one time, not
	// necessarily the same; PeakOp is the operation after which PeakBytes were.
	PeakBytes, PeakObjects, PeakOp int
	// EndBytes and EndObjects are live after the last operation.
	EndBytes, EndObjects int
}

// A Trace is a whole trace in memory. It is not changed by replaying, so that
// many goroutines may use it at once.
type Trace struct {
	// Header is what the trace says of itself, Summary what was counted in it.
	Header  Header
	Summary Summary
	// Ops are the operations, in the order in which they happened.
	Ops []Op
}
