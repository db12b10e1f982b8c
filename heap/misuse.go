package heap

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
)

// A Misuse reports a call that no correct program makes: a block freed twice, a
// block of somebody else, a mark that is out of date. It is found before
// anything is damaged, and goes to the handler set with [OnMisuse], which panics
// with it unless told otherwise.
type Misuse struct {
	// Kind says what was done wrong.
	Kind MisuseKind
	// Op is the call that found it: "heap: Page.Free".
	Op string
	// Addr and Size are those of the block or pointer in question, as passed.
	// The address keeps nothing alive, and nothing may be there any more.
	Addr uintptr
	Size int
	// Hint says in a few words what is known, and often what to do.
	Hint string
	// Here is the stack of the call that found it.
	Here Stack
	// Alloc and Free are the stacks of the block's allocation and of its first
	// free, from allocators that keep them.
	Alloc, Free Stack
	// Other is that of the other call, for [ConcurrentUse], and of who made the
	// other allocator, for [Overlap]. Where many calls may be under way, it is of
	// the last that began, which may have ended; elsewhere it is empty if another
	// call has begun meanwhile, or ended. It is empty from a [Debug] with no
	// stacks, and from an allocator of memory of its own, a [Page] say, in builds
	// without invariants, which takes no stack: where two goroutines free a block
	// there, the second is told of [DoubleFree] or [ForeignFree].
	Other Stack
}

// MisuseKind says what was done wrong.
type MisuseKind uint8

// The kinds of misuse.
const (
	ForeignFree    MisuseKind = iota + 1 // block never came from this allocator
	InteriorFree                         // pointer into a block, not to its start
	DoubleFree                           // block is free already
	SizeMismatch                         // block has another size
	AlignMismatch                        // block has another alignment
	TypeMismatch                         // block has another element type
	WrongAllocator                       // block of another allocator of the same kind
	UseAfterClose                        // allocator was closed
	ConcurrentUse                        // two goroutines inside an allocator for one
	OutOfOrder                           // mark undone while a later one is open
	StaleMark                            // mark was undone, or its memory reset, before
	Copied                               // allocator was copied after first use
	Uninitialised                        // allocator without a child
	ChildLied                            // child broke the contract
	UseAfterFree                         // block to resize or access is free already
	Overflow                             // bytes after a block were written
	Underflow                            // bytes before a block were written
	WriteAfterFree                       // bytes of a free block were written
	HiddenPointer                        // pointer in a local block that keeps a Go object alive
	Overlap                              // two allocators were handed the same memory
)

var misuseNames = [...]string{
	ForeignFree:    "free of a foreign block",
	InteriorFree:   "free of an interior pointer",
	DoubleFree:     "double free",
	SizeMismatch:   "size mismatch",
	AlignMismatch:  "alignment mismatch",
	TypeMismatch:   "type mismatch",
	WrongAllocator: "block of another allocator",
	UseAfterClose:  "use after Close",
	ConcurrentUse:  "concurrent use",
	OutOfOrder:     "out of order",
	StaleMark:      "stale mark",
	Copied:         "allocator was copied",
	Uninitialised:  "allocator is not initialised",
	ChildLied:      "child broke the contract",
	UseAfterFree:   "use after free",
	Overflow:       "write past the end",
	Underflow:      "write before the start",
	WriteAfterFree: "write after free",
	HiddenPointer:  "hidden Go pointer",
	Overlap:        "overlapping buffers",
}

// String names the kind: "double free".
func (k MisuseKind) String() string {
	if int(k) < len(misuseNames) && misuseNames[k] != "" {
		return misuseNames[k]
	}
	return fmt.Sprintf("MisuseKind(%d)", uint8(k))
}

// Error describes the misuse in one line. If it is known who allocated the block,
// who freed it, and who else there was, their stacks follow, as [Stack.Program]
// has them. Here does not: a panic shows it anyway.
func (m *Misuse) Error() string {
	other := "\nat the same time as\n"
	if m.Kind == Overlap {
		other = "\nthe other one made by\n"
	}
	return m.line() + told("\nallocated by\n", m.Alloc) + told("\nfreed by\n", m.Free) + told(other, m.Other)
}

// told returns what s prints after a title, or nothing if s is empty.
func told(title string, s Stack) string {
	if len(s) == 0 {
		return ""
	}
	return title + indented(s.Program())
}

// line is the first line of what m prints.
func (m *Misuse) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", m.Op, m.Kind)
	if m.Addr != 0 || m.Size != 0 {
		fmt.Fprintf(&b, ": %d bytes at %#x", m.Size, m.Addr)
	}
	if m.Hint != "" {
		b.WriteString(": " + m.Hint)
	}
	return b.String()
}

// hintForeign goes with every foreign block: this is how one usually comes about.
const hintForeign = "the block did not come from here; append may have moved it to the Go heap"

var (
	misuseHandler atomic.Pointer[func(*Misuse)]
	reports       atomic.Uint64 // calls of report; see freeTo
)

// OnMisuse sets the function that every allocator without a handler of its own
// reports misuse to, and returns the one before, nil standing for the default,
// which panics with the [*Misuse]. If the handler returns, the call that was
// misused returns as well, and nothing has happened, but for these: after [Copied]
// and [ConcurrentUse], which builds with invariants report, the call goes on; a
// Close that tells of open marks has closed; and what a child did before it was
// found out ([ChildLied]) is done. The handler may be called from any goroutine,
// and must not call the allocator it hears of.
func OnMisuse(handler func(*Misuse)) (before func(*Misuse)) {
	var p *func(*Misuse)
	if handler != nil {
		p = &handler
	}
	if old := misuseHandler.Swap(p); old != nil {
		before = *old
	}
	return before
}

// report hands m to the handler. Its caller then leaves everything as it is and
// returns.
func report(m *Misuse) {
	if m.Here == nil {
		m.Here = callers(2)
	}
	reports.Add(1)
	if h := misuseHandler.Load(); h != nil {
		(*h)(m)
		return
	}
	panic(m)
}

// misuse is report in one line, for a block.
func misuse(kind MisuseKind, op string, b []byte, hint string) {
	report(&Misuse{Kind: kind, Op: op, Addr: address(b), Size: len(b), Hint: hint})
}

// A Stack is a list of program counters, innermost first, as [runtime.Callers]
// returns them. It is symbolised only when printed.
type Stack []uintptr

// callers returns the stack above skip functions of the caller.
func callers(skip int) Stack {
	var pcs [64]uintptr
	n := runtime.Callers(skip+1, pcs[:])
	return append(Stack(nil), pcs[:n]...)
}

// String lists the frames, two lines each, as Go prints a goroutine's stack.
func (s Stack) String() string {
	var b strings.Builder
	for f := range s.frames {
		fmt.Fprintf(&b, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
	}
	return b.String()
}

// Program returns the part of s that is the program's: without the layers that
// every allocation passes through on its way in, and without what is below every
// test, main and goroutine. If nothing is left, it returns s.
func (s Stack) Program() Stack {
	const module = "github.com/allod-dev/allod/"
	from, to := 0, 0
frames:
	for i := range s {
		f, _ := runtime.CallersFrames(s[i : i+1]).Next()
		if from == i && i+1 < len(s) {
			// A function that is inlined into the program has the name of where.
			next, _ := runtime.CallersFrames(s[i+1 : i+2]).Next()
			if next.Function == module+"heap.inPlace" {
				f = next
			}
		}
		inner, ours := strings.CutPrefix(f.Function, module)
		kit := ours && strings.HasPrefix(inner, "testing/allocatortest.")
		switch {
		case from == to && (kit || ours && layer(inner)):
			from, to = i+1, i+1
		case kit, f.Function == "testing.tRunner", f.Function == "runtime.main", f.Function == "runtime.goexit":
			break frames
		default:
			to = i + 1
		}
	}
	if from == to {
		return s
	}
	return s[from:to]
}

// layer tells whether a function of this project is of a layer that allocations
// pass through. What tests such a layer is not: its package is another one.
func layer(function string) bool {
	switch room, inner, _ := strings.Cut(function, "/"); room {
	case "contrib":
		pkg, _, _ := strings.Cut(inner, ".")
		return !strings.HasSuffix(pkg, "_test")
	default:
		return strings.HasPrefix(function, "mem.") || strings.HasPrefix(function, "heap.")
	}
}

// frames yields the frames of s, innermost first.
func (s Stack) frames(yield func(runtime.Frame) bool) {
	if len(s) == 0 {
		return
	}
	frames := runtime.CallersFrames(s)
	for {
		f, more := frames.Next()
		if !yield(f) || !more {
			return
		}
	}
}
