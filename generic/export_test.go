package generic

// Passes sums the counters of the groups of m, and tells how many of them have
// come to their end.
func Passes[K comparable, V any](m *HashMap[K, V]) (sum, saturated int) {
	for i := range m.u.t.groups {
		c := int(m.u.t.groups[i].ctrl >> 56)
		sum += c
		if c == maxPass {
			saturated++
		}
	}
	return sum, saturated
}

// Home returns the group where the search for k begins. m must have memory.
func Home[K comparable, V any](m *HashMap[K, V], k K) uint { return m.u.t.home(m.u.t.hash(&k)) }

// HashOf hashes b, in the manner of keys that are strings.
func HashOf(seed uint64, b []byte) uint64 { return hashOf(seed, b) }

// HashingOf names the way in which Ks are hashed.
func HashingOf[K comparable]() string {
	return [...]string{hashWord: "word", hashBytes: "bytes", hashString: "string", hashAny: "any"}[hashingFor[K]()]
}
