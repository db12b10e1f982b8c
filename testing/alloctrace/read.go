package alloctrace

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

const (
	magic     = "MTRACE01"
	maxHeader = 1 << 20
	maxOps    = math.MaxInt32
)

// ErrFormat is wrapped by the errors of [Read] for a file that is no trace.
var ErrFormat = errors.New("alloctrace: not a valid trace")

// ReadFile reads the trace in the named file, as [Read] does.
func ReadFile(name string) (*Trace, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := Read(f)
	if err != nil {
		return t, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// Read reads a trace to its end, checks everything that can be checked, and
// counts what [Summary] tells. It takes 32 bytes of memory for an operation.
// The error wraps [ErrFormat] unless r itself failed, and the trace is nil then.
//
// But a trace whose end is missing, since the program that was recorded was killed,
// is a good trace up to there: it is returned, with [Header].Truncated set, and
// with an error that wraps [io.ErrUnexpectedEOF] as well. The trace is nil if not
// even the header is there.
func Read(r io.Reader) (*Trace, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, badFormat(err)
	}
	d := &decoder{in: bufio.NewReaderSize(z, 1<<16), t: new(Trace)}
	if err := d.header(); err != nil {
		return nil, badFormat(err)
	}
	for more := true; more; {
		if more, err = d.op(); err != nil {
			return d.upTo(badFormat(fmt.Errorf("operation %d: %w", len(d.t.Ops), err)))
		}
	}
	d.sum()
	if err := d.footer(); err != nil {
		return d.upTo(badFormat(err))
	}
	return d.t, nil
}

// upTo returns what there is up to err, if err is that there is no more.
func (d *decoder) upTo(err error) (*Trace, error) {
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	d.sum()
	d.t.Header.Truncated = true
	return d.t, err
}

// badFormat marks err as the fault of the file, if it is.
func badFormat(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	var system interface{ Timeout() bool } // *fs.PathError, syscall.Errno
	if errors.As(err, &system) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrFormat, err)
}

// A decoder turns bytes into operations, and knows what is live meanwhile.
type decoder struct {
	in      *bufio.Reader
	t       *Trace
	thread  uint32
	threads map[uint32]bool
	objects []object
	live    tally
}

// An object is what a trace says of one. The size of a dead one is -1.
type object struct {
	size  int
	turns uint32
	log2  uint8
}

// A tally counts what is live.
type tally struct{ bytes, objects int }

func (d *decoder) header() error {
	var head [len(magic)]byte
	if _, err := io.ReadFull(d.in, head[:]); err != nil {
		return err
	}
	if string(head[:]) != magic {
		return fmt.Errorf("begins with %q, not with %q", head[:], magic)
	}
	n, err := binary.ReadUvarint(d.in)
	if err != nil {
		return err
	}
	if n > maxHeader {
		return fmt.Errorf("header of %d bytes", n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(d.in, text); err != nil {
		return err
	}
	d.threads = map[uint32]bool{}
	return json.Unmarshal(text, &d.t.Header)
}

// op reads one operation. It reports false at the end of them.
func (d *decoder) op() (more bool, err error) {
	tag, err := d.in.ReadByte()
	if err != nil {
		return false, err
	}
	kind, arg := Kind(tag&(1<<kindBits-1)), tag>>kindBits
	if arg != 0 && kind != Alloc && kind != ZeroAlloc {
		return false, fmt.Errorf("argument %d of kind %d", arg, kind)
	}
	switch kind {
	case end:
		return false, nil
	case thread:
		d.thread, err = d.uint32("thread")
		return true, err
	case Alloc, ZeroAlloc:
		err = d.alloc(kind, arg)
	case Free, Realloc:
		err = d.use(kind)
	default:
		err = fmt.Errorf("kind %d", kind)
	}
	return true, err
}

func (d *decoder) alloc(kind Kind, log2 uint8) error {
	size, err := d.size()
	if err != nil {
		return err
	}
	if len(d.objects) >= maxOps {
		return errors.New("too many objects")
	}
	d.objects = append(d.objects, object{size: size, log2: log2})
	d.t.Summary.Allocs++
	d.live.objects++
	return d.done(Op{Kind: kind, Size: size}, len(d.objects)-1)
}

func (d *decoder) use(kind Kind) error {
	distance, err := binary.ReadUvarint(d.in)
	if err != nil {
		return err
	}
	if distance >= uint64(len(d.objects)) {
		return fmt.Errorf("%v at distance %d of %d objects", kind, distance, len(d.objects))
	}
	i := len(d.objects) - 1 - int(distance)
	o := &d.objects[i]
	if o.size < 0 {
		return fmt.Errorf("%v of object %d, which is not live", kind, i)
	}
	op := Op{Kind: kind, Old: o.size}
	if kind == Free {
		d.t.Summary.Frees++
		d.live.objects--
		o.size = -1
		return d.done(op, i)
	}
	if op.Size, err = d.size(); err != nil {
		return err
	}
	if op.Size == 0 {
		return fmt.Errorf("%v of object %d to 0 bytes", kind, i)
	}
	d.t.Summary.Reallocs++
	o.size = op.Size
	return d.done(op, i)
}

// done completes op, which is on object i, and counts it.
func (d *decoder) done(op Op, i int) error {
	s, o := &d.t.Summary, &d.objects[i]
	if len(d.t.Ops) >= maxOps {
		return errors.New("too many operations")
	}
	if op.Size > math.MaxInt-(d.live.bytes-op.Old) {
		return errors.New("more bytes live than there are addresses")
	}
	d.live.bytes += op.Size - op.Old
	op.Object, op.Turn, op.Thread, op.Log2 = uint32(i), o.turns, d.thread, o.log2
	o.turns++
	if !d.threads[d.thread] {
		d.threads[d.thread] = true
		s.Threads++
	}
	if d.live.bytes > s.PeakBytes {
		s.PeakBytes, s.PeakOp = d.live.bytes, len(d.t.Ops)
	}
	s.PeakObjects = max(s.PeakObjects, d.live.objects)
	d.t.Ops = append(d.t.Ops, op)
	return nil
}

// sum counts what can be counted after the last operation only.
func (d *decoder) sum() {
	s := &d.t.Summary
	s.Ops, s.EndBytes, s.EndObjects = len(d.t.Ops), d.live.bytes, d.live.objects
}

func (d *decoder) footer() error {
	s := &d.t.Summary
	for _, want := range []struct {
		what  string
		count int
	}{{"operations", s.Ops}, {"allocations", s.Allocs}, {"objects live at the end", s.EndObjects}, {"bytes live at the end", s.EndBytes}} {
		n, err := binary.ReadUvarint(d.in)
		if err != nil {
			return err
		}
		if n != uint64(want.count) {
			return fmt.Errorf("the footer says %d %s, there are %d", n, want.what, want.count)
		}
	}
	if _, err := d.in.ReadByte(); !errors.Is(err, io.EOF) {
		if err != nil {
			return err
		}
		return errors.New("bytes after the footer")
	}
	return nil
}

func (d *decoder) size() (int, error) {
	n, err := binary.ReadUvarint(d.in)
	if err == nil && n > math.MaxInt {
		err = fmt.Errorf("size %d", n)
	}
	return int(n), err
}

func (d *decoder) uint32(what string) (uint32, error) {
	n, err := binary.ReadUvarint(d.in)
	if err == nil && n > math.MaxUint32 {
		err = fmt.Errorf("%s %d", what, n)
	}
	return uint32(n), err
}
