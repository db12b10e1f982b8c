package vm

import (
	"sync"

	"github.com/allod-dev/allod/internal/addrmap"
	"github.com/allod-dev/allod/internal/race"
)

// Ranges from the Go heap are byte slices, which the collector does not scan.
// Pointers to a range may live where the collector does not look either, in
// another range above all, so the slices themselves are held here until they are
// unmapped.
var goRanges struct {
	sync.Mutex
	held addrmap.Map[[]byte] // by address: the range with all that Grow may add
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
	race.Disable()
	goRanges.Lock()
	goRanges.held.Put(address(b), b)
	goRanges.Unlock()
	race.Enable()
	return b, nil
}

// heldGo returns the range of the Go heap that b is, at its full length.
func heldGo(b []byte) ([]byte, bool) {
	race.Disable()
	goRanges.Lock()
	whole, ok := goRanges.held.Get(address(b))
	goRanges.Unlock()
	race.Enable()
	return whole, ok
}

func ownsGo(b []byte) bool {
	_, ok := heldGo(b)
	return ok
}

// unmapGo drops the range b, or returns false if it is not one of the Go heap.
func unmapGo(b []byte) bool {
	if ownsGo(b) {
		race.Free(b)
	}
	race.Disable()
	goRanges.Lock()
	_, ok := goRanges.held.Delete(address(b))
	goRanges.Unlock()
	race.Enable()
	return ok
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
