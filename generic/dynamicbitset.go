package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A DynamicBitSet is a sequence of bits, or a set of the numbers of those that
// are set, whose length is decided while the program runs.
// [DynamicBitSetUnmanaged] is the same without a stored allocator, and says more
// about both.
//
// Memory comes from the allocator given to [NewDynamicBitSet], in Resize and
// Clone only.
//
// A set is for one goroutine at a time and must not be copied. The zero
// DynamicBitSet has no allocator; call [NewDynamicBitSet].
type DynamicBitSet struct {
	_ noCopy
	a mem.Allocator
	u DynamicBitSetUnmanaged
}

// NewDynamicBitSet returns a set of no bits, which first calls a in Resize.
func NewDynamicBitSet(a mem.Allocator) *DynamicBitSet {
	if isNil(a) {
		panicNil(a, "generic: NewDynamicBitSet")
	}
	return &DynamicBitSet{a: a}
}

// Allocator returns the allocator of the set.
func (s *DynamicBitSet) Allocator() mem.Allocator { return s.a }

// Close gives all memory back and leaves an empty set, which may be used
// again. It never allocates, and the error is always nil.
func (s *DynamicBitSet) Close() error {
	s.u.Close(s.a)
	return nil
}

// Clone returns a set of the same bits.
func (s *DynamicBitSet) Clone() (*DynamicBitSet, error) {
	u, err := s.u.Clone(s.a)
	if err != nil {
		return nil, err
	}
	return &DynamicBitSet{a: s.a, u: u}, nil
}

// ToUnmanaged returns the set without its allocator, which every call is handed
// from now on, and leaves s empty, without memory.
func (s *DynamicBitSet) ToUnmanaged() DynamicBitSetUnmanaged {
	u := s.u
	s.u = DynamicBitSetUnmanaged{}
	return u
}

// Resize sets the length to n bits. Bits that are added have the given value. It
// panics if n is negative. On an error the set is unchanged.
func (s *DynamicBitSet) Resize(n int, value bool) error { return s.u.Resize(s.a, n, value) }

// Clear clears all bits. The length stays as it is.
func (s *DynamicBitSet) Clear() { s.u.Clear() }

// Len returns the number of bits, set and not set.
func (s *DynamicBitSet) Len() int { return s.u.Len() }

// Count returns how many bits are set.
func (s *DynamicBitSet) Count() int { return s.u.Count() }

// IsSet tells whether bit i is set. It panics unless 0 <= i < Len, as do the
// methods that change one bit.
func (s *DynamicBitSet) IsSet(i int) bool { return s.u.IsSet(i) }

// Set sets bit i.
func (s *DynamicBitSet) Set(i int) { s.u.Set(i) }

// Unset clears bit i.
func (s *DynamicBitSet) Unset(i int) { s.u.Unset(i) }

// SetValue sets bit i if value is true, and clears it if not.
func (s *DynamicBitSet) SetValue(i int, value bool) { s.u.SetValue(i, value) }

// Toggle changes bit i.
func (s *DynamicBitSet) Toggle(i int) { s.u.Toggle(i) }

// SetRange gives bits i to j-1 the given value. It panics unless
// 0 <= i <= j <= Len.
func (s *DynamicBitSet) SetRange(i, j int, value bool) { s.u.SetRange(i, j, value) }

// SetAll sets all bits.
func (s *DynamicBitSet) SetAll() { s.u.SetAll() }

// ToggleAll changes all bits.
func (s *DynamicBitSet) ToggleAll() { s.u.ToggleAll() }

// Union sets the bits that are set in o, which has the same length. This and the
// following panic if it has not.
func (s *DynamicBitSet) Union(o *DynamicBitSet) { s.u.Union(&o.u) }

// Intersection clears the bits that are not set in o.
func (s *DynamicBitSet) Intersection(o *DynamicBitSet) { s.u.Intersection(&o.u) }

// Difference clears the bits that are set in o.
func (s *DynamicBitSet) Difference(o *DynamicBitSet) { s.u.Difference(&o.u) }

// ToggleSet changes the bits that are set in o.
func (s *DynamicBitSet) ToggleSet(o *DynamicBitSet) { s.u.ToggleSet(&o.u) }

// Equal tells whether the two sets have the same length and the same bits.
func (s *DynamicBitSet) Equal(o *DynamicBitSet) bool { return s.u.Equal(&o.u) }

// SubsetOf tells whether every bit that is set is set in o, which has the same
// length.
func (s *DynamicBitSet) SubsetOf(o *DynamicBitSet) bool { return s.u.SubsetOf(&o.u) }

// SupersetOf tells whether every bit that is set in o, which has the same
// length, is set.
func (s *DynamicBitSet) SupersetOf(o *DynamicBitSet) bool { return s.u.SupersetOf(&o.u) }

// First returns the first bit that is set, or -1 if none is.
func (s *DynamicBitSet) First() int { return s.u.First() }

// Last returns the last bit that is set, or -1 if none is.
func (s *DynamicBitSet) Last() int { return s.u.Last() }

// Next returns the first bit from i on that is set, or -1 if none is. It panics
// unless 0 <= i <= Len.
func (s *DynamicBitSet) Next(i int) int { return s.u.Next(i) }

// TakeFirst clears the first bit that is set and returns it, or -1 if none is.
func (s *DynamicBitSet) TakeFirst() int { return s.u.TakeFirst() }

// All yields the bits that are set, in ascending order. Bits may be changed
// during the iteration, which yields those behind it that are set when it comes
// to them.
func (s *DynamicBitSet) All() iter.Seq[int] { return s.u.All() }

// AllUnset yields the bits that are not set, in ascending order, on the terms of
// All.
func (s *DynamicBitSet) AllUnset() iter.Seq[int] { return s.u.AllUnset() }

// Backward yields the bits that are set, in descending order, on the terms of
// All.
func (s *DynamicBitSet) Backward() iter.Seq[int] { return s.u.Backward() }

// Drain clears the bits that are set one by one, in ascending order, and yields
// them, until none is left or the loop ends.
func (s *DynamicBitSet) Drain() iter.Seq[int] { return s.u.Drain() }

// Cap returns how many bits fit without another call to the allocator.
func (s *DynamicBitSet) Cap() int { return s.u.Cap() }

// FromBuffer makes s, which must have no memory, a set of no bits in buf, which
// stays the caller's: it bounds the length, and a Resize beyond it returns
// [mem.ErrLimit]. Close only lets go of it. The length of buf does not matter,
// its capacity does.
func (s *DynamicBitSet) FromBuffer(buf []uint) { s.u.FromBuffer(buf) }

// BackwardUnset yields the bits that are not set, in descending order, on the
// terms of All.
func (s *DynamicBitSet) BackwardUnset() iter.Seq[int] { return s.u.BackwardUnset() }
