package generic

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
	"reflect"
	"sync"
)

// hashing says how keys of one type are hashed. Keys that are equal exactly if
// their bytes are need no more than a multiplication, if they are short, and a
// few if they are longer or strings. The rest is left to maphash.Comparable,
// which goes through the runtime's hash function of the type and is several
// times slower. So is maphash.String for keys of usual length: the instructions
// that it uses are faster, the calls that lead to them are not.
type hashing uint8

const (
	hashUnknown hashing = iota
	hashWord            // 1, 2, 4 or 8 bytes that are compared as such
	hashBytes           // any other number of bytes that are compared as such
	hashString          // a string type
	hashAny             // floats, interfaces, structs that hold one, padding
)

var (
	processSeed = maphash.MakeSeed()

	// secret keeps outsiders from making up keys that collide: a factor that
	// they could choose to be 0 would make the seed of a table irrelevant.
	secret = [2]uint64{rand.Uint64(), rand.Uint64()}
)

// wordHash hashes a key of 1, 2, 4 or 8 bytes that are compared as such, and is
// inlined. For any other key it returns false, and hashLong is to be called.
//
// Each table has a seed of its own. Were the order of entries the same in two
// tables, copying one into the other, smaller one would pile up the entries in
// one place.
func (t *table[K, V]) wordHash(k *K) (uint64, bool) {
	return mix(wordOf(k) ^ t.seed), t.how == hashWord
}

//go:noinline
func (t *table[K, V]) hashLong(k *K) uint64 {
	switch t.how {
	case hashBytes:
		return hashOf(t.seed, bytesAt(k))
	case hashString:
		return hashOf(t.seed, stringBytes(stringAt(k)))
	}
	return mix(maphash.Comparable(processSeed, *k) ^ t.seed)
}

// hash is both in one, not inlined.
func (t *table[K, V]) hash(k *K) uint64 {
	h, ok := t.wordHash(k)
	if !ok {
		h = t.hashLong(k)
	}
	return h
}

// mix spreads every bit of x over all of the result.
func mix(x uint64) uint64 { return fold(x, 0x9e3779b97f4a7c15) } // the golden ratio

// fold multiplies x by y and folds the halves of the product together: the step
// that wyhash (Wang Yi) and its kin are made of.
func fold(x, y uint64) uint64 {
	hi, lo := bits.Mul64(x, y)
	return hi ^ lo
}

// hashOf hashes b in the manner of wyhash: sixteen bytes at a time, and the last
// sixteen, which may overlap them, in the end.
func hashOf(seed uint64, b []byte) uint64 {
	n := len(b)
	var x, y uint64
	switch {
	case n > 16:
		for r := b; len(r) > 16; r = r[16:] {
			seed = fold(binary.LittleEndian.Uint64(r)^secret[0], binary.LittleEndian.Uint64(r[8:])^seed)
		}
		x, y = binary.LittleEndian.Uint64(b[n-16:]), binary.LittleEndian.Uint64(b[n-8:])
	case n >= 8:
		x, y = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:])
	case n >= 4:
		x, y = uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[n-4:]))
	case n > 0:
		x = uint64(b[0])<<16 | uint64(b[n>>1])<<8 | uint64(b[n-1])
	}
	hi, lo := bits.Mul64(x^secret[0], y^seed)
	return fold(lo^secret[1], hi^uint64(n))
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
