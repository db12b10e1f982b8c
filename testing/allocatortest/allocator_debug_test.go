package allocatortest_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// writeAt writes one byte outside of a block, and returns what the test fails
// with after that and after a good twin that writes inside.
func writeAt(t *testing.T, size int, l mem.Layout, write func(a mem.Allocator, b []byte)) *allocatortest.Recorder {
	t.Helper()
	r := allocatortest.NewRecorder()
	a := allocatortest.New(r)
	b := mem.Must(a.Alloc(size, l))
	b[0], b[size-1] = 1, 1
	a.Check()
	if f := r.Failures(); len(f) != 0 {
		t.Fatalf("size %d: a write inside is reported: %q", size, f)
	}
	write(a, b)
	r.Finish()
	return r
}

func TestNewOverflow(t *testing.T) {
	for _, size := range sizes {
		r := writeAt(t, size, word, func(a mem.Allocator, b []byte) {
			*at(b, size) = 7
			a.Free(b, word)
		})
		want(t, r, "Allocator.Free: write past the end", fmt.Sprintf("%d bytes at", size), "1 byte written, the first 0 past the end",
			"called by\n\t", "TestNewOverflow", "the block was allocated by\n\t", "writeAt")
	}
}

func TestNewUnderflow(t *testing.T) {
	for _, size := range sizes {
		r := writeAt(t, size, word, func(a mem.Allocator, b []byte) {
			*at(b, -1) = 7
			a.Free(b, word)
		})
		want(t, r, "write before the start", "1 byte written, the nearest 1 before the start")
	}
}

func TestNewWriteAfterFree(t *testing.T) {
	for _, size := range sizes[:5] { // larger blocks are not kept
		r := writeAt(t, size, word, func(a mem.Allocator, b []byte) {
			freeFirst(a, b)
			b[size/2] = 7
		})
		want(t, r, "write after free", fmt.Sprintf("the first at offset %d", size/2), "writeAt", "and freed by\n\t", "freeFirst")
	}
}

// The end of a test tells of a block that leaked and is damaged of both.
func TestNewEnd(t *testing.T) {
	r := writeAt(t, 24, word, func(_ mem.Allocator, b []byte) { *at(b, 24) = 7 })
	all := strings.Join(r.Failures(), "\n")
	if len(r.Failures()) != 2 || !strings.Contains(all, "leaked 1 block of 24 bytes") || !strings.Contains(all, "write past the end") {
		t.Errorf("found %q", all)
	}
}

// A goroutine that frees after the test is over does no more harm than to leak.
func TestNewFreeAfterEnd(t *testing.T) {
	r := allocatortest.NewRecorder()
	a := allocatortest.New(r)
	b := mem.Must(a.Alloc(8, word))
	r.Finish()
	a.Free(b, word)
	want(t, r, "leaked 1 block of 8 bytes")
	if _, err := a.Alloc(8, word); err != mem.ErrClosed {
		t.Errorf("Alloc after the end: %v, want ErrClosed", err)
	}
}

func TestNewCheck(t *testing.T) {
	r := allocatortest.NewRecorder()
	a := allocatortest.New(r)
	b := mem.Must(a.Alloc(8, word))
	*at(b, 8) = 7
	a.Check()
	want(t, r, "Allocator.Check: write past the end", "TestNewCheck")
	a.Check() // it is told once
	a.Free(b, word)
	r.Finish()
	want(t, r, "Allocator.Check: write past the end")
}

func TestDebugOption(t *testing.T) {
	r := allocatortest.NewRecorder()
	a := allocatortest.New(r, allocatortest.Debug(heap.DebugOptions{
		StackDepth: -1, Fresh: 0x5A, MemoryLimit: 100,
		OnMisuse: func(*heap.Misuse) { t.Error("OnMisuse was called") },
		OnLeak:   func(*heap.LeakError) { t.Error("OnLeak was called") },
	}))
	b := mem.Must(a.Alloc(60, word))
	if b[0] != 0x5A {
		t.Errorf("fresh byte %#x, want 0x5a", b[0])
	}
	if _, err := a.Alloc(60, word); err != mem.ErrLimit {
		t.Errorf("Alloc over the limit: %v", err)
	}
	a.Free(b[:8], word)
	r.Finish()
	all := strings.Join(r.Failures(), "\n")
	if len(r.Failures()) != 2 || !strings.Contains(all, "size mismatch") || !strings.Contains(all, "leaked 1 block of 60 bytes") {
		t.Errorf("found %q", all)
	}
	if strings.Contains(all, "allocated by") {
		t.Errorf("%s\nhas stacks", all)
	}
}

// Exact shows the child what the program does and nothing else.
func TestExact(t *testing.T) {
	child := heap.NewCounting(heap.Page{})
	a := allocatortest.New(t, allocatortest.Child(child), allocatortest.Exact())
	b := mem.Must(a.Alloc(100, word))
	if s := child.Stats(); s.Bytes != 100 {
		t.Errorf("the child was asked for %d bytes, want 100", s.Bytes)
	}
	a.Free(b, word)
	if s := child.Stats(); s.Bytes != 0 {
		t.Errorf("the child has %d bytes out, want none", s.Bytes)
	}
}

func TestUnwrap(t *testing.T) {
	a := allocatortest.New(t)
	d, ok := mem.As[*heap.Debug](a)
	if !ok {
		t.Fatal("there is no Debug inside")
	}
	before := d.Snapshot()
	x := mem.Must(mem.New(a, 1))
	if leaks := d.LeaksSince(before); leaks == nil || leaks.Blocks != 1 {
		t.Errorf("LeaksSince = %v, want one block", leaks)
	}
	mem.Destroy(a, x)
}

// TestSynctest does everything inside a bubble that makes an allocator do what
// it does for the first time, and then the same outside of it: a goroutine, a
// timer or a channel made on the way would stop the bubble or the process.
func TestSynctest(t *testing.T) {
	all := func(t *testing.T) {
		r := allocatortest.NewRecorder()
		a := allocatortest.New(r)
		b := mem.Must(a.Alloc(100, word))
		b, _ = a.Remap(b, word, 5000)
		*at(b, len(b)) = 7
		a.Check()
		a.Free(b, word)
		a.Free(b, word)
		mem.Must(mem.New(a, t))
		allocatortest.ExpectMisuse(t, heap.ForeignFree, func() { a.Free(make([]byte, 8), word) })
		r.Finish()
		if f := r.Failures(); len(f) != 3 {
			t.Errorf("found %q", f)
		}
		allocatortest.CheckAllFailures(t, three)
		program := []byte("0123456789abcdefghijklmnopqrstuvwxyz")
		tracer := allocatortest.NewTracer(allocatortest.New(t))
		allocatortest.Play(t, allocatortest.NewShadow(t, tracer, nil), program)
		tracer.Trace().Replay(t, allocatortest.New(t))
		allocatortest.CheckFills(t, func(a mem.Allocator) (int, error) { return sumOf(a, 10, 10) })
		allocatortest.CheckSystemFailures(t, func() error {
			b, err := heap.Page{}.Alloc(100, word)
			if err == nil {
				heap.Page{}.Free(b, word)
			}
			return err
		})
		allocatortest.ExpectLeaks(t, 1, leakOne)
		d := heap.NewDebug(heap.Page{}, heap.DebugOptions{Guard: heap.GuardEnd})
		allocatortest.NoMisuse(t, func() {
			b := mem.Must(d.Alloc(100, word))
			d.Free(b, word)
			if d.Stats().Unguarded == 0 {
				allocatortest.ExpectFault(t, heap.UseAfterFree, func() { b[7]++ })
			}
		})
		allocatortest.VerifyNone(t, d)
		d.Close()
	}
	synctest.Test(t, all)
	all(t)
	synctest.Test(t, all)
}
