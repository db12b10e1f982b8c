package alloctrace

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// A Writer writes a trace, an operation at a time. It numbers objects itself
// and keeps no list of them: that each is live when it is freed or resized, and
// what its size is, is for the caller to know. [Read] checks it.
//
// Errors are kept: after the first, the methods do nothing more, and
// [Writer.Close] returns it. A Writer is for one goroutine at a time.
type Writer struct {
	file   *bufio.Writer // gzip writes a few hundred bytes at a time
	z      *gzip.Writer
	out    *bufio.Writer
	err    error
	closed bool

	ops, allocs uint64
	thread      uint32
	live        tally
	scratch     [1 + 4*binary.MaxVarintLen64]byte
}

// NewWriter returns a Writer to w that has written the header.
func NewWriter(w io.Writer, h Header) *Writer {
	file := bufio.NewWriterSize(w, 1<<15)
	z := gzip.NewWriter(file)
	t := &Writer{file: file, z: z, out: bufio.NewWriterSize(z, 1<<16)}
	text, err := json.Marshal(h)
	if err == nil && len(text) > maxHeader {
		err = fmt.Errorf("alloctrace: header of %d bytes", len(text))
	}
	t.err = err
	t.write([]byte(magic))
	t.write(binary.AppendUvarint(nil, uint64(len(text))))
	t.write(text)
	return t
}

// Thread says which thread performs the operations that follow. Threads are
// numbered from 0; at first it is thread 0.
func (t *Writer) Thread(n uint32) {
	if n != t.thread {
		t.thread = n
		t.op(byte(thread), uint64(n))
	}
}

// Alloc writes that an object was made, and returns its number. Log2 is the
// base 2 logarithm of the alignment, as in [Op]; above 31 it is written as 31.
func (t *Writer) Alloc(size int, log2 uint8, zero bool) (object uint32) {
	if t.allocs >= maxOps && t.err == nil {
		t.err = fmt.Errorf("alloctrace: more than %d objects", maxOps)
	}
	kind := Alloc
	if zero {
		kind = ZeroAlloc
	}
	t.op(byte(kind)|min(log2, maxLog2)<<kindBits, uint64(size))
	t.ops++
	t.allocs++
	t.live.objects++
	t.live.bytes += size
	return uint32(t.allocs - 1)
}

// Free writes that the object, which has the given size, is freed.
func (t *Writer) Free(object uint32, size int) {
	t.op(byte(Free), t.distance(object))
	t.ops++
	t.live.objects--
	t.live.bytes -= size
}

// Realloc writes that the object now has another size. To 0 bytes is for
// [Writer.Free] to write.
func (t *Writer) Realloc(object uint32, old, size int) {
	t.op(byte(Realloc), t.distance(object), uint64(size))
	t.ops++
	t.live.bytes += size - old
}

// Flush passes on all that was written so far, so that [Read] gets to see it even
// if nothing follows, and returns the first error there was. It costs some bytes of
// compression: once in many thousand operations is often enough.
func (t *Writer) Flush() error {
	if !t.closed {
		t.finish(t.out.Flush, t.z.Flush, t.file.Flush)
	}
	return t.err
}

// Close ends the trace and returns the first error there was. It does not close
// what the trace is written to. Closing again does nothing and returns the same.
func (t *Writer) Close() error {
	if !t.closed {
		t.closed = true
		t.op(byte(end), t.ops, t.allocs, uint64(t.live.objects), uint64(t.live.bytes))
		t.finish(t.out.Flush, t.z.Close, t.file.Flush)
	}
	return t.err
}

// finish does the steps up to the first that fails.
func (t *Writer) finish(steps ...func() error) {
	for _, step := range steps {
		if t.err == nil {
			t.err = step()
		}
	}
}

func (t *Writer) distance(object uint32) uint64 { return t.allocs - 1 - uint64(object) }

func (t *Writer) op(tag byte, operands ...uint64) {
	b := append(t.scratch[:0], tag)
	for _, v := range operands {
		b = binary.AppendUvarint(b, v)
	}
	t.write(b)
}

func (t *Writer) write(b []byte) {
	if t.err == nil {
		_, t.err = t.out.Write(b)
	}
}

// Write writes the trace to w, in the format that [Read] reads.
func (t *Trace) Write(w io.Writer) error {
	out := NewWriter(w, t.Header)
	for _, op := range t.Ops {
		out.Thread(op.Thread)
		switch op.Kind {
		case Alloc, ZeroAlloc:
			out.Alloc(op.Size, op.Log2, op.Kind == ZeroAlloc)
		case Free:
			out.Free(op.Object, op.Old)
		case Realloc:
			out.Realloc(op.Object, op.Old, op.Size)
		}
	}
	return out.Close()
}
