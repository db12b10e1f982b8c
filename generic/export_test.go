package generic

import "github.com/allod-dev/allod/internal/invariant"

// Rounds returns n, or a fifth of it where every step is checked, and may be
// watched for races: that costs ten times as much.
func Rounds(n int) int {
	if invariant.Enabled {
		return (n + 4) / 5
	}
	return n
}

// Passes sums the counters of the groups of m, and tells how many of them have
// come to their end.
func Passes[K comparable, V any](m *HashMap[K, V]) (sum, saturated int) {
	for p := range m.u.t.parts {
		for _, c := range m.u.t.ctrlOf(p)[m.u.t.mask+1:] {
			sum += int(c)
			if c == maxPass {
				saturated++
			}
		}
	}
	return sum, saturated
}

// Home returns the group where the search for k begins. m must have memory.
func Home[K comparable, V any](m *HashMap[K, V], k K) uint {
	return m.u.t.home(m.u.t.hash(&k)) >> groupShift
}

// Parts returns how many parts the table of m has.
func Parts[K comparable, V any](m *HashMap[K, V]) (parts, strays int) {
	for range m.u.t.parts {
		parts++
	}
	return parts, int(m.u.t.stray)
}

// SteadyHashes makes containers that are new hash the same in every run, until
// the function that it returns is called.
func SteadyHashes() (restore func()) {
	secretBefore, seedBefore := secret, newSeed
	secret = [2]uint64{0x2d358dccaa6c78a5, 0x8bb84b93962eacc9}
	newSeed = func() uint64 { return 0x4b33a62ed433d4a3 }
	return func() { secret, newSeed = secretBefore, seedBefore }
}

// SmallParts is SteadyHashes that has tables consist of parts of n groups as
// well.
func SmallParts(n int) (restore func()) {
	least, most, unsteady := minPart, maxPart, SteadyHashes()
	minPart, maxPart = n, n
	return func() {
		minPart, maxPart = least, most
		unsteady()
	}
}

// HashOf hashes b, in the manner of keys that are strings.
func HashOf(seed uint64, b []byte) uint64 { return hashOf(seed, b) }

// HashingOf names the way in which Ks are hashed.
func HashingOf[K comparable]() string {
	return [...]string{hashWord: "word", hashBytes: "bytes", hashString: "string", hashAny: "any"}[hashingFor[K]()]
}
