package allocatortest_test

import (
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/asan"
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

	{name: "LooksInside", clause: "clause4", part: "foreign block is not looked into", says: "looked into memory",
		make: over(func(h *honest) mem.Allocator { return &looksInside{h} })},

	// Clauses 5 to 8: pointers.
	{name: "ByteHeader", clause: "clause5", part: "elements start where the type says", says: "collected",
		make: func(allocatortest.TB) mem.Allocator { return byteHeader{heap.GC{}} }},
	{name: "RoundsTypedBlocks", clause: "clause5", part: "elements start where the type says", says: "not a whole number",
		make: func(tb allocatortest.TB) mem.Allocator { return roundsUp{allocatortest.New(tb)} }},
	{name: "DropsType", clause: "clause5", part: "elements start where the type says", says: "must have a type",
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
	{name: "ClearsLocalBytes", clause: "clause6", part: "vacated pointers are not hidden from the collector", says: "cleared as bytes",
		make: func(allocatortest.TB) mem.Allocator { return clearsLocal{heap.GC{}} }},
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
	{name: "OwnsNothing", clause: "abilities", part: "Owns, UsableSize, GoodSize, Trim and Footprint tell the truth", says: "does not own",
		make: over(func(h *honest) mem.Allocator { return &owns{h, func([]byte) bool { return false }} })},
	{name: "OwnsEverything", clause: "abilities", part: "Owns, UsableSize, GoodSize, Trim and Footprint tell the truth", says: "Owns a block of the Go heap",
		make: over(func(h *honest) mem.Allocator { return &owns{h, func([]byte) bool { return true }} })},
	{name: "UsableSizeLies", clause: "abilities", part: "Owns, UsableSize, GoodSize, Trim and Footprint tell the truth", says: "changed",
		make: over(func(h *honest) mem.Allocator { return &usable{h, 8} })},
	{name: "UsableSizeShort", clause: "abilities", part: "Owns, UsableSize, GoodSize, Trim and Footprint tell the truth", says: "UsableSize is 0 for a block of 1",
		make: over(func(h *honest) mem.Allocator { return &usable{h, -1} })},
	{name: "TrimsTooMuch", clause: "abilities", part: "Owns, UsableSize, GoodSize, Trim and Footprint tell the truth", says: "after Trim",
		make: over(func(h *honest) mem.Allocator { return &trims{h} })},
	{name: "GoodSizeSmaller", clause: "abilities", part: "Owns, UsableSize, GoodSize, Trim and Footprint tell the truth", says: "GoodSize(7) = 0",
		make: over(func(h *honest) mem.Allocator { return &goodSize{h} })},
	{name: "FootprintTooSmall", clause: "abilities", part: "Owns, UsableSize, GoodSize, Trim and Footprint tell the truth", says: "bytes live",
		make: over(func(h *honest) mem.Allocator { return &footprint{h, mem.Footprint{Committed: 1, Reserved: 1}} })},
	{name: "FootprintBackwards", clause: "abilities", part: "Owns, UsableSize, GoodSize, Trim and Footprint tell the truth", says: "has the class",
		make: over(func(h *honest) mem.Allocator {
			return &footprint{h, mem.Footprint{Committed: 1 << 40, Reserved: 1 << 40, Live: 1 << 30,
				Classes: []mem.FootprintClass{{Size: 32, Slots: 2, Live: 1}, {Size: 16, Slots: 2, Live: 1}}}}
		})},
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
			if asan.Enabled && m.p.NoGarbage {
				t.Skip("not looked for under the address sanitizer")
			}
			failures, err := allocatortest.RunPart(m.clause, m.part, m.p, m.make)
			if err != nil {
				t.Fatal(err)
			}
			if len(failures) == 0 {
				t.Fatalf("%s/%s found nothing", m.clause, m.part)
			}
			rerunnable(t, failures)
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
