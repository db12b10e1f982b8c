package spec

import (
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/allod-dev/allod/testing/alloctrace"
)

// All programs work with the same random numbers, which the parent makes once
// and leaves in files: numbers of 4 bytes, and operations of 32, in the byte
// order of the machine.

const (
	// SizesFile has the sizes of Mixed and Windows, HandoverFile those of
	// Handover: TableSize each.
	SizesFile, HandoverFile = "sizes", "handover"
	// TableSize is how many numbers a table has.
	TableSize = 1 << 16
	// OrderFile has the order in which Random gives objects up.
	OrderFile = "order"
	// RandomObjects is how many there are.
	RandomObjects = 1_000_000
)

// random is the generator xorshift64*, by Vigna.
type random uint64

func (r *random) next() uint64 {
	x := *r
	x ^= x >> 12
	x ^= x << 25
	x ^= x >> 27
	*r = x
	return uint64(x) * 0x2545F4914F6CDD1D
}

// sizes returns sizes whose logarithms are evenly distributed.
func sizes(seed random, low, high float64) []uint32 {
	s := make([]uint32, TableSize)
	for i := range s {
		u := float64(seed.next()>>11) / (1 << 53)
		s[i] = uint32(math.Floor(math.Exp2(math.Log2(low) + u*(math.Log2(high)-math.Log2(low)))))
	}
	return s
}

// MixedSizes returns the sizes of Mixed and Windows.
func MixedSizes() []uint32 { return sizes(0x9E3779B97F4A7C15, 8, 4097) }

// HandoverSizes returns the sizes of Handover.
func HandoverSizes() []uint32 { return sizes(0xD1B54A32D192ED03, 16, 513) }

// MeanSize returns the mean.
func MeanSize(s []uint32) int {
	sum := 0
	for _, v := range s {
		sum += int(v)
	}
	return sum / len(s)
}

// order returns the numbers below n, shuffled.
func order(n int) []uint32 {
	seed := random(0xBF58476D1CE4E5B9)
	s := make([]uint32, n)
	for i := range s {
		s[i] = uint32(i)
	}
	for i := n - 1; i > 0; i-- {
		k := int(seed.next() % uint64(i+1))
		s[i], s[k] = s[k], s[i]
	}
	return s
}

// An Op is one operation of a trace, as it is in a file.
type Op struct {
	Kind   uint32 // an alloctrace.Kind
	Object uint32
	Size   uint64 // afterwards
	Old    uint64 // before
	Log2   uint32 // of the alignment
	_      uint32
}

// Ops returns the operations of a trace as they are in a file.
func Ops(t *alloctrace.Trace) []Op {
	ops := make([]Op, len(t.Ops))
	for i, op := range t.Ops {
		ops[i] = Op{Kind: uint32(op.Kind), Object: op.Object, Size: uint64(op.Size), Old: uint64(op.Old), Log2: uint32(op.Align().Log2())}
	}
	return ops
}

// WriteData writes everything that the workloads need to dir.
func WriteData(dir string, workloads []Workload) error {
	for name, table := range map[string][]uint32{
		SizesFile: MixedSizes(), HandoverFile: HandoverSizes(), OrderFile: order(RandomObjects),
	} {
		if err := write(dir, name, table); err != nil {
			return err
		}
	}
	for _, w := range workloads {
		if w.Kind != Trace {
			continue
		}
		t, err := alloctrace.ReadFile(w.File)
		if err != nil {
			return err
		}
		if err := write(dir, traceName(w.File), Ops(t)); err != nil {
			return err
		}
	}
	return nil
}

// TraceFile returns where WriteData puts a trace.
func TraceFile(dir, file string) string { return filepath.Join(dir, traceName(file)) }

func traceName(file string) string {
	return "trace-" + strings.TrimSuffix(filepath.Base(file), ".mtrace.gz")
}

func write[T any](dir, name string, table []T) error {
	return os.WriteFile(filepath.Join(dir, name), bytesOf(table), 0o666)
}

// Traces returns the workloads that replay the traces in dir, touching what
// they allocate, and then also not if untouched is set.
func Traces(dir string, untouched bool) ([]Workload, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.mtrace.gz"))
	if err != nil {
		return nil, err
	}
	var out []Workload
	for _, file := range files {
		t, err := alloctrace.ReadFile(file)
		if err != nil {
			return nil, err
		}
		w := Workload{
			Name: traceName(file), Kind: Trace, N: t.Summary.Ops, Fixed: true, Live: t.Summary.PeakBytes, File: file,
			About: "one operation of a recorded program: " + t.Header.Program + ", " + t.Header.Workload,
		}
		out = append(out, w)
		if untouched {
			w.Name, w.Untouched = w.Name+"-untouched", true
			w.About += "; memory is not written to"
			out = append(out, w)
		}
	}
	return out, nil
}

// The kinds of an Op.
const (
	OpAlloc   = uint32(alloctrace.Alloc)
	OpZero    = uint32(alloctrace.ZeroAlloc)
	OpFree    = uint32(alloctrace.Free)
	OpRealloc = uint32(alloctrace.Realloc)
)
