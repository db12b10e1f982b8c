package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A BitStack is a stack of bits, eight to the byte. [BitStackUnmanaged] is the
// same without a stored allocator, and says more about both.
//
// Memory comes from the allocator given to [NewBitStack].
//
// A stack is for one goroutine at a time and must not be copied. The zero
// BitStack has no allocator; call [NewBitStack].
type BitStack struct {
	_ noCopy
	a mem.Allocator
	u BitStackUnmanaged
}

// NewBitStack returns an empty stack, which first calls a when it first grows.
func NewBitStack(a mem.Allocator) *BitStack {
	if isNil(a) {
		panicNil(a, "generic: NewBitStack")
	}
	return &BitStack{a: a}
}

// Allocator returns the allocator of the stack.
func (s *BitStack) Allocator() mem.Allocator { return s.a }

// Close gives all memory back and leaves an empty stack, which may be used
// again. It never allocates, and the error is always nil.
func (s *BitStack) Close() error {
	s.u.Close(s.a)
	return nil
}

// Clone returns a stack of the same bits.
func (s *BitStack) Clone() (*BitStack, error) {
	u, err := s.u.Clone(s.a)
	if err != nil {
		return nil, err
	}
	return &BitStack{a: s.a, u: u}, nil
}

// ToUnmanaged returns the stack without its allocator, which every call is
// handed from now on, and leaves s empty, without memory.
func (s *BitStack) ToUnmanaged() BitStackUnmanaged {
	u := s.u
	s.u = BitStackUnmanaged{}
	return u
}

// Len returns the number of bits.
func (s *BitStack) Len() int { return s.u.Len() }

// Cap returns how many bits fit without another call to the allocator.
func (s *BitStack) Cap() int { return s.u.Cap() }

// EnsureUnusedCapacity makes room for n bits more. It panics if n is negative.
func (s *BitStack) EnsureUnusedCapacity(n int) error { return s.u.EnsureUnusedCapacity(s.a, n) }

// Push puts a bit on top.
func (s *BitStack) Push(bit bool) error { return s.u.Push(s.a, bit) }

// PushAssumeCapacity is Push into spare capacity. It panics if there is none.
func (s *BitStack) PushAssumeCapacity(bit bool) { s.u.PushAssumeCapacity(bit) }

// PushBounded is Push into spare capacity; without it, it returns
// [mem.ErrLimit].
func (s *BitStack) PushBounded(bit bool) error { return s.u.PushBounded(bit) }

// Peek returns the bit on top, and false if there is none.
func (s *BitStack) Peek() (bit, ok bool) { return s.u.Peek() }

// Pop removes the bit on top and returns it, or false if there is none.
func (s *BitStack) Pop() (bit, ok bool) { return s.u.Pop() }

// At returns bit i, counted from the bottom. It panics unless 0 <= i < Len.
func (s *BitStack) At(i int) bool { return s.u.At(i) }

// Values yields the bits from the bottom to the top. Bits may be pushed and
// popped during the iteration.
func (s *BitStack) Values() iter.Seq[bool] { return s.u.Values() }

// Drain pops the bits one by one and yields them, until none is left or the loop
// ends.
func (s *BitStack) Drain() iter.Seq[bool] { return s.u.Drain() }

// Clear removes all bits and keeps the memory.
func (s *BitStack) Clear() { s.u.Clear() }

// ClearAndFree removes all bits and gives back the memory.
func (s *BitStack) ClearAndFree() { s.u.ClearAndFree(s.a) }

// FromBuffer makes s, which must have no memory, an empty stack in buf, which
// stays the caller's: it bounds the stack, and what does not fit is refused with
// [mem.ErrLimit]. Close only lets go of it. The length of buf does not matter,
// its capacity does.
func (s *BitStack) FromBuffer(buf []uint) { s.u.FromBuffer(buf) }

// EnsureTotalCapacity makes room for n bits in all. It panics if n is negative.
func (s *BitStack) EnsureTotalCapacity(n int) error { return s.u.EnsureTotalCapacity(s.a, n) }

// Backward yields the bits from the top to the bottom. Bits may be popped during
// the iteration, which goes on with those below.
func (s *BitStack) Backward() iter.Seq[bool] { return s.u.Backward() }
