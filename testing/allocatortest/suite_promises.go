package allocatortest

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"testing"

	"github.com/allod-dev/allod/internal/asan"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

// What an allocator can do, or promises, beyond the contract.

// testAbilities asks what is found with mem.As, be it of a child: a wrapper that
// changes the answer must give its own.
func testAbilities(p *probe) {
	if owner, owns := mem.As[mem.Owner](p.a); owns {
		stranger := make([]byte, 64)
		if owner.Owns(stranger) && !p.ForeignUnknown {
			p.Errorf("%T: Owns a block of the Go heap, %s", owner, show(stranger))
		}
	}
	for _, size := range some(p.largest() / 32) {
		if !p.need(8, 2*size, word) {
			continue
		}
		// need may have taken a new allocator.
		owner, owns := mem.As[mem.Owner](p.a)
		sizer, sizes := mem.As[mem.UsableSizer](p.a)
		for i := range 3 {
			n := size
			if i == 1 {
				n = mem.GoodSize(p.a, size, word)
				if n < size {
					p.Errorf("GoodSize(%d) = %d", size, n)
				}
				if n < size || n > p.largest()/16 {
					continue
				}
			}
			k := p.alloc(n, word)
			if owns && !owner.Owns(k.b) {
				p.Errorf("%T: does not own %s, which it served", owner, show(k.b))
			}
			if !sizes {
				continue
			}
			if got := sizer.UsableSize(k.b); got < n {
				p.Errorf("%T: UsableSize is %d for a block of %d", sizer, got, n)
			}
		}
		for i, k := range p.live {
			k.paint(uint64(i))
		}
		held := 0
		for _, k := range p.live {
			held += len(k.b)
		}
		testFootprint(p, held)
		for _, k := range p.live {
			if sizes { // all of it is this block's
				spare := longer(k.b, sizer.UsableSize(k.b))[len(k.b):]
				paint(spare, 99)
			}
		}
		p.free(p.live[1])
		mem.Trim(p.a)
		for _, k := range p.live {
			p.intact(k, len(k.b), "after Trim and writing all that is usable")
		}
		p.alloc(size, word).paint(5)
		p.freeAll()
		mem.Trim(p.a)
	}
}

// testFootprint asks what is held, which is so many bytes at least. Who writes
// figures down for others may not know yet what is live, but never says less.
func testFootprint(p *probe, bytes int) {
	x, ok := mem.As[mem.Footprinter](p.a)
	if !ok {
		return
	}
	x.Footprint()
	f := x.Footprint()
	if f.IsZero() {
		return // nothing is known
	}
	live, slots := int64(0), int64(0)
	for i, c := range f.Classes {
		live += c.Live * int64(c.Size)
		slots += c.Slots * int64(c.Size)
		if c.Size <= 0 || c.Live < 0 || c.Cached < 0 || c.Live+c.Cached > c.Slots || i > 0 && c.Size <= f.Classes[i-1].Size {
			p.Errorf("%T: Footprint has the class %+v", x, c)
		}
	}
	if f.Committed < int64(bytes) || f.Reserved < f.Committed || f.Live > f.Committed || live > f.Live || slots > f.Committed {
		p.Errorf("%T: Footprint is %+v with %d bytes live", x, f, bytes)
	}
}

// testConcurrent lets goroutines allocate, write, hand over, read and free.
func testConcurrent(p *probe) {
	if !p.Concurrent {
		p.Skip("not promised")
	}
	const workers = 8
	rounds := 400
	if race.Enabled || testing.Short() {
		rounds = 100
	}
	type parcel struct {
		*block
		x *planted
	}
	var (
		belts [workers]chan parcel
		wg    sync.WaitGroup
		mu    sync.Mutex
		bad   []string
	)
	fail := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		bad = append(bad, fmt.Sprintf(format, args...))
	}
	for i := range belts {
		belts[i] = make(chan parcel, 16)
	}
	a, scanned := p.a, p.scanned()
	most := 2000
	if p.MaxSize > 0 {
		most = min(most, p.MaxSize/(workers*64*4))
		if !p.ReusesFreed {
			rounds = min(rounds, p.MaxSize/(workers*4*max(most, 1)))
		}
	}
	if most < 1 || rounds < 1 {
		p.Skip("not enough memory")
	}
	check := func(k parcel, when string) {
		if k.x != nil {
			for i, r := range k.x.refs {
				t := r.Value()
				if t == nil || k.x.s.load(k.x.b, i) != t || t[0] != magic^k.x.seed {
					fail("%s: element %d of %d %v lost what it points at", when, i, len(k.x.refs), k.x.s.typ())
					return
				}
			}
			return
		}
		if i := painted(k.b, k.n, k.seed); i >= 0 {
			fail("%s: byte %d of %s changed", when, i, show(k.b))
		}
	}
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rnd := uint64(w)*0x9e3779b97f4a7c15 + 1
			dice := func(n int) int {
				rnd ^= rnd << 13
				rnd ^= rnd >> 7
				rnd ^= rnd << 17
				return int(rnd >> 1 % uint64(n))
			}
			var mine []parcel
			for i := range rounds {
				size := 1 + dice(most)
				l := mem.Layout{Align: mem.AlignLog2(dice(7)).Min(p.MaxAlign), Zero: dice(2) == 0}
				seed := uint64(w)<<32 | uint64(i)
				k := parcel{block: &block{l: l}}
				if scanned && dice(4) == 0 {
					s := shapes[dice(len(shapes))]
					size = (1 + dice(8)) * s.size()
					k.l = s.layout(mem.Managed)
					k.x = &planted{block: k.block, s: s, seed: seed}
				}
				b, err := a.Alloc(size, k.l)
				if err != nil {
					if p.MaxSize == 0 || !errors.Is(err, mem.ErrOutOfMemory) {
						fail("%v: %v", request(size, k.l), err)
						return
					}
					continue
				}
				k.b = b
				if len(b) != size {
					fail("%v: len %d", request(size, k.l), len(b))
					return
				}
				if i := cleared(b); i >= 0 && (k.l.Zero || k.l.Kind != mem.Plain) {
					fail("%v: byte %d is %#x", request(size, k.l), i, b[i])
					return
				}
				if k.x != nil {
					k.x.plant(0)
				} else {
					k.paint(seed)
				}
				mine = append(mine, k)
				if dice(4) == 0 {
					runtime.Gosched()
				}
				switch j := dice(len(mine)); dice(5) {
				case 0: // free
					k := mine[j]
					check(k, "before Free")
					mine = append(mine[:j], mine[j+1:]...)
					a.Free(k.b, k.l)
				case 1: // hand over
					select {
					case belts[(w+1)%workers] <- mine[j]:
						mine = append(mine[:j], mine[j+1:]...)
					default:
					}
				case 2, 3: // take over
					select {
					case k, ok := <-belts[w]:
						if ok {
							check(k, "after another goroutine handed it over")
							a.Free(k.b, k.l)
						}
					default:
					}
				case 4:
					if k := mine[j]; k.x == nil {
						way := ways[dice(2)]
						to := 1 + dice(most)
						if b, ok := way.call(a, k.b, k.l, to); ok {
							if i := painted(b[:min(len(b), len(k.b))], k.n, k.seed); i >= 0 {
								fail("%s(%d -> %d): byte %d changed", way.name, len(k.b), to, i)
							}
							k.b = b
							k.paint(k.seed)
						}
					}
				}
				if len(mine) > 48 {
					for _, k := range mine {
						check(k, "before Free")
						a.Free(k.b, k.l)
					}
					mine = mine[:0]
				}
			}
			for _, k := range mine {
				check(k, "at the end")
				a.Free(k.b, k.l)
			}
		}()
	}
	wg.Wait()
	for _, belt := range belts {
		close(belt)
		for k := range belt {
			check(k, "at the end")
			a.Free(k.b, k.l)
		}
	}
	for i, s := range bad {
		if i == maxErrors {
			break
		}
		p.Errorf("%s", s)
	}
}

// testReuse allocates and frees far more than there is.
func testReuse(p *probe) {
	if !p.ReusesFreed {
		p.Skip("not promised")
	}
	for _, size := range []int{16, 1000, 4096, 64 << 10, 1 << 20} {
		if size > p.largest()/4 {
			break
		}
		rounds, collect := 64, 16
		if size >= 4096 {
			rounds = max(32, p.heldBack()/3/size)
			collect = rounds / 8
		}
		if p.MaxSize > 0 {
			p.renew()
			rounds = min(8*p.MaxSize/size, 20_000)
		}
		// All memory ever served, in pages: reuse keeps it small.
		const page = 4096
		seen := make(map[uintptr]bool)
		for i := range rounds {
			if size >= page && i%collect == collect-1 {
				runtime.GC() // what comes from the Go heap is free only now
			}
			var held [3]*block
			for j := range held {
				k := p.alloc(size, word)
				k.b[0], k.b[size-1] = 1, 1
				for at := address(k.b) / page; at <= (address(k.b)+uintptr(size)-1)/page; at++ {
					seen[at] = true
				}
				held[j] = k
				if p.MaxSize > 0 && j == 0 {
					break // one at a time, so that it fits however it is rounded
				}
			}
			for j := range held {
				if k := held[(j+i)%len(held)]; k != nil {
					p.free(k)
				}
			}
		}
		total := rounds * 3 * (size/page + 1)
		if p.MaxSize == 0 && size >= page && len(seen) > total/2 {
			p.Errorf("%d times 3 blocks of %d bytes, freed each time, took %d pages of memory: nothing is reused",
				rounds, size, len(seen))
		}
	}
}

// heldBack is how many bytes to free so that less than half of them are held back
// for a while: more if there is a heap.Debug in between, over what may choose
// among many places, and if there are ranges of the system's that were kept, as on
// 32-bit systems, which may all be used first.
func (p *probe) heldBack() int {
	n := 8 << 20
	if given(debugFlag) != "" {
		n = 16 << 20
	}
	return n + int(min(vm.ReadStats().Kept, 64<<20))
}

// testGarbage counts what the methods allocate in the Go heap.
func testGarbage(p *probe) {
	if !p.NoGarbage {
		p.Skip("not promised")
	}
	if race.Enabled {
		p.Skip("memory comes from the Go heap under the race detector")
	}
	if asan.Enabled {
		p.Skip("sanitized builds allocate more")
	}
	for _, size := range []int{8, 100, 5000} {
		if !p.need(300, size*2, word) {
			continue
		}
		run := func() {
			b, err := p.a.Alloc(size, zeroed)
			if err != nil {
				panic(err)
			}
			b, _ = p.a.Resize(b, zeroed, size*2)
			b, _ = p.a.Remap(b, zeroed, size)
			p.a.Free(b, zeroed)
		}
		for range 50 {
			run() // tables grow to their size first
		}
		if n := testing.AllocsPerRun(100, run); n > 0 {
			p.Errorf("Alloc(%d), Resize, Remap and Free: %v allocations in the Go heap", size, n)
		}
	}
	if n := testing.AllocsPerRun(50, func() {
		if b, err := p.a.Alloc(math.MaxInt-100, word); err == nil {
			p.a.Free(b, word)
		}
	}); n > 0 {
		p.Errorf("Alloc that fails: %v allocations in the Go heap", n)
	}
	if p.scanned() {
		return
	}
	l := shapes[1].layout(mem.Managed)
	if n := testing.AllocsPerRun(50, func() {
		if b, err := p.a.Alloc(shapes[1].size(), l); err == nil {
			p.a.Free(b, l)
		}
	}); n > 0 {
		p.Errorf("Alloc that refuses pointers: %v allocations in the Go heap", n)
	}
}
