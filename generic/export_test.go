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
