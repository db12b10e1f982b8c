package heap

import (
	"math/bits"
	"runtime"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/rt"
)

// smpCaches are the caches of the processors, and the shelves beside them. It is
// replaced as a whole, when there are more processors, and taken away for a while
// when somebody wants to have all caches: see stop.
//
// Where the runtime cannot pin, there are four caches for each processor; a
// goroutine finds one by the address of its stack, and holds it with a try-lock.
type smpCaches struct {
	list    []smpCache
	shelves []*smpShelf // as many
}

// enter returns the cache of this processor, which is the caller's until leave;
// nil if there is none at the moment.
//
//go:norace
func (s *SMP) enter() *smpCache {
	if rt.Pins {
		i := rt.Pin()
		if t := s.theCaches(); t != nil && uint(i) < uint(len(t.list)) {
			return &t.list[i]
		}
		rt.Unpin()
		return nil
	}
	return s.enterLocked()
}

// leave ends enter.
//
//go:norace
func (s *SMP) leave(c *smpCache) {
	if rt.Pins {
		rt.Unpin()
	} else {
		atomic.StoreUint32(c.busy(), 0)
	}
}

// enterLocked is enter where the runtime cannot pin. Who has a cache may be
// preempted, so that waiting means to let others run.
//
//go:norace
func (s *SMP) enterLocked() *smpCache {
	for {
		t := s.theCaches()
		if t == nil {
			return nil
		}
		at := stackHash()
		for i := range uintptr(len(t.list)) {
			c := &t.list[(at+i)&uintptr(len(t.list)-1)]
			if busy := c.busy(); atomic.LoadUint32(busy) != 0 || !atomic.CompareAndSwapUint32(busy, 0, 1) {
				continue
			}
			if s.theCaches() == t {
				return c
			}
			atomic.StoreUint32(c.busy(), 0)
			return nil
		}
		runtime.Gosched()
	}
}

// index returns the number of the calling goroutine's shelf. It may come to
// another processor before that is used.
//
//go:norace
func (t *smpCaches) index() int {
	if !rt.Pins {
		return int(stackHash() & uintptr(len(t.list)-1))
	}
	i := rt.Pin()
	rt.Unpin()
	return min(i, len(t.list)-1)
}

// provide makes sure that there are caches for all processors, and returns them.
//
//go:norace
func (s *SMP) provide() *smpCaches {
	s.stopping.Lock()
	defer s.stopping.Unlock()
	t := s.theCaches()
	n := runtime.GOMAXPROCS(0)
	if !rt.Pins {
		n = 1 << bits.Len(uint(4*n-1))
	}
	if t != nil && (len(t.list) >= n || !rt.Pins) {
		return t
	}
	more := &smpCaches{make([]smpCache, n), make([]*smpShelf, n)}
	for i := range n {
		if t != nil && i < len(t.shelves) {
			more.shelves[i] = t.shelves[i]
		} else {
			more.shelves[i] = new(smpShelf)
		}
	}
	if t != nil {
		s.stop(t)
		s.flushAll(t)
	}
	draw := s.sampling().draw
	for i := range more.list {
		draw.arm(&more.list[i])
	}
	s.setCaches(more)
	return more
}

// stop takes the caches away, and returns when nobody holds one any more. The
// lock is held.
//
// A goroutine looks for the caches once it cannot be preempted, and is done with
// them when it can; so that once the world has been stopped in between, everyone
// who had found them is gone, and everyone else finds none.
// That costs as much as many thousand allocations, but nothing in each of them.
//
//go:norace
func (s *SMP) stop(t *smpCaches) {
	s.setCaches(nil)
	if rt.Pins {
		rt.StopWorld()
		return
	}
	for i := range t.list {
		for atomic.LoadUint32(t.list[i].busy()) != 0 {
			runtime.Gosched()
		}
	}
}

// flushAll empties all caches, which nobody can find.
//
//go:norace
func (s *SMP) flushAll(t *smpCaches) {
	for i := range t.list {
		s.flush(&t.list[i])
	}
}

// drain empties all caches, and returns them.
//
//go:norace
func (s *SMP) drain() *smpCaches {
	s.stopping.Lock()
	t := s.theCaches()
	if t != nil {
		s.stop(t)
		s.flushAll(t)
		s.setCaches(t)
	}
	s.stopping.Unlock()
	if s.hard != nil {
		race.Enable()
		s.flushHardened()
		race.Disable()
	}
	return t
}
