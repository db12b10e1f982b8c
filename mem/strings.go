package mem

import (
	"math"
	"strings"
)

// DupeString returns a copy of s in memory of a. The copy is valid until it is
// given back with [FreeString] or a ends its life; a string that outlives its
// memory, as the key of a Go map for instance, changes under its holder. The
// empty string costs nothing.
func DupeString(a Allocator, s string) (string, error) {
	b, err := alloc[byte](a, len(s), Alignment{}, written, "mem: DupeString")
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
	b, err := alloc[byte](a, len(s)+1, Alignment{}, written, "mem: DupeZ")
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
	n, ok := joinedLen(sep, parts)
	if !ok {
		return "", ErrTooLarge
	}
	b, err := alloc[byte](a, n, Alignment{}, written, "mem: Join")
	if err != nil {
		return "", err
	}
	joinInto(b, sep, parts)
	return stringOf(b), nil
}

// JoinZ is [Join] with a NUL behind the last byte, inside the capacity, as
// [DupeZ] puts it. Free it with [Free].
func JoinZ(a Allocator, sep string, parts ...string) ([]byte, error) {
	n, ok := joinedLen(sep, parts)
	if !ok || n == math.MaxInt {
		return nil, ErrTooLarge
	}
	b, err := alloc[byte](a, n+1, Alignment{}, written, "mem: JoinZ")
	if err != nil {
		return nil, err
	}
	joinInto(b, sep, parts)
	b[n] = 0
	return b[:n], nil
}

// joinedLen returns the length of the parts with sep between them, unless it
// overflows.
func joinedLen(sep string, parts []string) (n int, ok bool) {
	for i, p := range parts {
		if i > 0 {
			if len(sep) > math.MaxInt-n {
				return 0, false
			}
			n += len(sep)
		}
		if len(p) > math.MaxInt-n {
			return 0, false
		}
		n += len(p)
	}
	return n, true
}

func joinInto(b []byte, sep string, parts []string) {
	for i, p := range parts {
		if i > 0 {
			b = b[copy(b, sep):]
		}
		b = b[copy(b, p):]
	}
}

// ReplaceAll returns a copy of s in memory of a with every old replaced by new,
// left to right, not overlapping. An empty old matches before every character
// and at the end, as in [strings.ReplaceAll]. Free it with [FreeString].
func ReplaceAll(a Allocator, s, old, new string) (string, error) {
	count := strings.Count(s, old)
	n := len(s) - count*len(old)
	if len(new) > 0 && count > (math.MaxInt-n)/len(new) {
		return "", ErrTooLarge
	}
	n += count * len(new)
	b, err := alloc[byte](a, n, Alignment{}, written, "mem: ReplaceAll")
	if err != nil {
		return "", err
	}
	at := b
	for i := range count {
		next := strings.Index(s, old)
		if old == "" {
			next = 0
			if i > 0 {
				next = runeLen(s)
			}
		}
		at = at[copy(at, s[:next]):]
		at = at[copy(at, new):]
		s = s[next+len(old):]
	}
	copy(at, s)
	return stringOf(b), nil
}

// runeLen returns how many bytes the first character of s takes.
func runeLen(s string) int {
	for i := range s {
		if i > 0 {
			return i
		}
	}
	return len(s)
}
