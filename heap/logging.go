package heap

import (
	"context"
	"log/slog"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// Logging wraps an allocator and logs every call with log/slog. Want it to see
// what a program, or a library in it, asks for and from where.
//
// Memory comes from the child, to which every operation is passed unchanged.
// Free is the child's. Blocks live as long as the child says. Their contents
// are never logged.
//
// A Logging is safe for concurrent use if its child and the log handler are. It
// holds no lock, so a handler that blocks holds up its own caller only. It must
// not be copied. The zero Logging has no child; call [NewLogging].
//
// A call that is not logged, because its level is disabled, costs one question
// to the handler and allocates nothing. A call that is logged allocates. What
// goes wrong in the handler never changes the result of an allocation: errors
// and panics of the handler end in [Logging.Stats].
type Logging struct {
	copies noCopy
	child  mem.Allocator
	o      LoggingOptions

	records, failed, nested atomic.Int64
}

var _ mem.Allocator = (*Logging)(nil)

// A handler may allocate from the very allocator that it logs, and what it
// allocates must not be logged, or there is no end. What a handler does shows on
// the stack: the function handle is on it. Only while a handler runs somewhere,
// and only for records that would be written, is the stack looked at, so nobody
// else pays. A flag or a bound on the number of running handlers was rejected: it
// would silence other goroutines, or double the records with every level.
//
// Free is logged before it happens, everything else after. The address of a
// block may belong to the next goroutine the moment the child has it back, and
// its Alloc would come first in the log.

// LoggingOptions are the settings of [NewLogging]. The zero value logs to
// [slog.Default], what succeeded at debug level and what failed at error level.
type LoggingOptions struct {
	// Logger is where records go, nil meaning what [slog.Default] is at the time
	// of each call.
	Logger *slog.Logger
	// Name, if not empty, is the attribute "allocator" of every record.
	Name string
	// SuccessLevel is the level of calls that did what they were asked, nil
	// meaning [slog.LevelDebug].
	SuccessLevel slog.Leveler
	// FailureLevel is the level of Allocs that returned an error, nil meaning
	// [slog.LevelError].
	FailureLevel slog.Leveler
	// RefusedLevel is the level of a Resize or Remap that returned false, growing
	// or shrinking, which is not yet a failure of anything. Nil means
	// SuccessLevel.
	RefusedLevel slog.Leveler
}

// LoggingStats says what became of the records of a [Logging].
type LoggingStats struct {
	// Records is how many were handed to the handler.
	Records int64
	// Failed is how many of these made it return an error, or panic.
	Failed int64
	// Nested is how many were left out because the call came from inside the
	// handler of a Logging.
	Nested int64
}

// NewLogging returns child with every call logged. The handler may allocate from
// the Logging, but must not do so to tell whether a level is enabled, nor hand
// records to a goroutine that does: that would never end.
func NewLogging(child mem.Allocator, o LoggingOptions) *Logging {
	mustChild("heap: NewLogging", child)
	if o.SuccessLevel == nil {
		o.SuccessLevel = slog.LevelDebug
	}
	if o.FailureLevel == nil {
		o.FailureLevel = slog.LevelError
	}
	if o.RefusedLevel == nil {
		o.RefusedLevel = o.SuccessLevel
	}
	return &Logging{child: child, o: o}
}

// Alloc implements [mem.Allocator]. The messages are "alloc" and "alloc failed".
func (g *Logging) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("heap: Logging.Alloc", size)
	g.copies.check("heap: Logging.Alloc")
	if g.child == nil {
		return nil, zeroValue("heap: Logging.Alloc", "NewLogging")
	}
	b, err := g.child.Alloc(size, l)
	if err != nil {
		g.log(&event{msg: "alloc failed", size: size, layout: l, err: err}, g.o.FailureLevel)
	} else {
		g.log(&event{msg: "alloc", size: size, layout: l, addr: address(b)}, g.o.SuccessLevel)
	}
	return b, err
}

// Resize implements [mem.Allocator]. The messages are "resize" and "resize
// refused".
func (g *Logging) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: Logging.Resize", size)
	if g.child == nil {
		zeroValue("heap: Logging.Resize", "NewLogging")
		return b, false
	}
	r, ok := g.child.Resize(b, l, size)
	if ok {
		g.log(&event{msg: "resize", old: len(b), size: size, layout: l, addr: address(r)}, g.o.SuccessLevel)
	} else {
		g.log(&event{msg: "resize refused", old: len(b), size: size, layout: l, addr: address(b)}, g.o.RefusedLevel)
	}
	return r, ok
}

// Remap implements [mem.Allocator]. The messages are "remap" and "remap
// refused".
func (g *Logging) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: Logging.Remap", size)
	if g.child == nil {
		zeroValue("heap: Logging.Remap", "NewLogging")
		return b, false
	}
	from, old := address(b), len(b)
	r, ok := g.child.Remap(b, l, size)
	if ok {
		g.log(&event{msg: "remap", old: old, size: size, layout: l, from: from, addr: address(r)}, g.o.SuccessLevel)
	} else {
		g.log(&event{msg: "remap refused", old: old, size: size, layout: l, addr: from}, g.o.RefusedLevel)
	}
	return r, ok
}

// Free implements [mem.Allocator]. The message is "free", and comes before the
// block is freed.
func (g *Logging) Free(b []byte, l mem.Layout) {
	if g.child == nil {
		zeroValue("heap: Logging.Free", "NewLogging")
		return
	}
	g.log(&event{msg: "free", size: len(b), layout: l, addr: address(b)}, g.o.SuccessLevel)
	g.child.Free(b, l)
}

// Pointers returns the child's answer.
func (g *Logging) Pointers() mem.Pointers {
	if g.child == nil {
		return mem.PlainOnly
	}
	return g.child.Pointers()
}

// Unwrap returns the child.
func (g *Logging) Unwrap() mem.Allocator { return g.child }

// Stats says what became of the records so far.
func (g *Logging) Stats() LoggingStats {
	race.Disable()
	defer race.Enable()
	s := LoggingStats{Failed: g.failed.Load(), Nested: g.nested.Load()}
	s.Records = g.records.Load() // last, so that it is not less than Failed
	return s
}

// event is what there is to say about a call.
type event struct {
	msg       string
	old, size int // old is 0 if nothing is resized
	layout    mem.Layout
	from      uintptr // address before a Remap that moved, or 0
	addr      uintptr
	err       error
}

// log writes e, unless its level is disabled. It stays small and does not let e
// escape: on the way to a disabled level nothing is allocated.
func (g *Logging) log(e *event, leveler slog.Leveler) {
	defer g.survive()
	level := leveler.Level()
	logger := g.o.Logger
	if logger == nil {
		logger = slog.Default()
	}
	h := logger.Handler()
	if h.Enabled(context.Background(), level) {
		g.write(h, level, *e)
	}
}

// survive turns a panic of the handler into a number.
func (g *Logging) survive() {
	if recover() != nil {
		g.count(&g.failed)
	}
}

func (g *Logging) count(n *atomic.Int64) {
	race.Disable()
	n.Add(1)
	race.Enable()
}

// write makes a record of e and hands it to h.
func (g *Logging) write(h slog.Handler, level slog.Level, e event) {
	if handlersRunning() && insideHandler() {
		g.count(&g.nested)
		return
	}
	g.count(&g.records)
	r := slog.NewRecord(time.Now(), level, e.msg, programPC())
	if g.o.Name != "" {
		r.AddAttrs(slog.String("allocator", g.o.Name))
	}
	if e.old != 0 {
		r.AddAttrs(slog.Int("old_size", e.old))
	}
	r.AddAttrs(
		slog.Int("size", e.size),
		slog.Int("align", e.layout.Align.Bytes()),
		slog.String("type", e.layout.Type.String()),
	)
	if e.msg != "free" { // which ignores the kind
		r.AddAttrs(slog.String("kind", e.layout.Kind.String()), slog.Bool("zero", e.layout.Zero))
	}
	if e.from != 0 && e.from != e.addr {
		r.AddAttrs(slog.String("from", hex(e.from)))
	}
	if e.err != nil {
		r.AddAttrs(slog.Any("err", e.err))
	} else {
		r.AddAttrs(slog.String("addr", hex(e.addr)))
	}
	if handle(h, r) != nil {
		g.count(&g.failed)
	}
}

func hex(addr uintptr) string { return "0x" + strconv.FormatUint(uint64(addr), 16) }

// running counts the calls of handle that have not returned, on all goroutines.
var running atomic.Int64

func handlersRunning() bool {
	race.Disable()
	n := running.Load()
	race.Enable()
	return n > 0
}

// handle calls the handler. It is what insideHandler looks for.
//
//go:noinline
func handle(h slog.Handler, r slog.Record) error {
	race.Disable()
	running.Add(1)
	race.Enable()
	defer func() {
		race.Disable()
		running.Add(-1)
		race.Enable()
	}()
	return h.Handle(context.Background(), r)
}

var handleEntry = reflect.ValueOf(handle).Pointer()

// insideHandler tells whether handle is on the stack of this goroutine.
func insideHandler() bool {
	var pcs [64]uintptr
	for skip := 2; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs[:])
		for _, pc := range pcs[:n] {
			if f := runtime.FuncForPC(pc - 1); f != nil && f.Entry() == handleEntry {
				return true
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}

// programPC returns where the program asked: the innermost caller outside of
// this library, which is the source line that a reader of the log wants to see.
func programPC() uintptr {
	var pcs [32]uintptr
	n := runtime.Callers(2, pcs[:])
	for i := range pcs[:n] {
		f, _ := runtime.CallersFrames(pcs[i : i+1]).Next()
		if !ours(f.Function) {
			return pcs[i]
		}
	}
	return 0
}

// ours tells whether function belongs to this library.
func ours(function string) bool {
	rest, ok := strings.CutPrefix(function, "github.com/allod-dev/allod/")
	return ok && (strings.HasPrefix(rest, "heap.") || strings.HasPrefix(rest, "mem.") || strings.HasPrefix(rest, "generic."))
}
