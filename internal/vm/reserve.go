package vm

import "github.com/allod-dev/allod/internal/invariant"

// A reservation is a range of addresses that nobody else gets. Memory is put
// behind its pages, and taken away again, by the caller. It is never of the Go
// heap, and so invisible to the race detector.

// Reserve returns a reservation of n bytes, whose address is a multiple of align.
// n must be a positive number of whole pages, and align a power of two. None of
// it may be touched before [Commit]. Where [HasOS] is false it fails with
// [ErrUnsupported].
func Reserve(n, align int) ([]byte, error) {
	checkLength("Reserve", n)
	if !HasOS {
		return nil, ErrUnsupported
	}
	align = max(align, pageSize)
	if tooLong(n, align) {
		return nil, ErrTooLarge
	}
	b := kept.take(n, align)
	var err error
	if b == nil {
		b, err = reserveAligned(n, align)
	} else if err = uncommitOS(b); err != nil {
		kept.add(b)
	}
	if err != nil {
		return nil, err
	}
	if invariant.Enabled && (len(b) != n || address(b)&uintptr(align-1) != 0) {
		invariant.Check(false, "vm: Reserve(%d, %d): %d bytes at %#x", n, align, len(b), address(b))
	}
	return b, nil
}

// Commit makes b usable, which must be pages of a reservation that are not. They
// are zero.
func Commit(b []byte) error {
	checkLength("Commit", len(b))
	if err := take(len(b), false); err != nil {
		return err
	}
	if err := commitOS(b); err != nil {
		give(len(b), false)
		return err
	}
	return nil
}

// Uncommit undoes [Commit]: it takes the memory away from b, which must not be
// touched any more. On an error b is as it was.
func Uncommit(b []byte) error {
	checkLength("Uncommit", len(b))
	if err := uncommitOS(b); err != nil {
		return err
	}
	give(len(b), false)
	return nil
}

// Unreserve gives the reservation b back, of which the given number of bytes are
// committed. It cannot fail.
func Unreserve(b []byte, committed int) {
	checkLength("Unreserve", len(b))
	switch {
	case !keepAll && unmapOS(b) == nil:
		if !kept.empty() {
			kept.retry()
		}
	case accessOS(b) == nil:
		kept.add(b)
	case committed > 0:
		_ = uncommitOS(b[:committed]) // the addresses are lost, the memory is not
	}
	give(committed, false)
}
