package heap_test

import (
	"fmt"
	"log/slog"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

// told is what an allocator says of a wrong block of each kind, 0 for nothing:
// of small blocks, and of large ones if that differs.
type told struct{ part, cut, freed, others, closed heap.MisuseKind }

// alone are the allocators that tell a wrong block from a right one without a
// Debug, by the name that is in their reports.
var alone = []struct {
	name         string
	make         func(t *testing.T) mem.Allocator
	small, large told
}{
	{"Page", func(*testing.T) mem.Allocator { return heap.Page{} },
		told{heap.InteriorFree, heap.SizeMismatch, heap.DoubleFree, 0, 0}, told{}},
	{"Pages", func(*testing.T) mem.Allocator { return heap.NewPages(heap.PageOptions{}) },
		told{heap.InteriorFree, heap.SizeMismatch, heap.DoubleFree, heap.WrongAllocator, 0}, told{}},
	{"Reserved", func(*testing.T) mem.Allocator { return heap.NewReserved(4 << 20) },
		told{heap.InteriorFree, heap.SizeMismatch, heap.DoubleFree, heap.WrongAllocator, 0}, told{}},
	{"SMP", func(t *testing.T) mem.Allocator { return testSMP(t) },
		told{heap.InteriorFree, heap.SizeMismatch, heap.DoubleFree, heap.WrongAllocator, heap.UseAfterClose}, told{}},
	{"SMPCache", func(t *testing.T) mem.Allocator { return testSMP(t).Cache() },
		told{heap.InteriorFree, heap.SizeMismatch, heap.DoubleFree, heap.WrongAllocator, 0}, told{}},
	{"Arena", func(t *testing.T) mem.Allocator { return heap.NewArena(heap.GC{}) },
		told{0, 0, heap.DoubleFree, heap.ForeignFree, heap.UseAfterClose},
		told{heap.InteriorFree, heap.SizeMismatch, heap.ForeignFree, heap.ForeignFree, heap.UseAfterClose}},
	{"ConcurrentArena", func(t *testing.T) mem.Allocator { return heap.NewConcurrentArena(heap.GC{}) },
		told{0, 0, heap.DoubleFree, heap.ForeignFree, heap.UseAfterClose},
		told{heap.InteriorFree, heap.SizeMismatch, heap.ForeignFree, heap.ForeignFree, heap.UseAfterClose}},
	{"FixedBuffer", func(*testing.T) mem.Allocator { return heap.NewFixedBuffer(make([]byte, 1<<20)) },
		told{heap.InteriorFree, heap.SizeMismatch, heap.DoubleFree, heap.ForeignFree, 0}, told{}},
	{"SharedBuffer", func(*testing.T) mem.Allocator { return heap.NewFixedBuffer(make([]byte, 1<<20)).ThreadSafe() },
		told{0, 0, 0, heap.ForeignFree, 0}, told{}},
	{"BufferFirst", func(*testing.T) mem.Allocator { return heap.NewBufferFirst(make([]byte, 1<<20), heap.Page{}) },
		told{heap.InteriorFree, heap.SizeMismatch, heap.DoubleFree, 0, 0}, told{}},
	{"Validation", func(*testing.T) mem.Allocator { return heap.NewValidation(heap.GC{}) },
		told{heap.InteriorFree, heap.SizeMismatch, heap.DoubleFree, heap.ForeignFree, 0}, told{}},
	// What a wrapper passes on, its child reports.
	{"Pages", func(*testing.T) mem.Allocator { return heap.NewCounting(heap.NewPages(heap.PageOptions{})) },
		told{heap.InteriorFree, heap.SizeMismatch, heap.DoubleFree, heap.WrongAllocator, 0}, told{}},
	{"Pages", func(*testing.T) mem.Allocator { return heap.NewLimit(heap.NewPages(heap.PageOptions{}), 1<<30) },
		told{heap.InteriorFree, heap.SizeMismatch, heap.DoubleFree, heap.WrongAllocator, 0}, told{}},
	{"Pages", func(*testing.T) mem.Allocator {
		return heap.NewFailing(heap.NewPages(heap.PageOptions{}), heap.FailingOptions{})
	}, told{heap.InteriorFree, heap.SizeMismatch, heap.DoubleFree, heap.WrongAllocator, 0}, told{}},
	{"Pages", func(*testing.T) mem.Allocator { return heap.NewThreadSafe(heap.NewPages(heap.PageOptions{})) },
		told{heap.InteriorFree, heap.SizeMismatch, heap.DoubleFree, heap.WrongAllocator, 0}, told{}},
	{"Pages", func(*testing.T) mem.Allocator { return heap.NewProfile(heap.NewPages(heap.PageOptions{})) },
		told{heap.InteriorFree, heap.SizeMismatch, heap.DoubleFree, heap.WrongAllocator, 0}, told{}},
	{"Pages", func(*testing.T) mem.Allocator { return heap.NewHybrid(heap.NewPages(heap.PageOptions{})) },
		told{heap.InteriorFree, heap.SizeMismatch, heap.DoubleFree, heap.WrongAllocator, 0}, told{}},
	{"Pages", func(*testing.T) mem.Allocator {
		return new(heap.Registry).Named(heap.NewPages(heap.PageOptions{}), "x")
	}, told{heap.InteriorFree, heap.SizeMismatch, heap.DoubleFree, heap.WrongAllocator, 0}, told{}},
	{"Pages", func(*testing.T) mem.Allocator {
		return heap.NewLogging(heap.NewPages(heap.PageOptions{}), heap.LoggingOptions{Logger: slog.New(slog.DiscardHandler)})
	}, told{heap.InteriorFree, heap.SizeMismatch, heap.DoubleFree, heap.WrongAllocator, 0}, told{}},
}

// Every allocator says all that is known of a wrong block: what is wrong, who
// found it, address and size, and the line of the call.
func TestMisuseToldInFull(t *testing.T) {
	l := mem.Layout{}
	for _, room := range alone {
		for _, size := range []int{64, 4095, 4096, 256 << 10} {
			say := room.small
			if size > 64 && room.large != (told{}) {
				say = room.large
			}
			foreign := heap.ForeignFree
			if room.name == "BufferFirst" { // the child's, Page
				foreign = 0
			}
			for _, c := range []struct {
				name string
				kind heap.MisuseKind
				do   func(a mem.Allocator, b []byte) []byte
			}{
				{"of the Go heap", foreign, func(mem.Allocator, []byte) []byte { return make([]byte, size+1)[1:] }},
				{"moved by append", foreign, func(_ mem.Allocator, b []byte) []byte { return append(b, 1) }},
				{"part", say.part, func(_ mem.Allocator, b []byte) []byte { return b[1:] }},
				{"cut", say.cut, func(_ mem.Allocator, b []byte) []byte { return b[: size/2 : size/2] }},
				{"freed", say.freed, func(a mem.Allocator, b []byte) []byte { a.Free(b, l); return b }},
				{"another's", say.others, func(mem.Allocator, []byte) []byte { return debugAlloc(room.make(t), size, l) }},
				{"closed", say.closed, func(a mem.Allocator, b []byte) []byte { a.(interface{ Close() error }).Close(); return b }},
			} {
				if c.kind == 0 || vm.GoHeap && (c.name == "freed" || c.name == "closed") ||
					unsafe.Sizeof(uintptr(0)) == 4 && c.name == "moved by append" {
					continue // nothing is said; or somebody else's address may be one that was freed
				}
				a := room.make(t)
				b := debugAlloc(a, size, l)
				var wrong []byte
				if got := misuses(t, func() { wrong = c.do(a, b) }); len(got) > 0 { // no mistake yet
					t.Fatalf("%T, %s, %d bytes: %v", a, c.name, size, got)
				}
				var at string
				for name, call := range map[string]func(){
					"Free":   func() { at = line(); a.Free(wrong, l) },
					"Resize": func() { at = line(); a.Resize(wrong, l, 1) },
					"Remap":  func() { at = line(); a.Remap(wrong, l, 1) },
				} {
					op := fmt.Sprintf("heap: %s.%s", room.name, name)
					if op == "heap: SMPCache.Free" {
						op = "heap: SMP.Free" // which it leaves everything to that it does not know
					}
					got := misuses(t, call)
					if len(got) != 1 {
						t.Errorf("%T, %s, %d bytes: %s: %v, want %v", a, c.name, size, name, got, c.kind)
						continue
					}
					if m := got[0]; m.Kind != c.kind || m.Op != op || m.Addr != addr(wrong) || m.Size != len(wrong) ||
						m.Hint == "" || begins(m.Here.Program()) != at {
						t.Errorf("%T, %s, %d bytes: %v\n%v\nwant %v in %s of %d bytes at %#x, at %s",
							a, c.name, size, m, m.Here, c.kind, op, len(wrong), addr(wrong), at)
					}
				}
			}
		}
	}
}
