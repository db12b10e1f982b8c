package vm

import (
	"sync"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/rt"
)

// Ranges from the Go heap are byte slices, which the collector does not scan.
// Pointers to a range may live where the collector does not look either, in
// another range above all, so the slices themselves are held here until they are
// unmapped. They are sorted by address, since the question whether an address is
// inside one is asked as well.
var goRanges struct {
	sync.Mutex
	held [][]byte // [:n], each with all that Grow may add
	n    int
}

func init() {
	if GoHeap {
		rt.HeldPages(insideGo)
	}
}

// The race detector must not take the lock for a reason why one goroutine comes
// after another. What the lock guards is hidden from it as well: by go:norace,
// and by moving slices one by one, since it watches append and copy.

func lockGo() {
	race.Disable()
	goRanges.Lock()
}

func unlockGo() {
	goRanges.Unlock()
	race.Enable()
}

// findGo returns the index of the range that addr is in, or the one where a
// range at addr belongs.
//
//go:norace
func findGo(addr uintptr) (i int, inside bool) {
	low, high := 0, goRanges.n
	for low < high {
		if mid := int(uint(low+high) / 2); address(goRanges.held[mid]) <= addr {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low > 0 {
		if r := goRanges.held[low-1]; addr-address(r) < uintptr(len(r)) {
			return low - 1, true
		}
	}
	return low, false
}

func insideGo(addr uintptr) bool {
	lockGo()
	_, inside := findGo(addr)
	unlockGo()
	return inside
}

// holdGo adds b to the ranges.
//
//go:norace
func holdGo(b []byte) {
	lockGo()
	g := &goRanges
	if g.n == len(g.held) {
		held := make([][]byte, max(64, 2*g.n))
		for i := range g.n {
			held[i] = g.held[i]
		}
		g.held = held
	}
	at, _ := findGo(address(b))
	for i := g.n; i > at; i-- {
		g.held[i] = g.held[i-1]
	}
	g.held[at] = b
	g.n++
	unlockGo()
}

// heldGo returns the range of the Go heap that begins where b does, at its full
// length.
//
//go:norace
func heldGo(b []byte) (whole []byte, ok bool) {
	lockGo()
	if i, inside := findGo(address(b)); inside && address(goRanges.held[i]) == address(b) {
		whole, ok = goRanges.held[i], true
	}
	unlockGo()
	return whole, ok
}

// dropGo removes the range that begins where b does.
//
//go:norace
func dropGo(b []byte) {
	lockGo()
	g := &goRanges
	at, _ := findGo(address(b))
	g.n--
	for i := at; i < g.n; i++ {
		g.held[i] = g.held[i+1]
	}
	g.held[g.n] = nil
	unlockGo()
}

func ownsGo(b []byte) bool {
	_, ok := heldGo(b)
	return ok
}

// mapGo returns n zero bytes from the Go heap.
func mapGo(n, align int) ([]byte, error) {
	if err := fault(CallMap); err != nil {
		return nil, err
	}
	if n > maxMap-align {
		return nil, ErrTooLarge
	}
	b := make([]byte, n+align-1)
	skip := int(-address(b) & uintptr(align-1))
	b = b[skip : skip+n : skip+n]
	holdGo(b)
	return b, nil
}

// unmapGo drops the range b, or returns false if it is not one of the Go heap.
func unmapGo(b []byte) bool {
	if !ownsGo(b) {
		return false
	}
	race.Free(b)
	dropGo(b)
	return true
}

// growGo takes back what shrinkGo left.
func growGo(b []byte, n int) ([]byte, bool) {
	whole, _ := heldGo(b)
	if n > len(whole) {
		return b, false
	}
	race.Alloc(whole[len(b):n])
	clear(whole[len(b):n])
	return whole[:n:n], true
}

// shrinkGo tells whether b may be shrunk to n bytes. Nothing is given back to
// the Go heap by that, so it is refused where most of the range would lie idle.
func shrinkGo(b []byte, n int) bool {
	whole, _ := heldGo(b)
	if n < len(whole)/2 {
		return false
	}
	race.Free(b[n:])
	return true
}
