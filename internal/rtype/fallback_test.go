//go:build !purego

package rtype

import (
	"reflect"
	"testing"
)

// If the runtime's descriptors ever look different, the answers come from
// package reflect, and are the same.
func TestFallback(t *testing.T) {
	if !trusted {
		t.Fatal("the descriptors of this release do not look as expected; every answer is slow")
	}
	trusted = false
	defer func() { trusted = true }()
	if id := For[*int](); !id.HasPointers() || id.Size() != int(reflect.TypeFor[*int]().Size()) || !HasPointers[*int]() {
		t.Error("*int: wrong without descriptors")
	}
	if id := For[bool](); id.HasPointers() || id.Size() != 1 || HasPointers[bool]() || !HasBools[bool]() {
		t.Error("bool: wrong without descriptors")
	}
}
