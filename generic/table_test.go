package generic

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The directory has an index for every hash, and as many hashes for every index
// as share says.
func TestTableIndex(t *testing.T) {
	for size, shift := leastDir, uint8(61); size < 1<<20; size, shift = 2*size, shift-1 {
		x := table[int, int]{}
		x.shift = shift
		if i := x.index(math.MaxUint64); i != uint(size)-1 {
			t.Errorf("directory of %d: the last index is %d", size, i)
		}
		if i := x.index(0); i != 0 {
			t.Errorf("directory of %d: the first index is %d", size, i)
		}
	}
	x := table[int, int]{}
	x.shift = 61 - 3
	const size, n = leastDir << 3, 1 << 20
	var found [size]int
	for i := range uint64(n) {
		found[x.index(i<<44)]++
	}
	for i, f := range found {
		if want := n * share(float64(i), float64(i+1), size); math.Abs(float64(f)-want) > 2 {
			t.Errorf("index %d has %d of %d hashes, not %.1f", i, f, n, want)
		}
	}
	if first, last := found[0], found[size-1]; float64(first)/float64(last) < 1.9 || first > 2*last {
		t.Errorf("the first index has %d of the hashes, the last %d", first, last)
	}
}

// A plan says how many parts there will be, and how large the directory has to
// be, when units are split until none is crowded.
func TestTablePlan(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		lim, n := 1+r.IntN(50), r.IntN(5000)
		dir := leastDir << r.IntN(3)
		u := unit{0, dir, 1 + r.IntN(3)}
		if u.parts > 1 && r.IntN(2) == 0 && dir > leastDir {
			u.span /= 2
			u.lo = r.IntN(2) * u.span
		}
		parts, need := plan(n, lim, u, dir)
		wantParts, wantNeed := planSlowly(n, lim, u, dir)
		if parts != wantParts || need != wantNeed {
			t.Fatalf("plan(%d, %d, %v, %d): %d parts, directory of %d; want %d, %d", n, lim, u, dir, parts, need, wantParts, wantNeed)
		}
	}
	// A number that there is no memory for takes no time.
	if parts, _ := plan(math.MaxInt>>5, 8, unit{0, leastDir, 1}, leastDir); parts < math.MaxInt>>9 {
		t.Errorf("%d parts", parts)
	}
}

func planSlowly(n, lim int, u unit, dir int) (parts, need int) {
	if !crowded(n, lim, float64(u.lo), float64(u.lo+u.span/u.parts), float64(dir)) {
		return u.parts, dir
	}
	if u.parts < 3 {
		u.parts++
		return planSlowly(n, lim, u, dir)
	}
	if u.span == leastDir {
		u.lo, u.span, dir = 2*u.lo, 2*u.span, 2*dir
	}
	half := u.span / 2
	p1, n1 := planSlowly(n, lim, unit{u.lo, half, 2}, dir)
	p2, n2 := planSlowly(n, lim, unit{u.lo + half, half, 2}, dir)
	return p1 + p2, max(n1, n2)
}
