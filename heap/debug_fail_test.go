package heap_test

import (
	"errors"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// A child that breaks the contract is named as the one to blame.
func TestDebugChildLied(t *testing.T) {
	for _, c := range []struct {
		name string
		lie  func(b []byte) []byte
	}{
		{"short", func(b []byte) []byte { return b[: len(b)-1 : len(b)-1] }},
		{"room", func(b []byte) []byte { return b[:len(b)-1] }},
		{"misaligned", func(b []byte) []byte { return unsafe.Slice(&b[1], len(b)) }},
		{"nothing", func(b []byte) []byte { return nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			child := &fakeChild{}
			d := newDebug(t, child, heap.DebugOptions{})
			b := debugAlloc(d, 100, word8)
			copy(b, "text")
			child.lie = c.lie
			if _, err := d.Alloc(100, word8); err == nil {
				t.Error("Alloc succeeds")
			}
			if len(d.got) != 1 || d.got[0].Kind != heap.ChildLied {
				t.Errorf("Alloc: %v", d.got)
			}
			d.got = nil
			if _, ok := d.Resize(b, word8, 110); ok {
				t.Error("Resize succeeds")
			}
			if len(d.got) != 1 || d.got[0].Kind != heap.ChildLied {
				t.Errorf("Resize: %v", d.got)
			}
			if s := d.Stats(); s.Blocks != 1 || s.Bytes != 100 {
				t.Errorf("%+v", s)
			}
		})
	}
	t.Run("overlap", func(t *testing.T) {
		child := &fakeChild{}
		d := newDebug(t, child, heap.DebugOptions{})
		b := debugAlloc(d, 100, word8)
		copy(b, "text")
		child.lie = func(x []byte) []byte { return unsafe.Slice(&b[64-64%8], len(x)) }
		if _, err := d.Alloc(8, word8); err == nil || len(d.got) != 1 || d.got[0].Kind != heap.ChildLied {
			t.Errorf("%v, %v", err, d.got)
		}
		d.got = nil
		if string(b[:4]) != "text" || b[99] != 0xAA {
			t.Error("the block that was served twice is damaged")
		}
		d.Free(b, word8)
		d.none()
	})
	t.Run("not zero", func(t *testing.T) {
		child := &fakeChild{lie: func(x []byte) []byte { x[len(x)-1] = 1; return x }}
		d := newDebug(t, child, heap.DebugOptions{})
		if _, err := d.Alloc(8, mem.Layout{Zero: true}); err == nil || len(d.got) != 1 || d.got[0].Kind != heap.ChildLied {
			t.Errorf("%v, %v", err, d.got)
		}
		if s := d.Stats(); s.Blocks != 0 || s.Bytes != 0 || child.bytes != 0 {
			t.Errorf("%+v, %d bytes in the child", s, child.bytes)
		}
	})
}

// What goes wrong below changes nothing.
func TestDebugStrongGuarantee(t *testing.T) {
	child := &fakeChild{}
	d := newDebug(t, child, heap.DebugOptions{MemoryLimit: 1000})
	b := debugAlloc(d, 600, word8)
	for i := range b {
		b[i] = byte(i)
	}
	same := func(when string) {
		t.Helper()
		s := d.Stats()
		for i := range b {
			if b[i] != byte(i) {
				t.Fatalf("%s: byte %d changed", when, i)
			}
		}
		if s.Blocks != 1 || s.Bytes != 600 || d.Check() != nil {
			t.Errorf("%s: %+v", when, s)
		}
		d.none()
	}
	if _, err := d.Alloc(401, word8); !errors.Is(err, mem.ErrLimit) {
		t.Errorf("over the limit: %v", err)
	}
	same("over the limit")
	if _, ok := d.Resize(b, word8, 1001); ok {
		t.Error("Resize over the limit")
	}
	same("Resize over the limit")
	child.fail, child.refuse = true, true
	for range 10 {
		if _, err := d.Alloc(400, word8); !errors.Is(err, mem.ErrOutOfMemory) {
			t.Errorf("child fails: %v", err)
		}
		for _, n := range []int{10, 700} {
			if _, ok := d.Resize(b, word8, n); ok {
				t.Error("Resize that the child refuses")
			}
			if _, ok := d.Remap(b, word8, n); ok {
				t.Error("Remap that the child refuses")
			}
		}
	}
	same("child fails")
	child.panics = true
	for _, f := range []func(){
		func() { d.Alloc(10, word8) },
		func() { d.Resize(b, word8, 10) },
		func() { d.Remap(b, word8, 700) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the child's panic is lost")
				}
			}()
			f()
		}()
		same("child panics")
	}
	child.panics, child.fail, child.refuse = false, false, false
	c := debugAlloc(d, 400, word8) // exactly to the limit
	d.Free(c, word8)
	for _, n := range []int{1000, 5, 600} {
		r, ok := d.Remap(b, word8, n)
		if ok {
			b = r
		}
	}
	d.Free(b, word8)
	if s := d.Stats(); s.Bytes != 0 || s.PeakBytes != 1000 || s.Failures != 11 {
		t.Errorf("%+v", s)
	}
	d.Close()
	if child.bytes != 0 {
		t.Errorf("%d bytes were not given back", child.bytes)
	}
}

// A child without memory gets the quarantine back.
func TestDebugQuarantineGivesWay(t *testing.T) {
	limit := heap.NewLimit(heap.Page{}, 10_000)
	d := newDebug(t, limit, heap.DebugOptions{})
	for range 100 {
		d.Free(debugAlloc(d, 4000, word8), word8)
	}
	if limit.Used() == 0 {
		t.Error("nothing in quarantine")
	}
	d.none()
}

func TestDebugAllFailures(t *testing.T) {
	allocatortest.CheckAllFailures(t, func(child mem.Allocator) error {
		// With a quarantine the Debug asks a second time.
		d := heap.NewDebug(child, heap.DebugOptions{QuarantineBytes: -1})
		defer d.Close()
		return growAndCopy(d)
	})
}

// A Resize that finds its block damaged tells so also if the child served the memory
// to another in the meantime.
func TestDebugHurtAndLied(t *testing.T) {
	child := &fakeChild{}
	d := newDebug(t, child, heap.DebugOptions{})
	b := debugAlloc(d, 24, word8)
	poke(b, 25)
	var other []byte
	heap.ResizeHurt(d.Debug, b, word8, func() {
		child.lie = func(x []byte) []byte { return unsafe.Slice(byteAt(b, -32), len(x)) }
		other = debugAlloc(d, 24, word8)
		child.lie = nil
	})
	if len(d.got) != 2 || d.got[0].Kind != heap.ChildLied || d.got[1].Kind != heap.Overflow || d.got[1].Addr != addr(b) {
		t.Errorf("heard %v", d.got)
	}
	d.got = nil
	debugFree(d, other, word8)
	d.none()
}
