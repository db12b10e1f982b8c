package alloctrace

import (
	"errors"
	"fmt"

	"github.com/allod-dev/allod/mem"
)

// ErrContents is wrapped by the errors of [Replayer.Run] that are about what
// stands in memory, or where: the allocator is broken.
var ErrContents = errors.New("alloctrace: wrong memory")

// edge is how many bytes at each end of a block carry the pattern.
const edge = 32

// checked is perform with contents verified before and after.
func checked(a mem.Allocator, op *Op, b *[]byte) error {
	if err := verify(*b, op.Object, op.Old, "before"); err != nil {
		return err
	}
	if err := perform(a, op, b); err != nil {
		return err
	}
	if op.Kind == Free {
		return nil
	}
	if len(*b) != op.Size || cap(*b) != op.Size {
		return fmt.Errorf("%w: len %d, cap %d, want %d", ErrContents, len(*b), cap(*b), op.Size)
	}
	if op.Size > 0 && !op.Align().Check(address(*b)) {
		return fmt.Errorf("%w: address %#x is not aligned to %d", ErrContents, address(*b), op.Align().Bytes())
	}
	if op.Kind == ZeroAlloc {
		for i, v := range *b {
			if v != 0 {
				return fmt.Errorf("%w: byte %d of %d is %#x, not zero", ErrContents, i, op.Size, v)
			}
		}
	}
	if op.Old > 0 {
		if err := kept(*b, op); err != nil {
			return err
		}
	}
	fill(*b, op.Object)
	return nil
}

// kept verifies the beginning of a block that was resized.
func kept(b []byte, op *Op) error {
	for i := range min(edge, op.Old, op.Size) {
		if err := same(b, op.Object, i, "after"); err != nil {
			return err
		}
	}
	return nil
}

func verify(b []byte, object uint32, size int, when string) error {
	if len(b) != size {
		return fmt.Errorf("%w: %d bytes, want %d", ErrContents, len(b), size)
	}
	for i := range min(edge, size) {
		if err := errors.Join(same(b, object, i, when), same(b, object, size-1-i, when)); err != nil {
			return err
		}
	}
	return nil
}

func same(b []byte, object uint32, i int, when string) error {
	if want := pattern(object, i); b[i] != want {
		return fmt.Errorf("%w: byte %d of %d is %#x %s, want %#x", ErrContents, i, len(b), b[i], when, want)
	}
	return nil
}

func fill(b []byte, object uint32) {
	for i := range min(edge, len(b)) {
		b[i] = pattern(object, i)
		b[len(b)-1-i] = pattern(object, len(b)-1-i)
	}
}

// pattern returns what stands at b[i] of an object: it differs between objects
// made one after the other, and between places in one.
func pattern(object uint32, i int) byte {
	return byte((object+1)*0x9E3779B1>>24) ^ byte(i*0x2D)
}
