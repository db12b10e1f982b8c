package heap

import (
	"cmp"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/allod-dev/allod/internal/addrmap"
	"github.com/allod-dev/allod/internal/pprofenc"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/stack"
	"github.com/allod-dev/allod/mem"
)

// Profile wraps an allocator and finds out who allocates, at a price that a
// program in production can pay: as Go's own profile of the heap does, it takes
// the stack of one block in so many bytes, and says of each stack how much all
// of its blocks must be. Memory off the Go heap is not in Go's profile; this is
// the profile that it is in. [Profile.WriteProfile] writes it for go tool pprof.
//
// Memory comes from the child, to which every operation is passed unchanged.
// Free is the child's. Blocks live as long as the child says, and a child that
// frees many at once, as an Arena does, is not noticed: the blocks stay in the
// profile. For an arena, wrap the child that it takes its chunks from.
//
// A Profile is safe for concurrent use if its child is; writing it always is. It
// must not be copied. The zero Profile has no child; call [NewProfile].
//
// The figures are estimates: of a stack with n blocks in the sample the error is
// about one in the square root of n. They do not lean to either side. A block
// that grows or shrinks counts as one freed and another allocated.
type Profile struct {
	copies noCopy
	child  mem.Allocator
	rate   uint64 // a block of this many bytes is in the sample with probability 1-1/e
	sure   uint64 // blocks of this many bytes are in the sample for sure
	depth  int
	stacks *stack.Table  // each stack once
	marks  profileFilter // where blocks of the sample may be

	mu    sync.Mutex
	live  addrmap.Map[profiled]
	sites map[stack.ID]*profileSite
}

var _ mem.Allocator = (*Profile)(nil)

// Most calls must cost next to nothing, so neither Alloc nor Free may look at
// what other goroutines change. Alloc throws dice, for every block alone, rather
// than count bytes down to the next sample: a countdown would be shared, or kept
// for each processor. A block of size s is taken with probability
// 1-exp(-s/rate), as if each of its bytes could be the one, and stands for the
// inverse of that many blocks. Free reads one counter of a table that is hashed
// by address, nearly always 0; only if it is not, the lock is taken to look.
//
// The lock is visible to the race detector: it orders the goroutines whose
// blocks are in the sample, and hides a race of theirs now and then.

// ProfileOptions are the settings of [NewProfileWith].
type ProfileOptions struct {
	// Rate is how many bytes there are, on average, to a block in the sample.
	// 0 means 512 KiB, as in Go; with 1 every block is in it. More than 64 MiB
	// is 64 MiB.
	Rate int

	// StackDepth is how many calls of a stack are kept. 0 means 32, and more
	// than 64 is 64.
	StackDepth int
}

const (
	profileRate   = 512 << 10
	profileDepth  = 64
	profileStacks = 16 << 20 // bytes of stacks; more are counted without one
	profileMarks  = 1 << 14
)

// profiled is a block in the sample.
type profiled struct {
	site stack.ID
	size int
}

// profileSite is what the blocks of one stack come to: estimates, so not whole.
type profileSite struct {
	allocObjects, allocBytes float64
	liveObjects, liveBytes   float64
}

// profileFilter counts the blocks of the sample by a hash of their address.
type profileFilter [profileMarks]atomic.Int32

func (f *profileFilter) of(b []byte) *atomic.Int32 {
	return &f[uint64(address(b))*0x9e3779b97f4a7c15>>50%profileMarks]
}

// NewProfile returns child with a sample of its blocks profiled.
func NewProfile(child mem.Allocator) *Profile {
	mustChild("heap: NewProfile", child)
	return NewProfileWith(child, ProfileOptions{})
}

// NewProfileWith is [NewProfile] with options. It panics if one is negative.
func NewProfileWith(child mem.Allocator, o ProfileOptions) *Profile {
	mustChild("heap: NewProfileWith", child)
	if o.Rate < 0 || o.StackDepth < 0 {
		panic("heap: NewProfileWith: negative option")
	}
	rate := uint64(o.Rate)
	if rate == 0 {
		rate = profileRate
	}
	rate = min(rate, 64<<20) // lest sizes times 1<<32 overflow
	p := &Profile{
		child:  child,
		rate:   rate,
		sure:   32 * rate,
		depth:  min(cmp.Or(o.StackDepth, 32), profileDepth),
		stacks: stack.NewTable(profileStacks),
		sites:  make(map[stack.ID]*profileSite),
	}
	if rate == 1 {
		p.sure = 1
	}
	return p
}

// The methods are not inlined: their callers are told by their distance.

// Alloc implements [mem.Allocator].
//
//go:noinline
func (p *Profile) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("heap: Profile.Alloc", size)
	p.copies.check("heap: Profile.Alloc")
	if p.child == nil {
		return nil, zeroValue("heap: Profile.Alloc", "NewProfile")
	}
	b, err := p.child.Alloc(size, l)
	if err == nil && p.chosen(size) {
		p.add(b, size, 2)
	}
	return b, err
}

// Resize implements [mem.Allocator].
//
//go:noinline
func (p *Profile) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: Profile.Resize", size)
	if p.child == nil {
		zeroValue("heap: Profile.Resize", "NewProfile")
		return b, false
	}
	return p.resize(b, l, size, mem.Allocator.Resize)
}

// Remap implements [mem.Allocator].
//
//go:noinline
func (p *Profile) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: Profile.Remap", size)
	if p.child == nil {
		zeroValue("heap: Profile.Remap", "NewProfile")
		return b, false
	}
	return p.resize(b, l, size, mem.Allocator.Remap)
}

//go:noinline
func (p *Profile) resize(b []byte, l mem.Layout, size int, how changer) ([]byte, bool) {
	was, in := p.take(b)
	r, ok := how(p.child, b, l, size)
	switch {
	case !ok && in:
		p.putBack(b, was)
	case ok && p.chosen(size):
		p.add(r, size, 3)
	}
	return r, ok
}

// Free implements [mem.Allocator].
func (p *Profile) Free(b []byte, l mem.Layout) {
	if p.child == nil {
		zeroValue("heap: Profile.Free", "NewProfile")
		return
	}
	was, in := p.take(b)
	if !freeTo(p.child, b, l) && in {
		p.putBack(b, was)
	}
}

// Pointers returns the child's answer.
func (p *Profile) Pointers() mem.Pointers {
	if p.child == nil {
		return mem.PlainOnly
	}
	return p.child.Pointers()
}

// Unwrap returns the child.
func (p *Profile) Unwrap() mem.Allocator { return p.child }

// chosen throws the dice for a block of size bytes.
func (p *Profile) chosen(size int) bool {
	if uint64(size) >= p.sure {
		return true
	}
	chance := uint64(rand.Uint32()) // of 1<<32
	// The probability is less than size/rate, which is cheaper to know.
	return chance*p.rate < uint64(size)<<32 && float64(chance) < p.probability(size)*(1<<32)
}

// probability is that of a block of size bytes to be in the sample.
func (p *Profile) probability(size int) float64 {
	if uint64(size) >= p.sure {
		return 1
	}
	return -math.Expm1(-float64(size) / float64(p.rate))
}

// add takes b into the sample, for the caller of so many callers of add.
//
//go:noinline
func (p *Profile) add(b []byte, size, skip int) {
	var pcs [profileDepth]uintptr
	site := p.stacks.Intern(pcs[:stack.Callers(skip, pcs[:p.depth])])
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sites[site]
	if s == nil {
		s = new(profileSite)
		p.sites[site] = s
	}
	n := 1 / p.probability(size)
	s.allocObjects += n
	s.allocBytes += n * float64(size)
	p.insert(b, profiled{site, size})
}

// take takes b out of the sample, and tells whether it was in it.
func (p *Profile) take(b []byte) (was profiled, in bool) {
	if len(b) == 0 {
		return profiled{}, false
	}
	mark := p.marks.of(b)
	race.Disable()
	none := mark.Load() == 0
	race.Enable()
	if none {
		return profiled{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if was, in = p.live.Get(address(b)); in {
		p.live.Delete(address(b))
		mark.Add(-1)
		n := 1 / p.probability(was.size)
		s := p.sites[was.site]
		s.liveObjects -= n
		s.liveBytes -= n * float64(was.size)
	}
	return was, in
}

// putBack undoes a take, the child having refused.
func (p *Profile) putBack(b []byte, was profiled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.insert(b, was)
}

func (p *Profile) insert(b []byte, is profiled) {
	n := 1 / p.probability(is.size)
	s := p.sites[is.site]
	s.liveObjects += n
	s.liveBytes += n * float64(is.size)
	p.live.Put(address(b), is)
	p.marks.of(b).Add(1)
}

// WriteProfile writes, by stack, how many blocks and bytes were allocated and
// how many of them are live, as a profile for go tool pprof, with the sample
// types of Go's own profile of the heap. Live bytes are shown unless told
// otherwise.
func (p *Profile) WriteProfile(w io.Writer) error {
	program, _ := os.Executable() // a profile without its name is good enough
	out := pprofenc.New(pprofenc.Heap, program, time.Now())
	for _, s := range p.Sites() {
		out.Add(s.Stack, s.TotalBlocks, s.TotalBytes, s.Blocks, s.Bytes)
	}
	return out.Write(w)
}
