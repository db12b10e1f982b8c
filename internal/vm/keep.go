package vm

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/addrmap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
)

// kept holds the free ranges that were not unmapped.
var kept keeper

// A keeper holds ranges that are free and stay mapped, decommitted where that
// worked. Neighbours are joined. It serves a request from the smallest range
// that surely fits, as the allocators of the TLSF family do: ranges are kept in
// classes by the number of their pages, a class for each power of two.
type keeper struct {
	ranges atomic.Int32 // number of spans; read without the lock

	mu      sync.Mutex
	bytes   int64
	classes [bits.UintSize]int32 // first span of the class, or 0
	present uint                 // bit c is set if class c has spans
	spans   []span               // [1:used+1] were in use at some time
	used    int
	free    int32              // first unused span, linked by next
	starts  addrmap.Map[int32] // first address of a span -> span
	ends    addrmap.Map[int32] // address after a span -> span
}

type span struct {
	addr       uintptr
	n          int // bytes; 0: unused
	prev, next int32
	dirty      bool // not decommitted: may hold anything
}

// tries bounds the search in the one class whose spans may fit or not. All spans
// of the classes above fit.
const tries = 16

// The race detector must not take the lock for a reason why one goroutine comes
// after another. What the lock guards is hidden from it as well, by go:norace.

//go:norace
func (k *keeper) lock() {
	race.Disable()
	k.mu.Lock()
}

//go:norace
func (k *keeper) unlock() {
	k.check()
	k.mu.Unlock()
	race.Enable()
}

// empty tells whether there are no ranges at the moment.
func (k *keeper) empty() bool {
	race.Disable()
	n := k.ranges.Load()
	race.Enable()
	return n == 0
}

// add keeps the range b.
//
//go:norace
func (k *keeper) add(b []byte) {
	err := decommitOS(b)
	if err != nil && unlockOS(b) == nil {
		err = decommitOS(b) // locked memory is not given back
	}
	k.lock()
	k.put(address(b), len(b), err != nil)
	k.unlock()
}

// take returns a free range of n zero bytes at a multiple of align, or nil.
//
//go:norace
func (k *keeper) take(n, align int) []byte {
	if k.empty() {
		return nil
	}
	k.lock()
	b, dirty := k.cut(n, align)
	k.unlock()
	if b == nil {
		return nil
	}
	// Of a dirty range, too, parts may have been decommitted before it came here.
	if recommitOS(b) != nil {
		k.add(b)
		return nil
	}
	if dirty {
		clear(b)
	}
	return b
}

// takeAt takes n bytes that follow b, and zeroes them, if they are free.
//
//go:norace
func (k *keeper) takeAt(b []byte, n int) bool {
	if !canSplit || k.empty() {
		return false
	}
	end := address(b) + uintptr(len(b))
	k.lock()
	i, ok := k.starts.Get(end)
	ok = ok && n <= k.spans[i].n
	var s span
	if ok {
		s = k.remove(i)
		k.putRest(end+uintptr(n), s.n-n, s.dirty)
	}
	k.unlock()
	if ok && s.dirty {
		clear(at(end, n))
	}
	return ok
}

// retry asks the system once more to take a range.
//
//go:norace
func (k *keeper) retry() {
	k.lock()
	var b []byte
	if k.present != 0 {
		s := k.remove(k.classes[bits.TrailingZeros(k.present)])
		b = at(s.addr, s.n)
	}
	k.unlock()
	if b != nil {
		k.giveBack(b)
	}
}

// giveBack unmaps a range that was in k, or puts it back.
func (k *keeper) giveBack(b []byte) bool {
	if unmapOS(b) == nil {
		return true
	}
	k.add(b)
	return false
}

// trim asks the system once more to take every range.
//
//go:norace
func (k *keeper) trim() int {
	total := 0
	for range k.ranges.Load() {
		k.lock()
		var b []byte
		if k.present != 0 {
			s := k.remove(k.classes[bits.Len(k.present)-1]) // large ones first
			b = at(s.addr, s.n)
		}
		k.unlock()
		if b == nil || !k.giveBack(b) {
			break
		}
		total += len(b)
	}
	return total
}

// size returns how many bytes and ranges there are.
//
//go:norace
func (k *keeper) size() (bytes int64, ranges int) {
	k.lock()
	bytes = k.bytes
	k.unlock()
	return bytes, int(k.ranges.Load())
}

// cut removes n bytes at a multiple of align from the spans.
//
//go:norace
func (k *keeper) cut(n, align int) (b []byte, dirty bool) {
	if !canSplit {
		return k.cutWhole(n, align)
	}
	c := class(n)
	// In class c a span may be too short.
	i := k.classes[c]
	for range tries {
		if i == 0 || fits(&k.spans[i], n, align) {
			break
		}
		i = k.spans[i].next
	}
	if i == 0 || !fits(&k.spans[i], n, align) {
		// A span of any higher class is long enough, and one with room for n
		// and any padding is so wherever it begins.
		if n > maxMap-align {
			return nil, false
		}
		if align > osPageSize {
			c = class(n + align)
		}
		above := k.present &^ (1<<(c+1) - 1)
		if above == 0 {
			return nil, false
		}
		i = k.classes[bits.TrailingZeros(above)]
	}
	s := k.remove(i)
	head := int(-s.addr & uintptr(align-1))
	k.putRest(s.addr, head, s.dirty)
	k.putRest(s.addr+uintptr(head+n), s.n-head-n, s.dirty)
	return at(s.addr+uintptr(head), n), s.dirty
}

// cutWhole is cut where spans cannot be split.
//
//go:norace
func (k *keeper) cutWhole(n, align int) (b []byte, dirty bool) {
	i := k.classes[class(n)]
	for range tries {
		if i == 0 {
			break
		}
		if s := &k.spans[i]; s.n == n && s.addr&uintptr(align-1) == 0 {
			s := k.remove(i)
			return at(s.addr, n), s.dirty
		}
		i = k.spans[i].next
	}
	return nil, false
}

//go:norace
func fits(s *span, n, align int) bool {
	head := int(-s.addr & uintptr(align-1))
	return head <= s.n && n <= s.n-head
}

// class returns the class of spans of n bytes: the binary logarithm of its pages.
func class(n int) int { return bits.Len(uint(n/osPageSize)) - 1 }

// putRest is put for what cut leaves over, which may be nothing.
//
//go:norace
func (k *keeper) putRest(addr uintptr, n int, dirty bool) {
	if n > 0 {
		k.put(addr, n, dirty)
	}
}

// put adds a span, joined with its neighbours unless the whole were too long.
//
//go:norace
func (k *keeper) put(addr uintptr, n int, dirty bool) {
	if canSplit {
		if i, ok := k.ends.Get(addr); ok && k.spans[i].dirty == dirty && n <= maxMap-k.spans[i].n {
			s := k.remove(i)
			addr, n = s.addr, s.n+n
		}
		if i, ok := k.starts.Get(addr + uintptr(n)); ok && k.spans[i].dirty == dirty && n <= maxMap-k.spans[i].n {
			n += k.remove(i).n
		}
	}
	i := k.free
	if i != 0 {
		k.free = k.spans[i].next
	} else {
		i = k.newSpan()
	}
	c := class(n)
	first := k.classes[c]
	k.spans[i] = span{addr: addr, n: n, next: first, dirty: dirty}
	if first != 0 {
		k.spans[first].prev = i
	}
	k.classes[c] = i
	k.present |= 1 << c
	k.starts.Put(addr, i)
	k.ends.Put(addr+uintptr(n), i)
	k.bytes += int64(n)
	k.ranges.Add(1)
}

// newSpan adds a span to k.spans and returns its index.
//
//go:norace
func (k *keeper) newSpan() int32 {
	if k.used+1 >= len(k.spans) {
		spans := make([]span, max(64, 2*len(k.spans)))
		for i := 1; i <= k.used; i++ { // not copy, which the race detector watches
			spans[i] = k.spans[i]
		}
		k.spans = spans
	}
	k.used++
	return int32(k.used)
}

// remove takes span i out and returns it.
//
//go:norace
func (k *keeper) remove(i int32) span {
	s := k.spans[i]
	if s.next != 0 {
		k.spans[s.next].prev = s.prev
	}
	if s.prev != 0 {
		k.spans[s.prev].next = s.next
	} else {
		c := class(s.n)
		if k.classes[c] = s.next; s.next == 0 {
			k.present &^= 1 << c
		}
	}
	k.starts.Delete(s.addr)
	k.ends.Delete(s.addr + uintptr(s.n))
	k.bytes -= int64(s.n)
	k.ranges.Add(-1)
	k.spans[i] = span{next: k.free}
	k.free = i
	return s
}

// check follows every list, while there are few spans.
//
//go:norace
func (k *keeper) check() {
	if !invariant.Enabled || k.ranges.Load() > 64 {
		return
	}
	bytes, n := int64(0), 0
	for c := range k.classes {
		i := k.classes[c]
		invariant.Check((i != 0) == (k.present>>c&1 != 0), "vm: kept: class %d: wrong bit", c)
		prev := int32(0)
		for ; i != 0; i = k.spans[i].next {
			s := &k.spans[i]
			invariant.Check(s.n > 0 && s.n <= maxMap && class(s.n) == c, "vm: kept: %d bytes in class %d", s.n, c)
			invariant.Check(s.prev == prev, "vm: kept: span %d: prev is %d, want %d", i, s.prev, prev)
			at, ok := k.starts.Get(s.addr)
			end, ok2 := k.ends.Get(s.addr + uintptr(s.n))
			invariant.Check(ok && ok2 && at == i && end == i, "vm: kept: span %d is not indexed", i)
			prev, bytes, n = i, bytes+int64(s.n), n+1
		}
	}
	invariant.Check(bytes == k.bytes, "vm: kept: %d bytes, counted %d", bytes, k.bytes)
	invariant.Check(n == int(k.ranges.Load()), "vm: kept: %d spans, counted %d", n, k.ranges.Load())
	invariant.Check(k.starts.Len() == n && k.ends.Len() == n, "vm: kept: %d spans, indexed %d and %d", n, k.starts.Len(), k.ends.Len())
}
