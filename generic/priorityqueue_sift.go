package generic

import (
	"cmp"
	"reflect"
)

// A heap whose nodes have four children has half the levels of a binary one, and
// the four lie in one or two cache lines. It asks for a few comparisons more and
// moves half as many elements.
const heapArity = 4

// siftUp moves element i towards the root until its parent does not come after
// it, and returns where it is then.
func siftUp[T any, C Order[T]](s []T, i int, kind reflect.Kind, order C) int {
	switch kind {
	case reflect.Int:
		return siftUpNatural(viewAs[int](s), i)
	case reflect.Uint64:
		return siftUpNatural(viewAs[uint64](s), i)
	case reflect.Int64:
		return siftUpNatural(viewAs[int64](s), i)
	case reflect.Float64:
		return siftUpNatural(viewAs[float64](s), i)
	case reflect.String:
		return siftUpNatural(viewAs[string](s), i)
	}
	v := s[i]
	for i > 0 {
		parent := (i - 1) / heapArity
		if order.Compare(v, s[parent]) >= 0 {
			break
		}
		s[i] = s[parent]
		i = parent
	}
	s[i] = v
	return i
}

// siftUpNatural is siftUp for values that the machine compares.
func siftUpNatural[T cmp.Ordered](s []T, i int) int {
	v := s[i]
	for i > 0 {
		parent := (i - 1) / heapArity
		if !cmp.Less(v, s[parent]) {
			break
		}
		s[i] = s[parent]
		i = parent
	}
	s[i] = v
	return i
}

// siftDown moves element i away from the root until none of its children comes
// before it.
func siftDown[T any, C Order[T]](s []T, i int, kind reflect.Kind, order C) {
	switch kind {
	case reflect.Int:
		siftDownNatural(viewAs[int](s), i)
		return
	case reflect.Uint64:
		siftDownNatural(viewAs[uint64](s), i)
		return
	case reflect.Int64:
		siftDownNatural(viewAs[int64](s), i)
		return
	case reflect.Float64:
		siftDownNatural(viewAs[float64](s), i)
		return
	case reflect.String:
		siftDownNatural(viewAs[string](s), i)
		return
	}
	v := s[i]
	for i <= (len(s)-2)/heapArity && len(s) > 1 {
		first := i*heapArity + 1
		least := first
		for c := first + 1; c < min(first+heapArity, len(s)); c++ {
			if order.Compare(s[c], s[least]) < 0 {
				least = c
			}
		}
		if order.Compare(s[least], v) >= 0 {
			break
		}
		s[i] = s[least]
		i = least
	}
	s[i] = v
}

// siftDownNatural is siftDown for values that the machine compares. Which of four
// children is the least is found without a branch that the processor would have
// to guess.
func siftDownNatural[T cmp.Ordered](s []T, i int) {
	v := s[i]
	for i <= (len(s)-2)/heapArity && len(s) > 1 {
		first := i*heapArity + 1
		least := first
		if len(s)-first >= heapArity {
			kids := (*[heapArity]T)(s[first:])
			a := b2i(cmp.Less(kids[1], kids[0]))
			b := 2 + b2i(cmp.Less(kids[3], kids[2]))
			least += a + (b-a)&-b2i(cmp.Less(kids[b&3], kids[a&3]))
		} else {
			for c := first + 1; c < len(s); c++ {
				if cmp.Less(s[c], s[least]) {
					least = c
				}
			}
		}
		best := s[least]
		if !cmp.Less(best, v) {
			break
		}
		s[i] = best
		i = least
	}
	s[i] = v
}
