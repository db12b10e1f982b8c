package allodarrow_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow/memory"

	allodarrow "github.com/allod-dev/allod/contrib/arrow"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

var (
	_ memory.Allocator = (*allodarrow.Allocator)(nil)
	_ memory.Allocator = (*allodarrow.Checked)(nil)
)

func TestAllocate(t *testing.T) {
	a := allodarrow.New(allocatortest.New(t))
	for _, size := range []int{0, 1, 33, 64, 65, 4097, 8192, 1 << 20} {
		b := a.Allocate(size)
		if b == nil || len(b) != size || cap(b) != size {
			t.Errorf("Allocate(%d): len %d, cap %d", size, len(b), cap(b))
		}
		if size > 0 && uintptr(unsafe.Pointer(&b[0]))%64 != 0 {
			t.Errorf("Allocate(%d): not aligned to 64 bytes", size)
		}
		for i, v := range b {
			if v != 0 {
				t.Fatalf("Allocate(%d): byte %d is %#x", size, i, v)
			}
		}
		a.Free(b[:size/2]) // arrow shortens
	}
	a.Free(nil)
}

func TestReallocate(t *testing.T) {
	for _, inPlace := range []bool{true, false} {
		var opts []allocatortest.Option
		if !inPlace {
			opts = append(opts, allocatortest.NoResize())
		}
		a := allodarrow.New(allocatortest.New(t, opts...))
		for _, tt := range []struct{ from, shown, to int }{
			{0, 0, 64}, {64, 64, 0}, {0, 0, 0},
			{200, 200, 100}, {200, 200, 200}, {200, 200, 300},
			{200, 10, 100}, {200, 10, 200}, {200, 10, 300},
			{4096, 4096, 1 << 20}, {1 << 20, 1 << 20, 64},
		} {
			t.Run(fmt.Sprintf("inPlace=%v/%d[:%d]to%d", inPlace, tt.from, tt.shown, tt.to), func(t *testing.T) {
				b := a.Allocate(tt.from)
				for i := range b {
					b[i] = byte(i%251) + 1
				}
				r := a.Reallocate(tt.to, b[:tt.shown])
				if r == nil || len(r) != tt.to {
					t.Fatalf("len %d", len(r))
				}
				for i, v := range r {
					switch {
					case i < tt.shown && v != byte(i%251)+1:
						t.Fatalf("byte %d is %#x: lost", i, v)
					case i >= tt.shown && tt.to > tt.from && v != 0:
						t.Fatalf("byte %d is %#x: not zero", i, v)
					}
				}
				a.Free(r)
			})
		}
	}
}

// Without memory, Allocate panics with an error, and Reallocate leaves the block
// as it is.
func TestOutOfMemory(t *testing.T) {
	limit := heap.NewLimit(allocatortest.New(t, allocatortest.NoResize()), 1000)
	a := allodarrow.New(limit)
	b := a.Allocate(600)
	b[599] = 7
	for _, f := range []func(){
		func() { a.Allocate(401) },
		func() { a.Reallocate(700, b) },
		func() { a.Allocate(1 << 62 >> (64 - 8*unsafe.Sizeof(0))) },
	} {
		err := caught(f)
		if !errors.Is(err, mem.ErrOutOfMemory) {
			t.Errorf("panic with %v", err)
		} else if !strings.Contains(err.Error(), "allodarrow: Allocator.") {
			t.Errorf("it says %q", err)
		}
	}
	if b[599] != 7 || limit.Used() != 600 {
		t.Errorf("%d bytes are allocated, the last is %d", limit.Used(), b[599])
	}
	a.Free(b)
}

// caught returns the error that f panics with.
func caught(f func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = v.(error)
		}
	}()
	f()
	return nil
}

func TestNonsense(t *testing.T) {
	a := allodarrow.New(allocatortest.New(t))
	for name, f := range map[string]func(){
		"allodarrow: Allocator.Allocate: negative size":   func() { a.Allocate(-1) },
		"allodarrow: Allocator.Reallocate: negative size": func() { a.Reallocate(-1, nil) },
		"allodarrow: New: nil Allocator":                  func() { allodarrow.New(nil) },
	} {
		func() {
			defer func() {
				if v := recover(); v != name {
					t.Errorf("panic with %v, want %q", v, name)
				}
			}()
			f()
		}()
	}
	if mem.Allocator(a.Unwrap()) == nil {
		t.Error("Unwrap returns nil")
	}
}

// recorder is a TestingT that keeps what it is told.
type recorder struct{ told []string }

func (r *recorder) Errorf(format string, args ...any) {
	r.told = append(r.told, fmt.Sprintf(format, args...))
}
func (*recorder) Helper() {}

func TestCheckedLeak(t *testing.T) {
	var leak *heap.LeakError
	c := allodarrow.NewChecked(heap.Default(), heap.DebugOptions{OnLeak: func(e *heap.LeakError) { leak = e }})
	var good, bad recorder
	c.AssertSize(&good, 0)
	b := c.Allocate(100)
	if b = c.Reallocate(200, b); len(b) != 200 {
		t.Errorf("Reallocate(200): %d bytes", len(b))
	}
	c.AssertSize(&good, 200)
	c.AssertSize(&bad, 0)
	if len(good.told) != 0 {
		t.Errorf("told %q", good.told)
	}
	if len(bad.told) != 2 || !strings.Contains(bad.told[1], "TestCheckedLeak") {
		t.Errorf("told %q, want the stack of the leak", bad.told)
	}
	if err := c.Close(); err == nil || leak == nil || leak.Bytes != 200 {
		t.Errorf("Close: %v", err)
	}
}

func TestCheckedMisuse(t *testing.T) {
	c := allodarrow.NewChecked(heap.Default(), heap.DebugOptions{})
	defer c.Close()
	foreign := make([]byte, 64)
	allocatortest.ExpectMisuse(t, heap.ForeignFree, func() { c.Free(foreign) })
	b := c.Allocate(64)
	c.Free(b)
	allocatortest.ExpectMisuse(t, heap.DoubleFree, func() { c.Free(b) })
	var m *heap.Misuse
	if err := caught(func() { c.Reallocate(128, b) }); !errors.As(err, &m) || m.Kind != heap.UseAfterFree {
		t.Errorf("Reallocate of a freed block: %v", err)
	}

	b = c.Allocate(64)
	unsafe.Slice(&b[0], 65)[64] = 1
	var r recorder
	c.AssertSize(&r, 64)
	if len(r.told) != 1 || !strings.Contains(r.told[0], "write past the end") {
		t.Errorf("told %q", r.told)
	}
	c.Free(b)
	if n := c.Debug().Stats().Blocks; n != 0 {
		t.Errorf("%d blocks are live", n)
	}
}
