// Package vm takes memory from the operating system and gives it back. It is
// the only package of allod that talks to the operating system.
//
// Memory comes in ranges: whole pages, zeroed, aligned to a page or more. A
// range that the system would not take back is kept and served again, so that
// giving back cannot fail. Where there is no such system (js, wasip1, plan9),
// and under the race detector, which cannot see memory that the Go runtime did
// not map, ranges come from the Go heap; see [GoHeap].
//
// All functions are safe for concurrent use on different ranges.
package vm

import (
	"errors"
	"math"
	"math/bits"
	"slices"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
)

// GoHeap tells whether [Map] takes ranges from the Go heap.
const GoHeap = race.Enabled || !HasOS

// HasOS tells whether there is an operating system to take memory from, with
// [MapReal] in any build.
const HasOS = hasOS

// GoHeapMax is the largest range that [Map] takes from the Go heap unless told
// otherwise. A program that asks Go for more than there is dies; it gets no
// error.
const GoHeapMax = goHeapMax

// maxMap is the longest range that can be written as a number of whole pages.
const maxMap = math.MaxInt &^ (1<<20 - 1)

// maxRange is the longest range that is mapped, with what its alignment takes.
// Where addresses have 32 bits it is 1 GiB: whether there is a gap of half of them
// is chance, and who took it would leave next to nothing to others, for ever.
const maxRange = 1<<30 + (maxMap-1<<30)*(bits.UintSize/64)

// tooLong tells whether n bytes and their alignment are longer than any range may
// be.
func tooLong(n, align int) bool { return align > maxRange || n > maxRange-align+pageSize }

// The reasons for an error beside those of the operating system.
var (
	// ErrTooLarge says that no amount of free memory could serve the request.
	ErrTooLarge = errors.New("vm: range too large")
	// ErrUnsupported says that the system does not know how to do that.
	ErrUnsupported = errors.ErrUnsupported
)

// Why things are as they are.
//
// Every function works with addresses that came from Map, so that the sizes are
// sane; what was not mapped here must not get here, since unmapping a range that
// is not mapped succeeds without a word, and unmapping one that someone else has
// mapped meanwhile does, too.
//
// The system refuses to unmap the middle of a mapping once the process has as
// many mappings as it may have (vm.max_map_count on Linux). Such a range is
// decommitted and kept: see keep.go. On 32-bit systems every range is. Pointers
// to a range outlive it in the garbage of a Go program, and where addresses are
// scarce Go's heap will sooner or later grow over one that was given back: such a
// pointer is then one to a bad span, and the collector ends the process.
//
// An errno is an error as it is, and costs no allocation: all that can come from
// here are below 256, for which Go has an interface value ready.

// keepAll tells that ranges are never unmapped.
const keepAll = hasOS && bits.UintSize == 32

// CanMove tells whether [Move] may succeed.
const CanMove = canMove && !keepAll && !GoHeap

// pageSize is a multiple of osPageSize; they differ in tests only.
var (
	osPageSize = systemPageSize()
	pageSize   = osPageSize
)

// PageSize returns the size of a page in bytes, a power of two.
func PageSize() int { return pageSize }

// SetPageSize makes vm behave as on a system with larger pages, and returns a
// function that undoes it. It is for tests, before any memory is mapped.
func SetPageSize(n int) (undo func()) {
	if n < osPageSize || n&(n-1) != 0 {
		panic("vm: SetPageSize: not a power of two, or below the system's")
	}
	old := pageSize
	pageSize = n
	return func() { pageSize = old }
}

// HugePageSize returns the size of the pages that [AdviseHuge] asks for: what
// one page of the page table, in which an entry takes 8 bytes, can map.
func HugePageSize() int { return osPageSize / 8 * osPageSize }

// Whole returns the smallest number of whole pages with room for n >= 0 bytes,
// in bytes. It returns false if that overflows.
func Whole(n int) (int, bool) {
	if n > math.MaxInt-(pageSize-1) {
		return 0, false
	}
	return (n + pageSize - 1) &^ (pageSize - 1), true
}

// Stats says how much memory has passed through this package. Where the numbers
// do not fit an int, which is on 32-bit systems, they are [math.MaxInt].
type Stats struct {
	Mapped     int   // bytes in ranges that callers hold
	Committed  int   // bytes that count against a [Governor]: see [Committed]
	OnGoHeap   int   // bytes of these that the Go runtime counts, too
	Kept       int64 // bytes in free ranges that the system did not take back
	KeptRanges int   // number of such ranges
}

// asInt returns n, or the nearest int.
func asInt(n int64) int { return int(min(n, math.MaxInt)) }

// ReadStats returns the current numbers. They are not a snapshot of one moment.
func ReadStats() Stats {
	bytes, ranges := kept.size()
	all, goHeap := Committed()
	return Stats{Mapped: asInt(mapped.Load()), Committed: all, OnGoHeap: goHeap, Kept: bytes, KeptRanges: ranges}
}

// Map returns a range of n zero bytes, whose address is a multiple of align. n
// must be a positive number of whole pages, and align a power of two. On 32-bit
// systems the longest range is 1 GiB.
func Map(n, align int) ([]byte, error) { return MapMax(n, align, GoHeapMax) }

// MapMax is [Map] with another limit than [GoHeapMax] for ranges from the Go
// heap. Other ranges have no limit but the system's.
func MapMax(n, align, limit int) ([]byte, error) {
	if !GoHeap {
		return MapReal(n, align)
	}
	checkLength("Map", n)
	if n > limit || align > limit {
		return nil, ErrTooLarge
	}
	if err := take(n, true); err != nil {
		return nil, err
	}
	b, err := mapGo(n, max(align, pageSize))
	if err != nil {
		give(n, true)
		return nil, err
	}
	race.Alloc(b)
	return b, nil
}

// MapReal is [Map] that never takes the range from the Go heap: what guard pages
// and whatever else plays with the page table need. Such memory is invisible to
// the race detector. Where [HasOS] is false it fails with [ErrUnsupported].
func MapReal(n, align int) ([]byte, error) {
	checkLength("MapReal", n)
	if !HasOS {
		return nil, ErrUnsupported
	}
	align = max(align, pageSize)
	if tooLong(n, align) {
		return nil, ErrTooLarge
	}
	if err := take(n, false); err != nil {
		return nil, err
	}
	b := kept.take(n, align)
	if b == nil && align == osPageSize {
		b = takeStock(n)
	}
	if b == nil {
		var err error
		if b, err = mapAligned(n, align); err != nil {
			give(n, false)
			return nil, err
		}
	}
	if invariant.Enabled {
		invariant.Check(len(b) == n && address(b)&uintptr(align-1) == 0,
			"vm: MapReal(%d, %d): %d bytes at %#x", n, align, len(b), address(b))
	}
	return b, nil
}

// Unmap gives the range b back, or what is left of it after [Shrink]. It
// invalidates b and cannot fail: a range that the system does not take back is
// kept, without memory behind it, and served again. Pages that the caller has
// guarded must be accessible again; see [Unguard].
func Unmap(b []byte) { UnmapDecommitted(b, 0) }

// UnmapDecommitted is [Unmap] for a range of which so many bytes are decommitted.
func UnmapDecommitted(b []byte, decommitted int) {
	checkLength("Unmap", len(b))
	n := len(b)
	goHeap := GoHeap && unmapGo(b)
	if !goHeap {
		if strict && decommitted > 0 {
			_ = unguardOS(b, Protection)
		}
		release(b)
	}
	all := n - decommitted
	onGo := 0
	if goHeap {
		onGo = all
	}
	_ = charge(-all, -onGo, -n)
}

// release gives a range back to the system, or keeps it.
func release(b []byte) {
	if keepAll || unmapOS(b) != nil {
		kept.add(b)
	} else if !kept.empty() {
		kept.retry() // there is one mapping less than before
	}
}

// Grow extends b in place to n bytes and returns it with true. The pages that
// are added are zero. On false nothing happened. n must be larger than len(b).
func Grow(b []byte, n int) ([]byte, bool) {
	checkLength("Grow", n)
	goHeap := GoHeap && ownsGo(b)
	if n > maxRange || take(n-len(b), goHeap) != nil {
		return b, false
	}
	var ok bool
	r := b
	switch {
	case goHeap:
		r, ok = growGo(b, n)
	case keepAll && kept.takeAt(b, n-len(b)), takeStockAt(b, n-len(b)):
		r, ok = resliced(b, n), true
	default:
		if ok = growOS(b, n) == nil; ok {
			r = resliced(b, n)
		}
	}
	if !ok {
		give(n-len(b), goHeap)
	}
	return r, ok
}

// Move changes b to n bytes at what may be another address, with the same
// contents in the same physical memory. The pages that are added are zero. On
// true b is invalid; on false nothing happened. The result is aligned to a page,
// and to a huge page if huge is set and the system is so kind: only then can it
// move huge pages without taking them apart.
func Move(b []byte, n int, huge bool) ([]byte, bool) {
	checkLength("Move", n)
	if !canMove || keepAll || n > maxRange || GoHeap && ownsGo(b) {
		return b, false
	}
	more := max(n-len(b), 0)
	if more > 0 && take(more, false) != nil {
		return b, false
	}
	// Linux aligns what is a multiple of a huge page, from 6.7 on.
	whole := n
	if size := HugePageSize(); huge && canSplit && n >= size && n <= math.MaxInt-size {
		whole = (n + size - 1) &^ (size - 1)
	}
	r, err := moveOS(b, whole)
	if err != nil {
		give(more, false)
		return b, false
	}
	if whole > n {
		release(r[n:])
		r = r[:n:n]
	}
	give(max(len(b)-n, 0), false)
	return r, true
}

// Shrink gives the pages of b past the first n bytes back and returns b[:n:n]
// with true. On false nothing happened. n must be smaller than len(b).
func Shrink(b []byte, n int) ([]byte, bool) {
	checkLength("Shrink", n)
	tail := b[n:]
	goHeap := GoHeap && ownsGo(b)
	switch {
	case goHeap:
		if !shrinkGo(b, n) {
			return b, false
		}
	case canSplit:
		release(tail)
	default:
		if decommitOS(tail) != nil {
			return b, false
		}
	}
	give(len(tail), goHeap)
	return b[:n:n], true
}

// strict makes memory that is decommitted inaccessible on every system, as it is
// on some: whoever touches it dies.
const strict = invariant.Enabled && hasOS

// Decommit gives the memory behind b back, which is not committed any more, while
// b stays mapped. It must not be touched until [Recommit]. Whole pages only. On an
// error it is as it was, but its contents may be lost.
func Decommit(b []byte) error {
	checkLength("Decommit", len(b))
	if GoHeap && insideGo(address(b)) {
		clear(b)
		return charge(-len(b), -len(b), 0)
	}
	if err := decommitOS(b); err != nil {
		return err
	}
	if strict {
		_ = guardOS(b, Protection)
	}
	return charge(-len(b), 0, 0)
}

// Discard gives the memory behind b back, which is not committed any more, as
// [Decommit] does; but b can still be read, and is zero. It must be charged, by
// [Charge], before it is written to. Where there is no such thing it fails with
// [ErrUnsupported], and changes nothing.
func Discard(b []byte) error {
	checkLength("Discard", len(b))
	if !canDiscard || GoHeap && insideGo(address(b)) {
		return ErrUnsupported
	}
	if err := decommitOS(b); err != nil {
		return err
	}
	return charge(-len(b), 0, 0)
}

// Recommit makes b usable again, which was decommitted, though maybe not all at
// once. It is zero. On an error nothing happened.
func Recommit(b []byte) error {
	checkLength("Recommit", len(b))
	onGo := 0
	if GoHeap && insideGo(address(b)) {
		onGo = len(b)
	}
	if err := charge(len(b), onGo, 0); err != nil {
		return err
	}
	if onGo > 0 {
		return nil
	}
	err := fault(CallRecommit)
	if err == nil {
		err = recommitOS(b)
	}
	if err == nil && strict {
		err = unguardOS(b, Protection)
	}
	if err != nil {
		Discharge(len(b))
	}
	return err
}

// AdviseHuge asks that b be made of huge pages where it can.
func AdviseHuge(b []byte) error {
	if GoHeap && insideGo(address(b)) {
		return ErrUnsupported
	}
	return adviseHugeOS(b)
}

// MakeHuge makes what AdviseHuge was asked for, whole huge pages, at once, with what
// there is in them: that takes about as long as to copy it. Nobody waits who does
// not touch it, but for a fault or another call of the process. It fails where the
// system has been told never to use huge pages.
func MakeHuge(b []byte) error {
	if GoHeap && insideGo(address(b)) {
		return ErrUnsupported
	}
	return makeHugeOS(b)
}

// Lock keeps b in physical memory, so that it is never written to swap.
func Lock(b []byte) error {
	if !HasOS {
		return ErrUnsupported
	}
	return lockOS(b)
}

// Unlock undoes [Lock].
func Unlock(b []byte) error {
	if !HasOS {
		return ErrUnsupported
	}
	return unlockOS(b)
}

// Populate puts memory behind b now, so that want of it is an error here rather
// than the end of the process later. Contents do not change.
func Populate(b []byte) error {
	if !(GoHeap && insideGo(address(b))) {
		if err := populateOS(b); err == nil || NoMemory(err) {
			return err
		}
	}
	for i := 0; i < len(b); i += osPageSize {
		p := &b[i]
		*p += zero // a write that changes nothing
	}
	return nil
}

// zero is a variable, so that no compiler leaves out what adds it.
var zero byte

// Name labels b for those who look at the mappings of the process. The text must
// end with a NUL, and must not change while b is mapped.
func Name(b, text []byte) error {
	if GoHeap && insideGo(address(b)) {
		return ErrUnsupported
	}
	return nameOS(b, text)
}

// Trim tries to give every kept range back to the system, and returns how many
// bytes it took.
func Trim() int {
	if keepAll {
		return 0
	}
	setStock(0, 0)
	return kept.trim()
}

// NoMemory tells whether err, which came from this package, says that memory or
// a limit on it ran out.
func NoMemory(err error) bool {
	for _, e := range outOfMemory {
		if err == e {
			return true
		}
	}
	return err == ErrTooLarge
}

// BadAddress tells whether err, which came from any system call, says that the
// call was handed memory that nobody can access.
func BadAddress(err error) bool { return errors.Is(err, badAddress) }

// Errors returns the errors that functions of this package are known to return.
func Errors() []error {
	return slices.Concat(outOfMemory, otherErrors, []error{ErrTooLarge, ErrUnsupported})
}

func checkLength(name string, n int) {
	if invariant.Enabled && (n <= 0 || n&(pageSize-1) != 0) { // Check's arguments cost an allocation each
		invariant.Check(false, "vm: %s: %d bytes are not whole pages", name, n)
	}
}
