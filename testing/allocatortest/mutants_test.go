package allocatortest_test

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// A mutant is an allocator with one defect, and the part of the suite that must
// find it. That the others may find it as well does not count: a part that finds
// nothing on its own is of no use.
type mutant struct {
	name   string
	clause string
	part   string
	says   string // in what is reported, if it matters
	p      allocatortest.Promises
	make   func(tb allocatortest.TB) mem.Allocator
}

var mutants = []mutant{
	// Clause 1: sizes and alignments.
	{name: "SizeZeroServed", clause: "clause1", part: "size that is not positive panics",
		make: over(func(h *honest) mem.Allocator { return &sizeZero{h} })},
	{name: "NegativeResizeRefused", clause: "clause1", part: "size that is not positive panics",
		make: over(func(h *honest) mem.Allocator { return &negativeResize{h} })},
	{name: "LimitUnknown", clause: "clause1", part: "sizes around powers of two are served",
		make: over(func(*honest) mem.Allocator { return newHonest(64 << 10) })},
	{name: "SizeOverflows", clause: "clause1", part: "size beyond all memory is an error",
		make: over(func(h *honest) mem.Allocator { return &sizeOverflows{h} })},
	{name: "SizePanics", clause: "clause1", part: "size beyond all memory is an error", says: "panic",
		make: over(func(h *honest) mem.Allocator { return &makes{h} })},
	{name: "ResizeOverflows", clause: "clause1", part: "size beyond all memory is an error",
		make: over(func(h *honest) mem.Allocator { return &resizeOverflows{h} })},
	{name: "OtherError", clause: "clause1", part: "size beyond all memory is an error", says: "does not wrap mem.ErrOutOfMemory",
		make: over(func(h *honest) mem.Allocator { return &otherError{h} })},
	{name: "AlignOverflows", clause: "clause1", part: "alignment beyond all memory is an error",
		make: over(func(h *honest) mem.Allocator { return &alignOverflows{h} })},

	// Clause 2: what the caller gives back.
	{name: "RoutesByKind", clause: "clause2", part: "Zero and Kind do not matter after Alloc",
		make: func(tb allocatortest.TB) mem.Allocator {
			return &routesByKind{allocatortest.New(tb, allocatortest.Child(heap.Page{})),
				allocatortest.New(tb, allocatortest.Child(heap.GC{}))}
		}},
	{name: "TrustsAlign", clause: "clause2", part: "wrong layout corrupts nothing",
		make: over(func(h *honest) mem.Allocator { return &trustsAlign{honest: h} })},
	{name: "Stack", clause: "clause2", part: "blocks are freed in any order",
		make: over(func(h *honest) mem.Allocator { return &stack{h} })},
	{name: "ForgetsToFree", clause: "clause2", part: "blocks are freed in any order", says: "leaked",
		make: func(tb allocatortest.TB) mem.Allocator { return &forgets{Allocator: allocatortest.New(tb)} }},
	{name: "FreesTwice", clause: "clause2", part: "blocks are freed in any order", says: "double free",
		make: func(tb allocatortest.TB) mem.Allocator { return &freesTwice{allocatortest.New(tb)} }},

	// Clause 3: the block.
	{name: "Overlapping", clause: "clause3", part: "blocks do not overlap", says: "overlaps",
		make: over(func(h *honest) mem.Allocator { return &overlapping{honest: h} })},
	{name: "OverlapsByOne", clause: "clause3", part: "blocks do not overlap", says: "overlaps",
		make: over(func(h *honest) mem.Allocator { return &overlapsByOne{h} })},
	{name: "Misaligned", clause: "clause3", part: "address is aligned",
		make: over(func(h *honest) mem.Allocator { return &misaligned{h, 3} })},
	{name: "MisalignedAbovePage", clause: "clause3", part: "address is aligned",
		make: over(func(h *honest) mem.Allocator { return &misaligned{h, 12} })},
	{name: "Short", clause: "clause3", part: "len and cap are the size", says: "want",
		make: over(func(h *honest) mem.Allocator {
			return &reshaped{h, func(b []byte) []byte { return b[:len(b)-len(b)/100] }}
		})},
	{name: "Long", clause: "clause3", part: "len and cap are the size", says: "Alloc(1, align 1): len 2, want 1",
		make: over(func(h *honest) mem.Allocator { return &rounded{h, func(b []byte, n int) []byte { return b }} })},
	{name: "CapBeyondLen", clause: "clause3", part: "len and cap are the size", says: "cap 2, want 1",
		make: over(func(h *honest) mem.Allocator { return &rounded{h, func(b []byte, n int) []byte { return b[:n] }} })},
	{name: "NilNil", clause: "clause3", part: "len and cap are the size", says: "no block and no error",
		make: over(func(h *honest) mem.Allocator { return &nilNil{h} })},
	{name: "ErrorAndBlock", clause: "clause3", part: "len and cap are the size", says: "and a block",
		make: over(func(h *honest) mem.Allocator { return &errorAndBlock{h} })},
	{name: "StaleContents", clause: "clause3", part: "Zero is zero in memory used before",
		make: over(func(h *honest) mem.Allocator { return &stale{h} })},
	{name: "DropsZero", clause: "clause3", part: "Zero is zero in memory used before",
		make: func(tb allocatortest.TB) mem.Allocator {
			return &dropsLayout{allocatortest.New(tb), func(l *mem.Layout) { l.Zero = false }}
		}},
	{name: "ZeroesTooLittle", clause: "clause3", part: "Zero is zero in memory used before",
		make: over(func(h *honest) mem.Allocator { return &zeroesTooLittle{h} })},
	{name: "GrowthNotZero", clause: "clause3", part: "growth is zero",
		make: over(func(h *honest) mem.Allocator { return &growthStale{h} })},
	{name: "ResizeClears", clause: "clause3", part: "contents are kept",
		make: over(func(h *honest) mem.Allocator { return &resizeClears{h} })},
	{name: "RemapLosesContents", clause: "clause3", part: "contents are kept",
		make: over(func(h *honest) mem.Allocator { return &remapLoses{h} })},
	{name: "RemapCopiesNewSize", clause: "clause3", part: "contents are kept", says: "panic",
		make: over(func(h *honest) mem.Allocator { return &remapCopiesNewSize{h} })},
	{name: "ShrinksBehindTheChild", clause: "clause3", part: "contents are kept", says: "size mismatch",
		make: func(tb allocatortest.TB) mem.Allocator { return &shrinksAlone{allocatortest.New(tb)} }},
	{name: "ResizeMoves", clause: "clause3", part: "Resize stays in place", says: "moved",
		make: over(func(h *honest) mem.Allocator { return &resizeMoves{h} })},
	{name: "ResizeWithoutRoom", clause: "clause3", part: "grown block is all there",
		make: over(func(h *honest) mem.Allocator { return &resizeLies{h} })},
	{name: "RemapLeavesOldSize", clause: "clause3", part: "grown block is all there",
		make: over(func(h *honest) mem.Allocator { return &grownForgotten{h} })},
	{name: "RefusedResizeModifies", clause: "clause3", part: "false leaves the block alone",
		make: over(func(h *honest) mem.Allocator { return &refusalModifies{h} })},
	{name: "RefusedResizeShortens", clause: "clause3", part: "false leaves the block alone", says: "want the block as it was",
		make: over(func(h *honest) mem.Allocator { return &refusalShortens{h} })},
	{name: "RefusedRemapFrees", clause: "clause3", part: "false leaves the block alone", says: "served again",
		make: over(func(h *honest) mem.Allocator { return &refusalFrees{h} })},
	{name: "RareMistake", clause: "clause3", part: "random operations agree with a model",
		make: over(func(h *honest) mem.Allocator { return &rare{honest: h} })},

	// Clause 4: ownership.
	{name: "AcceptsForeign", clause: "clause4", part: "foreign block is reported", says: "served it",
		make: over(func(h *honest) mem.Allocator { return &acceptsForeign{h} })},
	{name: "IgnoresForeign", clause: "clause4", part: "foreign block is reported", says: "not reported",
		make: over(func(h *honest) mem.Allocator { return &ignoresForeign{h} })},
	{name: "ResizesForeign", clause: "clause4", part: "foreign block is reported", says: "not refused",
		make: over(func(h *honest) mem.Allocator { return &resizesForeign{h} })},
	{name: "WritesToForeign", clause: "clause4", part: "foreign block is reported", says: "changed",
		make: over(func(h *honest) mem.Allocator { return &writesForeign{h} })},

	// Clauses 5 to 8: pointers.
	{name: "ByteHeader", clause: "clause5", part: "elements start where the type says", says: "collected",
		make: func(allocatortest.TB) mem.Allocator { return byteHeader{heap.GC{}} }},
	{name: "RoundsTypedBlocks", clause: "clause5", part: "elements start where the type says", says: "not a whole number",
		make: func(tb allocatortest.TB) mem.Allocator { return roundsUp{allocatortest.New(tb)} }},
	{name: "DropsType", clause: "clause5", part: "elements start where the type says", says: "without a type",
		make: func(tb allocatortest.TB) mem.Allocator {
			return &dropsLayout{allocatortest.New(tb), func(l *mem.Layout) { l.Type = mem.Type{} }}
		}},
	{name: "RemapMovesManaged", clause: "clause6", part: "Remap does not move managed blocks", says: "moved",
		make: func(allocatortest.TB) mem.Allocator { return remapMoves{heap.GC{}} }},
	{name: "ManagedRegrowthNotZero", clause: "clause6", part: "pointers survive Resize and Remap", says: "not zero",
		make: func(allocatortest.TB) mem.Allocator { return &regrows{heap.GC{}, map[uintptr][]byte{}} }},
	{name: "ResizeDropsType", clause: "clause6", part: "pointers survive Resize and Remap", says: "collected",
		make: func(allocatortest.TB) mem.Allocator { return &regrowsPlain{heap.GC{}, map[uintptr][]byte{}} }},
	{name: "ClearsManagedBytes", clause: "clause6", part: "vacated pointers are not hidden from the collector", says: "cleared as bytes",
		make: func(allocatortest.TB) mem.Allocator { return clearsBytes{heap.GC{}} }},
	{name: "ClearsManagedBytesOnShrink", clause: "clause6", part: "vacated pointers are not hidden from the collector", says: "cleared as bytes",
		make: func(allocatortest.TB) mem.Allocator { return shrinksBytes{heap.GC{}} }},
	{name: "ClearsManagedBytesOnReuse", clause: "clause6", part: "vacated pointers are not hidden from the collector", says: "cleared as bytes",
		make: func(allocatortest.TB) mem.Allocator {
			return &reusesBytes{newRecycles(func(l mem.Layout) string { return l.Type.String() })}
		}},
	{name: "LocalNotZero", clause: "clause7", part: "local blocks read as zero",
		make: over(func(h *honest) mem.Allocator { return &localStale{h} })},
	{name: "LocalRegrowthNotZero", clause: "clause7", part: "local blocks read as zero",
		make: over(func(h *honest) mem.Allocator { return &growthStale{h} })},
	{name: "LocalUnscanned", clause: "clause7", part: "local blocks are scanned if managed ones are", says: "collected",
		make: func(allocatortest.TB) mem.Allocator { return splitsLocal{heap.GC{}} }},
	{name: "AnswerChanges", clause: "clause8", part: "the answer of Pointers never changes",
		make: over(func(h *honest) mem.Allocator { return &changesMind{h} })},
	{name: "ServesManaged", clause: "clause8", part: "managed blocks are refused", says: "was served",
		make: over(func(h *honest) mem.Allocator { return &servesManaged{h} })},
	{name: "RefusesWithOutOfMemory", clause: "clause8", part: "managed blocks are refused", says: "mem.ErrPointers",
		make: over(func(h *honest) mem.Allocator { return &refusesBadly{h, mem.ErrOutOfMemory} })},
	{name: "RefusesWithoutReason", clause: "clause8", part: "managed blocks are refused", says: "no *mem.PointerError",
		make: over(func(h *honest) mem.Allocator { return &refusesBadly{h, mem.ErrPointers} })},
	{name: "ClaimsScanned", clause: "clause8", part: "managed blocks are scanned", says: "collected",
		make: over(func(h *honest) mem.Allocator { return &claimsScanned{servesManaged{h}} })},
	{name: "OwnBufferUnderScanned", clause: "clause8", part: "managed blocks are scanned", says: "collected",
		make: func(tb allocatortest.TB) mem.Allocator { return newOwnBuffer(allocatortest.New(tb)) }},
	{name: "RecyclesAcrossKinds", clause: "clause8", part: "memory is kept apart by type", says: "collected",
		make: func(allocatortest.TB) mem.Allocator {
			return newRecycles(func(mem.Layout) string { return "" })
		}},
	{name: "RecyclesAcrossTypes", clause: "clause8", part: "memory is kept apart by type", says: "collected",
		make: func(allocatortest.TB) mem.Allocator {
			return newRecycles(func(l mem.Layout) string { return l.Kind.String() })
		}},
	{name: "PlainFromTyped", clause: "clause8", part: "memory is kept apart by type", says: "the collector scans",
		make: func(allocatortest.TB) mem.Allocator { return &plainFromTyped{newRecycles(pointerOrType)} }},
	{name: "DropsReferences", clause: "clause8", part: "collections go on meanwhile", says: "collected",
		make: func(allocatortest.TB) mem.Allocator { return &sometimesNoscan{Allocator: heap.GC{}} }},

	// Failures and promises.
	{name: "FailureTakesMemory", clause: "failure", part: "failed Alloc takes nothing",
		p:    allocatortest.Promises{MaxSize: 64 << 10},
		make: func(allocatortest.TB) mem.Allocator { return &failureEats{newHonest(64 << 10)} }},
	{name: "FailureResets", clause: "failure", part: "running out leaves everything alone",
		p:    allocatortest.Promises{MaxSize: 64 << 10},
		make: func(allocatortest.TB) mem.Allocator { return &failureResets{newHonest(64 << 10)} }},
	{name: "ExhaustedForEver", clause: "failure", part: "running out leaves everything alone",
		p:    allocatortest.Promises{MaxSize: 64 << 10, ReusesFreed: true},
		make: func(allocatortest.TB) mem.Allocator { return &exhausted{honest: newHonest(64 << 10)} }},
	{name: "Racy", clause: "promises", part: "Concurrent",
		p:    allocatortest.Promises{Concurrent: true},
		make: func(allocatortest.TB) mem.Allocator { return newRacy() }},
	{name: "NeverReuses", clause: "promises", part: "ReusesFreed", says: "nothing is reused",
		p:    allocatortest.Promises{ReusesFreed: true},
		make: over(func(h *honest) mem.Allocator { return &hoards{h} })},
	{name: "LimitNeverRecovers", clause: "promises", part: "ReusesFreed", says: "out of memory",
		p:    allocatortest.Promises{ReusesFreed: true, MaxSize: 64 << 10},
		make: func(allocatortest.TB) mem.Allocator { return &hoards{newHonest(64 << 10)} }},
	{name: "Garbage", clause: "promises", part: "NoGarbage", says: "allocations in the Go heap",
		p:    allocatortest.Promises{NoGarbage: true},
		make: func(allocatortest.TB) mem.Allocator { return &garbage{Allocator: heap.GC{}} }},
}

func over(f func(*honest) mem.Allocator) func(allocatortest.TB) mem.Allocator {
	return func(allocatortest.TB) mem.Allocator { return f(newHonest(0)) }
}

func TestMutants(t *testing.T) {
	defer allocatortest.SetHammerRounds(200)() // until it is found
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			if race.Enabled && (m.p.NoGarbage || m.p.Concurrent) {
				t.Skip("not looked for under the race detector, or found by it")
			}
			failures, err := allocatortest.RunPart(m.clause, m.part, m.p, m.make)
			if err != nil {
				t.Fatal(err)
			}
			if len(failures) == 0 {
				t.Fatalf("%s/%s found nothing", m.clause, m.part)
			}
			if all := strings.Join(failures, "\n"); !strings.Contains(all, m.says) {
				t.Errorf("%s/%s found %q, want %q", m.clause, m.part, all, m.says)
			}
		})
	}
}

// TestEveryPartFinds wants a mutant for each part of the suite.
func TestEveryPartFinds(t *testing.T) {
	found := make(map[string]bool)
	for _, m := range mutants {
		found[m.clause+"/"+m.part] = true
	}
	for clause, part := range allocatortest.Parts {
		if !found[clause+"/"+part] {
			t.Errorf("no mutant is there for %s/%s", clause, part)
		}
	}
}

type sizeZero struct{ *honest }

func (m *sizeZero) Alloc(size int, l mem.Layout) ([]byte, error) {
	if size == 0 {
		return []byte{}, nil
	}
	return m.honest.Alloc(size, l)
}

type negativeResize struct{ *honest }

func (m *negativeResize) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	if size < 0 {
		return b, false
	}
	return m.honest.Resize(b, l, size)
}

type sizeOverflows struct{ *honest }

func (m *sizeOverflows) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	const header = 16
	n := size + header // wraps
	if n < 0 {
		n = header
	}
	b, err := m.honest.Alloc(n, l)
	if err != nil {
		return nil, err
	}
	return b[:min(size, n)], nil
}

type makes struct{ *honest }

func (m *makes) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	if size > 1<<20 {
		return make([]byte, size), nil
	}
	return m.honest.Alloc(size, l)
}

type resizeOverflows struct{ *honest }

func (m *resizeOverflows) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("Resize", size)
	if n := (size + 15) &^ 15; n <= len(b) { // wraps
		return b, true
	}
	return m.honest.Resize(b, l, size)
}

type otherError struct{ *honest }

func (m *otherError) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := m.honest.Alloc(size, l)
	if err != nil {
		return nil, errors.New("too bad")
	}
	return b, nil
}

type alignOverflows struct{ *honest }

func (m *alignOverflows) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	if n := size + l.Align.Bytes() - 1; n < 0 || l.Align.Log2() > 30 { // wraps, or is 32 bits wide
		l.Align = mem.Alignment{}
		size = min(size, 8)
	}
	return m.honest.Alloc(size, l)
}

type routesByKind struct{ plain, scanned mem.Allocator }

func (m *routesByKind) to(l mem.Layout) mem.Allocator {
	if l.Kind == mem.Plain {
		return m.plain
	}
	return m.scanned
}

func (m *routesByKind) Alloc(size int, l mem.Layout) ([]byte, error) { return m.to(l).Alloc(size, l) }
func (m *routesByKind) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	return m.to(l).Resize(b, l, size)
}
func (m *routesByKind) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	return m.to(l).Remap(b, l, size)
}
func (m *routesByKind) Free(b []byte, l mem.Layout) { m.to(l).Free(b, l) }
func (m *routesByKind) Pointers() mem.Pointers      { return mem.Scanned }

// trustsAlign believes that a block was as long as its layout makes it look.
type trustsAlign struct{ *honest }

func (m *trustsAlign) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	n := (size + l.Align.Bytes() - 1) &^ (l.Align.Bytes() - 1)
	for have, list := range m.free {
		if have >= n && len(list) > 0 && have < 1024 {
			b := list[0]
			m.free[have] = list[1:]
			m.live[address(b)] = size
			// The rest is another free block.
			if rest := b[n:]; len(rest) > 0 {
				m.free[len(rest)] = append(m.free[len(rest)], rest)
			}
			return b[:size:size], nil
		}
	}
	return m.honest.Alloc(size, l)
}

func (m *trustsAlign) Free(b []byte, l mem.Layout) {
	m.owns("Free", b)
	delete(m.live, address(b))
	n := (len(b) + l.Align.Bytes() - 1) &^ (l.Align.Bytes() - 1)
	b = longer(b, n-len(b))
	m.free[n] = append(m.free[n], b)
}

type stack struct{ *honest }

func (m *stack) Free(b []byte, l mem.Layout) {
	m.owns("Free", b)
	delete(m.live, address(b))
	if off := address(b) - address(m.chunk); off < uintptr(len(m.chunk)) {
		m.off = int(off) // also if there is a block above
	}
}

type forgets struct {
	mem.Allocator
	n int
}

func (m *forgets) Free(b []byte, l mem.Layout) {
	if m.n++; m.n%7 != 0 {
		m.Allocator.Free(b, l)
	}
}

type freesTwice struct{ mem.Allocator }

func (m *freesTwice) Free(b []byte, l mem.Layout) {
	m.Allocator.Free(b, l)
	m.Allocator.Free(b, l)
}

type overlapping struct {
	*honest
	n    int
	last []byte
}

func (m *overlapping) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	if m.n++; m.n%5 == 0 && size < len(m.last) && l.Align.Check(address(m.last)) {
		return m.last[:size:size], nil
	}
	b, err := m.honest.Alloc(size, l)
	m.last = b
	return b, err
}

type overlapsByOne struct{ *honest }

func (m *overlapsByOne) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := m.honest.Alloc(size, l)
	if err == nil && m.last(b) && m.off > 1 {
		m.off-- // off by one
	}
	return b, err
}

type misaligned struct {
	*honest
	most int
}

func (m *misaligned) Alloc(size int, l mem.Layout) ([]byte, error) {
	l.Align = l.Align.Min(mem.AlignLog2(m.most))
	return m.honest.Alloc(size, l)
}

type reshaped struct {
	*honest
	shape func([]byte) []byte
}

func (m *reshaped) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := m.honest.Alloc(size, l)
	if err == nil {
		b = m.shape(b)
		b = b[:len(b):len(b)]
		m.live[address(b)] = len(b)
	}
	return b, err
}

type rounded struct {
	*honest
	shape func(b []byte, size int) []byte
}

func (m *rounded) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	b, err := m.honest.Alloc(size+size%2, l)
	if err == nil {
		b = m.shape(b, size)
		m.live[address(b)] = len(b)
	}
	return b, err
}

type nilNil struct{ *honest }

func (m *nilNil) Alloc(size int, l mem.Layout) ([]byte, error) {
	if size > 10_000 {
		return nil, nil
	}
	return m.honest.Alloc(size, l)
}

type errorAndBlock struct{ *honest }

func (m *errorAndBlock) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := m.honest.Alloc(size, l)
	if size > 1000 {
		err = mem.ErrOutOfMemory
	}
	return b, err
}

type stale struct{ *honest }

func (m *stale) Alloc(size int, l mem.Layout) ([]byte, error) {
	l.Zero = false
	return m.honest.Alloc(size, l)
}

// dropsLayout loses a part of the layout on its way to the child.
type dropsLayout struct {
	mem.Allocator
	drop func(*mem.Layout)
}

func (m *dropsLayout) Alloc(size int, l mem.Layout) ([]byte, error) {
	m.drop(&l)
	return m.Allocator.Alloc(size, l)
}

type zeroesTooLittle struct{ *honest }

func (m *zeroesTooLittle) Alloc(size int, l mem.Layout) ([]byte, error) {
	zero := l.Zero
	l.Zero = false
	b, err := m.honest.Alloc(size, l)
	if err == nil && zero {
		clear(b[:len(b)&^7]) // words
	}
	return b, err
}

type growthStale struct{ *honest }

func (m *growthStale) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	return m.honest.Resize(b, mem.Layout{Align: l.Align}, size)
}

type resizeClears struct{ *honest }

func (m *resizeClears) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	c, ok := m.honest.Resize(b, l, size)
	if ok && size > len(b) {
		clear(c)
	}
	return c, ok
}

type remapLoses struct{ *honest }

func (m *remapLoses) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("Remap", size)
	c, err := m.Alloc(size, l)
	if err != nil {
		return b, false
	}
	m.Free(b, l)
	return c, true
}

type remapCopiesNewSize struct{ *honest }

func (m *remapCopiesNewSize) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("Remap", size)
	c, err := m.Alloc(size, l)
	if err != nil {
		return b, false
	}
	copy(c, b[:size]) // which may be longer than b
	m.Free(b, l)
	return c, true
}

type shrinksAlone struct{ mem.Allocator }

func (m *shrinksAlone) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("Resize", size)
	if size <= len(b) {
		return b[:size:size], true // and the child does not know
	}
	return m.Allocator.Resize(b, l, size)
}

type resizeMoves struct{ *honest }

func (m *resizeMoves) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	return m.Remap(b, l, size)
}

type resizeLies struct{ *honest }

func (m *resizeLies) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("Resize", size)
	m.owns("Resize", b)
	off := address(b) - address(m.chunk)
	if off < uintptr(len(m.chunk)) && size <= len(m.chunk)-int(off) {
		m.live[address(b)] = size
		m.off = max(m.off, int(off)+size)
		return m.chunk[off : int(off)+size : int(off)+size], true // whoever is there
	}
	return b, false
}

type grownForgotten struct{ *honest }

func (m *grownForgotten) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	c, ok := m.honest.Resize(b, l, size)
	if ok && size > len(b) {
		m.off -= size - len(b)
	}
	return c, ok
}

type refusalModifies struct{ *honest }

func (m *refusalModifies) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	c, ok := m.honest.Resize(b, l, size)
	if !ok {
		b[len(b)-1] = 0 // made room for something
	}
	return c, ok
}

type refusalShortens struct{ *honest }

func (m *refusalShortens) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	c, ok := m.honest.Resize(b, l, size)
	if !ok && size < len(b) {
		return b[:size], false
	}
	return c, ok
}

type refusalFrees struct{ *honest }

func (m *refusalFrees) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	c, ok := m.honest.Remap(b, l, size)
	if !ok && !m.last(b) {
		m.free[len(b)] = append(m.free[len(b)], b)
	}
	return c, ok
}

// rare forgets, once in a while, that what it serves from the free list was
// longer.
type rare struct {
	*honest
	n int
}

func (m *rare) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	c, ok := m.honest.Remap(b, l, size)
	if ok && size > len(b) {
		if m.n++; m.n%20 == 0 {
			c[len(b)-1]++
		}
	}
	return c, ok
}

type acceptsForeign struct{ *honest }

func (m *acceptsForeign) Free(b []byte, l mem.Layout) {
	m.live[address(b)] = len(b)
	m.honest.Free(b[:len(b):len(b)], l)
	m.free[len(b)-1] = append(m.free[len(b)-1], b[:len(b)-1:len(b)-1])
}

type ignoresForeign struct{ *honest }

func (m *ignoresForeign) Free(b []byte, l mem.Layout) {
	if m.live[address(b)] == len(b) {
		m.honest.Free(b, l)
	}
}

type resizesForeign struct{ *honest }

func (m *resizesForeign) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	if m.live[address(b)] != len(b) {
		c, err := m.Alloc(size, l)
		copy(c, b)
		return c, err == nil
	}
	return m.honest.Remap(b, l, size)
}

type writesForeign struct{ *honest }

func (m *writesForeign) Free(b []byte, l mem.Layout) {
	for i := range b[:min(8, len(b))] {
		b[i] = 0xDD // poison first, ask later
	}
	m.honest.Free(b, l)
}

// byteHeader puts 8 bytes in front of each block.
type byteHeader struct{ heap.GC }

func (m byteHeader) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	if l.Kind == mem.Plain || l.Align.Bytes() > 8 {
		return m.GC.Alloc(size, l)
	}
	each := l.Type.Size()
	b, err := m.GC.Alloc((size+8+each-1)/each*each, l)
	if err != nil {
		return nil, err
	}
	return b[8 : 8+size : 8+size], nil
}

func (m byteHeader) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) { return b, false }

type roundsUp struct{ mem.Allocator }

func (m roundsUp) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	if size > math.MaxInt-64 {
		return nil, mem.ErrTooLarge
	}
	b, err := m.Allocator.Alloc((size+63)&^63, l)
	if err != nil {
		return nil, err
	}
	return b[:size:size], nil
}

func (m roundsUp) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) { return b, false }
func (m roundsUp) Remap(b []byte, l mem.Layout, size int) ([]byte, bool)  { return b, false }
func (m roundsUp) Free(b []byte, l mem.Layout)                            { m.Allocator.Free(longer(b, -len(b)&63), l) }

type remapMoves struct{ heap.GC }

func (m remapMoves) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("Remap", size)
	c, err := m.Alloc(size, l)
	if err != nil {
		return b, false
	}
	copy(c, b)
	return c, true
}

// regrows keeps room for blocks to grow and does not clear it.
type regrows struct {
	heap.GC
	whole map[uintptr][]byte
}

func (m *regrows) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := m.GC.Alloc(size, l)
	if err == nil {
		m.whole[address(b)] = b
	}
	return b, err
}

func (m *regrows) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("Resize", size)
	whole := m.whole[address(b)]
	if size > len(whole) {
		return b, false
	}
	return whole[:size:size], true
}

// regrowsPlain asks for the room to grow as bytes.
type regrowsPlain struct {
	heap.GC
	whole map[uintptr][]byte
}

func (m *regrowsPlain) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	if l.Kind == mem.Plain || size > 1<<20 {
		return m.GC.Alloc(size, l)
	}
	b, err := m.GC.Alloc(8*size, mem.Layout{Align: l.Align})
	if err != nil {
		return nil, err
	}
	m.whole[address(b)] = b
	return b[:size:size], nil
}

func (m *regrowsPlain) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("Resize", size)
	whole := m.whole[address(b)]
	if size > len(whole) {
		return b, false
	}
	clear(whole[min(size, len(b)):])
	return whole[:size:size], true
}

type clearsBytes struct{ heap.GC }

func (m clearsBytes) Free(b []byte, l mem.Layout) {
	clear(b)
	m.GC.Free(b, l)
}

type shrinksBytes struct{ heap.GC }

func (m shrinksBytes) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("Resize", size)
	if size > len(b) {
		return b, false
	}
	clear(b[size:])
	return b[:size:size], true
}

// reusesBytes clears what it recycles when it is asked for.
type reusesBytes struct{ *recycles }

func (m *reusesBytes) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := m.recycles.Alloc(size, l)
	clear(b)
	return b, err
}

func (m *reusesBytes) Free(b []byte, l mem.Layout) {
	k := m.list(len(b), l)
	m.free[k] = append(m.free[k], b)
}

type localStale struct{ *honest }

func (m *localStale) Alloc(size int, l mem.Layout) ([]byte, error) {
	if l.Kind == mem.Local {
		l.Kind = mem.Plain
	}
	return m.honest.Alloc(size, l)
}

// splitsLocal is scanned in part, and has local blocks in the other one.
type splitsLocal struct{ heap.GC }

func (m splitsLocal) Alloc(size int, l mem.Layout) ([]byte, error) {
	if l.Kind == mem.Local {
		return m.GC.Alloc(size, mem.Layout{Align: l.Align, Zero: true})
	}
	return m.GC.Alloc(size, l)
}

type changesMind struct{ *honest }

func (m *changesMind) Pointers() mem.Pointers {
	if len(m.live) > 0 {
		return mem.Promised
	}
	return mem.PlainOnly
}

type servesManaged struct{ *honest }

func (m *servesManaged) Alloc(size int, l mem.Layout) ([]byte, error) {
	l.Zero = zeroes(l)
	l.Kind = mem.Plain
	return m.honest.Alloc(size, l)
}

type refusesBadly struct {
	*honest
	err error
}

func (m *refusesBadly) Alloc(size int, l mem.Layout) ([]byte, error) {
	if l.Kind == mem.Managed {
		return nil, m.err
	}
	return m.honest.Alloc(size, l)
}

type claimsScanned struct{ servesManaged }

func (m *claimsScanned) Pointers() mem.Pointers { return mem.Scanned }

// ownBuffer serves small blocks itself and inherits the answer of its child.
type ownBuffer struct {
	mem.Allocator
	buf *heap.FixedBuffer
}

func newOwnBuffer(child mem.Allocator) *ownBuffer {
	return &ownBuffer{child, heap.NewFixedBuffer(make([]byte, 64<<10))}
}

func (m *ownBuffer) Alloc(size int, l mem.Layout) ([]byte, error) {
	raw := l
	raw.Kind = min(raw.Kind, mem.Local)
	if b, err := m.buf.Alloc(size, raw); err == nil {
		return b, nil
	}
	return m.Allocator.Alloc(size, l)
}

func (m *ownBuffer) Free(b []byte, l mem.Layout) {
	if !m.buf.Owns(b) {
		m.Allocator.Free(b, l)
	}
}

// recycles serves blocks that were freed to requests with the same key.
type recycles struct {
	mem.Allocator
	free map[string][][]byte
	key  func(mem.Layout) string
}

func newRecycles(key func(mem.Layout) string) *recycles {
	return &recycles{heap.GC{}, make(map[string][][]byte), func(l mem.Layout) string { return key(l) }}
}

func (m *recycles) list(size int, l mem.Layout) string { return fmt.Sprint(size, " ", m.key(l)) }

func (m *recycles) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	k := m.list(size, l)
	if list := m.free[k]; len(list) > 0 {
		b := list[len(list)-1]
		m.free[k] = list[:len(list)-1]
		if l.Kind == mem.Plain && l.Zero {
			clear(b)
		}
		return b, nil
	}
	return m.Allocator.Alloc(size, l)
}

func (m *recycles) Free(b []byte, l mem.Layout) {
	k := m.list(len(b), l)
	l.Type.Clear(b)
	m.free[k] = append(m.free[k], b)
}

// plainFromTyped serves plain blocks from what was typed as pointers. It keeps
// plain blocks to itself, so that it has this one defect.
type plainFromTyped struct{ *recycles }

func (m *plainFromTyped) Free(b []byte, l mem.Layout) {
	if l.Kind != mem.Plain {
		m.recycles.Free(b, l)
	}
}

func pointerOrType(l mem.Layout) string {
	if l.Kind == mem.Plain || l.Type.Reflect().Kind() == reflect.Pointer {
		return "pointers"
	}
	return l.Type.String()
}

// sometimesNoscan serves every hundredth managed block from memory that is not
// scanned.
type sometimesNoscan struct {
	mem.Allocator
	n int
}

func (m *sometimesNoscan) Alloc(size int, l mem.Layout) ([]byte, error) {
	if l.Kind != mem.Plain {
		if m.n++; m.n%20 == 0 {
			return m.Allocator.Alloc(size, mem.Layout{Align: l.Align, Zero: true})
		}
	}
	return m.Allocator.Alloc(size, l)
}

type failureEats struct{ *honest }

func (m *failureEats) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := m.honest.Alloc(size, l)
	if err != nil && m.chunk != nil {
		m.off = min(m.off+1<<10, len(m.chunk)) // reserved first, and never given back
	}
	return b, err
}

type failureResets struct{ *honest }

func (m *failureResets) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := m.honest.Alloc(size, l)
	if err != nil && size < 4096 && m.chunk != nil {
		clear(m.chunk[:64])
	}
	return b, err
}

type exhausted struct {
	*honest
	over bool
}

func (m *exhausted) Alloc(size int, l mem.Layout) ([]byte, error) {
	if m.over {
		return nil, mem.ErrOutOfMemory
	}
	b, err := m.honest.Alloc(size, l)
	m.over = err != nil
	return b, err
}

// racy bumps an offset that it reads and writes in two steps. Both are atomic,
// so that the race is one of the suite's to find and not of the detector's.
type racy struct {
	mem.NoResize
	chunk []byte
	off   atomic.Int64
}

func newRacy() *racy { return &racy{chunk: make([]byte, 64<<20)} }

func (m *racy) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	if err := mem.Refuse(l); err != nil {
		return nil, err
	}
	if size > len(m.chunk) || l.Align.Log2() > 20 {
		return nil, mem.ErrTooLarge
	}
	off := int(m.off.Load())
	off += l.Align.Pad(address(m.chunk) + uintptr(off))
	runtime.Gosched()
	if size > len(m.chunk)-off {
		return nil, mem.ErrOutOfMemory
	}
	m.off.Store(int64(off + size))
	return m.chunk[off : off+size : off+size], nil
}

func (m *racy) Free(b []byte, l mem.Layout) {}

type hoards struct{ *honest }

func (m *hoards) Free(b []byte, l mem.Layout) {
	m.owns("Free", b)
	delete(m.live, address(b))
}

type garbage struct {
	mem.Allocator
	log []*int
}

func (m *garbage) Alloc(size int, l mem.Layout) ([]byte, error) {
	m.log = append(m.log[:0], new(int))
	return m.Allocator.Alloc(size, l)
}
