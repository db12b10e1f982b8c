package heap

import (
	"io"
	"math"
	"math/bits"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/addrmap"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// Profile wraps an allocator and finds out who allocates, at a price that a
// program in production can pay: as Go's own profile of the heap does, it takes
// the stack of one block in so many bytes, and says of each stack how much all
// of its blocks must be. Memory off the Go heap is not in Go's profile; this is
// the profile that it is in. [Profile.WriteProfile] writes it for go tool pprof.
// An [SMP] profiles itself for less: see SMPOptions.ProfileRate.
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
	sample sampler
	marks  profileMarks // where the blocks of the sample may be
}

var _ mem.Allocator = (*Profile)(nil)

// Most calls must cost next to nothing, so neither Alloc nor Free may look at
// what other goroutines change. Alloc throws dice, for every block alone, rather
// than count bytes down to the next sample: a countdown would be shared, or kept
// for each processor, which costs more than dice. Free reads one byte of a table
// that is hashed by address, nearly always 0; only if it is not, the lock is
// taken to look. What is left is mostly the second call through an interface,
// which a wrapper cannot do without; see [SMPOptions.ProfileRate].

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
	p := &Profile{child: child, sample: newSampler(o.Rate, o.StackDepth)}
	p.marks.now.Store(newProfileTable(profileTableMin))
	p.sample.marks = &p.marks
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
	if err == nil && p.sample.likely(size) && p.sample.confirmed(size) {
		p.sample.add(b, 1/p.sample.probability(size), 2)
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
	var was sampled
	in := false
	if p.marks.some(b) {
		was, in = p.sample.take(b)
	}
	r, ok := how(p.child, b, l, size)
	switch {
	case !ok && in:
		p.sample.putBack(b, was)
	case ok && p.sample.likely(size) && p.sample.confirmed(size):
		p.sample.add(r, 1/p.sample.probability(size), 3)
	}
	return r, ok
}

// Free implements [mem.Allocator].
func (p *Profile) Free(b []byte, l mem.Layout) {
	if p.child == nil {
		zeroValue("heap: Profile.Free", "NewProfile")
		return
	}
	if p.marks.some(b) {
		p.free(b, l)
		return
	}
	p.child.Free(b, l)
}

// free is Free for a block that may be in the sample.
func (p *Profile) free(b []byte, l mem.Layout) {
	was, in := p.sample.take(b)
	if !freeTo(p.child, b, l) && in {
		p.sample.putBack(b, was)
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

// Sites returns, by stack, what was allocated and what of it is live, most live
// bytes first.
func (p *Profile) Sites() []ProfileSite {
	if p.child == nil {
		return nil
	}
	return p.sample.list()
}

// WriteProfile writes, by stack, how many blocks and bytes were allocated and
// how many of them are live, as a profile for go tool pprof, with the sample
// types of Go's own profile of the heap. Live bytes are shown unless told
// otherwise.
func (p *Profile) WriteProfile(w io.Writer) error { return writeSites(w, p.Sites()) }

// profileMarks counts the blocks of the sample by a hash of their address. Where
// it is 0, no block is in the sample. The table is replaced by a larger one as
// the sample grows, so that nearly all counts are 0.
//
// It is written under the sampler's lock and read without. Who frees a block that
// is in the sample was told of it by whoever allocated it, and so sees a table in
// which it is counted; and what others do to the same count meanwhile does not
// make it 0.
type profileMarks struct {
	now atomic.Pointer[profileTable]
}

type profileTable struct {
	shift uint8
	count []uint8 // one that reaches the greatest uint8 stays there
}

const (
	profileTableMin = 4 << 10
	profileSpread   = 32 // counts for each block in the sample, at least
)

//go:norace
func newProfileTable(n int) *profileTable {
	return &profileTable{shift: uint8(64 - bits.Len(uint(n-1))), count: make([]uint8, n)}
}

// at returns the count for an address.
//
//go:norace
func (t *profileTable) at(addr uintptr) *uint8 {
	const multiplier = 0x9E3779B97F4A7C15 // Fibonacci hashing, as in package addrmap
	return &t.count[uint64(addr)*multiplier>>(t.shift&63)]
}

// some tells whether b may be in the sample.
//
//go:norace
func (m *profileMarks) some(b []byte) bool {
	race.Disable()
	t := m.now.Load()
	race.Enable()
	return *t.at(address(b)) != 0
}

// add counts the block at addr, one of those that are live.
//
//go:norace
func (m *profileMarks) add(addr uintptr, live *addrmap.Map[sampled]) {
	t := m.now.Load()
	if live.Len() <= len(t.count)/profileSpread {
		t.add(addr)
		return
	}
	t = newProfileTable(2 * len(t.count))
	for i := range live.Slots() {
		if addr, _, ok := live.At(i); ok {
			t.add(addr)
		}
	}
	m.now.Store(t)
}

//go:norace
func (t *profileTable) add(addr uintptr) {
	if c := t.at(addr); *c < math.MaxUint8 {
		*c++
	}
}

// remove undoes add.
//
//go:norace
func (m *profileMarks) remove(addr uintptr) {
	if c := m.now.Load().at(addr); *c < math.MaxUint8 {
		*c--
	}
}
