package heap_test

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

type number uint64

// Misuse of what package mem returns is told in its terms, and what looks like
// misuse and is none is not.
func TestDebugTyped(t *testing.T) {
	for _, c := range []struct {
		name string
		kind heap.MisuseKind // 0 for none
		hint string
		do   func(d *debugTest)
	}{
		{"Destroy twice", heap.DoubleFree, "the block of 8 bytes was freed", func(d *debugTest) {
			p := mem.Must(mem.Create[uint64](d))
			mem.Destroy(d, p)
			mem.Destroy(d, p)
		}},
		{"Destroy as another type", heap.AlignMismatch, "the block is aligned to 4, not 1; it holds uint32, not [4]uint8", func(d *debugTest) {
			p := mem.Must(mem.Create[uint32](d))
			mem.Destroy(d, (*[4]byte)(unsafe.Pointer(p)))
			mem.Destroy(d, p)
		}},
		{"Destroy as another type of its alignment", heap.TypeMismatch, "the block holds uint32, not float32", func(d *debugTest) {
			p := mem.Must(mem.Create[uint32](d))
			mem.Destroy(d, (*float32)(unsafe.Pointer(p)))
			mem.Destroy(d, p)
		}},
		{"Destroy as a converted type", 0, "", func(d *debugTest) {
			p := mem.Must(mem.Create[uint64](d))
			mem.Destroy(d, (*number)(p))
		}},
		{"Free of s[1:]", heap.InteriorFree, "it is 8 bytes into a block of 80", func(d *debugTest) {
			s := mem.Must(mem.Alloc[uint64](d, 10))
			mem.Free(d, s[1:])
			s[0], s[9] = 1, 2 // it is live
			mem.Free(d, s)
		}},
		{"Free of s[:4:4]", heap.SizeMismatch, "the block has 80 bytes", func(d *debugTest) {
			s := mem.Must(mem.Alloc[uint64](d, 10))
			mem.Free(d, s[:4:4])
			mem.Free(d, s)
		}},
		{"Free of s[:0]", 0, "", func(d *debugTest) { mem.Free(d, mem.Must(mem.Alloc[uint64](d, 10))[:0]) }},
		{"Free after append moved", heap.ForeignFree, "append may have moved it", func(d *debugTest) {
			s := mem.Must(mem.Alloc[uint64](d, 10))
			mem.Free(d, append(s, 1))
			mem.Free(d, s)
		}},
		{"Free after Append moved", 0, "", func(d *debugTest) {
			s := mem.Must(mem.Alloc[uint64](d, 10))
			mem.Free(d, mem.Must(mem.Append(d, s, 1)))
		}},
		{"Resize after Free", heap.UseAfterFree, "was freed", func(d *debugTest) {
			s := mem.Must(mem.Alloc[uint64](d, 10))
			mem.Free(d, s)
			if _, ok := mem.Resize(d, s, 5); ok {
				d.t.Error("resized")
			}
		}},
		{"Resize to the same", 0, "", func(d *debugTest) {
			s := mem.Must(mem.Alloc[uint64](d, 10))
			if r, ok := mem.Resize(d, s, 10); !ok || &r[0] != &s[0] {
				d.t.Error("refused")
			}
			mem.Free(d, s)
		}},
		{"FreeString twice", heap.DoubleFree, "the block of 4 bytes was freed", func(d *debugTest) {
			s := mem.Must(mem.DupeString(d, "once"))
			mem.FreeString(d, s)
			mem.FreeString(d, s)
		}},
		{"Free of a constant", heap.ForeignFree, "did not come from here", func(d *debugTest) { mem.FreeString(d, "constant") }},
		{"Free of nothing", 0, "", func(d *debugTest) {
			p := mem.Must(mem.Create[struct{}](d))
			mem.Destroy(d, p)
			mem.Destroy(d, p)
			mem.Free[int](d, nil)
			mem.Destroy[int](d, nil)
			mem.Free(d, mem.Must(mem.Alloc[int](d, 0)))
			mem.Free(d, mem.Must(mem.Realloc(d, mem.Must(mem.Alloc[int](d, 3)), 0)))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDebug(t, heap.NewHybrid(heap.Page{}), heap.DebugOptions{})
			c.do(d)
			got := d.got
			d.got = nil
			switch {
			case c.kind == 0 && len(got) > 0:
				t.Errorf("reported %v", got)
			case c.kind != 0 && (len(got) != 1 || got[0].Kind != c.kind || !strings.Contains(got[0].Hint, c.hint)):
				t.Errorf("reported %v, want %v: %s", got, c.kind, c.hint)
			case c.kind != 0 && c.kind != heap.ForeignFree && !strings.Contains(got[0].Alloc.Program().String(), "TestDebugTyped"):
				t.Errorf("allocated by\n%v", got[0].Alloc)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
			d.none()
		})
	}
}

// Realloc of a block that was freed goes no further than to say so, where the
// handler panics as it does by default.
func TestDebugReallocFreed(t *testing.T) {
	d := closing(t, heap.NewDebug(heap.GC{}, heap.DebugOptions{}))
	s := mem.Must(mem.Alloc[uint64](d, 10))
	if s = mem.Must(mem.Realloc(d, s, 15)); len(s) != 15 {
		t.Fatal(len(s))
	}
	mem.Free(d, s)
	m, ok := catch(func() { mem.Realloc(d, s, 20) }).(*heap.Misuse)
	if !ok || m.Kind != heap.UseAfterFree || len(m.Alloc) == 0 || len(m.Free) == 0 {
		t.Errorf("%v", m)
	}
}

// A string off the Go heap is as long alive as its block. A map that has it as a
// key does not find it afterwards, or finds something else: a hazard that nothing
// but a look at the freed memory shows.
func TestDebugStringAfterFree(t *testing.T) {
	d := newDebug(t, heap.Page{}, heap.DebugOptions{})
	name := mem.Must(mem.DupeString(d, "Ada Lovelace"))
	born := map[string]int{name: 1815}
	if born["Ada Lovelace"] != 1815 {
		t.Fatal("not found while it is live")
	}
	mem.FreeString(d, name)
	if _, ok := born["Ada Lovelace"]; ok || name != strings.Repeat("\xDD", 12) {
		t.Errorf("after it was freed it is %q", name)
	}
	d.none()

	d = guardedDebug(t, heap.GuardEnd, heap.DebugOptions{})
	name = mem.Must(mem.DupeString(d, "Ada Lovelace"))
	mem.FreeString(d, name)
	var f *heap.Fault
	err := heap.Catch(func() { _ = strings.ToUpper(name) })
	if f, _ = err.(*heap.Fault); f == nil || f.Kind != heap.UseAfterFree || f.Size != 12 {
		t.Errorf("guarded: %v", err)
	}
}

// What an Arena gave up, or one block of it after another, is found where its
// memory is guarded.
func TestGuardedArena(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(a *heap.Arena)
	}{
		{"Release", (*heap.Arena).Release},
		{"Close", func(a *heap.Arena) { a.Close() }},
	} {
		d := guardedDebug(t, heap.GuardEnd, heap.DebugOptions{})
		a := heap.NewArena(d)
		s := mem.Must(mem.Alloc[uint64](a, 10))
		if err := heap.Catch(func() { s[9] = 1 }); err != nil {
			t.Fatal(err)
		}
		c.end(a)
		err := heap.Catch(func() { s[9] = 1 })
		if f, ok := err.(*heap.Fault); !ok || f.Kind != heap.UseAfterFree || f.Addr != uintptr(unsafe.Pointer(&s[9])) {
			t.Errorf("%s: %v", c.name, err)
		}
		a.Close()
		d.none()
	}
}
