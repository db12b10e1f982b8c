package mem

import (
	"iter"
	"strconv"
)

// IndexDiff returns the first index at which a and b differ, which is the length
// of the shorter one if it begins the longer one, and -1 if they are equal.
func IndexDiff[T comparable](a, b []T) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	if len(a) == len(b) {
		return -1
	}
	return n
}

// Windows yields the part of s that a window of size elements shows, then moves
// the window by advance elements, until it would show the end of s a second
// time. The last part is shorter where s ends inside the window, and a window
// that is larger than s shows all of s; an empty s yields one empty part. The
// parts share the memory of s, and are cut so that append cannot reach past
// them. It panics unless size and advance are positive.
func Windows[T any](s []T, size, advance int) iter.Seq[[]T] {
	if size <= 0 || advance <= 0 {
		panic("mem: Windows: size " + strconv.Itoa(size) + " or advance " + strconv.Itoa(advance) + " is not positive")
	}
	return func(yield func([]T) bool) {
		for at := 0; ; at += advance {
			end := at + min(size, len(s)-at)
			if !yield(s[at:end:end]) || size >= len(s)-at || advance >= len(s)-at {
				return
			}
		}
	}
}
