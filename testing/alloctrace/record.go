package alloctrace

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/allod-dev/allod/mem"
)

// A Recorder is an allocator that writes down what is asked of its child, as a
// trace. Want it to see a program's pattern of allocation, and to measure other
// allocators with it: see [FromEnv] and [Replayer].
//
// Memory comes from the child, to which every operation is passed unchanged.
// Free is the child's. Blocks live as long as the child says; blocks that a
// child frees all at once, as an Arena does, stay live in the trace.
//
// A Recorder is safe for concurrent use if its child is; operations are written
// in one order, as they happened: a block is in the trace after the child made
// it and until before the child takes it back. The operations of one Recorder
// are those of one thread of the trace: [Recorder.Thread] makes one more for
// another goroutine. Recording takes time, and Go memory for each live block,
// and it lets goroutines wait for each other, which hides races.
// The zero Recorder has no child, call [NewRecorder]. It may be copied: copies
// are the same.
type Recorder struct {
	child  mem.Allocator
	rec    *recording
	thread uint32
}

var _ mem.Allocator = (*Recorder)(nil)

// The child is never called with the lock held, so that it may report a misuse.
// A block leaves the table before the child can give its address to another,
// and enters it after the child has returned.

// A recording is what the Recorders of one trace share.
type recording struct {
	mu      sync.Mutex
	out     *Writer     // nil once closed
	err     error       // of Close
	flush   *time.Timer // nil before the first operation
	waiting bool        // for that, as something is not flushed
	live    map[uintptr]uint32
	threads uint32
	dropped int
}

// NewRecorder returns child with its operations recorded to w until
// [Recorder.Close]. It panics if child is nil.
func NewRecorder(child mem.Allocator, w io.Writer, h Header) *Recorder {
	if child == nil {
		panic("alloctrace: NewRecorder: nil Allocator")
	}
	return &Recorder{child: child, rec: &recording{
		out:     NewWriter(w, h),
		live:    map[uintptr]uint32{},
		threads: 1,
	}}
}

// Thread returns a Recorder of the same trace whose operations are those of
// another thread. Closing either closes both.
func (r *Recorder) Thread() *Recorder {
	r.rec.mu.Lock()
	defer r.rec.mu.Unlock()
	r.rec.threads++
	return &Recorder{child: r.child, rec: r.rec, thread: r.rec.threads - 1}
}

// Alloc implements [mem.Allocator].
func (r *Recorder) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("alloctrace: Recorder.Alloc", size)
	b, err := r.child.Alloc(size, l)
	if err == nil {
		r.rec.alloc(r.thread, b, l)
	}
	return b, err
}

// Resize implements [mem.Allocator].
func (r *Recorder) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("alloctrace: Recorder.Resize", size)
	object, known := r.rec.take(b)
	n, ok := r.child.Resize(b, l, size)
	if known {
		r.rec.resized(r.thread, object, b, n)
	}
	return n, ok
}

// Remap implements [mem.Allocator].
func (r *Recorder) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("alloctrace: Recorder.Remap", size)
	object, known := r.rec.take(b)
	n, ok := r.child.Remap(b, l, size)
	if known {
		r.rec.resized(r.thread, object, b, n)
	}
	return n, ok
}

// Free implements [mem.Allocator].
func (r *Recorder) Free(b []byte, l mem.Layout) {
	if object, known := r.rec.take(b); known {
		r.rec.free(r.thread, object, b)
	}
	r.child.Free(b, l)
}

// Pointers returns the child's answer.
func (r *Recorder) Pointers() mem.Pointers { return r.child.Pointers() }

// Unwrap returns the child.
func (r *Recorder) Unwrap() mem.Allocator { return r.child }

// Dropped returns how many operations are not in the trace because they were on
// blocks that the Recorder did not see being made.
func (r *Recorder) Dropped() int {
	r.rec.mu.Lock()
	defer r.rec.mu.Unlock()
	return r.rec.dropped
}

// Close ends the trace, and returns the first error that writing it met. The
// Recorder still passes everything to its child, unrecorded. Closing again
// returns the same. Neither the child nor what is written to is closed.
func (r *Recorder) Close() error {
	r.rec.mu.Lock()
	defer r.rec.mu.Unlock()
	if r.rec.out != nil {
		if r.rec.flush != nil {
			r.rec.flush.Stop()
		}
		r.rec.err = r.rec.out.Close()
		r.rec.out, r.rec.live = nil, nil
	}
	return r.rec.err
}

const flushAfter = time.Second / 10

// on makes the thread that of the next operation, which is flushed in a while.
// The lock is held.
func (c *recording) on(thread uint32) {
	c.out.Thread(thread)
	switch {
	case c.waiting:
		return
	case c.flush == nil:
		c.flush = time.AfterFunc(flushAfter, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.waiting = false
			if c.out != nil {
				_ = c.out.Flush() // Close returns the error
			}
		})
	default:
		c.flush.Reset(flushAfter)
	}
	c.waiting = true
}

func (c *recording) alloc(thread uint32, b []byte, l mem.Layout) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out == nil {
		return
	}
	c.on(thread)
	c.live[address(b)] = c.out.Alloc(len(b), uint8(l.Align.Log2()), l.Zero || l.Kind != mem.Plain)
}

// take looks b up and takes it out of the table.
func (c *recording) take(b []byte) (object uint32, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out == nil {
		return 0, false
	}
	if object, known = c.live[address(b)]; known {
		delete(c.live, address(b))
	} else {
		c.dropped++
	}
	return object, known
}

// resized puts the object back at n, and writes its size down if it changed.
func (c *recording) resized(thread uint32, object uint32, b, n []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out == nil {
		return
	}
	c.live[address(n)] = object
	if len(n) != len(b) {
		c.on(thread)
		c.out.Realloc(object, len(b), len(n))
	}
}

func (c *recording) free(thread uint32, object uint32, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out != nil {
		c.on(thread)
		c.out.Free(object, len(b))
	}
}

// EnvVar is the environment variable in which the command "allod record" tells
// the program that it runs where to write the trace.
const EnvVar = "ALLOD_TRACE"

// FromEnv returns child, recorded if the program runs under "allod record", and
// a function that ends the recording, which must be called before the program
// ends. Otherwise it returns child itself and a function that does nothing, so
// that a program may call it always.
//
// There is one trace for a program: the first call gets it, and what the program
// runs itself does not. The error is that of creating the file; child is then
// returned unrecorded.
func FromEnv(child mem.Allocator) (a mem.Allocator, stop func() error, err error) {
	nothing := func() error { return nil }
	name := os.Getenv(EnvVar)
	if name == "" {
		return child, nothing, nil
	}
	if err := os.Unsetenv(EnvVar); err != nil {
		return child, nothing, err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return child, nothing, err
	}
	program := filepath.Base(os.Args[0])
	r := NewRecorder(child, f, Header{Name: program, Program: program})
	return r, func() error { return errors.Join(r.Close(), f.Close()) }, nil
}
