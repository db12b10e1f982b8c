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
	hashUnknown      hashing = iota
	hashWord                 // 1, 2, 4 or 8 bytes that are compared as such
	hashBytes                // any other number of bytes that are compared as such
	hashString               // a string type
	hashAny                  // floats, interfaces, structs that hold one, padding
	hashOwned                // an ownedKey, which holds what its hash is made of
	hashOwnedContext         // the same, of what a Context says
	hashContext              // what a Context says
)

// A Context says when two keys are equal, and hashes them accordingly, for maps
// and sets to which the == of Go is not what matters: names without regard to
// case, numbers of a table that the keys stand for.
//
// Keys that are equal must have the same hash, and neither may change while a
// key is in a container; where one does, the container may find the key or not.
// The hash need not be good in its lower bits, nor secret: containers mix it
// with a seed of their own. One that is equal for many keys makes them slow.
//
// A Context must not be changed, and must live as long as the containers that
// were given it.
type Context[K any] struct {
	// Hash returns the same for equal keys.
	Hash func(k K) uint64
	// Equal tells whether two keys are equal.
	Equal func(a, b K) bool
}

// A hasher hashes the keys of one container.
//
// Each has a seed of its own. Were the order of entries the same in two tables,
// copying one into the other, smaller one would pile up the entries in one
// place.
type hasher[K comparable] struct {
	seed uint64
	ctx  *Context[K] // if how is hashContext
	how  hashing     // since there is memory
}

// begin chooses how to hash, unless that is settled.
func (t *hasher[K]) begin(ownedKeys bool) {
	switch {
	case t.how != hashUnknown:
		return
	case ownedKeys && t.ctx != nil:
		t.how = hashOwnedContext
	case ownedKeys:
		t.how = hashOwned
	case t.ctx != nil:
		t.how = hashContext
	default:
		t.how = hashingFor[K]()
	}
	t.seed = newSeed()
}

// checkContext panics unless c may be set on a container with memory from where
// from says.
func checkContext[K any](c *Context[K], from origin, method string) {
	if c == nil || c.Hash == nil || c.Equal == nil {
		panic(method + ": Context without Hash or Equal")
	}
	if from != 0 {
		panic(method + ": the container has memory")
	}
}

// adapted returns the hash in the container of a key whose hash by the context
// is h.
func (t *hasher[K]) adapted(h uint64, method string) uint64 {
	if t.ctx == nil {
		panic(method + ": the container has no Context, so that nobody knows how it hashes")
	}
	return mix(h ^ t.seed)
}

var (
	processSeed = maphash.MakeSeed()

	// secret keeps outsiders from making up keys that collide: a factor that
	// they could choose to be 0 would make the seed of a table irrelevant.
	secret = [2]uint64{rand.Uint64(), rand.Uint64()}

	newSeed = rand.Uint64 // a variable for tests that must run the same every time
)

// hashLong is hash for keys that are not one word.
//
//go:noinline
func (t *hasher[K]) hashLong(k *K) uint64 {
	switch t.how {
	case hashBytes:
		return hashOf(t.seed, bytesAt(k))
	case hashString:
		return hashOf(t.seed, stringBytes(stringAt(k)))
	case hashOwned, hashOwnedContext:
		return unfold(ownedAt(k).hash)
	case hashContext:
		return mix(t.ctx.Hash(*k) ^ t.seed)
	}
	return mix(maphash.Comparable(processSeed, *k) ^ t.seed)
}

// hash hashes a key; one of 1, 2, 4 or 8 bytes that are compared as such itself.
func (t *hasher[K]) hash(k *K) uint64 {
	if t.how == hashWord {
		return mix(wordOf(k) ^ t.seed)
	}
	return t.hashLong(k)
}

// mix spreads every bit of x over all of the result.
func mix(x uint64) uint64 { return fold(x, 0x9e3779b97f4a7c15) } // the golden ratio

// fold multiplies x by y and folds the halves of the product together: the step
// that wyhash (Wang Yi) and its kin are made of.
func fold(x, y uint64) uint64 {
	hi, lo := bits.Mul64(x, y)
	return hi ^ lo
}

// unfold makes a hash of one of 32 bits, which are the lower half of it.
func unfold(x uint32) uint64 { return uint64(x*0x9e3779b9)<<32 | uint64(x) }

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

// same tells whether a and b are equal, by the context if there is one.
func (t *hasher[K]) same(a, b K) bool {
	if t.how == hashContext {
		return t.ctx.Equal(a, b)
	}
	return a == b
}

// reflexive tells whether k is equal to itself. If not, it is a NaN or holds one,
// and its hash may be another every time.
func (t *hasher[K]) reflexive(k *K) bool {
	return t.how != hashAny && t.how != hashContext || t.same(*k, *k)
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
