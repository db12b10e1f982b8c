package alloctrace_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
	"github.com/allod-dev/allod/testing/alloctrace"
)

// recorded returns the trace of what f does over an allocator that finds leaks.
func recorded(t *testing.T, f func(r *alloctrace.Recorder)) *alloctrace.Trace {
	t.Helper()
	var b bytes.Buffer
	r := alloctrace.NewRecorder(allocatortest.New(t), &b, alloctrace.Header{Name: "test"})
	f(r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	trace, err := alloctrace.Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

func TestRecorderContract(t *testing.T) {
	allocatortest.Run(t, func(t *testing.T) mem.Allocator {
		var b bytes.Buffer
		r := alloctrace.NewRecorder(allocatortest.New(t), &b, alloctrace.Header{})
		t.Cleanup(func() {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			if _, err := alloctrace.Read(&b); err != nil {
				t.Error(err)
			}
		})
		return r
	})
}

func TestRecorder(t *testing.T) {
	trace := recorded(t, func(r *alloctrace.Recorder) {
		a := mem.Must(r.Alloc(24, mem.Layout{Align: mem.Align(8)}))
		b := mem.Must(r.Thread().Alloc(64, mem.Layout{Align: mem.Align(4096), Zero: true}))
		a, ok := r.Resize(a, mem.Layout{Align: mem.Align(8)}, 20)
		if !ok {
			t.Fatal("cannot shrink")
		}
		if _, err := r.Alloc(math.MaxInt, mem.Layout{}); !errors.Is(err, mem.ErrOutOfMemory) {
			t.Fatal(err)
		}
		r.Free(a, mem.Layout{Align: mem.Align(8)})
		r.Free(b, mem.Layout{Align: mem.Align(4096)})
	})
	want := []alloctrace.Op{
		{Kind: alloctrace.Alloc, Size: 24, Log2: 3},
		{Kind: alloctrace.ZeroAlloc, Size: 64, Object: 1, Thread: 1, Log2: 12},
		{Kind: alloctrace.Realloc, Size: 20, Old: 24, Turn: 1, Log2: 3},
		{Kind: alloctrace.Free, Old: 20, Turn: 2, Log2: 3},
		{Kind: alloctrace.Free, Old: 64, Object: 1, Turn: 1, Log2: 12},
	}
	if !slices.Equal(trace.Ops, want) {
		t.Errorf("got  %+v\nwant %+v", trace.Ops, want)
	}
}

// A block that moves keeps its number, and one that cannot is as it was.
func TestRecorderRemap(t *testing.T) {
	trace := recorded(t, func(r *alloctrace.Recorder) {
		s := mem.Must(mem.AllocUninit[byte](r, 10))
		for range 100 {
			s = mem.Must(mem.Realloc(r, s, 2*len(s)%9973+1))
		}
		mem.Free(r, s)
	})
	if trace.Summary.EndObjects != 0 || trace.Summary.Ops < 100 {
		t.Errorf("%+v", trace.Summary)
	}
}

// A program may be recorded from the middle, and to the middle.
func TestRecorderPart(t *testing.T) {
	child := allocatortest.New(t)
	before := mem.Must(mem.Alloc[byte](child, 10))
	var b bytes.Buffer
	r := alloctrace.NewRecorder(child, &b, alloctrace.Header{})
	during := mem.Must(mem.Alloc[byte](r, 11))
	before, ok := mem.Resize(r, before, 9)
	if !ok {
		t.Fatal("cannot shrink")
	}
	mem.Free(r, before)
	if r.Dropped() != 2 || r.Unwrap() != mem.Allocator(child) {
		t.Errorf("dropped %d, want 2", r.Dropped())
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	after := mem.Must(mem.Alloc[byte](r, 12))
	during = mem.Must(mem.Realloc(r, during, 13))
	mem.Free(r, during)
	mem.Free(r, after)
	trace, err := alloctrace.Read(&b)
	if err != nil || trace.Summary.Ops != 1 || trace.Summary.EndBytes != 11 {
		t.Errorf("%v, %+v", err, trace.Summary)
	}
}

func TestRecorderThreads(t *testing.T) {
	const threads, each = 4, 300
	trace := recorded(t, func(r *alloctrace.Recorder) {
		handed := make(chan []int64, each)
		var all sync.WaitGroup
		for range threads / 2 {
			in, out := r.Thread(), r.Thread()
			all.Go(func() {
				for i := range each {
					handed <- mem.Must(mem.Alloc[int64](in, i+1))
				}
			})
			all.Go(func() {
				for range each {
					mem.Free(out, <-handed)
				}
			})
		}
		all.Wait()
	})
	want := threads / 2 * each
	if s := trace.Summary; s.Threads != threads || s.Allocs != want || s.Frees != want || s.EndBytes != 0 {
		t.Errorf("%+v", s)
	}
	r := alloctrace.NewReplayer(trace)
	if _, err := r.Run(allocatortest.New(t), alloctrace.ReplayOptions{Check: true, Threads: true}); err != nil {
		t.Error(err)
	}
}

func TestRecorderFullDisk(t *testing.T) {
	r := alloctrace.NewRecorder(heap.GC{}, &full{}, alloctrace.Header{})
	mem.Free(r, mem.Must(mem.Alloc[byte](r, 10)))
	if err := r.Close(); !errors.Is(err, errFull) || !errors.Is(r.Close(), errFull) {
		t.Error(err)
	}
}

// What is recorded is written soon, though nobody ends the recording.
func TestRecorderCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		r := alloctrace.NewRecorder(heap.GC{}, &b, alloctrace.Header{})
		for i := range 3 {
			mem.Free(r, mem.Must(mem.Alloc[byte](r, 10)))
			time.Sleep(time.Second)
			synctest.Wait()
			got, err := alloctrace.Read(bytes.NewReader(b.Bytes()))
			if !errors.Is(err, io.ErrUnexpectedEOF) || len(got.Ops) != 2*(i+1) {
				t.Fatalf("%v, %+v", err, got)
			}
		}
		kept := mem.Must(mem.Alloc[byte](r, 10))
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		size := b.Len()
		mem.Free(r, kept)
		time.Sleep(time.Second)
		synctest.Wait()
		if b.Len() != size {
			t.Error("written after Close")
		}
	})
}

func TestNewRecorderNil(t *testing.T) {
	defer func() {
		if got := recover(); got != "alloctrace: NewRecorder: nil Allocator" {
			t.Error(got)
		}
	}()
	alloctrace.NewRecorder(nil, nil, alloctrace.Header{})
}

func TestFromEnv(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.mtrace.gz")
	t.Setenv(alloctrace.EnvVar, name)
	a, stop, err := alloctrace.FromEnv(heap.GC{})
	if err != nil {
		t.Fatal(err)
	}
	again, stopAgain, err := alloctrace.FromEnv(heap.GC{})
	if _, plain := again.(heap.GC); !plain || err != nil || stopAgain() != nil {
		t.Errorf("second call: %T, %v", again, err)
	}
	mem.Free(a, mem.Must(mem.Alloc[byte](a, 10)))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if trace := read(t, name); trace.Summary.Ops != 2 || trace.Header.Program == "" {
		t.Errorf("%+v, %+v", trace.Header, trace.Summary)
	}
	if _, set := os.LookupEnv(alloctrace.EnvVar); set {
		t.Error("what this program runs would write to the same file")
	}
	t.Setenv(alloctrace.EnvVar, name)
	if a, stop, err := alloctrace.FromEnv(heap.GC{}); err == nil || a != mem.Allocator(heap.GC{}) || stop() != nil {
		t.Errorf("%T, %v: the file exists", a, err)
	}
}
