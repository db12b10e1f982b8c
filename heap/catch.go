package heap

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// A Fault reports an access to memory of a guarded [Debug] that no block lives
// in. [Catch] returns it. The instruction did nothing; what function was
// interrupted by it is lost half way, and should be seen as such.
type Fault struct {
	// Kind is UseAfterFree, Overflow or Underflow. Whether the memory was read or
	// written is not known.
	Kind MisuseKind
	// Addr is the address that was accessed, to the byte: the first byte of the
	// access that is not accessible.
	Addr uintptr
	// Block and Size are those of the block that is meant: the one that Addr is
	// in or nearest to.
	Block uintptr
	Size  int
	// Here is the stack of the access, Alloc that of the block's allocation, and
	// Free that of its free, if it was freed.
	Here, Alloc, Free Stack
	// Err is what the runtime panicked with.
	Err runtime.Error
}

// Error describes the fault in one line. The stacks follow: of the access, of the
// block's allocation and of its free, as [Stack.Program] has them.
func (f *Fault) Error() string {
	return f.line() + told("\naccessed by\n", f.Here) + told("\nallocated by\n", f.Alloc) + told("\nfreed by\n", f.Free)
}

// line is the first line of what f prints.
func (f *Fault) line() string {
	where := ""
	switch off := int(f.Addr - f.Block); {
	case f.Addr < f.Block:
		where = fmt.Sprintf("%s before the start", plural(int(f.Block-f.Addr), "byte"))
	case off >= f.Size:
		where = fmt.Sprintf("%s past the end", plural(off-f.Size, "byte"))
	default:
		where = fmt.Sprintf("at offset %d", off)
	}
	what := "access"
	if f.Kind == UseAfterFree {
		what = "access after free"
	}
	return fmt.Sprintf("heap: Catch: %s %s of a block of %s at %#x", what, where, plural(f.Size, "byte"), f.Block)
}

// Unwrap returns the error that the runtime panicked with.
func (f *Fault) Unwrap() error { return f.Err }

// Catch calls f and returns nil, or a [*Fault] if f accessed memory of a guarded
// [Debug], see [DebugOptions], that no block lives in: where a block was that is
// freed, or beyond the end of one. Whatever else f panics with goes on as it is,
// faults elsewhere and other errors of the runtime among it.
//
// Faults are caught in the goroutine that calls Catch, not in those that f
// starts. Elsewhere a fault ends the process. Calls of Catch nest.
func Catch(f func()) (err error) {
	before := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(before)
		// A panic that goes on must look as if nobody had looked at it: it is
		// thrown again on top of the frames that it came from.
		if v := recover(); v != nil {
			fault := faultOf(v)
			if fault == nil {
				panic(v)
			}
			fault.Here = callers(1).fromFault()
			err = fault
		}
	}()
	f()
	return nil
}

// faultOf returns what v, which somebody panicked with, says of a block, or nil.
func faultOf(v any) *Fault {
	e, ok := v.(interface {
		runtime.Error
		Addr() uintptr
	})
	if !ok {
		return nil
	}
	addr := e.Addr()
	t, ok := debugPlaces.Find(addr)
	if !ok {
		return nil
	}
	f := &Fault{Kind: UseAfterFree, Addr: addr, Block: t.Addr, Size: t.Size, Err: e}
	f.Alloc, f.Free = debugStack(t.Alloc), debugStack(t.Free)
	switch {
	case !t.Live: // also beyond its ends
	case addr < t.Addr:
		f.Kind = Underflow
	case addr-t.Addr >= uintptr(t.Size):
		f.Kind = Overflow
	}
	return f
}

// fromFault returns the part of s that was interrupted by a fault.
func (s Stack) fromFault() Stack {
	for i := range s {
		f, _ := runtime.CallersFrames(s[i : i+1]).Next()
		if strings.HasSuffix(f.Function, "runtime.sigpanic") && i+1 < len(s) {
			return s[i+1:]
		}
	}
	return s
}
