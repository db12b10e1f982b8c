package alloctrace_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/allod-dev/allod/testing/alloctrace"
)

const nginx = "testdata/nginx.mtrace.gz"

func read(t testing.TB, name string) *alloctrace.Trace {
	t.Helper()
	trace, err := alloctrace.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

// The header of a recorded program holds the counts as its recorder took them.
func TestReadFile(t *testing.T) {
	trace := read(t, nginx)
	f, err := os.Open(nginx)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(io.LimitReader(z, 4096))
	if err != nil {
		t.Fatal(err)
	}
	var recorded struct {
		Threads, Ops, Allocs, Frees, Reallocs int
		PeakLiveBytes                         int `json:"peak_live_bytes"`
		PeakLiveObjects                       int `json:"peak_live_objects"`
		EndLiveBytes                          int `json:"end_live_bytes"`
		EndLiveObjects                        int `json:"end_live_objects"`
	}
	if err := json.NewDecoder(bytes.NewReader(text[bytes.IndexByte(text, '{'):])).Decode(&recorded); err != nil {
		t.Fatal(err)
	}
	got := trace.Summary
	got.PeakOp = 0
	want := alloctrace.Summary{
		Threads: recorded.Threads, Ops: recorded.Ops, Allocs: recorded.Allocs, Frees: recorded.Frees,
		Reallocs: recorded.Reallocs, PeakBytes: recorded.PeakLiveBytes, PeakObjects: recorded.PeakLiveObjects,
		EndBytes: recorded.EndLiveBytes, EndObjects: recorded.EndLiveObjects,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if trace.Header.Name != "nginx" || want.Ops == 0 {
		t.Errorf("%+v, %d operations", trace.Header, want.Ops)
	}
}

func TestReadFileErrors(t *testing.T) {
	if _, err := alloctrace.ReadFile(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if _, err := alloctrace.ReadFile("trace_test.go"); !errors.Is(err, alloctrace.ErrFormat) || !strings.Contains(err.Error(), "trace_test.go") {
		t.Errorf("no trace: %v", err)
	}
	if _, err := alloctrace.ReadFile(t.TempDir()); err == nil || errors.Is(err, alloctrace.ErrFormat) {
		t.Errorf("a folder: %v", err)
	}
}

func TestWrite(t *testing.T) {
	want := read(t, nginx)
	var b bytes.Buffer
	if err := want.Write(&b); err != nil {
		t.Fatal(err)
	}
	got, err := alloctrace.Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %+v\nwant %+v, %+v", got.Header, got.Summary, want.Header, want.Summary)
	}
}

// example is the one that the format's description gives.
var example = []byte{0x05, 0, 0x01, 0x18, 0x21, 0x40, 0x03, 1, 0x04, 0, 0x80, 1, 0x03, 0, 0, 5, 2, 0, 0}

// packed returns a file with an empty header and the given operations.
func packed(t testing.TB, ops []byte) []byte {
	t.Helper()
	return zipped(t, append([]byte("MTRACE01\x02{}"), ops...))
}

func zipped(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadExample(t *testing.T) {
	got, err := alloctrace.Read(bytes.NewReader(packed(t, example)))
	if err != nil {
		t.Fatal(err)
	}
	want := &alloctrace.Trace{
		Summary: alloctrace.Summary{Threads: 1, Ops: 5, Allocs: 2, Frees: 2, Reallocs: 1, PeakBytes: 128, PeakObjects: 2, PeakOp: 3},
		Ops: []alloctrace.Op{
			{Kind: alloctrace.Alloc, Size: 24},
			{Kind: alloctrace.Alloc, Size: 64, Object: 1, Log2: 4},
			{Kind: alloctrace.Free, Old: 24, Turn: 1},
			{Kind: alloctrace.Realloc, Size: 128, Old: 64, Object: 1, Turn: 1, Log2: 4},
			{Kind: alloctrace.Free, Old: 128, Object: 1, Turn: 2, Log2: 4},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadRefuses(t *testing.T) {
	for name, ops := range map[string][]byte{
		"kind 6":            {6},
		"argument of END":   {8},
		"free of nothing":   {3, 0},
		"free twice":        {1, 8, 3, 0, 3, 0},
		"realloc of a dead": {1, 8, 3, 0, 4, 0, 8},
		"realloc to 0":      {1, 8, 4, 0, 0},
		"distance too far":  {1, 8, 3, 1},
		"huge size":         {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"endless uvarint":   {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"huge thread":       {5, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"too many bytes": {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
			1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"wrong footer":         {1, 8, 0, 1, 1, 1, 7},
		"bytes after the end":  {0, 0, 0, 0, 0, 0},
		"cut in the footer":    {0, 0, 0},
		"cut in an operation":  {1},
		"cut after an operand": {1, 8},
	} {
		_, err := alloctrace.Read(bytes.NewReader(packed(t, ops)))
		if !errors.Is(err, alloctrace.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
		if cut := strings.HasPrefix(name, "cut"); cut != errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"magic":       "MTRACE02\x02{}",
		"no JSON":     "MTRACE01\x02{]",
		"huge header": "MTRACE01\xff\xff\xff\x7f{}",
		"cut header":  "MTRACE01\x09{}",
		"no header":   "MTRACE01",
		"no magic":    "MT",
	} {
		if _, err := alloctrace.Read(bytes.NewReader(zipped(t, []byte(text)))); !errors.Is(err, alloctrace.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	whole := packed(t, example)
	for n := range len(whole) {
		if _, err := alloctrace.Read(bytes.NewReader(whole[:n])); !errors.Is(err, alloctrace.ErrFormat) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("first %d bytes of %d: %v", n, len(whole), err)
		}
	}
}

// A trace that is cut anywhere is good up to there.
func TestReadCut(t *testing.T) {
	want, err := alloctrace.Read(bytes.NewReader(packed(t, example)))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for n := range len(example) {
		got, err := alloctrace.Read(bytes.NewReader(packed(t, example[:n])))
		if got == nil || !errors.Is(err, io.ErrUnexpectedEOF) || !got.Header.Truncated {
			t.Fatalf("first %d bytes: %+v, %v", n, got, err)
		}
		s := got.Summary
		if !slices.Equal(got.Ops, want.Ops[:len(got.Ops)]) || s.Ops != len(got.Ops) || s.EndObjects != s.Allocs-s.Frees {
			t.Errorf("first %d bytes: %+v, %+v", n, s, got.Ops)
		}
		var b bytes.Buffer
		if err := got.Write(&b); err != nil {
			t.Fatal(err)
		}
		if again, err := alloctrace.Read(&b); err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("first %d bytes, written again: %+v, %v", n, again, err)
		}
		seen[len(got.Ops)] = true
	}
	if len(seen) != len(want.Ops)+1 {
		t.Errorf("operations: %v", seen)
	}
	if got, err := alloctrace.Read(bytes.NewReader(zipped(t, []byte("MTRACE01\x02{")))); got != nil || err == nil {
		t.Errorf("no header: %+v, %v", got, err)
	}
}

// What was flushed can be read, whatever becomes of the rest.
func TestWriterFlush(t *testing.T) {
	trace := read(t, nginx)
	var b bytes.Buffer
	w := alloctrace.NewWriter(&b, trace.Header)
	for i := range 3 {
		for range 1000 {
			w.Free(w.Alloc(i, 0, false), i)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		got, err := alloctrace.Read(bytes.NewReader(b.Bytes()))
		if !errors.Is(err, io.ErrUnexpectedEOF) || len(got.Ops) != 2000*(i+1) || got.Header.Name != trace.Header.Name {
			t.Fatalf("%v, %+v", err, got)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := alloctrace.Read(&b); err != nil || len(got.Ops) != 6000 {
		t.Errorf("%v, %+v", err, got)
	}
	if err := w.Flush(); err != nil {
		t.Errorf("closed: %v", err)
	}
}

var errFull = errors.New("disk full")

// full is a file on a disk that has room for so many bytes.
type full struct{ room int }

func (f *full) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestWriterError(t *testing.T) {
	trace := read(t, nginx)
	for _, room := range []int{0, 100, 12000} {
		if err := trace.Write(&full{room}); !errors.Is(err, errFull) {
			t.Errorf("room for %d bytes: %v", room, err)
		}
	}
	w := alloctrace.NewWriter(&full{}, alloctrace.Header{})
	if err := w.Close(); !errors.Is(err, errFull) || w.Close() != err {
		t.Errorf("Close: %v, then %v", err, w.Close())
	}
	if err := alloctrace.NewWriter(io.Discard, alloctrace.Header{Name: strings.Repeat("a", 1<<21)}).Close(); err == nil {
		t.Error("a header that Read would refuse was written")
	}
}

func TestKindString(t *testing.T) {
	for kind, want := range map[alloctrace.Kind]string{
		alloctrace.Alloc: "alloc", alloctrace.ZeroAlloc: "zalloc", alloctrace.Free: "free",
		alloctrace.Realloc: "realloc", 0: "Kind(0)", 9: "Kind(9)",
	} {
		if got := kind.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Whatever Read accepts is a trace: Write gives it back, and what it says of
// itself is true.
func FuzzRead(f *testing.F) {
	f.Add(example)
	f.Add([]byte{0x05, 3, 0x0a, 0x18, 0x05, 0, 0x01, 0, 0, 2, 2, 2, 0x18})
	f.Fuzz(func(t *testing.T, ops []byte) {
		trace, err := alloctrace.Read(bytes.NewReader(packed(t, ops)))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := trace.Write(&b); err != nil {
			t.Fatal(err)
		}
		again, err := alloctrace.Read(&b)
		if err != nil || !reflect.DeepEqual(again, trace) {
			t.Fatalf("%v\n%+v\n%+v", err, trace, again)
		}
		live := map[uint32]int{}
		for i, op := range trace.Ops {
			if old := live[op.Object]; old != op.Old {
				t.Fatalf("operation %d, %+v: the object had %d bytes", i, op, old)
			}
			live[op.Object] = op.Size
		}
	})
}
