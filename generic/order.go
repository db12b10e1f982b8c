package generic

import (
	"cmp"
	"reflect"
)

// An Order compares values of type T, for containers that sort. It must be a
// strict weak ordering, as slices.SortFunc asks for, and must not change for
// values that a container holds.
//
// The zero value of an Order without fields is all that a container needs, so
// that [Ascending] costs no memory and no call that cannot be told in advance.
type Order[T any] interface {
	// Compare returns a number below, at or above 0 as a comes before b, is
	// equivalent to it, or comes after it.
	Compare(a, b T) int
}

// Ascending is the natural order of T, that of [cmp.Compare]: the smallest value
// comes first, and NaN before any other number.
type Ascending[T cmp.Ordered] struct{}

// Compare implements [Order].
func (Ascending[T]) Compare(a, b T) int { return cmp.Compare(a, b) }

func (Ascending[T]) natural() {}

// Descending is the natural order of T the other way round.
type Descending[T cmp.Ordered] struct{}

// Compare implements [Order].
func (Descending[T]) Compare(a, b T) int { return cmp.Compare(b, a) }

// An OrderFunc is a function as an [Order]. It is a Go pointer, so that what
// holds one is not to be kept off the Go heap.
type OrderFunc[T any] func(a, b T) int

// Compare implements [Order].
func (f OrderFunc[T]) Compare(a, b T) int { return f(a, b) }

// naturalKind returns the kind of T if C is its natural order, so that values
// can be compared by what the machine has for them, else reflect.Invalid.
func naturalKind[T any, C Order[T]]() reflect.Kind {
	var c C
	if _, ok := any(c).(interface{ natural() }); ok {
		return reflect.TypeFor[T]().Kind()
	}
	return reflect.Invalid
}

// below returns how many of s, which is sorted, come before k.
func below[T any, C Order[T]](s []T, k *T, kind reflect.Kind, order C) int {
	switch kind {
	case reflect.Int:
		return belowNatural(viewAs[int](s), valueAs[int](k))
	case reflect.Uint64:
		return belowNatural(viewAs[uint64](s), valueAs[uint64](k))
	case reflect.Int64:
		return belowNatural(viewAs[int64](s), valueAs[int64](k))
	case reflect.Uint32:
		return belowNatural(viewAs[uint32](s), valueAs[uint32](k))
	case reflect.Int32:
		return belowNatural(viewAs[int32](s), valueAs[int32](k))
	case reflect.Uint:
		return belowNatural(viewAs[uint](s), valueAs[uint](k))
	case reflect.String:
		return belowNatural(viewAs[string](s), valueAs[string](k))
	case reflect.Float64:
		return belowNatural(viewAs[float64](s), valueAs[float64](k))
	}
	low, high := 0, len(s)
	for low < high {
		mid := int(uint(low+high) >> 1)
		if order.Compare(s[mid], *k) < 0 {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// belowNatural is below for values that the machine compares.
//
// It has no branch that the processor would have to guess, which is half of the
// time that the usual loop takes. Words are searched in two steps, the last of
// every stride of them and then one stride, which reads more of them than
// halving does, but none only when it knows another: where a node is not in the
// caches, that is one wait for memory in place of three or four.
func belowNatural[T cmp.Ordered](s []T, k T) int {
	if sizeOf[T]() <= 8 && len(s) > searchStride {
		low := 0
		for i := searchStride - 1; i < len(s); i += searchStride {
			low += searchStride & -b2i(cmp.Less(s[i], k))
		}
		for _, x := range s[low:min(low+searchStride, len(s))] {
			low += b2i(cmp.Less(x, k))
		}
		return low
	}
	low, n := 0, len(s)
	for n > 1 {
		half := n >> 1
		low += half & -b2i(cmp.Less(s[low+half-1], k))
		n -= half
	}
	if n == 1 {
		low += b2i(cmp.Less(s[low], k))
	}
	return low
}

// upToNatural returns how many of s do not come after k.
func upToNatural[T cmp.Ordered](s []T, k T) int {
	if sizeOf[T]() <= 8 && len(s) > searchStride {
		low := 0
		for i := searchStride - 1; i < len(s); i += searchStride {
			low += searchStride & (b2i(cmp.Less(k, s[i])) - 1)
		}
		for _, x := range s[low:min(low+searchStride, len(s))] {
			low += 1 - b2i(cmp.Less(k, x))
		}
		return low
	}
	low, n := 0, len(s)
	for n > 1 {
		half := n >> 1
		low += half & (b2i(cmp.Less(k, s[low+half-1])) - 1)
		n -= half
	}
	if n == 1 {
		low += 1 - b2i(cmp.Less(k, s[low]))
	}
	return low
}

// searchStride words are a cache line, usually.
const searchStride = 8

// b2i is 1 for true, by a move of a flag and not by a branch.
func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
