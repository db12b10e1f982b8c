package containers

import (
	"math/bits"
	"math/rand/v2"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
)

const bitCount = 1 << 20

// someBits returns an eighth of all bits, some of them more than once.
func someBits() []int {
	r := rand.New(rand.NewPCG(1, 2))
	s := table[int](bitCount / 8)
	for i := range s {
		s[i] = r.IntN(bitCount)
	}
	return s
}

func ourBits(m *meter) {
	some := someBits()
	s, o := generic.NewDynamicBitSet(heap.Page{}), generic.NewDynamicBitSet(heap.Page{})
	must(s.Resize(bitCount, false))
	must(o.Resize(bitCount, false))
	m.settle()
	m.repeat("set", len(some), func() {
		for _, i := range some {
			s.Set(i)
		}
	})
	m.repeat("test", len(some), func() {
		for _, i := range some {
			if s.IsSet(i) {
				m.sum++
			}
		}
	})
	m.repeat("union", bitCount/64, func() { o.Union(s) })
	m.repeat("count", bitCount/64, func() { m.sum += uint64(o.Count()) })
	n := o.Count()
	m.repeat("iterate", n, func() {
		for i := range o.All() {
			m.sum += uint64(i)
		}
	})
}

func goBitSet(m *meter) {
	some := someBits()
	s, o := newBitSet(bitCount), newBitSet(bitCount)
	m.settle()
	m.repeat("set", len(some), func() {
		for _, i := range some {
			s.set(i)
		}
	})
	m.repeat("test", len(some), func() {
		for _, i := range some {
			if s.isSet(i) {
				m.sum++
			}
		}
	})
	m.repeat("union", bitCount/64, func() { o.union(s) })
	m.repeat("count", bitCount/64, func() { m.sum += uint64(o.count()) })
	n := o.count()
	m.repeat("iterate", n, func() {
		for i := range o.all() {
			m.sum += uint64(i)
		}
	})
}

func goBits(m *meter) {
	some := someBits()
	s, o := make(bitSlice, bitCount/64), make(bitSlice, bitCount/64)
	m.settle()
	m.repeat("set", len(some), func() {
		for _, i := range some {
			s.set(i)
		}
	})
	m.repeat("test", len(some), func() {
		for _, i := range some {
			if s.isSet(i) {
				m.sum++
			}
		}
	})
	m.repeat("union", bitCount/64, func() {
		for i, w := range s {
			o[i] |= w
		}
	})
	n := 0
	m.repeat("count", bitCount/64, func() {
		n = 0
		for _, w := range o {
			n += bits.OnesCount64(w)
		}
	})
	m.repeat("iterate", n, func() {
		for at, w := range o {
			for ; w != 0; w &= w - 1 {
				m.sum += uint64(at*64 + bits.TrailingZeros64(w))
			}
		}
	})
}

func goBools(m *meter) {
	some := someBits()
	s, o := make([]bool, bitCount), make([]bool, bitCount)
	m.settle()
	m.repeat("set", len(some), func() {
		for _, i := range some {
			s[i] = true
		}
	})
	m.repeat("test", len(some), func() {
		for _, i := range some {
			if s[i] {
				m.sum++
			}
		}
	})
	m.repeat("union", bitCount/64, func() {
		for i, b := range s {
			o[i] = o[i] || b
		}
	})
	n := 0
	m.repeat("count", bitCount/64, func() {
		n = 0
		for _, b := range o {
			if b {
				n++
			}
		}
	})
	m.repeat("iterate", n, func() {
		for i, b := range o {
			if b {
				m.sum += uint64(i)
			}
		}
	})
}
