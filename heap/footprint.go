package heap

import (
	"sync/atomic"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// What the rooms hold, said in one way for all: for registries, metrics and
// pages that know nothing of a room but that it is a [mem.Footprinter].

var (
	_ mem.Footprinter = (*SMP)(nil)
	_ mem.Footprinter = Page{}
	_ mem.Footprinter = (*Pages)(nil)
	_ mem.Footprinter = (*Reserved)(nil)
	_ mem.Footprinter = (*SharedBuffer)(nil)
	_ mem.Footprinter = (*ConcurrentArena)(nil)
	_ mem.Footprinter = (*Arena)(nil)
	_ mem.Footprinter = (*Pool[int])(nil)
	_ mem.Footprinter = (*ThreadSafe)(nil)
	_ mem.Footprinter = (*Debug)(nil)
)

// Footprint implements [mem.Footprinter] with what [SMP.Stats] says. For
// [Default] it is that of the process.
func (s *SMP) Footprint() mem.Footprint {
	st := s.Stats()
	f := mem.Footprint{
		Blocks:    int64(st.Blocks),
		Live:      int64(st.Live),
		Cached:    int64(st.Cached),
		Committed: int64(st.Committed),
		Reserved:  int64(st.Reserved),
		Returned:  int64(st.Returned),
		Process:   s == &smpDefault,
	}
	for _, c := range st.Classes {
		f.Classes = append(f.Classes, mem.FootprintClass{
			Size: c.Size, Slots: int64(c.Slots), Live: int64(c.Live), Cached: int64(c.Cached),
		})
	}
	return f
}

// Footprint implements [mem.Footprinter] with what [Page.Stats] says.
func (Page) Footprint() mem.Footprint {
	f := page.Footprint()
	f.Process = true
	return f
}

// Footprint implements [mem.Footprinter] with what [Pages.Stats] says, without
// the ranges that are shared by all.
func (p *Pages) Footprint() mem.Footprint {
	blocks, bytes := livePages.count(p.id)
	return pagesHeld(blocks, bytes, bytes)
}

// Footprint implements [mem.Footprinter] with what [Reserved.Stats] says.
func (r *Reserved) Footprint() mem.Footprint {
	st := r.Stats()
	return pagesHeld(st.Blocks, st.Bytes, st.Reserved)
}

// pagesHeld is the footprint of blocks that are made of pages.
func pagesHeld(blocks, bytes, reserved int) mem.Footprint {
	n := int64(bytes)
	return mem.Footprint{Blocks: int64(blocks), Live: n, Committed: n, Reserved: int64(reserved)}
}

// Footprint implements [mem.Footprinter]: what is held is the buffer. It does
// not know the number of blocks.
func (s *SharedBuffer) Footprint() mem.Footprint {
	race.Disable()
	live := int64(atomic.LoadUintptr(&s.off))
	race.Enable()
	n := int64(len(s.buf))
	return mem.Footprint{Live: live, Committed: n, Reserved: n}
}

// Footprint implements [mem.Footprinter] with what [ConcurrentArena.Stats] says.
// It does not know the number of blocks.
func (a *ConcurrentArena) Footprint() mem.Footprint {
	st := a.Stats()
	n := int64(st.Capacity)
	return mem.Footprint{Live: int64(st.InUse), Committed: n, Reserved: n, Peak: int64(st.Peak)}
}

// Footprint implements [mem.Footprinter] with the child's answer, or the zero
// Footprint if the child has none.
func (t *ThreadSafe) Footprint() mem.Footprint {
	if t.child == nil {
		return mem.Footprint{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if f, ok := mem.As[mem.Footprinter](t.child); ok {
		return f.Footprint()
	}
	return mem.Footprint{}
}

// A meter is where an allocator that is for one goroutine at a time leaves
// figures for others. It writes them down when it is at slow work anyway, and
// only once somebody has asked: there is no meter before.
type meter struct {
	blocks, live, committed, peak atomic.Int64
}

// read returns the figures that m holds, and makes it hold some from now on.
func (m *meterRef) read() mem.Footprint {
	race.Disable()
	defer race.Enable()
	r := m.p.Load()
	if r == nil {
		m.p.CompareAndSwap(nil, new(meter))
		return mem.Footprint{}
	}
	committed := r.committed.Load()
	return mem.Footprint{
		Blocks: r.blocks.Load(), Live: min(r.live.Load(), committed), Peak: r.peak.Load(),
		Committed: committed, Reserved: committed,
	}
}

// A meterRef is a meter that may not be there yet. It is hidden from the race
// detector, for which it would order goroutines that have nothing to do with one
// another.
type meterRef struct{ p atomic.Pointer[meter] }

// asked tells whether there is a meter: it costs a load.
func (m *meterRef) asked() bool {
	if race.Enabled {
		return m.get() != nil
	}
	return m.p.Load() != nil
}

// get returns the meter, or nil if nobody has asked.
func (m *meterRef) get() *meter {
	race.Disable()
	defer race.Enable()
	return m.p.Load()
}

// note writes figures down. What is negative stays as it was.
func (m *meter) note(blocks, live, committed int) {
	race.Disable()
	defer race.Enable()
	if blocks >= 0 {
		m.blocks.Store(int64(blocks))
	}
	if live >= 0 {
		m.live.Store(int64(live))
	}
	m.committed.Store(int64(committed))
	raise(&m.peak, int64(committed))
}

// Footprint implements [mem.Footprinter]. An Arena keeps figures for it from the
// first call on, which returns none, and brings them up to date when it gets a
// chunk, and before it is reset or closed: between two phases they say what the
// last one has used. It does not know the number of blocks.
//
// Unlike the other methods it may be called from any goroutine.
func (a *Arena) Footprint() mem.Footprint { return a.state.meter.read() }

// measure writes down what the arena holds, and what is in use unless its
// chunks are being changed.
func (s *ArenaState) measure(inUse bool) {
	if s.meter.asked() {
		s.noteMeasure(inUse)
	}
}

func (s *ArenaState) noteMeasure(inUse bool) {
	live := -1
	if inUse {
		live = s.Stats().InUse
	}
	s.meter.get().note(-1, live, s.capacity())
}

// Footprint implements [mem.Footprinter]. A Pool keeps figures for it from the
// first call on, which returns none, and brings them up to date every few dozen
// calls of Create and Destroy, and when slabs come and go.
//
// Unlike the other methods it may be called from any goroutine.
func (p *Pool[T]) Footprint() mem.Footprint { return p.core.meter.read() }

// measure writes down what the pool holds.
func (c *poolCore) measure() {
	if c.meter.asked() {
		c.noteMeasure()
	}
}

func (c *poolCore) noteMeasure() {
	n := c.len()
	c.meter.get().note(n, n*c.size, c.bytes)
}
