package generic

import (
	"hash/maphash"
	"math/bits"
	"reflect"
	"sync"
)

// hashing says how keys of one type are hashed. Keys that are equal exactly if
// their bytes are need no more than a multiplication, if they are short; the
// rest is left to package maphash, whose Comparable goes through the runtime's
// hash function of the type and is several times slower.
type hashing uint8

const (
	hashUnknown hashing = iota
	hashWord            // 1, 2, 4 or 8 bytes that are compared as such
	hashBytes           // any other number of bytes that are compared as such
	hashString          // a string type
	hashAny             // floats, interfaces, structs that hold one, padding
)

var processSeed = maphash.MakeSeed()

// hashKey hashes k, for how == hashingFor[K].
//
// Each table has a seed of its own. Were the order of entries the same in two
// tables, copying one into the other, smaller one would pile up the entries in
// one place.
func hashKey[K comparable](how hashing, seed uint64, k *K) uint64 {
	if how == hashWord {
		return mix(wordOf(k) ^ seed)
	}
	return mix(hashLong(how, k) ^ seed)
}

//go:noinline
func hashLong[K comparable](how hashing, k *K) uint64 {
	switch how {
	case hashBytes:
		return maphash.Bytes(processSeed, bytesAt(k))
	case hashString:
		return maphash.String(processSeed, stringAt(k))
	}
	return maphash.Comparable(processSeed, *k)
}

// mix spreads every bit of x over all of the result: the two halves of a 128-bit
// product folded together, as in wyhash and foldhash.
func mix(x uint64) uint64 {
	hi, lo := bits.Mul64(x, 0x9e3779b97f4a7c15) // the golden ratio
	return hi ^ lo
}

// hashingFor decides how to hash Ks.
func hashingFor[K comparable]() hashing {
	t := reflect.TypeFor[K]()
	switch t.Kind() {
	case reflect.String:
		return hashString
	case reflect.Struct, reflect.Array:
		how, ok := composites.Load(t)
		if !ok {
			how, _ = composites.LoadOrStore(t, bytewise(t, byteKind(t)))
		}
		return how.(hashing)
	}
	return bytewise(t, byteKind(t))
}

var composites sync.Map // reflect.Type of a struct or array -> hashing

func bytewise(t reflect.Type, ok bool) hashing {
	if !ok {
		return hashAny
	}
	switch t.Size() {
	case 1, 2, 4, 8:
		return hashWord
	}
	return hashBytes
}

// byteKind tells whether two values of type t are equal exactly if their bytes
// are: no floats, whose zeroes differ in their bytes, nothing that is compared
// by what it points to, and no bytes that do not count.
func byteKind(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Pointer, reflect.UnsafePointer, reflect.Chan:
		return true
	case reflect.Array:
		return byteKind(t.Elem())
	case reflect.Struct:
		end := uintptr(0)
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Offset != end || f.Name == "_" || !byteKind(f.Type) {
				return false
			}
			end += f.Type.Size()
		}
		return end == t.Size()
	}
	return false
}
