//go:build go1.27

package heap

import (
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/rtype"
	"github.com/allod-dev/allod/mem"
)

// Create is [mem.Create] with a, without the detour through the interface.
func (a *Arena) Create[T any]() (*T, error) {
	size, l := int(sizeOf[T]()), mem.Layout{Align: mem.AlignOf[T]()}
	if !invariant.Enabled && size != 0 && rtype.Plain[T]() {
		s := &a.state
		start := s.off + l.Align.Pad(address(s.cur)+uintptr(s.off))
		if size <= len(s.cur)-start && start+size <= s.clean {
			s.off = start + size
			return valueAt[T](s.cur[start : start+size]), nil
		}
	}
	return mem.Create[T](a)
}

// New is [mem.New] with a, without the detour through the interface.
func (a *Arena) New[T any](v T) (*T, error) {
	size, l := int(sizeOf[T]()), mem.Layout{Align: mem.AlignOf[T]()}
	if !invariant.Enabled && size != 0 && rtype.Plain[T]() {
		s := &a.state
		start := s.off + l.Align.Pad(address(s.cur)+uintptr(s.off))
		if size <= len(s.cur)-start {
			s.off = start + size
			p := valueAt[T](s.cur[start : start+size])
			*p = v
			return p, nil
		}
	}
	return mem.New(a, v)
}

// Make is [mem.Alloc] with a, without the detour through the interface.
func (a *Arena) Make[T any](n int) ([]T, error) {
	size, l := int(sizeOf[T]()), mem.Layout{Align: mem.AlignOf[T]()}
	if !invariant.Enabled && size != 0 && n > 0 && rtype.Plain[T]() {
		s := &a.state
		start := s.off + l.Align.Pad(address(s.cur)+uintptr(s.off))
		// What is left is divided, so that n*size cannot overflow.
		if n <= (s.clean-start)/size {
			s.off = start + n*size
			return valuesAt[T](s.cur[start:s.off], n), nil
		}
	}
	return mem.Alloc[T](a, n)
}
