package generic

import (
	"iter"
	"math"
	"math/bits"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A SegmentedListUnmanaged is a growing sequence of elements that never move:
// pointers to them stay valid while the list grows. The allocator is handed to
// every call that may need it. [SegmentedList] is the same with the allocator
// stored.
//
// Memory comes from the allocator passed in, which must be the same every time:
// segments of which each is twice as long as the one before, and a small
// directory of them. Growing copies no element and never holds two copies of
// the list. Any element is reached by its index in constant time, a little
// slower than in an [ArrayListUnmanaged]. Removing elements keeps the memory for
// later; ShrinkAndFree, ClearAndFree and Close give it back. Elements are not
// closed or freed by anything here.
//
// Pointers to elements end their life when the element is removed, and when the
// list is closed.
//
// A list is for one goroutine at a time. The zero value is an empty list, ready
// for use. Assigning a list moves it: two copies must not both be used.
//
// Every adding operation comes in three forms, as those of an
// [ArrayListUnmanaged] do. Each of them leaves the list as it was when it does
// not succeed.
type SegmentedListUnmanaged[T any] struct {
	dir      [][]T // len == cap; dir[:segments] are the segments
	segments int
	n        int
	from     origin // 0 as long as there is no directory
}

// Segment k has first<<k elements, with first a power of two, and so element i
// is the one whose number i+first has, below its highest bit, the index in the
// segment. With no size, elements are one and the same and need no segment.
//
// Elements beyond n are zero if T holds pointers.

// firstLog2 returns the logarithm of the length of the first segment: two cache
// lines, and at least four elements.
func firstLog2[T any]() int {
	const bytes = 128
	return bits.Len(uint(max(4, bytes/max(1, sizeOf[T]())))) - 1
}

// segmentAt returns the segment and the index in it of element i >= 0.
func segmentAt[T any](i int) (segment int, at uint) {
	log2 := firstLog2[T]()
	k := uint(i) + 1<<log2
	top := bits.Len(k) - 1
	return top - log2, k &^ (1 << top)
}

// capacityOf returns how many elements the first k segments have room for.
func capacityOf[T any](k int) int { return (1<<k - 1) << firstLog2[T]() }

// ptr returns a pointer to element i, for which there is a place.
func (l *SegmentedListUnmanaged[T]) ptr(i int) *T {
	if sizeOf[T]() == 0 {
		return new(T) // of no bytes: nothing is allocated
	}
	k, at := segmentAt[T](i)
	return &l.dir[k][at]
}

// Clone returns a list of the same elements.
func (l *SegmentedListUnmanaged[T]) Clone(a mem.Allocator) (SegmentedListUnmanaged[T], error) {
	var c SegmentedListUnmanaged[T]
	if err := c.ensure(a, l.n, "generic: SegmentedList.Clone"); err != nil {
		return c, err
	}
	for s := range l.Segments() {
		c.AppendSliceAssumeCapacity(s)
	}
	return c, nil
}

// ToManaged returns the list with a, the allocator that it has had so far,
// stored, and leaves l empty, without memory.
func (l *SegmentedListUnmanaged[T]) ToManaged(a mem.Allocator) *SegmentedList[T] {
	l.from.adopt(a, "generic: SegmentedList.ToManaged")
	c := &SegmentedList[T]{a: a, u: *l}
	*l = SegmentedListUnmanaged[T]{}
	return c
}

// Close gives all memory back and leaves an empty list, which may be used
// again. It never fails, and does nothing to an empty list without memory.
func (l *SegmentedListUnmanaged[T]) Close(a mem.Allocator) {
	if l.from != 0 {
		l.from.check(a, "generic: SegmentedList.Close")
		for k, s := range l.dir[:l.segments] {
			l.dir[k] = nil // no block is given back with pointers to what is gone
			mem.Free(a, s)
		}
		mem.Free(a, l.dir)
	}
	*l = SegmentedListUnmanaged[T]{}
}

// Len returns the number of elements.
func (l *SegmentedListUnmanaged[T]) Len() int { return l.n }

// Cap returns how many elements fit without another call to the allocator.
func (l *SegmentedListUnmanaged[T]) Cap() int {
	if sizeOf[T]() == 0 {
		return math.MaxInt
	}
	return capacityOf[T](l.segments)
}

// At returns element i. It panics unless 0 <= i < Len.
func (l *SegmentedListUnmanaged[T]) At(i int) T { return *l.Ptr(i) }

// Ptr returns a pointer to element i, which stays valid until the element is
// removed. It panics unless 0 <= i < Len.
func (l *SegmentedListUnmanaged[T]) Ptr(i int) *T {
	if uint(i) >= uint(l.n) {
		panicIndex("generic: SegmentedList", i, l.n)
	}
	return l.ptr(i)
}

// Last returns the last element, and false if there is none.
func (l *SegmentedListUnmanaged[T]) Last() (v T, ok bool) {
	if l.n == 0 {
		return v, false
	}
	return *l.ptr(l.n - 1), true
}

// CopyTo copies the elements from i on to dst, as many as there are and fit, and
// returns how many these are. It panics unless 0 <= i <= Len.
func (l *SegmentedListUnmanaged[T]) CopyTo(dst []T, i int) int {
	if uint(i) > uint(l.n) {
		panicIndex("generic: SegmentedList.CopyTo", i, l.n)
	}
	n := 0
	for s := range l.runs(i, l.n) {
		n += copy(dst[n:], s)
	}
	return n
}

// runs yields elements i to j-1 in the pieces that they have in memory.
func (l *SegmentedListUnmanaged[T]) runs(i, j int) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		if sizeOf[T]() == 0 {
			if i < j {
				yield(make([]T, j-i))
			}
			return
		}
		for i < j {
			k, at := segmentAt[T](i)
			s := l.dir[k][at:]
			s = s[:min(len(s), j-i):min(len(s), j-i)]
			if !yield(s) {
				return
			}
			i += len(s)
		}
	}
}

// Segments yields the elements in order, in the pieces that they have in
// memory. The slices are the list's own memory: they may be read and written.
// The list must not change during the iteration. A piece is valid until
// elements of it are removed.
func (l *SegmentedListUnmanaged[T]) Segments() iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		for s := range l.runs(0, l.n) { // as it is when the loop begins
			if !yield(s) {
				return
			}
		}
	}
}

// All yields indexes and elements in order. Elements may be removed or added
// during the iteration, which goes on from the next index.
func (l *SegmentedListUnmanaged[T]) All() iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for i, p := range l.AllPtr() {
			if !yield(i, *p) {
				return
			}
		}
	}
}

// AllPtr is All with pointers to the elements, which may be written through. A
// pointer is valid until the element is removed.
func (l *SegmentedListUnmanaged[T]) AllPtr() iter.Seq2[int, *T] {
	return func(yield func(int, *T) bool) {
		for i := 0; i < l.n; i++ {
			if !yield(i, l.ptr(i)) {
				return
			}
		}
	}
}

// Values yields the elements in order, on the terms of All.
func (l *SegmentedListUnmanaged[T]) Values() iter.Seq[T] {
	return func(yield func(T) bool) {
		for i := 0; i < l.n; i++ {
			if !yield(*l.ptr(i)) {
				return
			}
		}
	}
}

// Backward yields indexes and elements from the last to the first. Elements may
// be removed during the iteration, which goes on from the index before.
func (l *SegmentedListUnmanaged[T]) Backward() iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for i := l.n - 1; i >= 0; i = min(i, l.n) - 1 {
			if !yield(i, *l.ptr(i)) {
				return
			}
		}
	}
}

// Drain removes the elements one by one from the end and yields them, until none
// is left or the loop ends: the last element comes first.
func (l *SegmentedListUnmanaged[T]) Drain() iter.Seq[T] {
	return func(yield func(T) bool) {
		for {
			v, ok := l.Pop()
			if !ok || !yield(v) {
				return
			}
		}
	}
}

// Append adds v at the end.
func (l *SegmentedListUnmanaged[T]) Append(a mem.Allocator, v T) error {
	p, err := l.addOne(a, "generic: SegmentedList.Append")
	if err != nil {
		return err
	}
	*p = v
	return nil
}

// AppendAssumeCapacity is Append into spare capacity. It panics if there is
// none.
func (l *SegmentedListUnmanaged[T]) AppendAssumeCapacity(v T) { *l.AddOneAssumeCapacity() = v }

// AppendBounded is Append into spare capacity.
func (l *SegmentedListUnmanaged[T]) AppendBounded(v T) error {
	if l.n == l.Cap() {
		return mem.ErrLimit
	}
	l.AppendAssumeCapacity(v)
	return nil
}

// AppendSlice adds the elements of v at the end. v may be part of the list.
func (l *SegmentedListUnmanaged[T]) AppendSlice(a mem.Allocator, v []T) error {
	if err := l.ensureUnused(a, len(v), "generic: SegmentedList.AppendSlice"); err != nil {
		return err
	}
	l.AppendSliceAssumeCapacity(v)
	return nil
}

// AppendSliceAssumeCapacity is AppendSlice into spare capacity. It panics if
// that is too small.
func (l *SegmentedListUnmanaged[T]) AppendSliceAssumeCapacity(v []T) {
	if len(v) > l.Cap()-l.n {
		panic("generic: SegmentedList.AppendSliceAssumeCapacity: no room")
	}
	for s := range l.runs(l.n, l.n+len(v)) {
		v = v[copy(s, v):]
		l.n += len(s)
	}
	l.check()
}

// AppendSliceBounded is AppendSlice into spare capacity.
func (l *SegmentedListUnmanaged[T]) AppendSliceBounded(v []T) error {
	if len(v) > l.Cap()-l.n {
		return mem.ErrLimit
	}
	l.AppendSliceAssumeCapacity(v)
	return nil
}

// AddOne adds a zero element at the end and returns a pointer to it, which stays
// valid until it is removed.
func (l *SegmentedListUnmanaged[T]) AddOne(a mem.Allocator) (*T, error) {
	p, err := l.addOne(a, "generic: SegmentedList.AddOne")
	if err != nil {
		return nil, err
	}
	var zero T
	*p = zero
	return p, nil
}

// AddOneAssumeCapacity is AddOne in spare capacity. It panics if there is none.
func (l *SegmentedListUnmanaged[T]) AddOneAssumeCapacity() *T {
	if l.n == l.Cap() {
		panic("generic: SegmentedList: no room")
	}
	var zero T
	p := l.ptr(l.n)
	*p = zero
	l.n++
	l.check()
	return p
}

// AddOneBounded is AddOne in spare capacity.
func (l *SegmentedListUnmanaged[T]) AddOneBounded() (*T, error) {
	if l.n == l.Cap() {
		return nil, mem.ErrLimit
	}
	return l.AddOneAssumeCapacity(), nil
}

// addOne adds an element with undefined content.
func (l *SegmentedListUnmanaged[T]) addOne(a mem.Allocator, method string) (*T, error) {
	k, at := segmentAt[T](l.n)
	if k >= l.segments || sizeOf[T]() == 0 {
		if err := l.ensureUnused(a, 1, method); err != nil {
			return nil, err
		}
		if sizeOf[T]() == 0 {
			l.n++
			return new(T), nil // of no bytes: nothing is allocated
		}
	}
	l.n++
	l.check()
	return &l.dir[k][at], nil
}

// Pop removes the last element and returns it, or false if there is none.
func (l *SegmentedListUnmanaged[T]) Pop() (v T, ok bool) {
	if l.n == 0 {
		return v, false
	}
	p := l.ptr(l.n - 1)
	v = *p
	if hasPointers[T]() {
		var zero T
		*p = zero
	}
	l.n--
	l.check()
	return v, true
}

// ShrinkRetainingCapacity drops the elements from n on and keeps the memory. It
// panics unless 0 <= n <= Len.
func (l *SegmentedListUnmanaged[T]) ShrinkRetainingCapacity(n int) {
	if uint(n) > uint(l.n) {
		panicIndex("generic: SegmentedList.ShrinkRetainingCapacity", n, l.n)
	}
	if hasPointers[T]() {
		for s := range l.runs(n, l.n) {
			clear(s)
		}
	}
	l.n = n
	l.check()
}

// ShrinkAndFree drops the elements from n on and gives back the segments that
// are not needed any more. It never fails, and panics unless 0 <= n <= Len.
func (l *SegmentedListUnmanaged[T]) ShrinkAndFree(a mem.Allocator, n int) {
	if l.from != 0 {
		l.from.check(a, "generic: SegmentedList.ShrinkAndFree")
	}
	l.ShrinkRetainingCapacity(n)
	if l.from == 0 {
		return
	}
	if n == 0 {
		l.Close(a)
		return
	}
	last, _ := segmentAt[T](n - 1)
	for l.segments > last+1 {
		l.segments--
		mem.Free(a, l.dir[l.segments])
		l.dir[l.segments] = nil
	}
	l.check()
}

// Clear removes all elements and keeps the memory.
func (l *SegmentedListUnmanaged[T]) Clear() { l.ShrinkRetainingCapacity(0) }

// ClearAndFree removes all elements and gives back the memory.
func (l *SegmentedListUnmanaged[T]) ClearAndFree(a mem.Allocator) { l.ShrinkAndFree(a, 0) }

// EnsureTotalCapacity makes room for n elements in all. It panics if n is
// negative.
func (l *SegmentedListUnmanaged[T]) EnsureTotalCapacity(a mem.Allocator, n int) error {
	const method = "generic: SegmentedList.EnsureTotalCapacity"
	if n < 0 {
		panic(method + ": negative capacity")
	}
	return l.ensure(a, n, method)
}

// EnsureUnusedCapacity makes room for n elements more. It panics if n is
// negative.
func (l *SegmentedListUnmanaged[T]) EnsureUnusedCapacity(a mem.Allocator, n int) error {
	return l.ensureUnused(a, n, "generic: SegmentedList.EnsureUnusedCapacity")
}

func (l *SegmentedListUnmanaged[T]) ensureUnused(a mem.Allocator, n int, method string) error {
	if n < 0 {
		panic(method + ": negative count")
	}
	if n > math.MaxInt-l.n {
		return mem.ErrTooLarge
	}
	return l.ensure(a, l.n+n, method)
}

// ensure allocates the segments that n elements need, all of them or none.
func (l *SegmentedListUnmanaged[T]) ensure(a mem.Allocator, n int, method string) error {
	l.from.check(a, method)
	if n <= l.Cap() {
		return nil
	}
	last, _ := segmentAt[T](n - 1)
	need := last + 1
	if size := sizeOf[T](); need+firstLog2[T]() >= bits.UintSize-1 || capacityOf[T](need) > math.MaxInt/size {
		return mem.ErrTooLarge
	}
	if hasPointers[T]() {
		if err := mayHold[T](a); err != nil {
			return err
		}
	}
	dir, err := l.roomFor(a, need)
	if err != nil {
		return err
	}
	for k := l.segments; k < need; k++ {
		if dir[k], err = allocBlock[T](a, 1<<(k+firstLog2[T]()), false); err != nil {
			l.undo(a, dir, k)
			return err
		}
	}
	if len(dir) != len(l.dir) {
		copy(dir, l.dir[:l.segments])
		mem.Free(a, l.dir)
		l.dir = dir
	}
	l.segments, l.from = need, originOf(a)
	l.check()
	return nil
}

// roomFor returns the directory, if it has room for need segments, or a new one.
func (l *SegmentedListUnmanaged[T]) roomFor(a mem.Allocator, need int) ([][]T, error) {
	if need <= len(l.dir) {
		return l.dir, nil
	}
	return allocNodes[[]T](a, max(4, 2*len(l.dir), need))
}

// undo frees the segments that were allocated into dir, up to k.
func (l *SegmentedListUnmanaged[T]) undo(a mem.Allocator, dir [][]T, k int) {
	for _, s := range dir[l.segments:k] {
		mem.Free(a, s)
	}
	clear(dir[l.segments:min(k+1, len(dir))])
	if len(dir) != len(l.dir) {
		mem.Free(a, dir)
	}
}

func (l *SegmentedListUnmanaged[T]) check() {
	if !invariant.Enabled || sizeOf[T]() == 0 {
		return
	}
	invariant.Check(0 <= l.n && l.n <= l.Cap(), "generic: SegmentedList: %d elements, capacity %d", l.n, l.Cap())
	invariant.Check((l.from != 0) == (l.segments > 0), "generic: SegmentedList: %d segments of memory from nowhere", l.segments)
	for k, s := range l.dir {
		want := 0
		if k < l.segments {
			want = 1 << (k + firstLog2[T]())
		}
		invariant.Check(len(s) == want, "generic: SegmentedList: segment %d has %d elements, want %d", k, len(s), want)
	}
	if k, at := segmentAt[T](l.n); hasPointers[T]() && k < l.segments {
		checkZero(l.dir[k][at:], "generic: SegmentedList")
	}
}
