package heap

import (
	"iter"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// A Pool hands out objects of one type, one at a time, and takes them back one
// at a time: the nodes of a tree, the connections of a server. It is the
// fastest allocator here for that, and the one that finds a wrong Destroy in
// every build.
//
// Memory comes from a child in slabs, the first small and each as large as all
// before it, up to 64 MiB. A T that holds Go pointers needs a child that the
// collector sees, such as [GC], or the promise of [mem.NoGoPointers]; otherwise
// Create returns a [*mem.PointerError].
//
// Destroy makes room for another object of the pool; the slab stays. It reports
// a [Misuse] if its argument was destroyed before, is no object or points into
// one, and looks at nothing but addresses to find out. [Pool.Trim] gives slabs
// without objects back to the child, [Pool.Release] and [Pool.Close] all.
//
// An object lives until it is destroyed, or until Reset, ResetTo, Release or
// Close, which end the life of all. Neither the pool being unreachable nor a
// collection does.
//
// A Pool is for one goroutine at a time; give each its own, or guard it with a
// mutex. The zero Pool has no child, call [NewPool]. It must not be copied.
type Pool[T any] struct {
	_ noCopy
	solo

	// The object that was created last, or nil. If free is set its life has
	// ended, and nothing but free tells so: see [Pool.settle].
	last *T
	free bool

	core poolCore
}

// PoolOptions are the settings of [NewPoolWith]. The zero value gives what
// [NewPool] does.
type PoolOptions struct {
	// Preheat is how many objects the pool makes room for, at least, when it
	// first asks the child.
	Preheat int
	// Max is how many objects there may be at once. One more is
	// [mem.ErrLimit]. 0 means any number.
	Max int
	// Align is the alignment of each object, if it is more than the type's own.
	// Objects then are that far apart at least, and a whole number of Ts apart
	// if T holds pointers.
	Align mem.Alignment
}

// PoolStats is what [Pool.Stats] tells.
type PoolStats struct {
	Live  int // objects that were created and not destroyed
	Slots int // objects that there is room for without asking the child
	Slabs int // blocks held of the child
	Bytes int // size of these blocks
}

// A pair of Create and Destroy costs a few nanoseconds, and the design follows
// from what would make it more.
//
// The object that was created last is often the first to be destroyed, and its
// memory the first to be asked for again. Such a pair sets a flag and clears it,
// which is a whole check: only a live object of this pool can be the last one while
// free is not set. An object that the collector looks at is never the last: Destroy
// has to clear it.
//
// Free slots wait in an array, the magazine, the latest on top: it is still in the
// processor's cache. Links threaded through the free objects would cost a load that
// waits for the store before it, would be overwritten by a use after Destroy, and
// could not be kept in memory that the collector scans as T.
//
// The magazine has slots of any slab. With those of one slab alone, whoever
// exchanges objects at random would soon have it empty, and fill it with one or two
// slots at a time, each from another place.
//
// Everything that says which slots are free lies outside of the slabs: a byte
// per slot that is 1 while its object lives, above them a bit per 64 slots that
// tells where free ones are, and so on up to one bit per slab. Destroy checks
// the first and never reads the object. It is a byte because a bit would have to
// be read before it is written, by Create and by Destroy: a pair then waits
// twice for the store before it, which is a quarter of its time.
//
// Who destroys at random waits for memory, for as many objects at once as the
// processor has room for the instructions of; and for one at a time if Destroy is a
// call: what a loop has put aside for it is read again behind it, which a processor
// may be unable to do while it does not know where the byte is that is written. So
// all of Destroy is inlined but for what is rare, and finds the slab in a table of
// equal pieces of the addresses, the cells, without a search.
//
// What overflows the magazine is not put anywhere, the bytes know it. An empty
// magazine is filled from them in order of address, so that objects that are
// created together lie together however the slots came to be free: a list would
// give them back in the order in which they were destroyed, one cache miss each.
//
// Slots keep the memory as Create must find it. A T that the collector looks at is
// cleared by Destroy, so that what it pointed to can be collected, with a typed
// store, as the collector wants it; its slots are always zero. Another T is cleared
// by Create, where it is about to be written anyway, unless it is so large that
// clearing a slot of a fresh slab would touch memory for nothing; and by New if it
// holds pointers: a write barrier must not find old ones there, which may lead to
// what is gone.

// NewPool returns an empty Pool over child. It first calls Alloc of child in the
// first Create.
func NewPool[T any](child mem.Allocator) *Pool[T] {
	return newPool[T](child, PoolOptions{}, "heap: NewPool")
}

// NewPoolWith is [NewPool] with options. It panics if one of them is negative.
func NewPoolWith[T any](child mem.Allocator, o PoolOptions) *Pool[T] {
	return newPool[T](child, o, "heap: NewPoolWith")
}

func newPool[T any](child mem.Allocator, o PoolOptions, name string) *Pool[T] {
	mustChild(name, child)
	if o.Preheat < 0 || o.Max < 0 {
		panic(name + ": negative option")
	}
	p := new(Pool[T])
	l, err := poolLayout[T](child)
	p.core.init(child, l, err, o)
	return p
}

// Create returns a zero T. The error is that of the child; [mem.ErrLimit] if the
// pool is full; or a [*mem.PointerError]. The pool is then as it was. If T has
// no size, the result is not nil and may equal others, and nothing is counted.
func (p *Pool[T]) Create() (*T, error) {
	if invariant.Enabled {
		p.enter("heap: Pool.Create")
		defer p.leave()
	}
	c := &p.core
	if p.free {
		p.free = false
		if v := p.last; v != nil {
			clearPlain(v)
			return v, nil
		}
	}
	last := c.filled - 1
	if last >= magazine { // it was 0
		return p.createSlow(true)
	}
	m := &c.mag[last]
	c.filled = last
	*byteAt(&m.live) = 1
	v := objectAt[T](&m.addr)
	if race.Enabled {
		race.Alloc(bytesOf(v))
	}
	if c.plain {
		clearPlain(v)
		if poolPairs {
			p.last = v
		}
	}
	if invariant.Enabled {
		c.check(false)
	}
	return v, nil
}

// New returns a T with the value v. The errors are those of [Pool.Create].
func (p *Pool[T]) New(v T) (*T, error) {
	if invariant.Enabled {
		p.enter("heap: Pool.New")
		defer p.leave()
	}
	c := &p.core
	if p.free {
		p.free = false
		if q := p.last; q != nil {
			if c.stale {
				clearPlain(q)
			}
			*q = v
			return q, nil
		}
	}
	last := c.filled - 1
	if last >= magazine { // it was 0
		q, err := p.createSlow(c.stale)
		if err == nil {
			*q = v
		}
		return q, err
	}
	m := &c.mag[last]
	c.filled = last
	*byteAt(&m.live) = 1
	q := objectAt[T](&m.addr)
	if race.Enabled {
		race.Alloc(bytesOf(q))
	}
	if c.stale {
		clearPlain(q)
	}
	*q = v
	if poolPairs && c.plain {
		p.last = q
	}
	if invariant.Enabled {
		c.check(false)
	}
	return q, nil
}

// createSlow is Create with an empty magazine.
func (p *Pool[T]) createSlow(zero bool) (*T, error) {
	if sizeOf[T]() == 0 && p.core.err != mem.ErrClosed {
		return new(T), nil
	}
	c := &p.core
	zeroed, err := c.refill()
	if err != nil {
		return nil, err
	}
	c.filled--
	m := &c.mag[c.filled]
	*byteAt(&m.live) = 1
	v := objectAt[T](&m.addr)
	if race.Enabled {
		race.Alloc(bytesOf(v))
	}
	if zero && c.plain && !zeroed {
		clearPlain(v)
	}
	if poolPairs && c.plain {
		p.last = v
	}
	if invariant.Enabled {
		c.check(true)
	}
	return v, nil
}

// Destroy ends the life of v, which must be a live object of p. A nil v is a
// no-op. Anything else is reported as a [Misuse], and then nothing happens.
func (p *Pool[T]) Destroy(v *T) {
	// What is not here is in destroy, which can do all of it.
	inPlace(func() {
		if v == p.last && !p.free {
			p.free = true // if both are nil, nothing comes of it
			return
		}
		c := &p.core
		addr := pointerAddress(v)
		cell := (addr - c.low) >> (c.shift % 64)
		if p.free || cell >= uintptr(len(c.cells)) {
			p.destroy(v)
			return
		}
		s := c.cells[cell]
		offset := addr - s.addr
		size := max(sizeOf[T](), 1)
		index := offset / size // by a constant
		if index*size != offset || index >= uintptr(len(s.live)) || s.live[index] == 0 {
			p.destroy(v)
			return
		}
		if invariant.Enabled {
			p.enter("heap: Pool.Destroy")
		}
		p.wipe(v)
		live := &s.live[index]
		*live = 0
		if filled := c.filled; filled < magazine {
			c.mag[filled] = poolSlot{addr, pointerAddress(live)}
			c.filled = filled + 1
		} else if parked := c.parked + 1; parked%magazine != 0 && s.knows(index) {
			c.parked = parked
		} else {
			c.park(s, index)
		}
		if invariant.Enabled {
			c.check(false)
			p.leave()
		}
	})
}

// destroy is Destroy of any object, or of none.
func (p *Pool[T]) destroy(v *T) {
	if invariant.Enabled {
		p.enter("heap: Pool.Destroy")
		defer p.leave()
	}
	if p.free {
		p.settle()
	}
	if v == nil || sizeOf[T]() == 0 {
		return
	}
	c := &p.core
	s, index := p.find(v)
	if s == nil {
		c.misuse("heap: Pool.Destroy", pointerAddress(v))
		return
	}
	p.wipe(v)
	c.put(s, index)
	if invariant.Enabled {
		c.check(false)
	}
}

// wipe leaves the memory of v as the next Create must find it.
func (p *Pool[T]) wipe(v *T) {
	if race.Enabled {
		race.Free(bytesOf(v))
	}
	if !p.core.plain {
		clearTyped(v)
	} else if invariant.Enabled && p.core.poison {
		poison(bytesOf(v))
	}
}

// inPlace calls f, the whole of a method that is to be inlined although it costs
// more than the compiler lets it: a function that is passed costs 15 of the 80,
// whatever is in it, and one that is called in one place only is inlined there if
// it costs no more than 800. For [Stack.Program] the frame of f is not the
// program's. Package generic has its own: of a function that only generic code of
// another package calls, the compiler has nothing to inline.
func inPlace(f func()) { f() }

// settle puts the slot of the last object where other free ones are, if its life
// has ended, and forgets the object. Whoever looks at the slots or gives some of
// them back must call it before.
func (p *Pool[T]) settle() {
	v := p.last
	if p.free && v != nil {
		s, index := p.find(v)
		p.core.put(s, index)
	}
	p.last, p.free = nil, false
}

// find returns the slab and the index of the slot of v, or nil if v is no live
// object.
func (p *Pool[T]) find(v *T) (*poolSlab, uintptr) {
	c := &p.core
	s := c.slabOf(pointerAddress(v))
	if s == nil {
		return nil, 0
	}
	offset := pointerAddress(v) - s.addr
	size := max(sizeOf[T](), 1)
	index := offset / size
	if c.stride != size {
		size = c.stride
		index = offset / size
	}
	if index*size != offset || s.live[index] == 0 {
		return nil, 0
	}
	return s, index
}

// Owns tells whether v is a live object of p. It does not dereference v.
func (p *Pool[T]) Owns(v *T) bool {
	if invariant.Enabled {
		p.enter("heap: Pool.Owns")
		defer p.leave()
	}
	p.settle()
	s, _ := p.find(v)
	return s != nil
}

// All yields the live objects, slab by slab and in order of address within each.
// The loop may destroy any of them, which are then not yielded any more, and may
// create some, which are yielded or not.
func (p *Pool[T]) All() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		c := &p.core
		p.settle()
		for id := 0; id < len(c.slabs); id++ {
			s := c.slabs[id]
			// The loop body may end lives, and even that of the slab.
			for i := s.nextLive(0); i >= 0; i = s.nextLive(i + 1) {
				if !yield(slotAt[T](s.base(), uint32(uintptr(i)*c.stride))) {
					return
				}
				p.settle()
			}
		}
	}
}
