package heap_test

import (
	"errors"
	"flag"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

var smpSoak = flag.Duration("smp.soak", 0, "how long TestSMPSoak goes on; 0 is a moment")

// Goroutines allocate, check and free while the system refuses, now and then, to
// serve pages or to take them. An error costs nobody anything, and what is
// committed does not grow.
func TestSMPSoak(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{Retain: 1 << 20})
	var refused atomic.Int64
	undo := vm.Inject(func(c vm.Call) error {
		if c <= vm.CallRecommit && rand.IntN(4) == 0 {
			refused.Add(1)
			return syscall.ENOMEM
		}
		return nil
	})
	defer undo()
	round := func() {
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() { smpSoakWork(t, s, uint64(w)) })
		}
		wg.Wait()
	}
	round()
	s.Trim()
	runtime.GC()
	first, rounds := s.Stats().Reserved, 0
	for began := time.Now(); rounds < 2 || time.Since(began) < *smpSoak; rounds++ {
		round()
		if rounds%16 == 0 {
			s.Trim()
			heap.CheckSMP(s)
		}
		if st := s.Stats(); st.Reserved > 2*first+64<<20 {
			t.Fatalf("round %d: %+v, at first %d bytes were reserved", rounds, st, first)
		}
	}
	undo()
	s.Trim()
	heap.CheckSMP(s)
	if st := s.Stats(); st.Live != 0 || st.Cached != 0 || st.Committed != 0 {
		t.Errorf("after %d rounds and %d refusals: %+v", rounds, refused.Load(), st)
	}
}

// As long as a program does the same, what it takes stays the same, however long
// that is: blocks, what is ready for others, and what is known about them. By
// operations rather than by time, so that what hours would show is there in minutes.
func TestSMPLevel(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	s := newSMP(t, heap.SMPOptions{})
	dice := rand.New(rand.NewPCG(1, 2))
	defer vm.Inject(func(c vm.Call) error {
		if (c <= vm.CallRecommit || c == vm.CallReserve || c == vm.CallCommit) && dice.IntN(4) == 0 {
			return syscall.ENOMEM
		}
		return nil
	})()
	var blocks [2000][]byte
	const parts, least = 4, 1000
	var most [parts]heap.SMPStats
	n := smpRounds(200_000_000, 1_000_000)
	for i := range n {
		k := dice.IntN(len(blocks))
		if blocks[k] != nil {
			s.Free(blocks[k], mem.Layout{})
		}
		size := 1 + dice.IntN(16<<dice.IntN(10))
		if dice.IntN(500) == 0 {
			size = 1 + dice.IntN(1<<(9+dice.IntN(12)))
		}
		blocks[k], _ = s.Alloc(size, mem.Layout{})
		if i%(n/least) == 0 {
			m, st := &most[i/(n/parts)], s.Stats()
			m.Committed, m.Cached = max(m.Committed, st.Committed), max(m.Cached, st.Cached)
			m.Reserved, m.Metadata = max(m.Reserved, st.Reserved), max(m.Metadata, st.Metadata)
		}
	}
	for _, b := range blocks {
		if b != nil {
			s.Free(b, mem.Layout{})
		}
	}
	early, late := most[1], most[parts-1]
	for name, v := range map[string][3]int{ // what chance may bring is another segment
		"committed": {early.Committed, late.Committed, 2 << 20},
		"cached":    {early.Cached, late.Cached, 512 << 10},
		"reserved":  {early.Reserved, late.Reserved, 6 << 20},
		"metadata":  {early.Metadata, late.Metadata, 512 << 10},
	} {
		if v[1] > v[0]+v[0]/8+v[2] {
			t.Errorf("%s: %d bytes at last, %d in the second quarter of %d operations", name, v[1], v[0], n)
		}
	}
}

// smpSoakWork is one goroutine's part of a round.
func smpSoakWork(t *testing.T, s *heap.SMP, seed uint64) {
	dice := rand.New(rand.NewPCG(seed, rand.Uint64()))
	var blocks [300][]byte
	for i := range smpRounds(20_000, 5_000) {
		k := dice.IntN(len(blocks))
		b := blocks[k]
		if b != nil {
			if b[len(b)-1] != b[0] {
				t.Errorf("a block of %d bytes was overwritten", len(b))
			}
			s.Free(b, smpLayout)
		}
		size := 1 + dice.IntN(16<<dice.IntN(13))
		if dice.IntN(500) == 0 {
			size = 1 + dice.IntN(4<<20)
		}
		b, err := s.Alloc(size, smpLayout)
		if err != nil {
			if !errors.Is(err, mem.ErrOutOfMemory) {
				t.Error(err)
			}
			b = nil
		} else {
			b[0], b[len(b)-1] = byte(i), byte(i)
		}
		blocks[k] = b
	}
	for _, b := range blocks {
		if b != nil {
			s.Free(b, smpLayout)
		}
	}
}
