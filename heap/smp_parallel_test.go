package heap_test

import (
	"errors"
	"flag"
	"io"
	"math/bits"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

var smpLong = flag.Bool("smp.long", false, "run the long tests of SMP")

// smpRounds is how much a test of SMP does that can do any amount.
func smpRounds(long, normal int) int {
	switch {
	case *smpLong:
		return long
	case race.Enabled || invariant.Enabled || testing.Short():
		return normal / 10
	}
	return normal
}

// smpLayout is that of the blocks of smpWork.
var smpLayout = mem.Layout{Align: mem.Align(8)}

// smpWrite marks a block as its own.
func smpWrite(b []byte, mark byte) {
	b[len(b)-1], b[len(b)/2], b[0] = mark, mark, mark
}

// smpWork allocates, hands over, takes over, checks and frees, n times.
func smpWork(t *testing.T, a mem.Allocator, seed uint64, n int, belt chan []byte) {
	var mine [64][]byte
	free := func(b []byte) {
		if b == nil {
			return
		}
		if b[len(b)/2] != b[0] || b[len(b)-1] != b[0] {
			t.Errorf("a block of %d bytes was overwritten", len(b))
		}
		a.Free(b, smpLayout)
	}
	x := seed*2654435761 + 1
	for i := range n {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		size := 1 + int(x>>8&0xFFFF)%(16<<(x%8))
		if x>>40%1024 == 0 {
			size = 40 << 10
		}
		b, err := a.Alloc(size, smpLayout)
		if err != nil {
			t.Error(err)
			return
		}
		smpWrite(b, byte(i))
		switch k := x >> 20 % uint64(len(mine)); x >> 50 % 8 {
		case 0:
			select {
			case belt <- b:
			default:
				free(b)
			}
		case 1:
			select {
			case other := <-belt:
				free(other)
			default:
			}
			free(b)
		default:
			free(mine[k])
			mine[k] = b
		}
	}
	for _, b := range mine {
		free(b)
	}
}

// smpCrowd lets goroutines work on one SMP, and checks what is left.
func smpCrowd(t *testing.T, workers, n int, face func(*heap.SMP) mem.Allocator) {
	s := newSMP(t, heap.SMPOptions{})
	belt := make(chan []byte, 256)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			a := face(s)
			smpWork(t, a, uint64(w), n, belt)
			if c, ok := a.(*heap.SMPCache); ok {
				c.Close()
			}
		})
	}
	wg.Wait()
	close(belt)
	for b := range belt {
		s.Free(b, smpLayout)
	}
	heap.CheckSMP(s)
	s.Trim()
	heap.CheckSMP(s)
	if st := s.Stats(); st.Live != 0 || st.Cached != 0 || st.Committed != 0 {
		t.Errorf("after all was freed and trimmed: %+v", st)
	}
}

func smpShared(s *heap.SMP) mem.Allocator { return s }
func smpOwn(s *heap.SMP) mem.Allocator    { return s.Cache() }

func TestSMPCrowd(t *testing.T) {
	n := smpRounds(10_000_000, 10_000)
	for _, procs := range []int{1, 2, 8} {
		before := runtime.GOMAXPROCS(procs)
		smpCrowd(t, 64, n, smpShared)
		smpCrowd(t, 16, n, smpOwn)
		runtime.GOMAXPROCS(before)
	}
}

// There are far more goroutines than processors.
func TestSMPThousands(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	smpCrowd(t, smpRounds(8_000, 5_000), smpRounds(1_000, 200), smpShared)
	smpCrowd(t, smpRounds(5_000, 1_000), smpRounds(1_000, 200), smpOwn)
}

// Signals that interrupt goroutines, of a profile of the processor and of the
// scheduler, find them anywhere.
func TestSMPSignals(t *testing.T) {
	if pprof.StartCPUProfile(io.Discard) == nil {
		defer pprof.StopCPUProfile()
	}
	var done atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !done.Load() {
			runtime.GC() // preempts everybody
			runtime.Gosched()
		}
	})
	smpCrowd(t, 16, smpRounds(1_000_000, 30_000), smpShared)
	smpCrowd(t, 16, smpRounds(1_000_000, 30_000), smpOwn)
	done.Store(true)
	wg.Wait()
}

// The number of processors changes while goroutines allocate, and others trim.
func TestSMPProcessorsChange(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	s := newSMP(t, heap.SMPOptions{})
	belt := make(chan []byte, 64)
	var done atomic.Bool
	var wg, others sync.WaitGroup
	for w := range 16 {
		wg.Go(func() { smpWork(t, s, uint64(w), smpRounds(1_000_000, 10_000), belt) })
	}
	others.Go(func() {
		for i := 0; !done.Load(); i++ {
			runtime.GOMAXPROCS([...]int{1, 3, 64, 2}[i%4])
			runtime.Gosched()
		}
	})
	others.Go(func() {
		for !done.Load() {
			s.Trim()
			s.Stats()
			runtime.GC()
		}
	})
	wg.Wait()
	done.Store(true)
	others.Wait()
	close(belt)
	for b := range belt {
		s.Free(b, smpLayout)
	}
	s.Trim()
	heap.CheckSMP(s)
	if st := s.Stats(); st.Blocks != 0 || st.Committed != 0 {
		t.Errorf("after all was freed and trimmed: %+v", st)
	}
}

// One goroutine allocates what another frees, for ever: that takes no more memory
// than what is live at a time needs.
func TestSMPProducerConsumer(t *testing.T) {
	for name, faces := range map[string][2]func(*heap.SMP) mem.Allocator{
		"shared": {smpShared, smpShared}, "own": {smpOwn, smpOwn}, "mixed": {smpOwn, smpShared},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSMP(t, heap.SMPOptions{})
			from, to := faces[0](s), faces[1](s)
			belt := make(chan []byte, 1000)
			n, peak := smpRounds(10_000_000, 300_000), 0
			go func() {
				defer close(belt)
				for i := range n {
					b, err := from.Alloc(16+i*7%2000, smpLayout)
					if err != nil {
						t.Error(err)
						return
					}
					smpWrite(b, byte(i))
					belt <- b
					if i%10_000 == 0 {
						peak = max(peak, s.Stats().Committed)
					}
				}
			}()
			for b := range belt {
				to.Free(b, smpLayout)
			}
			live := (cap(belt) + 2) * 2304 // in slots of the largest class
			if most := 2*live + runtime.GOMAXPROCS(0)*4<<20; peak > most {
				t.Errorf("%d bytes are committed, for %d that are live", peak, live)
			}
			for _, a := range []mem.Allocator{from, to} {
				if c, ok := a.(*heap.SMPCache); ok {
					c.Close()
				}
			}
			heap.CheckSMP(s)
		})
	}
}

// However many huge blocks are freed at once, no more are kept than there is room
// for.
func TestSMPHugeFreedAtOnce(t *testing.T) {
	if vm.GoHeap {
		t.Skip("too much memory of the Go heap")
	}
	s := newSMP(t, heap.SMPOptions{Retain: 1 << 30})
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	each := 30
	if bits.UintSize == 32 { // addresses are scarce
		each = 4
	}
	for range smpRounds(10_000, 500) {
		var blocks [8][][]byte
		for i := range blocks {
			for range each {
				blocks[i] = append(blocks[i], must(s.Alloc(2<<20+1, smpLayout)))
			}
		}
		var wg sync.WaitGroup
		for _, mine := range blocks {
			wg.Go(func() {
				for _, b := range mine {
					s.Free(b, smpLayout)
				}
			})
		}
		wg.Wait()
	}
}

// A cache that is used for the last time is not taken for one that was dropped
// before that is over.
func TestSMPCacheLastCall(t *testing.T) {
	if vm.GoHeap {
		t.Skip("nothing is asked of the system")
	}
	s := newSMP(t, heap.SMPOptions{})
	c := s.Cache()
	dropped := make(chan bool, 1)
	runtime.AddCleanup(c, func(d chan bool) { d <- true }, dropped)
	calls := 0
	undo := vm.Inject(func(vm.Call) error {
		calls++
		for range 30 { // it takes a moment until cleanups run
			runtime.GC()
			if len(dropped) > 0 {
				t.Error("the cache is taken for dropped while it allocates")
				break
			}
		}
		return nil
	})
	b, err := c.Alloc(64, smpLayout)
	undo()
	if err != nil {
		t.Fatal(err)
	}
	s.Free(b, smpLayout)
	if calls == 0 {
		t.Skip("the segment was there before")
	}
}

// Whether a block is its own can be asked of an SMP while the one that the block
// came from is closed, and what that knew of it goes.
func TestSMPOwnsWhileOtherCloses(t *testing.T) {
	asked := newSMP(t, heap.SMPOptions{})
	asked.Free(mem.Must(asked.Alloc(10, mem.Layout{})), mem.Layout{})
	var block atomic.Pointer[[]byte]
	var over atomic.Bool
	done := make(chan int)
	go func() {
		owned := 0
		for !over.Load() {
			if b := block.Load(); b != nil && asked.Owns(*b) {
				owned++
			}
			runtime.Gosched() // nobody else makes it, where there is one thread
		}
		done <- owned
	}()
	for range 500 {
		other := heap.NewSMP(heap.SMPOptions{})
		b := mem.Must(other.Alloc(100, mem.Layout{}))
		block.Store(&b)
		runtime.Gosched()
		if err := other.Close(); err != nil && !errors.As(err, new(*heap.LeakError)) {
			t.Fatal(err)
		}
	}
	over.Store(true)
	if n := <-done; n > 0 {
		t.Errorf("%d times it was said to be the block of another", n)
	}
}
