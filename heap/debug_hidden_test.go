package heap_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/asan"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/rt"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

type hiding struct {
	_    int
	name string
	next *hiding
	tail [2][]byte
}

var (
	hiddenGlobal hiding
	hiddenLarge  = make([]byte, 100)
)

//go:noinline
func createHiding(t *testing.T, a mem.Allocator) *hiding {
	p, err := mem.Create[hiding](a)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func needLinked(t *testing.T) {
	t.Helper()
	if !rt.Linked {
		t.Skip("which memory is Go's cannot be told in this build")
	}
	mayHide(t)
}

// mayHide skips t where a Go pointer in memory that the collector does not see is
// more than a mistake.
func mayHide(t *testing.T) {
	t.Helper()
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "GOEXPERIMENT" && strings.Contains(s.Value, "cgocheck2") {
				t.Skip("cgocheck2 ends the process where a pointer is hidden")
			}
		}
	}
}

// A Go pointer in a block that the collector does not see is named by its field.
func TestDebugHiddenPointer(t *testing.T) {
	needLinked(t)
	for _, c := range []struct {
		path string
		set  func(p *hiding)
	}{
		{"hiding.next, of type *heap_test.hiding,", func(p *hiding) { p.next = new(hiding) }},
		{"hiding.name, of type string,", func(p *hiding) { p.name = string(hiddenLarge) }},
		{"hiding.tail[1], of type []uint8,", func(p *hiding) { p.tail[1] = hiddenLarge }},
	} {
		for _, when := range []string{"Free", "Check", "Close"} {
			d := newDebug(t, mem.NoGoPointers(heap.Page{}), heap.DebugOptions{})
			p := createHiding(t, d)
			c.set(p)
			switch when {
			case "Check":
				d.got = d.Check()
				if again := d.Check(); len(again) != 0 {
					t.Errorf("%s: found again: %v", c.path, again)
				}
			case "Free":
				mem.Destroy(d, p)
			case "Close":
				d.Close()
			}
			if len(d.got) != 1 || d.got[0].Kind != heap.HiddenPointer || !strings.Contains(d.got[0].Hint, c.path) {
				t.Fatalf("%s: %s: %v", when, c.path, d.got)
			}
			leadsIn(t, "allocation", d.got[0].Alloc.Program(), "createHiding")
			d.got = nil
			if when == "Check" {
				mem.Destroy(d, p) // was told of
				d.none()
			}
		}
	}
	d := newDebug(t, mem.NoGoPointers(heap.Page{}), heap.DebugOptions{})
	s, err := mem.Alloc[*int](d, 9)
	if err != nil {
		t.Fatal(err)
	}
	s[7] = new(int)
	mem.Free(d, s)
	if len(d.got) != 1 || !strings.HasPrefix(d.got[0].Hint, "*int of element 7, of type *int, is 0x") {
		t.Fatal(d.got)
	}
	d.got = nil
}

// Pointers that keep nothing alive, and those to what an allocator holds, are
// right.
func TestDebugHiddenPointerTwin(t *testing.T) {
	needLinked(t)
	other := newDebug(t, heap.GC{}, heap.DebugOptions{})
	buffer := heap.NewFixedBuffer(make([]byte, 4096))
	over := newDebug(t, mem.NoGoPointers(buffer), heap.DebugOptions{Redzone: -1})
	d := newDebug(t, mem.NoGoPointers(heap.Page{}), heap.DebugOptions{
		Holds: func(at uintptr) bool { return at == addr(hiddenLarge) },
	})
	p, q := createHiding(t, d), createHiding(t, d)
	p.next, p.name = q, "a constant"
	q.next = &hiddenGlobal
	q.tail[0] = debugAlloc(other, 30, word8)
	q.tail[1] = hiddenLarge
	r := createHiding(t, d)
	r.next = createHiding(t, over)
	r.name = string(hiddenLarge)[:0]
	page := debugAlloc(heap.Page{}, 100, word8)
	r.tail[0] = page
	for _, m := range d.Check() {
		t.Error(m)
	}
	debugFree(other, q.tail[0], word8)
	q.tail[0] = nil
	mem.Destroy(over, r.next)
	r.next = nil
	for _, p := range []*hiding{p, q, r} {
		mem.Destroy(d, p)
	}
	debugFree(heap.Page{}, page, word8)
	d.none()
	other.none()
	over.none()

	off := newDebug(t, mem.NoGoPointers(heap.Page{}), heap.DebugOptions{NoHidden: true})
	p = createHiding(t, off)
	p.next = new(hiding)
	mem.Destroy(off, p)
	off.none()
}

// A Free in which Holds panics has freed the block, and told what else is wrong.
func TestDebugHoldsPanics(t *testing.T) {
	needLinked(t)
	d := newDebug(t, mem.NoGoPointers(heap.Page{}), heap.DebugOptions{Holds: func(uintptr) bool { panic("Holds") }})
	s, err := mem.Alloc[*int](d, 9)
	if err != nil {
		t.Fatal(err)
	}
	b := unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), len(s)*int(unsafe.Sizeof(s[0])))
	s[7] = new(int)
	poke(b, len(b))
	func() {
		defer func() {
			if r := recover(); r != "Holds" {
				t.Errorf("recovered %v", r)
			}
		}()
		mem.Free(d, s)
	}()
	d.one(heap.Overflow, b, len(b))
	if n := d.Stats().Blocks; n != 0 {
		t.Errorf("%d blocks are live", n)
	}
	mem.Free(d, s)
	d.one(heap.DoubleFree, b, len(b))
}

func TestDebugHiddenAllocates(t *testing.T) {
	if asan.Enabled {
		t.Skip("sanitized builds allocate more")
	}
	if vm.GoHeap || invariant.Enabled {
		t.Skip("Page allocates in these builds")
	}
	d := newDebug(t, mem.NoGoPointers(heap.Page{}), heap.DebugOptions{QuarantineBlocks: 10})
	pair := func() { mem.Destroy(d, createHiding(t, d)) }
	for range 100 {
		pair()
	}
	if n := testing.AllocsPerRun(100, pair); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What is hidden in bytes no Debug can find: there a pointer looks like anything
// else. It keeps nothing alive, which the runtime's own check makes visible, and
// contrib/hiddenpointer finds the store. The twin keeps the object elsewhere, too.
func TestHiddenInBytes(t *testing.T) {
	const key = "ALLOD_TEST_HIDDEN"
	if how := os.Getenv(key); how != "" {
		d := newDebug(t, heap.Page{}, heap.DebugOptions{})
		b := debugAlloc(d, 8, word8)
		o := hideInBytes(b)
		if how == "hidden" {
			o = nil
		}
		runtime.GC()
		fmt.Printf("value=%#x\n", readHidden(b))
		runtime.KeepAlive(o)
		d.Free(b, word8)
		d.none()
		return
	}
	if special() {
		t.Skip("there are builds whose write barriers end the process at the store")
	}
	for how, want := range map[string]string{"kept": "value=0x2a\n", "hidden": "value=0xdeadbeefdeadbeef\n"} {
		c := exec.Command(os.Args[0], "-test.run=^TestHiddenInBytes$", "-test.count=1")
		c.Env = append(os.Environ(), key+"="+how, "GODEBUG=clobberfree=1", "GOGC=off")
		if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v, want %q in\n%s", how, err, want, out)
		}
	}
}

//go:noinline
func hideInBytes(b []byte) *[16]uint64 {
	o := new([16]uint64)
	o[7] = 42
	*(**[16]uint64)(unsafe.Pointer(unsafe.SliceData(b))) = o
	return o
}

//go:noinline
func readHidden(b []byte) uint64 { return (*(**[16]uint64)(unsafe.Pointer(unsafe.SliceData(b))))[7] }
