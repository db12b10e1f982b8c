package mem

import (
	"math"
)

// DupeString returns a copy of s in memory of a. The copy is valid until it is
// given back with [FreeString] or a ends its life; a string that outlives its
// memory, as the key of a Go map for instance, changes under its holder. The
// empty string costs nothing.
func DupeString(a Allocator, s string) (string, error) {
	b, err := alloc[byte](a, len(s), Alignment{}, false, "mem: DupeString")
	if err != nil {
		return "", err
	}
	copy(b, s)
	return stringOf(b), nil
}

// FreeString gives back a string from [DupeString] or [Join] with the same a.
// The string must be whole: a substring is another block.
func FreeString(a Allocator, s string) {
	free(a, stringBytes(s), Alignment{}, "mem: FreeString")
}

// DupeZ returns the bytes of s in memory of a, followed by a NUL that is beyond
// the length and inside the capacity: what C calls a string. Free it with
// [Free]. A NUL inside s is copied as it is.
func DupeZ(a Allocator, s string) ([]byte, error) {
	if len(s) == math.MaxInt {
		return nil, ErrTooLarge
	}
	b, err := alloc[byte](a, len(s)+1, Alignment{}, false, "mem: DupeZ")
	if err != nil {
		return nil, err
	}
	copy(b, s)
	b[len(s)] = 0
	return b[:len(s)], nil
}

// Join returns the parts in one string in memory of a, with sep between them.
// Free it with [FreeString]. No parts, and empty ones, cost nothing.
func Join(a Allocator, sep string, parts ...string) (string, error) {
	n := 0
	for i, p := range parts {
		if i > 0 {
			if len(sep) > math.MaxInt-n {
				return "", ErrTooLarge
			}
			n += len(sep)
		}
		if len(p) > math.MaxInt-n {
			return "", ErrTooLarge
		}
		n += len(p)
	}
	b, err := alloc[byte](a, n, Alignment{}, false, "mem: Join")
	if err != nil {
		return "", err
	}
	at := b
	for i, p := range parts {
		if i > 0 {
			at = at[copy(at, sep):]
		}
		at = at[copy(at, p):]
	}
	return stringOf(b), nil
}
