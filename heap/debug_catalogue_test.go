package heap_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

// A scene is where one crime is committed, or its good twin, which is the same
// without the mistake.
type scene struct {
	*debugTest
	size  int
	guilt bool
	slot  int // 0 first, 1 middle, 2 last of its like

	kind   heap.MisuseKind
	others [][]byte
	undo   []func()

	// What the report must say.
	op             string
	addr           uintptr
	reported       int    // size
	hint           string // within it
	born, died, at string // where the stacks begin: file:line
	other          string // and that of another goroutine
}

// next returns the line after the one that calls it.
func next() string {
	_, file, line, _ := runtime.Caller(1)
	return fmt.Sprintf("%s:%d", file, line+1)
}

// line returns the line that calls it.
func line() string {
	_, file, line, _ := runtime.Caller(1)
	return fmt.Sprintf("%s:%d", file, line)
}

// alloc returns a block among others of its size, which is the one in question.
func (s *scene) alloc(l mem.Layout) []byte {
	n := 16
	if s.size > 4096 {
		n = 3
	}
	before := [3]int{0, n / 2, n - 1}[s.slot]
	var b []byte
	for i := range n {
		if i == before {
			b = s.one(l)
			continue
		}
		s.others = append(s.others, debugAlloc(s.Debug, s.size, l))
	}
	s.undo = append(s.undo, func() {
		for _, o := range s.others {
			s.Debug.Free(o, l)
		}
	})
	s.addr, s.reported = addr(b), len(b)
	return b
}

func (s *scene) one(l mem.Layout) []byte {
	s.born = next()
	b, err := s.Debug.Alloc(s.size, l)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// free frees the block as it should be.
func (s *scene) free(b []byte, l mem.Layout) {
	s.died = next()
	s.Debug.Free(b, l)
}

// calls are those that take a block, each in its wrong use.
var calls = []struct {
	name string
	call func(s *scene, b []byte, l mem.Layout)
}{
	{"Free", func(s *scene, b []byte, l mem.Layout) {
		s.at = next()
		s.Debug.Free(b, l)
	}},
	{"Resize", func(s *scene, b []byte, l mem.Layout) {
		s.at = next()
		r, ok := s.Debug.Resize(b, l, s.size)
		s.unchanged(r, ok, b)
	}},
	{"Remap", func(s *scene, b []byte, l mem.Layout) {
		s.at = next()
		r, ok := s.Debug.Remap(b, l, s.size+1)
		s.unchanged(r, ok, b)
	}},
}

func (s *scene) unchanged(r []byte, ok bool, b []byte) {
	if ok || addr(r) != addr(b) || len(r) != len(b) {
		s.t.Errorf("a wrong call returns %d bytes at %#x, %t; want %d at %#x, false", len(r), addr(r), ok, len(b), addr(b))
	}
}

var word4, typed8 = mem.Layout{Align: mem.Align(4)}, mem.LayoutOf[uint64]()

// crimes are those of passing a block that must not be passed, with what is
// passed instead of the block. What is freed before is up to them.
var crimes = []struct {
	name string
	kind heap.MisuseKind
	o    heap.DebugOptions
	do   func(s *scene) (b []byte, l mem.Layout) // the wrong block, and how it is passed
}{
	{"freed", heap.DoubleFree, heap.DebugOptions{}, func(s *scene) ([]byte, mem.Layout) {
		b := s.alloc(word8)
		s.free(b, word8)
		s.hint = fmt.Sprintf("the block of %d bytes was freed", s.size)
		return b, word8
	}},
	{"freed, not in quarantine", heap.DoubleFree, heap.DebugOptions{QuarantineBytes: -1}, func(s *scene) ([]byte, mem.Layout) {
		b := s.alloc(word8)
		s.free(b, word8)
		return b, word8
	}},
	{"interior", heap.InteriorFree, heap.DebugOptions{}, func(s *scene) ([]byte, mem.Layout) {
		b := s.alloc(word8)
		s.later(b, word8)
		if s.size == 1 {
			s.hint = "it is 0 bytes past the end of a block of 1"
			return unsafe.Slice(byteAt(b, 1), 1), word8
		}
		s.hint = fmt.Sprintf("it is 1 bytes into a block of %d", s.size)
		return b[1:], word8
	}},
	{"cut", heap.SizeMismatch, heap.DebugOptions{}, func(s *scene) ([]byte, mem.Layout) {
		b := s.alloc(word8)
		s.later(b, word8)
		s.hint = fmt.Sprintf("the block has %d bytes", s.size)
		return b[: s.size-1 : s.size-1], word8
	}},
	{"oversize", heap.SizeMismatch, heap.DebugOptions{}, func(s *scene) ([]byte, mem.Layout) {
		b := s.alloc(word8)
		s.later(b, word8)
		return unsafe.Slice(&b[0], s.size+1), word8
	}},
	{"resize stacks", heap.SizeMismatch, heap.DebugOptions{ResizeStacks: true}, func(s *scene) ([]byte, mem.Layout) {
		b := s.alloc(word8)
		s.later(b, word8)
		at := next()
		if _, ok := s.Debug.Resize(b, word8, s.size); ok {
			s.born = at
		}
		return unsafe.Slice(&b[0], s.size+1), word8
	}},
	{"alignment", heap.AlignMismatch, heap.DebugOptions{}, func(s *scene) ([]byte, mem.Layout) {
		b := s.alloc(word8)
		s.later(b, word8)
		s.hint = "the block is aligned to 8, not 4"
		return b, word4
	}},
	{"type", heap.TypeMismatch, heap.DebugOptions{}, func(s *scene) ([]byte, mem.Layout) {
		b := s.alloc(typed8)
		s.later(b, typed8)
		s.hint = "the block holds uint64, not [2]uint32"
		return b, mem.Layout{Align: typed8.Align, Type: mem.TypeFor[[2]uint32]()}
	}},
	{"of another Debug", heap.WrongAllocator, heap.DebugOptions{}, func(s *scene) ([]byte, mem.Layout) {
		other := newDebug(s.t, heap.Page{}, heap.DebugOptions{})
		s.born = next()
		b, _ := other.Debug.Alloc(s.size, word8)
		s.undo = append(s.undo, func() { other.Free(b, word8); other.none() })
		s.hint = "the block is of Debug"
		return b, word8
	}},
	{"of the wrapper", heap.WrongAllocator, heap.DebugOptions{}, func(s *scene) ([]byte, mem.Layout) {
		outer := newDebug(s.t, s.Debug, heap.DebugOptions{QuarantineBytes: -1})
		s.born = next()
		b, _ := outer.Debug.Alloc(s.size, word8)
		s.undo = append(s.undo, func() { outer.Free(b, word8); outer.none() })
		return b, word8
	}},
	{"of the child", heap.ForeignFree, heap.DebugOptions{}, func(s *scene) ([]byte, mem.Layout) {
		b := debugAlloc(s.Unwrap(), s.size, word8)
		s.undo = append(s.undo, func() { s.Unwrap().Free(b, word8) })
		return b, word8
	}},
	{"of the Go heap", heap.ForeignFree, heap.DebugOptions{}, func(s *scene) ([]byte, mem.Layout) {
		s.hint = "append may have moved it to the Go heap"
		return make([]byte, s.size), word8
	}},
	{"moved by append", heap.ForeignFree, heap.DebugOptions{}, func(s *scene) ([]byte, mem.Layout) {
		b := s.alloc(word8)
		s.later(b, word8)
		s.born = ""
		return append(b, 1), word8
	}},
	{"global", heap.ForeignFree, heap.DebugOptions{}, func(*scene) ([]byte, mem.Layout) { return nonStatic, word8 }},
	{"string", heap.ForeignFree, heap.DebugOptions{}, func(*scene) ([]byte, mem.Layout) {
		return unsafe.Slice(unsafe.StringData("constant"), 8), word8
	}},
	{"nowhere", heap.ForeignFree, heap.DebugOptions{}, func(*scene) ([]byte, mem.Layout) {
		b := debugAlloc(heap.Page{}, 4096, word8)
		heap.Page{}.Free(b, word8) // to follow the pointer is a fault
		return b, word8
	}},
	{"own metadata", heap.ForeignFree, heap.DebugOptions{}, func(s *scene) ([]byte, mem.Layout) {
		return unsafe.Slice((*byte)(unsafe.Pointer(s.Debug)), 64), word8
	}},
	{"closed", heap.UseAfterClose, heap.DebugOptions{}, func(s *scene) ([]byte, mem.Layout) {
		b := s.alloc(word8)
		s.undo = nil
		s.Debug.Close()
		return b, word8
	}},
}

// later frees the block, which is good still, when the crime is done.
func (s *scene) later(b []byte, l mem.Layout) {
	s.undo = append(s.undo, func() {
		b[0], b[len(b)-1] = 1, 2
		s.Debug.Free(b, l)
	})
}

// A block that must not be passed to Free, Resize or Remap is refused, and the
// report says all that is known. Nobody says anything of the twin, which passes
// the right one.
func TestDebugWrongBlock(t *testing.T) {
	for _, c := range crimes {
		for _, call := range calls {
			scenes(t, c.name+"/"+call.name, c.kind, c.o, true, func(s *scene) {
				b, l := c.do(s)
				if !s.guilt {
					return
				}
				if s.kind == heap.DoubleFree && call.name != "Free" {
					s.kind = heap.UseAfterFree
				}
				s.op, s.addr, s.reported = "heap: Debug."+call.name, addr(b), len(b)
				call.call(s, b, l)
			})
		}
	}
}

// finders find that a block is damaged, and say so.
var finders = []struct {
	name string
	o    heap.DebugOptions
	dead bool // finds what was written to freed blocks; the others what is around live ones
	live bool
	find func(s *scene, b []byte)
}{
	{"Free", heap.DebugOptions{}, false, true, func(s *scene, b []byte) {
		s.at = next()
		s.Debug.Free(b, word8)
	}},
	{"Resize", heap.DebugOptions{}, false, true, func(s *scene, b []byte) {
		s.at = next()
		s.Debug.Resize(b, word8, len(b))
		s.undo = append(s.undo, func() { s.Debug.Free(b, word8) })
	}},
	{"Remap", heap.DebugOptions{}, false, true, func(s *scene, b []byte) {
		s.at = next()
		s.Debug.Remap(b, word8, len(b))
		s.undo = append(s.undo, func() { s.Debug.Free(b, word8) })
	}},
	{"Check", heap.DebugOptions{}, true, true, func(s *scene, b []byte) {
		s.at = next()
		s.got = append(s.got, s.Debug.Check()...)
		if again := s.Debug.Check(); len(again) > 0 {
			s.t.Errorf("found again: %v", again)
		}
		if s.died == "" {
			s.undo = append(s.undo, func() { s.Debug.Free(b, word8) })
		}
	}},
	{"Close", heap.DebugOptions{}, true, true, func(s *scene, b []byte) {
		s.undo = nil
		s.at = next()
		s.Debug.Close()
	}},
	{"Check", heap.DebugOptions{CheckEvery: 1000}, true, true, func(s *scene, b []byte) {
		x := []byte{1}
		for len(s.got) == 0 {
			s.at = next()
			s.Debug.Resize(s.others[0], word8, len(s.others[0]))
			if x = append(x, 1); len(x) > 1001 {
				s.t.Fatal("1000 calls, and nothing was checked")
			}
		}
		if s.died == "" {
			s.undo = append(s.undo, func() { s.Debug.Free(b, word8) })
		}
	}},
	{"Free", heap.DebugOptions{}, true, false, func(s *scene, b []byte) { // at the end of quarantine
		s.at = next()
		s.Debug.Trim()
	}},
}

// A write next to a block, or into one that was freed, is told with its place,
// to the byte, and only once. The twin writes to what belongs to it.
func TestDebugWrongWrite(t *testing.T) {
	for i, f := range finders {
		name := fmt.Sprintf("%d%s", i, f.name)
		for _, off := range []int{-32, -1, 0, 7, 31} {
			if !f.live {
				break
			}
			kind, hint := heap.Overflow, fmt.Sprintf("1 byte written, the first %d past the end", off)
			if off < 0 {
				kind, hint = heap.Underflow, fmt.Sprintf("1 byte written, the nearest %d before the start", -off)
			}
			scenes(t, fmt.Sprintf("%s/%v %d", name, kind, off), kind, f.o, false, func(s *scene) {
				b := s.alloc(word8)
				b[0], b[s.size-1] = 1, 2
				at := off
				if off >= 0 {
					at += s.size
				}
				if s.guilt {
					*byteAt(b, at)++
				}
				s.op, s.hint = "heap: Debug."+f.name, hint
				if f.o.CheckEvery == 0 || s.guilt {
					f.find(s, b)
				} else {
					s.later(b, word8)
				}
			})
		}
		if !f.dead {
			continue
		}
		scenes(t, name+"/after free", heap.WriteAfterFree, f.o, false, func(s *scene) {
			b := s.alloc(word8)
			b[0], b[s.size-1] = 1, 2
			s.free(b, word8)
			if s.guilt {
				b[s.size/2]++
			}
			s.op, s.hint = "heap: Debug."+f.name, fmt.Sprintf("1 byte written, the first at offset %d", s.size/2)
			if f.o.CheckEvery == 0 || s.guilt {
				f.find(s, b)
			}
		})
	}
}

// scenes commits a crime, and does the same without, for every size, in every
// slot, over several children, and in guarded blocks if that is meant.
func scenes(t *testing.T, name string, kind heap.MisuseKind, o heap.DebugOptions, guard bool, do func(s *scene)) {
	children := []mem.Allocator{heap.Page{}, heap.GC{}, testSMP(t)}
	sizes := debugSizes
	if race.Enabled || invariant.Enabled || testing.Short() || special() {
		children, sizes = children[2:], []int{1, 4095, 4096}
	}
	if o.QuarantineBytes == 0 {
		o.QuarantineBytes = 16 << 20 // for the largest
	}
	t.Run(name, func(t *testing.T) {
		for _, child := range children {
			for _, size := range sizes {
				for slot := range 3 {
					if _, smp := child.(*heap.SMP); slot != 1 && (!smp || size > 4096) {
						continue
					}
					play(t, kind, child, o, size, slot, do)
				}
			}
		}
		if guard && vm.HasOS {
			o.Guard = heap.GuardEnd
			play(t, kind, heap.Page{}, o, 4095, 1, do)
		}
	})
}

func play(t *testing.T, kind heap.MisuseKind, child mem.Allocator, o heap.DebugOptions, size, slot int, do func(s *scene)) {
	t.Helper()
	for _, guilt := range []bool{false, true} {
		s := &scene{debugTest: newDebug(t, child, o), size: size, guilt: guilt, slot: slot, kind: kind}
		do(s)
		what := fmt.Sprintf("%T, %d bytes, slot %d, guard %d", child, size, slot, o.Guard)
		if guilt {
			s.judge(what)
		} else if len(s.got) > 0 {
			t.Errorf("%s: the twin is reported: %v", what, s.got)
		}
		s.got = nil
		for _, f := range slices.Backward(s.undo) {
			f()
		}
		if err := s.Debug.Close(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		s.none()
	}
}

// judge compares the report with what it must be.
func (s *scene) judge(what string) {
	s.t.Helper()
	if len(s.got) != 1 {
		s.t.Fatalf("%s: %d reports, want one of %v: %v", what, len(s.got), s.kind, s.got)
	}
	m := s.got[0]
	if m.Kind != s.kind || m.Op != s.op || m.Addr != s.addr || m.Size != s.reported || !strings.Contains(m.Hint, s.hint) {
		s.t.Errorf("%s: %v; want %s: %v: %d bytes at %#x: %s", what, m, s.op, s.kind, s.reported, s.addr, s.hint)
	}
	for _, c := range []struct {
		name, want string
		got        heap.Stack
	}{{"allocation", s.born, m.Alloc}, {"first free", s.died, m.Free}, {"call", s.at, m.Here}, {"other call", s.other, m.Other}} {
		if got := begins(c.got); got != c.want {
			s.t.Errorf("%s: %v: the stack of the %s begins at %q, want %q:\n%v", what, s.kind, c.name, got, c.want, c.got)
		}
	}
}

// begins returns file:line of the innermost frame, or nothing.
func begins(s heap.Stack) string {
	lines := strings.SplitN(s.String(), "\n", 3)
	if len(lines) < 2 {
		return ""
	}
	return strings.TrimSpace(lines[1])
}
