package allocatortest

import (
	"runtime"
	"runtime/debug"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

// Clauses 2 and 4: what the caller gives back, and whose it is.

func testLayoutAfterAlloc(p *probe) {
	type pair [2]uint64
	t := mem.TypeFor[pair]()
	plain := mem.Layout{Align: word.Align, Type: t}
	layouts := []mem.Layout{plain, {Align: word.Align, Type: t, Zero: true}}
	if p.scanned() {
		layouts = append(layouts, mem.Layout{Align: word.Align, Type: mem.TypeFor[*pair](), Kind: mem.Managed},
			mem.Layout{Align: word.Align, Type: mem.TypeFor[*pair](), Kind: mem.Local})
	}
	for _, l := range layouts {
		for _, kind := range []mem.Kind{mem.Plain, mem.Local, mem.Managed} {
			for _, zero := range []bool{false, true} {
				if !p.need(3, 64, word) {
					return
				}
				other := l
				other.Kind, other.Zero = kind, zero
				k := p.alloc(64, l)
				k.l = other
				if l.Kind == mem.Plain {
					k.paint(7)
				}
				p.provoke("", func() { // nothing of it is a misuse
					p.change(resize, k, 64)
					p.change(remap, k, 48)
					p.free(k)
				})
			}
		}
	}
}

// provoke calls f, which the suite knows to be misuse, if what is not empty. It
// wants that reported, if it is not.
func (p *probe) provoke(what string, f func()) {
	p.Helper()
	found := watch(f)
	if what == "" {
		for _, m := range found {
			p.Errorf("%s reported, of no misuse\n%s", line(m), describe(m))
		}
	}
}

func testLayoutWrong(p *probe) {
	if p.ForeignUnknown {
		p.Skip("an allocator that cannot tell its blocks")
	}
	l := mem.Layout{Align: word.Align, Type: mem.TypeFor[uint64]()}
	const size = 72 // no whole number of what it may be mistaken for
	crimes := []struct {
		name string
		do   func(*mem.Layout)
	}{
		{"smaller Align", func(l *mem.Layout) { l.Align = mem.Align(1) }},
		{"larger Align", func(l *mem.Layout) { l.Align = mem.Align(64) }},
		{"other Type", func(l *mem.Layout) { l.Type = mem.TypeFor[[2]uint32]() }},
	}
	for _, crime := range crimes {
		p.renew() // so that the blocks are likely to be neighbours
		if !p.need(12, 2*size, word) {
			return
		}
		before, k, after := p.alloc(size, l), p.alloc(size, l), p.alloc(size, l)
		for i, k := range []*block{before, k, after} {
			k.paint(uint64(i))
		}
		bad := k.l
		crime.do(&bad)
		found := watch(func() { p.a.Free(k.b, bad) })
		if len(found) > 0 {
			p.intact(k, size, "after Free with "+crime.name+" was reported")
			p.free(k)
		} else {
			p.forget(k)
		}
		for _, n := range [...]int{size, 8, 24, size / 2, 2 * size, 56, size, size} {
			k := p.alloc(n, l)
			for _, other := range []*block{before, after} {
				if overlap(k.b, other.b) {
					p.Errorf("after Free with %s: Alloc served %s, which overlaps %s", crime.name, show(k.b), show(other.b))
				}
			}
			k.paint(99)
		}
		for _, k := range []*block{before, after} {
			p.intact(k, size, "after Free with "+crime.name)
		}
		p.freeAll()
	}
}

func testFreeOrder(p *probe) {
	const n = 6
	orders := [][]int{{0, 1, 2, 3, 4, 5}, {5, 4, 3, 2, 1, 0}, {0, 2, 4, 1, 3, 5}, {3, 5, 0, 4, 1, 2}}
	for _, size := range some(p.largest() / (4 * n)) {
		for _, order := range orders {
			if !p.need(3*n, size, word) {
				break
			}
			var blocks [n]*block
			for i := range blocks {
				blocks[i] = p.alloc(size, word)
				blocks[i].paint(uint64(i))
			}
			for i, x := range order {
				p.intact(blocks[x], size, "after others were freed")
				p.free(blocks[x])
				if i == 1 || i == n/2 {
					for range i + 1 { // into the gaps, or elsewhere
						p.alloc(size, word).paint(77)
					}
				}
			}
			p.freeAll()
		}
	}
}

func testForeign(p *probe) {
	if p.ForeignUnknown {
		p.Skip("an allocator that cannot tell foreign blocks")
	}
	for _, size := range []int{1, 8, 24, 64, 512, 4095, 4096, 64 << 10} {
		if !p.need(12, size, word) {
			continue
		}
		before := p.alloc(size, word)
		before.paint(1)
		moved := append(before.b, 1) // the commonest way to a foreign block
		strangers := []struct {
			name string
			b    []byte
		}{
			{"a block that append moved", moved},
			{"a block of the Go heap", make([]byte, size)},
			{"a block of a global", global[64 : 64+min(size, 256) : 64+min(size, 256)]},
		}
		for _, s := range strangers {
			paint(s.b, 42)
			for _, crime := range []struct {
				name string
				do   func() bool
			}{
				{"Free", func() bool { p.a.Free(s.b, word); return true }},
				{"Resize", func() bool { b, ok := p.a.Resize(s.b, word, len(s.b)*2); return !ok && same(b, s.b) }},
				{"Remap", func() bool { b, ok := p.a.Remap(s.b, word, len(s.b)*2); return !ok && same(b, s.b) }},
			} {
				untouched := true
				found := watch(func() { untouched = crime.do() })
				// An allocator that never resizes need not look at what.
				if len(found) == 0 && crime.name == "Free" {
					p.Errorf("%s of %s, %d bytes: not reported", crime.name, s.name, len(s.b))
				}
				for _, m := range found {
					// Go's heap may have put the stranger where a block lay that
					// the allocator gave back: then it is known as freed.
					if m.Kind != heap.ForeignFree && m.Kind != heap.WrongAllocator && m.Kind != heap.DoubleFree {
						p.Errorf("%s of %s: reported as %v", crime.name, s.name, m)
					}
				}
				if !untouched {
					p.Errorf("%s of %s, %d bytes: not refused", crime.name, s.name, len(s.b))
				}
				if i := painted(s.b, len(s.b), 42); i >= 0 {
					p.Errorf("%s of %s, %d bytes: byte %d changed", crime.name, s.name, len(s.b), i)
				}
			}
			for range 3 {
				k := p.alloc(size, word)
				if overlap(k.b, s.b) {
					p.Fatalf("after Free of %s: Alloc served it, %s", s.name, show(k.b))
				}
				k.paint(5)
			}
		}
		p.intact(before, size, "after foreign blocks")
		p.freeAll()
	}
}

// testForeignUnread gives the allocator blocks in pages that nobody may read: one
// that finds out whose a block is by what is written before it, or in it, gets a
// fault.
func testForeignUnread(p *probe) {
	if p.ForeignUnknown {
		p.Skip("an allocator that cannot tell foreign blocks")
	}
	const room = 256 << 10
	pages, err := vm.Reserve(room, 1)
	if err != nil {
		p.Skip("there are no such pages: " + err.Error())
	}
	defer vm.Unreserve(pages, 0)
	if !p.need(1, 64, word) {
		return
	}
	live := p.alloc(64, word)
	live.paint(1)
	for _, size := range []int{1, 24, 64, 512, 4096, 64 << 10} {
		// Not where pages begin, and where they do.
		for _, at := range []int{64 << 10, 64<<10 + 16, 64<<10 + 64} {
			b := pages[at : at+size : at+size]
			for _, crime := range []struct {
				name string
				do   func() bool
			}{
				{"Free", func() bool { p.a.Free(b, word); return true }},
				{"Resize", func() bool { c, ok := p.a.Resize(b, word, size*2); return !ok && same(c, b) }},
				{"Remap", func() bool { c, ok := p.a.Remap(b, word, size*2); return !ok && same(c, b) }},
			} {
				refused := true
				var found []*heap.Misuse
				if at, fault := faulting(func() { found = watch(func() { refused = crime.do() }) }); fault {
					p.Fatalf("%s of a foreign block, %s: looked into memory at %#x", crime.name, show(b), at)
				}
				if !refused {
					p.Errorf("%s of a foreign block, %s: not refused", crime.name, show(b))
				}
				if len(found) == 0 && crime.name == "Free" {
					p.Errorf("%s of a foreign block, %s: not reported", crime.name, show(b))
				}
			}
		}
	}
	p.intact(live, 64, "after foreign blocks")
	p.freeAll()
}

// faulting calls f and tells whether it read or wrote where nobody may, and at
// which address.
func faulting(f func()) (at uintptr, fault bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(interface {
				runtime.Error
				Addr() uintptr
			})
			if !ok {
				panic(r)
			}
			at, fault = e.Addr(), true
		}
	}()
	f()
	return 0, false
}

// global is memory that no allocator has served.
var global [1024]byte
