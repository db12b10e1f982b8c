package heap

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/allod-dev/allod/internal/guard"
	"github.com/allod-dev/allod/internal/vm"
)

// A Fault reports an access to memory of a guarded [Debug] that no block lives
// in: by the program, if it comes from [Catch] or [ReadCrash], or by the operating
// system on its behalf, if it comes from [BadAddress]. The instruction did
// nothing; what function was interrupted by it is lost half way, and should be
// seen as such.
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
	// Err is what the runtime panicked with, a [runtime.Error], or the error of
	// the system call.
	Err error

	op string // where it comes from
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
	return fmt.Sprintf("%s: %s %s of a block of %s at %#x", f.op, what, where, plural(f.Size, "byte"), f.Block)
}

// Unwrap returns Err.
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
	t, ok := debugPlaces.Find(e.Addr())
	if !ok {
		return nil
	}
	f := newFault("heap: Catch", e.Addr(), t, e)
	f.Alloc, f.Free = debugStack(t.Alloc), debugStack(t.Free)
	return f
}

// newFault returns what an access to addr, which is most likely about t, was.
func newFault(op string, addr uintptr, t guard.Tenant, err error) *Fault {
	f := &Fault{Kind: UseAfterFree, Addr: addr, Block: t.Addr, Size: t.Size, Err: err, op: op}
	switch {
	case !t.Live: // also beyond its ends
	case addr < t.Addr:
		f.Kind = Underflow
	case addr-t.Addr >= uintptr(t.Size):
		f.Kind = Overflow
	}
	return f
}

// BadAddress explains the error of a system call that was handed memory which
// nobody can access: EFAULT, "bad address". If one of the buffers that it was
// handed begins in, or reaches into, memory of a guarded [Debug] that no block
// lives in, BadAddress returns a [*Fault] that wraps err, with the stacks of the
// block's allocation and free. Everything else, nil too, it returns as it is.
//
//	n, err := file.Write(b)
//	if err != nil {
//		return heap.BadAddress(err, b)
//	}
//
// Unlike the access that [Catch] catches, such a call does not fault: the system
// refuses it, and the program goes on.
func BadAddress(err error, buffers ...[]byte) error {
	if err == nil || !vm.BadAddress(err) {
		return err
	}
	for _, b := range buffers {
		if f := faultIn(b, err); f != nil {
			f.Here = callers(2)
			return f
		}
	}
	return err
}

// faultIn returns what is wrong with b, as far as it is in guarded memory, or nil.
func faultIn(b []byte, err error) *Fault {
	addr := address(b)
	t, ok := debugPlaces.Find(addr)
	if !ok || len(b) == 0 {
		return nil
	}
	if t.Live && addr >= t.Addr { // it begins where it may
		end := t.Addr + uintptr(t.Size)
		if addr < end && uintptr(len(b)) <= end-addr {
			return nil
		}
		addr = max(addr, end)
	}
	f := newFault("heap: BadAddress", addr, t, err)
	f.Alloc, f.Free = debugStack(t.Alloc), debugStack(t.Free)
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
