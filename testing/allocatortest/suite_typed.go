package allocatortest

import (
	"errors"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// Clauses 5 to 8, which are about blocks with pointers.

// needScanned skips the part unless managed blocks are served.
func (p *probe) needScanned() {
	p.Helper()
	if !p.scanned() {
		p.Skip("an allocator that is not scanned")
	}
}

func testElements(p *probe) {
	kind := mem.Managed
	if !p.scanned() {
		kind = mem.Local
	}
	for _, s := range shapes {
		for _, n := range counts {
			if kind == mem.Local && !p.need(2, n*s.size(), s.layout(kind)) {
				continue
			}
			if kind == mem.Local && s.typ() == mem.TypeFor[any]() {
				continue // the typed layer never asks for it
			}
			l := s.layout(kind)
			k := p.alloc(n*s.size(), l)
			if len(k.b) != n*s.size() || cap(k.b) != len(k.b) {
				p.Errorf("%v: len %d, cap %d", request(n*s.size(), l), len(k.b), cap(k.b))
			}
			if a := l.Type.Reflect().Align(); address(k.b)%uintptr(a) != 0 {
				p.Errorf("%v: address %#x", request(n*s.size(), l), address(k.b))
			}
			if i := cleared(k.b); i >= 0 {
				p.Errorf("%v: byte %d is %#x", request(n*s.size(), l), i, k.b[i])
			}
			p.free(k)
		}
	}
	if !p.scanned() {
		return
	}
	// A whole block of each, with nothing else to hold the targets.
	var all []*planted
	for i, s := range shapes {
		for j, n := range counts {
			if !p.need(len(shapes)*len(counts), n*s.size(), s.layout(kind)) {
				continue
			}
			all = append(all, p.plant(s, kind, n, uint64(i*100+j)))
		}
	}
	collect()
	for _, x := range all {
		p.alive(x, len(x.refs), "after a collection")
	}
	// Over-aligned ones, which an allocator may refuse.
	for log2 := 4; log2 <= min(p.MaxAlign.Log2(), mem.Align(os.Getpagesize()).Log2()); log2++ {
		l := shapes[2].layout(kind)
		l.Align = mem.AlignLog2(log2)
		b, err := p.a.Alloc(4*shapes[2].size(), l)
		if err != nil {
			if !errors.Is(err, mem.ErrOutOfMemory) {
				p.Errorf("%v: %v", request(4*shapes[2].size(), l), err)
			}
			continue
		}
		if !l.Align.Check(address(b)) {
			p.Errorf("%v: address %#x", request(len(b), l), address(b))
		}
		x := &planted{block: &block{b: b, l: l}, s: shapes[2], seed: 4}
		p.live = append(p.live, x.block)
		apart(func() { x.plant(0) })
		collect()
		p.alive(x, len(x.refs), "over-aligned, after a collection")
	}
}

func testManagedMoves(p *probe) {
	p.needScanned()
	for _, s := range shapes {
		for _, n := range []int{1, 8, 100} {
			for _, to := range []int{n, n + 1, 2 * n, 40 * n, max(n/2, 1)} {
				if !p.need(4, max(n, to)*s.size(), s.layout(mem.Managed)) {
					continue
				}
				k := p.alloc(n*s.size(), s.layout(mem.Managed))
				at := address(k.b)
				if p.change(remap, k, to*s.size()) && address(k.b) != at {
					p.Errorf("Remap of %d %v to %d: moved from %#x to %#x", n, s.typ(), to, at, address(k.b))
				}
				p.free(k)
			}
		}
	}
}

// pointerKinds are those of blocks that the collector sees in scanned memory.
var pointerKinds = [...]mem.Kind{mem.Managed, mem.Local}

func testManagedResize(p *probe) {
	p.needScanned()
	for _, w := range ways {
		var all []*planted
		for i, s := range shapes {
			for _, n := range []int{2, 8, 64} {
				for j, to := range []int{n / 2, n + 1, 4 * n, n / 2, n + 1, 4 * n} {
					kind := pointerKinds[j/3]
					if !p.need(len(shapes)*3*6*2, to*s.size(), s.layout(kind)) {
						continue
					}
					x := p.plant(s, kind, n, uint64(i))
					if !p.change(w, x.block, to*s.size()) {
						all = append(all, x)
						continue
					}
					if to < n && p.change(w, x.block, n*s.size()) { // and grown again
						if i := cleared(x.b[to*s.size():]); i >= 0 {
							p.Errorf("%s(%d -> %d -> %d) of %v: byte %d is not zero", w.name, n, to, n, s.typ(), to*s.size()+i)
							continue // to store a pointer there could crash the collector
						}
					}
					if now := len(x.b) / s.size(); now > n {
						if i := cleared(x.b[n*s.size():]); i >= 0 {
							p.Errorf("%s(%d -> %d) of %v: byte %d is not zero", w.name, n, now, s.typ(), n*s.size()+i)
							continue
						}
					}
					apart(func() { x.plant(min(n, to, len(x.b)/s.size())) })
					all = append(all, x)
				}
			}
		}
		collect()
		for _, x := range all {
			p.alive(x, len(x.refs), "after "+w.name+" and a collection")
		}
		p.freeAll()
	}
}

// ballast is a list that takes the collector a while to walk.
type ballast struct {
	next *ballast
	_    [6]uintptr
}

// testManagedFree finds allocators that clear managed memory bytewise. While the
// collector marks, whoever overwrites a pointer tells it; a clear of bytes does
// not. A pointer that was loaded from the block to a stack which the collector
// had looked at already is then overlooked, and what it points at collected. Local
// blocks are scanned as well, so that it is the same with them.
//
// So it fills blocks, starts a collection, loads the pointers while it runs, and
// has the allocator vacate the blocks. None of the targets may be lost, since the
// stack still holds them. This is a race against the collector, and some rounds
// prove nothing; those that find something are right.
func testManagedFree(p *probe) {
	p.needScanned()
	s := shapes[0]
	const n, each, watched = 256, 8, 8 - 1
	size := each * s.size()
	if !p.need(3*n, size, s.layout(mem.Managed)) {
		p.Skip("not enough memory")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // only the collections that it starts
	rounds, weight := hammerRounds, 1<<15
	if race.Enabled {
		weight /= 4
	}
	var heavy *ballast
	for range weight {
		heavy = &ballast{next: heavy}
	}
	lost := 0
	for round := 0; round < rounds && lost == 0 && !p.Failed(); round++ {
		if !p.need(3*n, size, s.layout(mem.Managed)) {
			break
		}
		blocks := make([]*planted, n)
		for i := range blocks {
			blocks[i] = p.plant(s, pointerKinds[i%len(pointerKinds)], each, uint64(i))
		}
		var over atomic.Bool
		done := make(chan struct{})
		go func() {
			runtime.GC()
			over.Store(true)
			close(done)
		}()
		apart(func() {
			var held [n]*target // on this stack, and nowhere else
			i := 0
			for ; i < n && !over.Load(); i++ {
				held[i] = s.load(blocks[i].b, watched)
				p.vacate(blocks[i], i)
				for range 20 {
					if !over.Load() {
						runtime.Gosched()
					}
				}
			}
			<-done
			for j, t := range held[:i] {
				if blocks[j].refs[watched].Value() == nil {
					lost++
				}
				runtime.KeepAlive(t)
			}
		})
		p.freeAll()
	}
	runtime.KeepAlive(heavy)
	if lost > 0 {
		p.Errorf("%d targets were collected while the program held pointers to them: "+
			"vacated memory was cleared as bytes", lost)
	}
}

// vacate makes the allocator take back the last element of x, in one of three
// ways.
func (p *probe) vacate(x *planted, way int) {
	size := len(x.b)
	if way%3 == 1 && p.change(resize, x.block, size-x.s.size()) {
		return
	}
	p.free(x.block)
	if way%3 == 2 && p.need(1, size, x.l) {
		p.allocTyped(size, x.l) // perhaps the same memory
	}
}

// hammerRounds is how often testManagedFree tries.
var hammerRounds = 3

func testLocalZero(p *probe) {
	kind := mem.Local
	for _, s := range shapes {
		if s.typ() == mem.TypeFor[any]() {
			continue
		}
		for _, n := range []int{1, 5, 64, 500} {
			size := n * s.size()
			l := s.layout(kind)
			if !p.need(4, size, l) {
				continue
			}
			if !p.scanned() { // memory that was used, by a block that may be filled
				k := p.alloc(size, mem.Layout{Align: l.Align})
				dirtyLocal(k.b)
				p.free(k)
			}
			k := p.alloc(size, l)
			if i := cleared(k.b); i >= 0 {
				p.Errorf("%v: byte %d is %#x", request(size, l), i, k.b[i])
			}
			if !p.scanned() {
				dirtyLocal(k.b)
				half := (n + 1) / 2 * s.size()
				if p.change(resize, k, half) && p.change(resize, k, size) {
					if i := cleared(k.b[half:]); i >= 0 {
						p.Errorf("Resize(%d -> %d) of a local block: byte %d is %#x", half, size, half+i, k.b[half+i])
					}
				}
				dirtyLocal(k.b)
			}
			p.free(k)
		}
	}
}

func testLocalScanned(p *probe) {
	p.needScanned()
	var all []*planted
	for i, s := range shapes {
		if !p.need(2*len(shapes), 30*s.size(), s.layout(mem.Local)) {
			continue
		}
		all = append(all, p.plant(s, mem.Local, 30, uint64(i)), p.plant(s, mem.Managed, 3, uint64(i)))
	}
	collect()
	for _, x := range all {
		p.alive(x, len(x.refs), "local, after a collection")
	}
}

func testAnswer(p *probe) {
	want := p.a.Pointers()
	if want > mem.Scanned {
		p.Errorf("Pointers() = %v", want)
	}
	k := p.alloc(64, word)
	if got := p.a.Pointers(); got != want {
		p.Errorf("Pointers() = %v after Alloc, and %v before", got, want)
	}
	p.hopeless(math.MaxInt-100, word)
	if got := p.a.Pointers(); got != want {
		p.Errorf("Pointers() = %v after a failed Alloc, and %v before", got, want)
	}
	p.free(k)
	if got := p.a.Pointers(); got != want {
		p.Errorf("Pointers() = %v after Free, and %v before", got, want)
	}
}

func testRefuse(p *probe) {
	if p.scanned() {
		p.Skip("an allocator that is scanned")
	}
	k := p.alloc(64, word)
	k.paint(1)
	for _, s := range shapes {
		for _, n := range []int{1, 10, 1000} {
			l := s.layout(mem.Managed)
			b, err := p.a.Alloc(n*s.size(), l)
			if err == nil {
				p.Errorf("%v was served, where Pointers() is %v", request(n*s.size(), l), p.a.Pointers())
				p.a.Free(b, l)
				continue
			}
			var pe *mem.PointerError
			switch {
			case b != nil:
				p.Errorf("%v: error %v and a block, %s", request(n*s.size(), l), err, show(b))
			case !errors.Is(err, mem.ErrPointers):
				p.Errorf("%v: error %q, which does not wrap mem.ErrPointers", request(n*s.size(), l), err)
			case !errors.As(err, &pe):
				p.Errorf("%v: error %q, which is no *mem.PointerError", request(n*s.size(), l), err)
			case pe.Type != l.Type.Reflect():
				p.Errorf("%v: an error about %v: %v", request(n*s.size(), l), pe.Type, err)
			}
		}
	}
	p.intact(k, 64, "after managed blocks were refused")
	p.alloc(64, word)
}

func testScanned(p *probe) {
	p.needScanned()
	var all []*planted
	for range 2 {
		for i, s := range shapes {
			if !p.need(4*len(shapes), 12*s.size(), s.layout(mem.Managed)) {
				continue
			}
			all = append(all, p.plant(s, mem.Managed, 12, uint64(i)))
			if i%2 == 1 {
				x := p.plant(s, mem.Managed, 4, 9)
				apart(func() { p.free(x.block) })
			}
		}
	}
	collect()
	for _, x := range all {
		p.alive(x, len(x.refs), "after a collection")
	}
}

// testApart frees blocks of one type and asks for as many bytes as another: what
// comes back must be typed anew, or be other memory.
func testApart(p *probe) {
	p.needScanned()
	const bytes = 2 * 3 * 5 * 64 // whole elements of all types here
	from := []mem.Layout{
		{Align: word.Align},
		{Align: word.Align, Type: mem.TypeFor[uint64]()},
		shapes[0].layout(mem.Managed), shapes[1].layout(mem.Managed), shapes[2].layout(mem.Managed), shapes[3].layout(mem.Managed),
	}
	var all []*planted
	for i, l := range from {
		for j, s := range shapes[:4] {
			if l.Type == s.typ() || !p.need(64, bytes, word) {
				continue
			}
			for range 2 {
				k := p.alloc(bytes, l)
				if l.Kind == mem.Plain {
					dirty(k.b)
				}
				p.free(k)
				x := p.plant(s, mem.Managed, bytes/s.size(), uint64(i*10+j))
				all = append(all, x)
			}
		}
	}
	collect()
	for _, x := range all {
		p.alive(x, len(x.refs), "in memory that another type may have had, after a collection")
	}
	p.freeAll()

	// The other way: in a plain block an address is a number. Were it scanned, it
	// would keep alive what is there, and any other number would crash the
	// collector.
	var k *block
	var ref weak.Pointer[target]
	apart(func() {
		x := p.allocTyped(bytes, shapes[0].layout(mem.Managed))
		if x == nil {
			return
		}
		p.free(x)
		if k = p.allocTyped(bytes, word); k == nil {
			return
		}
		clear(k.b)
		t := new(target)
		ref = weak.Make(t)
		numbers := view[uintptr](k.b)
		for i := range numbers {
			numbers[i] = number(t)
		}
	})
	if k == nil {
		return
	}
	for range 5 {
		collect()
		if ref.Value() == nil {
			return
		}
		apart(func() {}) // whatever stack still had it
	}
	p.Errorf("a plain block is memory that the collector scans")
}

// testCollecting does what a program does, while the collector runs all the time.
func testCollecting(p *probe) {
	p.needScanned()
	var over atomic.Bool
	var cycles atomic.Int64
	cycle := make(chan struct{}, 1) // one ended
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for !over.Load() {
			runtime.GC()
			cycles.Add(1)
			select {
			case cycle <- struct{}{}:
			default:
			}
		}
	}()
	defer wg.Wait()
	defer over.Store(true)
	rounds := 150
	if race.Enabled {
		rounds = 60
	}
	var all []*planted
	for i := range rounds {
		for cycles.Load() < int64(i/8) {
			<-cycle
		}
		s := shapes[i%len(shapes)]
		n := 1 + i*7%40
		if !p.need(24, 4*n*s.size(), s.layout(mem.Managed)) || len(all) > 0 && len(p.live) == 0 {
			all = nil // renewed
			continue
		}
		x := p.plant(s, mem.Managed, n, uint64(i))
		if i%3 == 0 && p.change(ways[i/3%2], x.block, 2*n*s.size()) {
			apart(func() { x.plant(n) })
		}
		all = append(all, x)
		if len(all) > 12 {
			x := all[i*5%12]
			p.alive(x, len(x.refs), "while the collector runs")
			all[i*5%12] = all[len(all)-1]
			all = all[:len(all)-1]
			apart(func() { p.free(x.block) })
		}
		if i%20 == 19 { // the collector may have been slow
			collect()
			for _, x := range all {
				p.alive(x, len(x.refs), "while the collector runs")
			}
		}
		if p.Failed() {
			return
		}
	}
	collect()
	for _, x := range all {
		p.alive(x, len(x.refs), "while the collector runs")
	}
}
