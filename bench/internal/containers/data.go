package containers

import (
	"math/rand/v2"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// What is put into containers lies off the Go heap, so that it has no part in
// how often the collector runs.

// table returns n zero Ts.
func table[T any](n int) []T { return mem.Must(mem.Alloc[T](mem.NoGoPointers(heap.Page{}), n)) }

// numbers returns n random ones.
func numbers(n int, seed uint64) []uint64 {
	r := rand.New(rand.NewPCG(seed, 7))
	s := table[uint64](n)
	for i := range s {
		s[i] = r.Uint64()
	}
	return s
}

// shuffled returns a copy of s in random order.
func shuffled[T any](s []T) []T {
	c := table[T](len(s))
	copy(c, s)
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(c), func(i, j int) { c[i], c[j] = c[j], c[i] })
	return c
}

// words returns n random strings of 8 to 40 bytes.
func words(n int) []string {
	a := heap.NewArena(heap.Page{})
	s := table[string](n)
	var w wordMaker
	for i := range s {
		s[i] = mem.Must(mem.DupeString(a, string(w.next())))
	}
	return s
}

// A wordMaker makes random words of 8 to 40 bytes. The zero one is ready.
type wordMaker struct {
	state uint64
	buf   [40]byte
}

// next returns the next word, which lives until the one after it. Words are
// different from one another: they end with a number that is.
func (w *wordMaker) next() []byte {
	w.state += 0x9e3779b97f4a7c15 // the steps of splitmix64 (Steele, Lea, Flood)
	x := w.state
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	n := 8 + int(x%33)
	for i := range n - 8 {
		w.buf[i] = 'a' + byte(x>>(i%60))&15
	}
	for i := range 8 {
		w.buf[n-8+i] = byte(x >> (8 * i))
	}
	return w.buf[:n]
}
