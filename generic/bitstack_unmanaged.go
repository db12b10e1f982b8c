package generic

import (
	"iter"
	"math"
	"math/bits"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A BitStackUnmanaged is a stack of bits, eight to the byte, for what nests: the
// brackets of a text, the yes and no of a search. The allocator is handed to
// every call that may need it. [BitStack] is the same with the allocator stored.
//
// Memory comes from the allocator passed in, which must be the same every time:
// one block, which grows as that of an [ArrayListUnmanaged] does. Pop keeps the
// memory for later; ClearAndFree and Close give it back.
//
// A stack is for one goroutine at a time. The zero value is an empty stack, ready
// for use. Assigning a stack moves it: two copies must not both be used.
type BitStackUnmanaged struct {
	words ArrayListUnmanaged[uint]
	n     int
}

// Clone returns a stack of the same bits.
func (s *BitStackUnmanaged) Clone(a mem.Allocator) (BitStackUnmanaged, error) {
	words, err := s.words.clone(a, "generic: BitStack.Clone")
	if err != nil {
		return BitStackUnmanaged{}, err
	}
	return BitStackUnmanaged{words, s.n}, nil
}

// ToManaged returns the stack with a, the allocator that it has had so far,
// stored, and leaves s empty, without memory.
func (s *BitStackUnmanaged) ToManaged(a mem.Allocator) *BitStack {
	s.words.from.adopt(a, "generic: BitStack.ToManaged")
	c := &BitStack{a: a, u: *s}
	*s = BitStackUnmanaged{}
	return c
}

// Close gives all memory back and leaves an empty stack, which may be used
// again. It never fails.
func (s *BitStackUnmanaged) Close(a mem.Allocator) {
	s.words.Close(a)
	s.n = 0
}

// Len returns the number of bits.
func (s *BitStackUnmanaged) Len() int { return s.n }

// Cap returns how many bits fit without another call to the allocator.
func (s *BitStackUnmanaged) Cap() int { return s.words.Cap() * bits.UintSize }

// FromBuffer makes s, which must have no memory, an empty stack in buf, which
// stays the caller's: it bounds the stack, and what does not fit is refused with
// [mem.ErrLimit]. Close only lets go of it. The length of buf does not matter,
// its capacity does.
func (s *BitStackUnmanaged) FromBuffer(buf []uint) { s.words.FromBuffer(buf) }

// EnsureTotalCapacity makes room for n bits in all. It panics if n is negative.
func (s *BitStackUnmanaged) EnsureTotalCapacity(a mem.Allocator, n int) error {
	if n < 0 {
		panic("generic: BitStack.EnsureTotalCapacity: negative capacity")
	}
	return s.words.ensureTotal(a, wordsFor(n), "generic: BitStack.EnsureTotalCapacity")
}

// EnsureUnusedCapacity makes room for n bits more. It panics if n is negative.
func (s *BitStackUnmanaged) EnsureUnusedCapacity(a mem.Allocator, n int) error {
	if n < 0 {
		panic("generic: BitStack.EnsureUnusedCapacity: negative count")
	}
	if n > math.MaxInt-s.n {
		return mem.ErrTooLarge
	}
	return s.words.ensureTotal(a, wordsFor(s.n+n), "generic: BitStack.EnsureUnusedCapacity")
}

// Push puts a bit on top.
func (s *BitStackUnmanaged) Push(a mem.Allocator, bit bool) error {
	if s.n%bits.UintSize == 0 {
		if err := s.words.appendFor(a, 0, "generic: BitStack.Push"); err != nil {
			return err
		}
	}
	s.put(bit)
	return nil
}

// PushAssumeCapacity is Push into spare capacity. It panics if there is none.
func (s *BitStackUnmanaged) PushAssumeCapacity(bit bool) {
	if s.n%bits.UintSize == 0 {
		s.words.AppendAssumeCapacity(0)
	}
	s.put(bit)
}

// PushBounded is Push into spare capacity; without it, it returns
// [mem.ErrLimit].
func (s *BitStackUnmanaged) PushBounded(bit bool) error {
	if s.n%bits.UintSize == 0 {
		if err := s.words.AppendBounded(0); err != nil {
			return err
		}
	}
	s.put(bit)
	return nil
}

func (s *BitStackUnmanaged) put(bit bool) {
	w, at := &s.words.items[len(s.words.items)-1], uint(s.n)%bits.UintSize
	*w = *w&^(1<<at) | uint(b2i(bit))<<at
	s.n++
	s.check()
}

func (s *BitStackUnmanaged) check() {
	if invariant.Enabled {
		invariant.Check(len(s.words.items) == wordsFor(s.n), "generic: BitStack: %d words of %d bits", len(s.words.items), s.n)
	}
}

// Peek returns the bit on top, and false if there is none.
func (s *BitStackUnmanaged) Peek() (bit, ok bool) {
	if s.n == 0 {
		return false, false
	}
	return s.At(s.n - 1), true
}

// Pop removes the bit on top and returns it, or false if there is none.
func (s *BitStackUnmanaged) Pop() (bit, ok bool) {
	if bit, ok = s.Peek(); !ok {
		return false, false
	}
	if s.n--; s.n%bits.UintSize == 0 {
		s.words.Pop()
	}
	s.check()
	return bit, true
}

// At returns bit i, counted from the bottom. It panics unless 0 <= i < Len.
func (s *BitStackUnmanaged) At(i int) bool {
	if uint(i) >= uint(s.n) {
		panicIndex("generic: BitStack.At", i, s.n)
	}
	return s.words.items[uint(i)/bits.UintSize]>>(uint(i)%bits.UintSize)&1 != 0
}

// Values yields the bits from the bottom to the top. Bits may be pushed and
// popped during the iteration.
func (s *BitStackUnmanaged) Values() iter.Seq[bool] {
	return func(yield func(bool) bool) {
		for i := 0; i < s.n && yield(s.At(i)); i++ {
		}
	}
}

// Backward yields the bits from the top to the bottom. Bits may be popped during
// the iteration, which goes on with those below.
func (s *BitStackUnmanaged) Backward() iter.Seq[bool] {
	return func(yield func(bool) bool) {
		for i := s.n - 1; i >= 0 && yield(s.At(i)); i = min(i, s.n) - 1 {
		}
	}
}

// Drain pops the bits one by one and yields them, until none is left or the loop
// ends.
func (s *BitStackUnmanaged) Drain() iter.Seq[bool] {
	return func(yield func(bool) bool) {
		for {
			bit, ok := s.Pop()
			if !ok || !yield(bit) {
				return
			}
		}
	}
}

// Clear removes all bits and keeps the memory.
func (s *BitStackUnmanaged) Clear() {
	s.words.Clear()
	s.n = 0
}

// ClearAndFree removes all bits and gives back the memory.
func (s *BitStackUnmanaged) ClearAndFree(a mem.Allocator) {
	s.words.ClearAndFree(a)
	s.n = 0
}
