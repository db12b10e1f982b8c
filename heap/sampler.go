package heap

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/addrmap"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/rt"
	"github.com/allod-dev/allod/internal/stack"
)

// A sampler knows a sample of an allocator's live blocks, and what it says about
// all of them. A block of s bytes is in the sample with the probability
// 1-exp(-s/rate), as if each of its bytes could be the one that is drawn, and
// stands for the inverse of that many blocks: the estimates lean to neither
// side, whatever the sizes are. (Horvitz and Thompson, A generalization of
// sampling without replacement from a finite universe, 1952.)
//
// It is safe for concurrent use, and orders nobody in the eyes of the race
// detector: hence no method that holds the lock is instrumented, and there is no
// map of Go's.
type sampler struct {
	rate  float64
	sure  uint64 // blocks of this many bytes are in the sample for sure
	per   uint64 // 1<<32 times the probability of a block of one byte, at least
	depth int
	marks *profileMarks // nil unless somebody wants to know what is not live

	stacks atomic.Pointer[stack.Table] // each once; nil until there is one

	mu    sync.Mutex
	live  addrmap.Map[sampled]
	sites addrmap.Map[*samplerSite] // by stack; see siteKey
}

// sampled is a block in the sample.
type sampled struct {
	site   *samplerSite
	size   int
	stands float64 // for so many blocks
}

// samplerSite is what the blocks of one stack come to: estimates, so not whole.
type samplerSite struct {
	stack                   stack.ID
	totalBlocks, totalBytes float64
	liveBlocks, liveBytes   float64
}

const (
	samplerRate   = 512 << 10 // as runtime.MemProfileRate
	samplerMost   = 64 << 20  // no rate is greater
	samplerDepth  = 64
	samplerStacks = 16 << 20 // bytes of stacks; more are counted without one
)

// newSampler returns a sampler that takes one in rate bytes, and stacks of that
// depth; 0 stands for the defaults.
func newSampler(rate, depth int) sampler {
	if rate == 0 {
		rate = samplerRate
	}
	if depth == 0 {
		depth = samplerDepth / 2
	}
	rate = min(rate, samplerMost)
	sure := 32 * uint64(rate)
	if rate == 1 {
		sure = 1
	}
	return sampler{rate: float64(rate), sure: sure, per: 1<<32/uint64(rate) + 1, depth: min(depth, samplerDepth)}
}

// probability is that of a block of size bytes to be in the sample.
//
//go:norace
func (s *sampler) probability(size int) float64 {
	if uint64(size) >= s.sure {
		return 1
	}
	return -math.Expm1(-float64(size) / s.rate)
}

// chosen throws the dice for a block of size bytes.
//
//go:norace
func (s *sampler) chosen(size int) bool { return s.likely(size) && s.confirmed(size) }

// likely throws dice that say yes a little too often, but are cheap. The
// probability is less than size/rate.
//
//go:norace
func (s *sampler) likely(size int) bool {
	return uint64(rt.Rand()) < uint64(size)*s.per || uint64(size) >= s.sure
}

// confirmed makes up for that, where likely said yes.
//
//go:norace
func (s *sampler) confirmed(size int) bool {
	if uint64(size) >= s.sure {
		return true
	}
	const one = 1 << 32
	said := float64(min(uint64(size)*s.per, one))
	return float64(rt.Rand())*said < s.probability(size)*one*one
}

// pass returns how many blocks of size bytes to pass over, so that each is in the
// sample with its probability.
//
//go:norace
func (s *sampler) pass(size uintptr) uintptr {
	if uint64(size) >= s.sure {
		return 0
	}
	return uintptr(min(rand.ExpFloat64()*s.rate/float64(size), math.MaxInt32))
}

// add takes b into the sample, which stands for so many blocks. The stack is that
// of the caller of so many callers of add.
//
//go:norace
//go:noinline
func (s *sampler) add(b []byte, stands float64, skip int) {
	var pcs [samplerDepth]uintptr
	id := s.table().Intern(pcs[:stack.Callers(skip, pcs[:s.depth])])
	size := float64(len(b))
	s.lock()
	site, ok := s.sites.Get(siteKey(id))
	if !ok {
		site = &samplerSite{stack: id}
		s.sites.Put(siteKey(id), site)
	}
	site.totalBlocks += stands
	site.totalBytes += stands * size
	s.insert(b, sampled{site, len(b), stands})
	s.unlock()
}

// siteKey is the key of a stack: an address must not be 0, and a stack may.
func siteKey(id stack.ID) uintptr { return uintptr(id) + 1 }

// table returns the stacks. The table is made when there is the first.
//
//go:norace
func (s *sampler) table() *stack.Table {
	race.Disable()
	defer race.Enable()
	t := s.stacks.Load()
	if t == nil {
		s.stacks.CompareAndSwap(nil, stack.NewTable(samplerStacks))
		t = s.stacks.Load()
	}
	return t
}

// insert makes b, which is x, live. The lock is held.
//
//go:norace
func (s *sampler) insert(b []byte, x sampled) {
	x.site.liveBlocks += x.stands
	x.site.liveBytes += x.stands * float64(x.size)
	s.live.Put(address(b), x)
	if s.marks != nil {
		s.marks.add(address(b), &s.live)
	}
}

// take takes b, which may be empty, out of the sample, and tells whether it was
// in it.
//
//go:norace
func (s *sampler) take(b []byte) (x sampled, in bool) {
	s.lock()
	if x, in = s.live.Delete(address(b)); in {
		x.site.liveBlocks -= x.stands
		x.site.liveBytes -= x.stands * float64(x.size)
		if s.marks != nil {
			s.marks.remove(address(b))
		}
	}
	s.unlock()
	return x, in
}

// putBack undoes a take.
//
//go:norace
func (s *sampler) putBack(b []byte, x sampled) {
	s.lock()
	s.insert(b, x)
	s.unlock()
}

//go:norace
func (s *sampler) lock() {
	race.Disable()
	s.mu.Lock()
}

//go:norace
func (s *sampler) unlock() {
	s.mu.Unlock()
	race.Enable()
}

// list returns what the sample says, by stack, most live bytes first.
func (s *sampler) list() []ProfileSite {
	round := func(f float64) int64 { return int64(math.Round(f)) }
	sites := s.snapshot()
	if len(sites) == 0 {
		return nil
	}
	stacks := s.table()
	all := make([]ProfileSite, 0, len(sites))
	for _, x := range sites {
		all = append(all, ProfileSite{
			Blocks: round(x.liveBlocks), Bytes: round(x.liveBytes),
			TotalBlocks: round(x.totalBlocks), TotalBytes: round(x.totalBytes),
			Stack: stack.Logical(stacks.PCs(x.stack)),
		})
	}
	slices.SortFunc(all, func(a, b ProfileSite) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.TotalBytes, a.TotalBytes), slices.Compare(a.Stack, b.Stack))
	})
	return all
}

// snapshot returns what the sites are at one moment.
//
//go:norace
func (s *sampler) snapshot() []samplerSite {
	s.lock()
	defer s.unlock()
	all := make([]samplerSite, s.sites.Len())
	n := 0
	for i := range s.sites.Slots() {
		if _, site, ok := s.sites.At(i); ok {
			all[n] = *site
			n++
		}
	}
	return all
}
