package generic

import (
	"iter"
	"math"
	"math/bits"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A DynamicBitSetUnmanaged is a sequence of bits, or a set of the numbers of
// those that are set, whose length is decided while the program runs. The
// allocator is handed to every call that may need it. [DynamicBitSet] is the same
// with the allocator stored.
//
// Memory comes from the allocator passed in, which must be the same every time:
// one block of words, which grows as that of an [ArrayListUnmanaged] does. Only
// Resize and Clone allocate. Operations on whole sets take a word at a time.
//
// A set is for one goroutine at a time. The zero value is a set of no bits.
// Assigning a set moves it: two copies must not both be used.
type DynamicBitSetUnmanaged struct {
	words ArrayListUnmanaged[uint] // of n bits; those beyond n are 0
	n     int
}

// wordsFor returns how many words n bits need, which cannot overflow.
func wordsFor(n int) int { return n/bits.UintSize + b2i(n%bits.UintSize > 0) }

// Resize sets the length to n bits. Bits that are added have the given value. It
// panics if n is negative. On an error the set is unchanged.
func (s *DynamicBitSetUnmanaged) Resize(a mem.Allocator, n int, value bool) error {
	if n < 0 {
		panic("generic: DynamicBitSet.Resize: negative length")
	}
	old := s.n
	if err := s.words.resize(a, wordsFor(n), "generic: DynamicBitSet.Resize"); err != nil {
		return err
	}
	s.n = n
	s.trim()
	if value && n > old {
		s.SetRange(old, n, true)
	}
	s.check()
	return nil
}

// FromBuffer makes s, which must have no memory, a set of no bits in buf, which
// stays the caller's: it bounds the length, and a Resize beyond it returns
// [mem.ErrLimit]. Close only lets go of it. The length of buf does not matter,
// its capacity does.
func (s *DynamicBitSetUnmanaged) FromBuffer(buf []uint) { s.words.FromBuffer(buf) }

// trim clears the bits beyond the length.
func (s *DynamicBitSetUnmanaged) trim() {
	if r := s.n % bits.UintSize; r > 0 {
		s.words.items[len(s.words.items)-1] &= 1<<r - 1
	}
}

// Clone returns a set of the same bits.
func (s *DynamicBitSetUnmanaged) Clone(a mem.Allocator) (DynamicBitSetUnmanaged, error) {
	words, err := s.words.clone(a, "generic: DynamicBitSet.Clone")
	if err != nil {
		return DynamicBitSetUnmanaged{}, err
	}
	return DynamicBitSetUnmanaged{words, s.n}, nil
}

// ToManaged returns the set with a, the allocator that it has had so far,
// stored, and leaves s empty, without memory.
func (s *DynamicBitSetUnmanaged) ToManaged(a mem.Allocator) *DynamicBitSet {
	s.words.from.adopt(a, "generic: DynamicBitSet.ToManaged")
	c := &DynamicBitSet{a: a, u: *s}
	*s = DynamicBitSetUnmanaged{}
	return c
}

// Close gives all memory back and leaves a set of no bits, which may be used
// again. It never fails.
func (s *DynamicBitSetUnmanaged) Close(a mem.Allocator) {
	s.words.Close(a)
	s.n = 0
}

// Clear clears all bits. The length stays as it is.
func (s *DynamicBitSetUnmanaged) Clear() { clear(s.words.items) }

// Len returns the number of bits, set and not set.
func (s *DynamicBitSetUnmanaged) Len() int { return s.n }

// Cap returns how many bits fit without another call to the allocator.
func (s *DynamicBitSetUnmanaged) Cap() int { return s.words.Cap() * bits.UintSize }

// Count returns how many bits are set.
func (s *DynamicBitSetUnmanaged) Count() int {
	n := 0
	for _, w := range s.words.items {
		n += bits.OnesCount(w)
	}
	return n
}

// word returns the word of bit i and the bit in it.
func (s *DynamicBitSetUnmanaged) word(i int) (w *uint, bit uint) {
	if uint(i) >= uint(s.n) {
		panic(badIndex{"generic: DynamicBitSet", i, s.n})
	}
	return elementAt(s.words.items, uint(i)/bits.UintSize), 1 << (uint(i) % bits.UintSize)
}

// IsSet tells whether bit i is set. It panics unless 0 <= i < Len, as do the
// methods that change one bit.
func (s *DynamicBitSetUnmanaged) IsSet(i int) bool {
	w, bit := s.word(i)
	return *w&bit != 0
}

// Set sets bit i.
func (s *DynamicBitSetUnmanaged) Set(i int) {
	w, bit := s.word(i)
	*w |= bit
}

// Unset clears bit i.
func (s *DynamicBitSetUnmanaged) Unset(i int) {
	w, bit := s.word(i)
	*w &^= bit
}

// SetValue sets bit i if value is true, and clears it if not.
func (s *DynamicBitSetUnmanaged) SetValue(i int, value bool) {
	w, bit := s.word(i)
	if *w &^= bit; value {
		*w |= bit
	}
}

// Toggle changes bit i.
func (s *DynamicBitSetUnmanaged) Toggle(i int) {
	w, bit := s.word(i)
	*w ^= bit
}

// SetRange gives bits i to j-1 the given value. It panics unless
// 0 <= i <= j <= Len.
func (s *DynamicBitSetUnmanaged) SetRange(i, j int, value bool) {
	if uint(j) > uint(s.n) {
		panicIndex("generic: DynamicBitSet.SetRange", j, s.n)
	}
	if uint(i) > uint(j) {
		panicIndex("generic: DynamicBitSet.SetRange", i, j)
	}
	for i < j {
		low := uint(i) % bits.UintSize
		n := min(uint(j-i), bits.UintSize-low)
		mask := (^uint(0) >> (bits.UintSize - n)) << low
		if w := &s.words.items[uint(i)/bits.UintSize]; value {
			*w |= mask
		} else {
			*w &^= mask
		}
		i += int(n)
	}
	s.check()
}

// SetAll sets all bits.
func (s *DynamicBitSetUnmanaged) SetAll() { s.SetRange(0, s.n, true) }

// ToggleAll changes all bits.
func (s *DynamicBitSetUnmanaged) ToggleAll() {
	for i, w := range s.words.items {
		s.words.items[i] = ^w
	}
	s.trim()
	s.check()
}

// Union sets the bits that are set in o, which has the same length. This and the
// following panic if it has not.
func (s *DynamicBitSetUnmanaged) Union(o *DynamicBitSetUnmanaged) {
	words, other := s.same(o, "generic: DynamicBitSet.Union")
	for i, w := range other {
		words[i] |= w
	}
}

// Intersection clears the bits that are not set in o.
func (s *DynamicBitSetUnmanaged) Intersection(o *DynamicBitSetUnmanaged) {
	words, other := s.same(o, "generic: DynamicBitSet.Intersection")
	for i, w := range other {
		words[i] &= w
	}
}

// Difference clears the bits that are set in o.
func (s *DynamicBitSetUnmanaged) Difference(o *DynamicBitSetUnmanaged) {
	words, other := s.same(o, "generic: DynamicBitSet.Difference")
	for i, w := range other {
		words[i] &^= w
	}
}

// ToggleSet changes the bits that are set in o.
func (s *DynamicBitSetUnmanaged) ToggleSet(o *DynamicBitSetUnmanaged) {
	words, other := s.same(o, "generic: DynamicBitSet.ToggleSet")
	for i, w := range other {
		words[i] ^= w
	}
}

// Equal tells whether the two sets have the same length and the same bits.
func (s *DynamicBitSetUnmanaged) Equal(o *DynamicBitSetUnmanaged) bool {
	return s.n == o.n && s.SubsetOf(o) && o.SubsetOf(s)
}

// SubsetOf tells whether every bit that is set is set in o, which has the same
// length.
func (s *DynamicBitSetUnmanaged) SubsetOf(o *DynamicBitSetUnmanaged) bool {
	words, other := s.same(o, "generic: DynamicBitSet.SubsetOf")
	for i, w := range other {
		if words[i]&^w != 0 {
			return false
		}
	}
	return true
}

// SupersetOf tells whether every bit that is set in o, which has the same
// length, is set.
func (s *DynamicBitSetUnmanaged) SupersetOf(o *DynamicBitSetUnmanaged) bool { return o.SubsetOf(s) }

// same returns the words of s and of o, which must have the same length.
func (s *DynamicBitSetUnmanaged) same(o *DynamicBitSetUnmanaged, method string) (words, other []uint) {
	if s.n != o.n {
		panic(method + ": the sets have different lengths")
	}
	words, other = s.words.items, o.words.items
	return words[:len(other)], other // which saves checks of bounds in loops
}

// First returns the first bit that is set, or -1 if none is.
func (s *DynamicBitSetUnmanaged) First() int { return s.next(0) }

// Last returns the last bit that is set, or -1 if none is.
func (s *DynamicBitSetUnmanaged) Last() int { return s.prev(s.n-1, 0) }

// Next returns the first bit from i on that is set, or -1 if none is. It panics
// unless 0 <= i <= Len.
func (s *DynamicBitSetUnmanaged) Next(i int) int {
	if uint(i) > uint(s.n) {
		panicIndex("generic: DynamicBitSet.Next", i, s.n)
	}
	return s.next(i)
}

// next returns the first bit from i on that is set, or -1.
func (s *DynamicBitSetUnmanaged) next(i int) int {
	if i >= s.n {
		return -1
	}
	words := s.words.items
	at := i / bits.UintSize
	w := words[at] &^ (1<<(uint(i)%bits.UintSize) - 1)
	for w == 0 {
		if at++; at == len(words) {
			return -1
		}
		w = words[at]
	}
	return at*bits.UintSize + bits.TrailingZeros(w)
}

// prev returns the last bit up to i that is set, or not set if flip is all ones,
// or -1.
func (s *DynamicBitSetUnmanaged) prev(i int, flip uint) int {
	if i = min(i, s.n-1); i < 0 {
		return -1
	}
	words := s.words.items
	at := i / bits.UintSize
	beyond := bits.UintSize - 1 - uint(i)%bits.UintSize
	w := (words[at] ^ flip) << beyond >> beyond
	for w == 0 {
		if at--; at < 0 {
			return -1
		}
		w = words[at] ^ flip
	}
	return at*bits.UintSize + bits.Len(w) - 1
}

// TakeFirst clears the first bit that is set and returns it, or -1 if none is.
func (s *DynamicBitSetUnmanaged) TakeFirst() int {
	i := s.First()
	if i >= 0 {
		s.Unset(i)
	}
	return i
}

// All yields the bits that are set, in ascending order. Bits may be changed
// during the iteration, which yields those behind it that are set when it comes
// to them.
func (s *DynamicBitSetUnmanaged) All() iter.Seq[int] { return s.each(0) }

// AllUnset yields the bits that are not set, in ascending order, on the terms of
// All.
func (s *DynamicBitSetUnmanaged) AllUnset() iter.Seq[int] { return s.each(math.MaxUint) }

// each looks at a word again after every bit, since the bits may have changed,
// but waits for what it sees only if they have.
// Behind the last bit none is set, but all are unset.
func (s *DynamicBitSetUnmanaged) each(flip uint) iter.Seq[int] {
	return func(yield func(int) bool) {
		for at := 0; at < len(s.words.items); at++ {
			word := s.words.items[at]
			for w := word ^ flip; w != 0; {
				i := at*bits.UintSize + bits.TrailingZeros(w)
				w &= w - 1
				if flip != 0 && i >= s.n || !yield(i) || at >= len(s.words.items) {
					return
				}
				now := s.words.items[at]
				if now == word {
					continue
				}
				word = now
				w = (now ^ flip) & (^uint(1) << (uint(i) % bits.UintSize)) // what is behind i
			}
		}
	}
}

// Backward yields the bits that are set, in descending order, on the terms of
// All.
func (s *DynamicBitSetUnmanaged) Backward() iter.Seq[int] { return s.eachBack(0) }

// BackwardUnset yields the bits that are not set, in descending order, on the
// terms of All.
func (s *DynamicBitSetUnmanaged) BackwardUnset() iter.Seq[int] { return s.eachBack(math.MaxUint) }

func (s *DynamicBitSetUnmanaged) eachBack(flip uint) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := s.prev(s.n-1, flip); i >= 0 && yield(i); {
			i = s.prev(i-1, flip)
		}
	}
}

// Drain clears the bits that are set one by one, in ascending order, and yields
// them, until none is left or the loop ends.
func (s *DynamicBitSetUnmanaged) Drain() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := s.First(); i >= 0; i = s.next(i) {
			s.Unset(i)
			if !yield(i) {
				return
			}
		}
	}
}

func (s *DynamicBitSetUnmanaged) check() {
	if !invariant.Enabled {
		return
	}
	words := s.words.items
	invariant.Check(len(words) == wordsFor(s.n), "generic: DynamicBitSet: %d words of %d bits", len(words), s.n)
	if r := s.n % bits.UintSize; r > 0 {
		invariant.Check(words[len(words)-1]>>r == 0, "generic: DynamicBitSet: bits beyond %d are set", s.n)
	}
}
