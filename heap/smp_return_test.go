package heap_test

import (
	"errors"
	"math"
	"math/bits"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/rt"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

// smpFill allocates blocks until they take that many bytes, and touches them.
func smpFill(t *testing.T, s *heap.SMP, bytes int, size func(i int) int) (blocks [][]byte) {
	t.Helper()
	for i := 0; bytes > 0; i++ {
		b, err := s.Alloc(size(i), mem.Layout{})
		if err != nil {
			t.Fatal(err)
		}
		for j := 0; j < len(b); j += 4096 {
			b[j] = 1
		}
		blocks = append(blocks, b)
		bytes -= len(b)
	}
	return blocks
}

func smpFree(s *heap.SMP, blocks [][]byte) {
	for _, b := range blocks {
		s.Free(b, mem.Layout{})
	}
}

func smpBytes(long int) int {
	if testing.Short() || vm.GoHeap || invariant.Enabled {
		return long / 32
	}
	return long / 8
}

// The bounds below hold for what is committed, on every system. How much memory
// the process really has, TestSMPResident looks at.

// Every other block is freed, and the rest serves blocks of the same size.
func TestSMPComb(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{})
	blocks := smpFill(t, s, smpBytes(1<<28), func(int) int { return 96 })
	full := s.Stats().Committed
	for range 4 {
		for i := 0; i < len(blocks); i += 2 {
			s.Free(blocks[i], mem.Layout{})
		}
		for i := 0; i < len(blocks); i += 2 {
			blocks[i] = must(s.Alloc(96, mem.Layout{}))
		}
	}
	if got := s.Stats().Committed; got > full+full/50+1<<20 {
		t.Errorf("%d bytes are committed, at first %d", got, full)
	}
	// Blocks of another class do not fit in between: twice is what that costs.
	for i := 0; i < len(blocks); i += 2 {
		s.Free(blocks[i], mem.Layout{})
		blocks[i] = must(s.Alloc(89, mem.Layout{})) // the same slots
	}
	for i := 0; i < len(blocks); i += 2 {
		s.Free(blocks[i], mem.Layout{})
		blocks[i] = must(s.Alloc(97, mem.Layout{})) // others
	}
	if got := s.Stats().Committed; got > 2*full {
		t.Errorf("%d bytes are committed, at first %d", got, full)
	}
	smpFree(s, blocks)
	heap.CheckSMP(s)
}

// The program fills memory with blocks of one size after the other.
func TestSMPSawtooth(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{})
	n := smpBytes(1 << 27)
	peak := 0
	for _, size := range []int{16, 300, 5000, 48, 65_000, 24_000, 16, 1000} {
		blocks := smpFill(t, s, n, func(int) int { return size })
		peak = max(peak, s.Stats().Committed)
		smpFree(s, blocks)
	}
	// What a size leaves behind is a slab in the cache, and one on the shelf.
	if most := n + n/4 + runtime.GOMAXPROCS(0)*4<<20; peak > most {
		t.Errorf("%d bytes were committed for %d", peak, n)
	}
	s.Trim()
	if st := s.Stats(); st.Committed != 0 || st.Cached != 0 {
		t.Errorf("after Trim: %+v", st)
	}
}

// Of each slab one block survives. It keeps the slab, and nothing else.
func TestSMPOneSurvivor(t *testing.T) {
	for _, size := range []int{16, 200, 4096} {
		s := newSMP(t, heap.SMPOptions{})
		blocks := smpFill(t, s, smpBytes(1<<26), func(int) int { return size })
		const slab = 8 // slots, if they are large
		var kept [][]byte
		for i, b := range blocks {
			if i%(64*64) == 0 {
				kept = append(kept, b)
			} else {
				s.Free(b, mem.Layout{})
			}
		}
		s.Trim()
		if got, most := s.Stats().Committed, len(kept)*max(64<<10, slab*size); got > most {
			t.Errorf("size %d: %d bytes are committed for %d blocks, want %d at most", size, got, len(kept), most)
		}
		smpFree(s, kept)
		s.Trim()
		if st := s.Stats(); st.Committed != 0 {
			t.Errorf("size %d: after all: %+v", size, st)
		}
	}
}

// What Stats says of classes and of the whole agrees, and with what was done.
func TestSMPStats(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{})
	var blocks [][]byte
	live, n := 0, 0
	for i := range 3000 {
		size := 1 + i*i%40_000
		if i%1000 == 0 {
			size = 3 << 20
		}
		blocks = append(blocks, must(s.Alloc(size, mem.Layout{})))
		live += s.UsableSize(blocks[i])
		n++
	}
	check := func(when string) {
		t.Helper()
		st := s.Stats()
		slots, cached, all, small, slabs := 0, 0, 0, 0, 0
		for _, c := range st.Classes {
			if c.Live+c.Cached > c.Slots || c.Slabs == 0 || c.Slots*c.Size > c.Committed || c.Committed%(8<<10) != 0 {
				t.Errorf("%s: %+v", when, c)
			}
			slots, cached, all = slots+c.Live, cached+c.Cached*c.Size, all+c.Slots*c.Size
			small, slabs = small+c.Live*c.Size, slabs+c.Committed
		}
		// After Trim, what is not in slabs is in large blocks, of whole pages.
		if rest := st.Committed - slabs - (st.Live - small); rest < 0 || when == "trimmed" && rest >= (n-slots)*8<<10 {
			t.Errorf("%s: %d bytes are in slabs, %d in large blocks: %+v", when, slabs, st.Live-small, st)
		}
		if st.Blocks != n || st.Live != live || st.Cached != cached || slots > n ||
			all > st.Committed || st.Live+st.Cached > st.Committed || st.Committed > st.Reserved {
			t.Errorf("%s: %d blocks of %d bytes are live, %d cached: %+v", when, n, live, cached, st)
		}
	}
	check("full")
	for i := 0; i < len(blocks); i += 2 {
		live -= s.UsableSize(blocks[i])
		n--
		s.Free(blocks[i], mem.Layout{})
	}
	check("half free")
	before := s.Stats()
	trimmed := s.Trim()
	check("trimmed")
	if after := s.Stats(); before.Committed-after.Committed != trimmed || after.Returned < before.Returned || after.Cached != 0 {
		t.Errorf("Trim gave %d bytes back: %+v, before %+v", trimmed, after, before)
	}
	for i := 1; i < len(blocks); i += 2 {
		s.Free(blocks[i], mem.Layout{})
	}
	live, n = 0, 0
	check("free")
}

// Memory that is freed goes back even without Trim, little by little.
func TestSMPDecay(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{})
	n := smpBytes(1 << 29)
	smpFree(s, smpFill(t, s, n, func(int) int { return 60 << 10 }))
	after := s.Stats()
	for range 20 {
		smpFree(s, smpFill(t, s, 4<<20, func(int) int { return 60 << 10 }))
	}
	if later := s.Stats(); later.Committed > 16<<20 || later.Committed > after.Committed || later.Returned < n/2-16<<20 {
		t.Errorf("of %d bytes, freed, %d are committed, later %+v", n, after.Committed, later)
	}
	// So do large blocks, which are kept for a while.
	s.Free(must(s.Alloc(8<<20, mem.Layout{})), mem.Layout{})
	if st := s.Stats(); st.Committed < 8<<20 {
		t.Errorf("nothing is kept: %+v", st)
	}
	for range 100 {
		s.Free(must(s.Alloc(3<<20, mem.Layout{})), mem.Layout{})
	}
	if st := s.Stats(); st.Committed > 20<<20 {
		t.Errorf("large blocks are kept for ever: %+v", st)
	}
}

// A program that gives up all that it has, and wants it again, keeps it after a few
// times. One that goes on with less does not.
func TestSMPPatience(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{})
	n := smpBytes(1 << 28)
	turn := func(n int) (returned int) {
		before := s.Stats().Returned
		smpFree(s, smpFill(t, s, n, func(int) int { return 6000 }))
		return s.Stats().Returned - before
	}
	first := turn(n)
	for range 8 {
		turn(n)
	}
	if later := turn(n); first < n/4 || later > n/64 {
		t.Errorf("of %d bytes, %d were given back at first, and %d after ten times", n, first, later)
	}
	for range n / (1 << 20) * 64 {
		turn(1 << 20)
	}
	if st := s.Stats(); st.Committed > n/2 {
		t.Errorf("of %d bytes, %d are committed after a long time with 1 MiB", n, st.Committed)
	}
	heap.CheckSMP(s)
}

// A program that was fast at its peak, and frees little since, does not keep what it
// had, long as periods may be.
func TestSMPSlowAfterPeak(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{})
	const n = 32 << 20
	turn := func(n, size int) { smpFree(s, smpFill(t, s, n, func(int) int { return size })) }
	for range 12 {
		turn(n, 6000)
	}
	full, freed := s.Stats().Committed, 0
	for s.Stats().Committed > full/2 && freed < 20*n {
		turn(1<<20, 64<<10)
		freed += 1 << 20
		heap.SMPWait(s, time.Second/4)
	}
	if full < n || freed > n {
		t.Errorf("of %d bytes, half was committed until %d were freed, slowly", full, freed)
	}
}

// A large block leaves nothing behind while blocks of its size are few: a program
// that allocates little, but of many sizes, would have most of its memory there. Nor
// does it where so much is used that an empty slab would be little beside it: many
// are not.
func TestSMPFewLarge(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{})
	use := func(size, times int) {
		t.Helper()
		for range times {
			b, err := s.Alloc(size, mem.Layout{})
			if err != nil {
				t.Fatal(err)
			}
			s.Free(b, mem.Layout{})
		}
	}
	var blocks [][]byte
	for _, small := range []int{0, 2 << 20} {
		blocks = append(blocks, smpFill(t, s, small, func(int) int { return 1024 })...)
		for size := 5 << 10; size <= 32<<10; size += 1 << 10 {
			use(size, 4)
		}
		for _, c := range s.Stats().Classes {
			if c.Size > 1024 {
				t.Errorf("beside %d bytes, few blocks of many sizes left %d slabs of %d bytes, and %d slots in caches", small, c.Slabs, c.Size, c.Cached)
			}
		}
	}
	// Where they are not few, they need not go that far.
	blocks = append(blocks, smpFill(t, s, 6<<20, func(int) int { return 1024 })...)
	use(16<<10, 1000)
	kept := false
	for _, c := range s.Stats().Classes {
		kept = kept || c.Size == 16<<10
	}
	if !kept {
		t.Error("a thousand blocks of 16 KiB left none for the next")
	}
	smpFree(s, blocks)
}

// In a program that uses much, large blocks need not be many: where more of them
// come and go than are cached, an empty slab stays for the next.
func TestSMPSpareLarge(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{})
	blocks := smpFill(t, s, 48<<20, func(int) int { return 1024 })
	for range 8 {
		smpFree(s, smpFill(t, s, 4*16<<10, func(int) int { return 16 << 10 }))
	}
	slabs := 0
	for _, c := range s.Stats().Classes {
		if c.Size == 16<<10 {
			slabs = c.Slabs
		}
	}
	if slabs < 2 {
		t.Errorf("of four blocks of 16 KiB, %d slabs are left", slabs)
	}
	smpFree(s, blocks)
}

// What processors keep of classes that are not used any more becomes free for all,
// while others are used.
func TestSMPIdleClasses(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for name, face := range map[string]func(*heap.SMP) mem.Allocator{"shared": smpShared, "own": smpOwn} {
		if name == "shared" && !rt.Pins { // nobody knows which caches a goroutine finds
			continue
		}
		s := newSMP(t, heap.SMPOptions{})
		a := face(s)
		use := func(times, size int) {
			var blocks [300][]byte
			for range times {
				for i := range blocks {
					blocks[i] = must(a.Alloc(size, mem.Layout{}))
				}
				for _, b := range blocks {
					a.Free(b, mem.Layout{})
				}
			}
		}
		for size := 16; size <= 32<<10; size += size / 8 {
			use(10, size)
		}
		full := s.Stats()
		use(2000, 64)
		if st := s.Stats(); full.Cached < 64<<10 || st.Cached > full.Cached/8 || st.Committed > full.Committed {
			t.Errorf("%s: %d bytes are cached of %d, %d committed of %d", name, st.Cached, full.Cached, st.Committed, full.Committed)
		}
		if c, ok := a.(*heap.SMPCache); ok {
			c.Close()
		}
		heap.CheckSMP(s)
	}
}

// What was given back does not count against a Budget, and is counted, and had
// for sure, before it serves again.
func TestSMPGivenBackIsNotCommitted(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{})
	const n = 64 << 20
	size := func(int) int { return 20_000 }
	committed := func() int { return vm.ReadStats().Committed }
	before := committed()
	smpFree(s, smpFill(t, s, n, size))
	s.Trim()
	if more := committed() - before; more > 8<<20 {
		t.Errorf("%d bytes are committed after Trim", more)
	}
	blocks := smpFill(t, s, n, size)
	if more := committed() - before; more < n {
		t.Errorf("%d bytes are committed, with %d live", more, n)
	}
	smpFree(s, blocks)
	s.Trim()
	refused := 0
	undo := vm.Inject(func(c vm.Call) error {
		if c == vm.CallRecommit || c == vm.CallMap {
			refused++
			return syscall.ENOMEM
		}
		return nil
	})
	for _, size := range []int{100, 20_000, 100_000} {
		if b, err := s.Alloc(size, mem.Layout{}); err == nil {
			s.Free(b, mem.Layout{}) // there were pages that never were used
		} else if !errors.Is(err, mem.ErrOutOfMemory) {
			t.Errorf("Alloc(%d): %v", size, err)
		}
	}
	full := committed()
	var few [][]byte
	for {
		b, err := s.Alloc(100_000, mem.Layout{})
		if err != nil {
			break
		}
		few = append(few, b)
	}
	if refused == 0 && !vm.GoHeap {
		t.Error("nothing was asked of the system")
	}
	if committed() > full && !vm.GoHeap {
		t.Errorf("%d bytes are committed more, after nothing was served", committed()-full)
	}
	undo()
	smpFree(s, few)
	smpFree(s, smpFill(t, s, n, size))
	s.Trim()
	heap.CheckSMP(s)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if committed() > before {
		t.Errorf("%d bytes are committed more after Close", committed()-before)
	}
}

// Huge pages are asked for as the options say.
func TestSMPHugePages(t *testing.T) {
	if !vm.CanMove {
		t.Skip("blocks that grow are not made of huge pages here")
	}
	advised := countAdvice(t)
	huge := vm.HugePageSize()
	for name, test := range map[string]struct {
		opts         heap.SMPOptions
		small, grown bool // are they asked for, for a small block and one that grows?
	}{
		"as it is":    {heap.SMPOptions{}, false, true},
		"small pages": {heap.SMPOptions{SmallPages: true}, false, false},
		"huge pages":  {heap.SMPOptions{HugePages: true}, true, true},
		"both":        {heap.SMPOptions{HugePages: true, SmallPages: true}, true, true},
	} {
		s := newSMP(t, test.opts)
		asked := func(f func()) bool {
			advised.Store(0)
			f()
			return advised.Load() > 0
		}
		var small, b []byte
		if got := asked(func() { small = must(s.Alloc(16, mem.Layout{})) }); got != test.small {
			t.Errorf("%s: a small block: asked %v, want %v", name, got, test.small)
		}
		if got := asked(func() {
			b = must(s.Alloc(4*huge, mem.Layout{}))
			b, _ = s.Remap(b, mem.Layout{}, 6*huge)
		}); len(b) != 6*huge || got != test.grown {
			t.Errorf("%s: a block that grows to %d: asked %v, want %v", name, len(b), got, test.grown)
		}
		s.Free(small, mem.Layout{})
		s.Free(b, mem.Layout{})
	}
}

// What is given back in all may be more than an int tells.
func TestSMPReturnedMoreThanInt(t *testing.T) {
	if bits.UintSize > 32 {
		t.Skip("that takes too long")
	}
	s := newSMP(t, heap.SMPOptions{})
	returned := int64(0)
	for returned <= math.MaxInt {
		var blocks [][]byte
		for range 128 { // nobody touches them
			blocks = append(blocks, must(s.Alloc(512<<10, mem.Layout{})))
		}
		smpFree(s, blocks)
		s.Trim()
		returned += 64 << 20
		if got := int64(s.Stats().Returned); got < min(returned, math.MaxInt) {
			t.Fatalf("%d bytes were given back, %d in all", returned, got)
		}
	}
}

// At the limit of a Budget, what SMP does not use is given back before a block is
// refused.
func TestSMPAtTheLimit(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{Retain: 1 << 30})
	held := vm.ReadStats().Committed
	openBudget(t, budgetTotal, heap.BudgetOptions{HardLimit: held + 64<<20})
	for _, size := range []int{3 << 20, 100_000, 200, 5 << 20, 20_000} {
		var blocks [][]byte
		bytes := 0
		for {
			b, err := s.Alloc(size, mem.Layout{})
			if err != nil {
				if !errors.Is(err, mem.ErrLimit) {
					t.Errorf("Alloc(%d): %v", size, err)
				}
				break
			}
			blocks, bytes = append(blocks, b), bytes+size
		}
		if bytes < 40<<20 || bytes > 64<<20 {
			t.Errorf("%d bytes of a limit of %d are in blocks of %d", bytes, 64<<20, size)
		}
		smpFree(s, blocks)
	}
	s.Trim()
	heap.CheckSMP(s)
}

// What an Alloc that fails had got from the system goes back with the rest: the
// limit has room for the pages of the block, but not for what is known of them.
func TestSMPFailsInTheMiddle(t *testing.T) {
	if vm.GoHeap || bits.UintSize == 32 {
		t.Skip("such blocks are not in segments here, or what is known of them is Go's")
	}
	s := newSMP(t, heap.SMPOptions{})
	var blocks [][]byte
	for range 4 {
		blocks = append(blocks, mem.Must(s.Alloc(2<<20, mem.Layout{})))
	}
	smpFree(s, blocks)
	s.Trim()
	before := vm.ReadStats().Committed
	g := &vm.Governor{Moved: func() {}, Refused: func() {}}
	g.Limit.Store(int64(before) + 2<<20 + 100<<10)
	if !vm.Govern(g) {
		t.Skip("somebody else limits memory")
	}
	defer vm.Ungovern(g)
	if _, err := s.Alloc(2<<20, mem.Layout{}); !errors.Is(err, mem.ErrOutOfMemory) {
		t.Errorf("Alloc: %v, where there is no room for what it takes", err)
	}
	if now := vm.ReadStats().Committed; now > before {
		t.Errorf("%d bytes stay committed after an Alloc that failed", now-before)
	}
	b, err := s.Alloc(1<<20, mem.Layout{})
	if err != nil {
		t.Fatalf("Alloc of half of that: %v", err)
	}
	s.Free(b, mem.Layout{})
}
