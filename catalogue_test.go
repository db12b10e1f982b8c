package allod_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// catalogue lists what is done wrong with memory, what goes wrong with it, and
// what does not look right and is, with the tests that show what happens then:
// each has the same without the mistake beside it. What follows a slash is one
// part of a test. What cannot happen here says why.
var catalogue = [...]struct {
	what  string
	tests []string
	why   string // there are no tests
}{
	// Typed helpers.
	1:  {what: "an object with pointers where the collector does not look", tests: []string{"mem.TestPointerError", "mem.TestKinds", "heap.TestPageManaged", "heap.TestArenaRefusesPointers", "heap.TestPoolPointers", "heap.TestCManaged", "heap.TestWrappersPointers", "testing/allocatortest.TestMutants/ServesManaged"}},
	2:  {what: "the same in bytes of the Go heap, where it does not look either", tests: []string{"heap.TestFixedBufferPointers", "heap.TestBufferFirstPointers", "testing/allocatortest.TestMutants/OwnBufferUnderScanned"}},
	3:  {what: "objects without pointers, though they look like it", tests: []string{"mem.TestPointerFree"}},
	4:  {what: "objects of no size, and freeing them as often as one likes", tests: []string{"mem.TestNoBytesNeverReachTheAllocator", "heap.TestDebugTyped/Free of nothing", "heap.TestPoolNoSize"}},
	5:  {what: "free of nil", tests: []string{"mem.TestCreate", "mem.TestNoBytesNeverReachTheAllocator"}},
	6:  {what: "destroyed twice", tests: []string{"heap.TestDebugTyped/Destroy twice", "heap.TestDebugDoubleFree", "heap.TestDebugWrongBlock/freed"}},
	7:  {what: "free of the middle of a block, which stays live", tests: []string{"heap.TestDebugTyped/Free of s[1:]", "heap.TestDebugFreeInterior", "heap.TestDebugWrongBlock/interior"}},
	8:  {what: "free of a slice with less capacity, or less length", tests: []string{"heap.TestDebugTyped/Free of s[:4:4]", "heap.TestDebugTyped/Free of s[:0]", "heap.TestDebugWrongBlock/cut"}},
	9:  {what: "room beyond the length that was asked for", tests: []string{"testing/allocatortest.TestMutants/CapBeyondLen", "testing/allocatortest.TestMutants/Long"}},
	10: {what: "free of a stack, a global, a string, Go's heap, an unmapped page", tests: []string{"heap.TestDebugFreeStack", "heap.TestDebugWrongBlock/global", "heap.TestDebugWrongBlock/string", "heap.TestDebugWrongBlock/of the Go heap", "heap.TestDebugWrongBlock/nowhere"}},
	11: {what: "destroyed as another type", tests: []string{"heap.TestDebugTyped/Destroy as another type", "heap.TestDebugTyped/Destroy as a converted type", "heap.TestDebugLayoutMismatch"}},
	12: {what: "a string, and a map with it as a key, after its block is freed", tests: []string{"heap.TestDebugStringAfterFree"}},
	13: {what: "Realloc from nothing, and to nothing", tests: []string{"mem.TestRealloc"}},
	14: {what: "Realloc that fails", tests: []string{"mem.TestRealloc", "mem.TestReallocManaged"}},
	15: {what: "Realloc after Free", tests: []string{"heap.TestDebugReallocFreed", "heap.TestDebugResizeFreed"}},
	16: {what: "Resize to the same, and to more than fits", tests: []string{"heap.TestDebugTyped/Resize to the same", "mem.TestResize", "testing/allocatortest.TestMutants/RefusedResizeModifies"}},
	17: {what: "a slice header longer than its block", tests: []string{"heap.TestDebugWrongBlock/oversize"}},
	18: {what: "an allocator that is copied after its first use", tests: []string{"heap.TestCopied", "heap.TestArenaCopied", "heap.TestPoolCopied", "heap.TestSMPCopied", "heap.TestFixedBufferCopied"}},
	19: {what: "the zero value of an allocator", tests: []string{"heap.TestWrappersZeroValue", "heap.TestDebugZeroValue", "heap.TestArenaUninitialised", "heap.TestPoolZeroValue", "heap.TestConcurrentArenaZeroValue", "heap.TestReservedZeroValue", "heap.TestSMPCacheZeroValue", "heap.TestBufferFirstZeroValue", "generic.TestZeroManaged"}},
	20: {what: "a nil pointer as an Allocator", tests: []string{"mem.TestNonsensePanics/typed nil", "heap.TestWrappersNilChild", "heap.TestNilFieldIsNoNilAllocator"}},

	// The interface, and wrappers.
	21: {what: "alignments out of range, and beyond all memory", tests: []string{"mem.TestNonsensePanics/AlignLog2", "testing/allocatortest.TestMutants/AlignOverflows"}},
	22: {what: "lengths and sizes that are not positive", tests: []string{"mem.TestNonsensePanics", "heap.TestWrappersSizes", "heap.TestPageNotPositive", "heap.TestFixedBufferSizePanics", "testing/allocatortest.TestMutants/SizeZeroServed", "testing/allocatortest.TestMutants/NegativeResizeRefused", "generic.TestNegativeNumbers"}},
	23: {what: "Resize and Remap with a wrong length", tests: []string{"heap.TestDebugWrongBlock/cut", "heap.TestDebugWrongBlock/oversize", "heap.TestValidationLayoutMismatch", "heap.TestMisuseToldInFull/cut"}},
	24: {what: "Resize and Remap with a wrong alignment or type", tests: []string{"heap.TestDebugWrongBlock/alignment", "heap.TestDebugWrongBlock/type", "heap.TestDebugLayoutMismatch", "heap.TestValidationLayoutMismatch", "heap.TestSMPWrongAlign"}},
	25: {what: "a refusal that changes the block", tests: []string{"testing/allocatortest.TestMutants/RefusedResizeModifies", "testing/allocatortest.TestMutants/RefusedResizeShortens", "testing/allocatortest.TestMutants/RefusedRemapFrees"}},
	26: {what: "a block of another allocator with the same settings", tests: []string{"heap.TestDebugWrongBlock/of another Debug", "heap.TestDebugWrongAllocator", "heap.TestPageMisuse/OtherPages", "heap.TestSMPMisuse/OtherSMP", "heap.TestMisuseToldInFull/another's"}},
	27: {what: "a block passed by one wrapper too few, or too many", tests: []string{"heap.TestDebugWrongBlock/of the wrapper", "heap.TestDebugWrongBlock/of the child"}},
	28: {what: "neither a block nor an error", tests: []string{"testing/allocatortest.TestMutants/NilNil", "heap.TestDebugLieTold/nothing", "heap.TestValidationAllocLies"}},
	29: {what: "wrappers on wrappers", tests: []string{"heap.TestWrapperStacksContract", "heap.TestWrapperStacks", "heap.TestWrappersCorrespond"}},
	30: {what: "an allocator that stands on itself", tests: []string{"heap.TestArenaPanics/Init cycle"}},
	31: {what: "Close with live blocks", tests: []string{"heap.TestDebugLeaks", "heap.TestDebugLeakLines", "heap.TestDebugLeakPrinted", "heap.TestDebugUnderEverything", "heap.TestPoolLeak", "heap.TestSMPClose", "testing/allocatortest.TestNewLeak"}},
	32: {what: "use after Close, and Close again", tests: []string{"heap.TestDebugUseAfterClose", "heap.TestDebugWrongBlock/closed", "heap.TestMisuseToldInFull/closed", "heap.TestArenaClose", "heap.TestPoolUseAfterClose", "heap.TestSMPClose", "heap.TestConcurrentArenaClose"}},
	33: {what: "free of an allocator's own metadata", tests: []string{"heap.TestDebugWrongBlock/own metadata"}},
	34: {what: "free of what was freed, and served again", tests: []string{"heap.TestDebugQuarantine", "heap.TestDebugNeverReuse", "heap.TestDebugRemembers", "heap.TestDebugWrongBlock/freed, not in quarantine"}},
	35: {what: "a handler that uses the allocator it hears of, or panics", tests: []string{"heap.TestDebugHandler", "heap.TestDebugHandlerPanics", "heap.TestDebugPanicLosesNothing", "heap.TestDebugPanicInResize"}},
	36: {what: "a log that fails, blocks, panics or allocates", tests: []string{"heap.TestLoggingHandlerFails", "heap.TestLoggingHandlerBlocks", "heap.TestLoggingLevelerPanics", "heap.TestLoggingHandlerAllocates"}},
	37: {what: "names that are no names, and one for two allocators", tests: []string{"heap.TestNamedMisuse", "heap.TestRegistryTree"}},

	// Arithmetic.
	38: {what: "n times a size, beyond an int", tests: []string{"mem.TestAllocTooLarge"}},
	39: {what: "n times a size, which wraps to a small one", tests: []string{"mem.TestAllocTooLarge", "mem.TestDupeConcat"}},
	40: {what: "a size with what surrounds it, beyond an int", tests: []string{"heap.TestDebugTooLarge", "heap.TestPageTooLarge", "heap.TestFixedBufferHuge", "heap.TestArenaHuge", "heap.TestConcurrentArenaHuge", "heap.TestSMPNonsense", "internal/guard.TestTooLarge"}},
	41: {what: "a size that is nothing when it is rounded to pages", tests: []string{"internal/vm.TestMapTooLarge", "heap.TestPageTooLarge", "heap.TestGCTooLarge", "testing/allocatortest.TestMutants/SizeOverflows"}},
	42: {what: "a container that grows beyond an int", tests: []string{"generic.TestArrayListOverflow", "generic.TestSegmentedListEdges", "generic.TestDequeEdges", "generic.TestEveryOverflow"}},
	43: {what: "a length to grow by, beyond an int", tests: []string{"generic.TestArrayListOverflow", "generic.TestEveryOverflow"}},
	44: {what: "a hint or a load factor beyond an int", tests: []string{"generic.TestHashMapOverflow", "generic.TestStringHashMapOverflow"}},
	45: {what: "an index out of range", tests: []string{"generic.TestArrayListPanics", "generic.TestHashMapPanics", "generic.TestBitEdges", "generic.TestIndexOutOfRange"}},
	46: {what: "counters that go beyond an int", tests: []string{"heap.TestCountingLargeTotals", "heap.TestLimitOverflow"}},

	// Out of memory, at every step.
	47: {what: "each operation of each container with each allocation failing", tests: []string{"generic.TestInjectedPoints", "testing/allocatortest.TestContainers"}},
	48: {what: "operations of several allocations, of which one fails", tests: []string{"generic.TestInjectedPoints", "heap.TestWrappersAllFailures", "heap.TestDebugAllFailures", "heap.TestArenaFailures", "heap.TestPoolFailures", "heap.TestConcurrentArenaAllFailures", "heap.TestArenaFailureLeavesAllAsItWas"}},
	49: {what: "shrinking that needs memory and gets none", tests: []string{"generic.TestInjectedPoints/ShrinkAndFree", "heap.TestArenasZeroAfterRefusedShrink"}},
	50: {what: "bookkeeping without memory", tests: []string{"heap.TestDebugQuarantineGivesWay", "internal/stack.TestTableFull"}},
	51: {what: "an error that is swallowed", tests: []string{"testing/allocatortest.TestCheckAllFailuresFinds", "testing/allocatortest.TestCheckFailuresMaySwallow"}},
	52: {what: "a program that allocates differently each time", tests: []string{"testing/allocatortest.TestCheckAllFailuresFinds"}},
	53: {what: "an error that allocates", tests: []string{"mem.TestFailingAllocatesNothing", "heap.TestLimitErrorAllocatesNothing", "testing/allocatortest.TestMutants/Garbage"}},
	54: {what: "Close when there is no memory any more", tests: []string{"heap.TestCloseWithoutMemory"}},
	55: {what: "limits within limits", tests: []string{"heap.TestLimitNested", "heap.TestLimitRollsBack", "heap.TestDebugLimitExact"}},
	56: {what: "the same seed", tests: []string{"heap.TestFailingSeed"}},
	57: {what: "pages that are promised and not there", tests: []string{"heap.TestPageEveryCallFails"}},

	// Arenas, pools and buffers.
	58: {what: "a block of an arena that gave it up", tests: []string{"heap.TestGuardedArena", "heap.TestArenaPoison", "heap.TestArenaMisuse/FreeAfterReset"}},
	59: {what: "free of the last block of an arena, twice, and of others", tests: []string{"heap.TestArenaLastBlock", "heap.TestArenaMisuse/FreeTwice", "heap.TestFixedBufferDoubleFree", "heap.TestMisuseToldInFull/freed"}},
	60: {what: "Resize of the last block, and of others, with a child that fails", tests: []string{"heap.TestArenaExtend", "heap.TestArenaFailureLeavesAllAsItWas"}},
	61: {what: "marks out of order, and out of date", tests: []string{"heap.TestArenaMisuse/RewindOuter", "heap.TestArenaMisuse/RewindTwice", "heap.TestArenaMisuse/ResetMarked", "heap.TestFixedBufferMarkMisuse", "heap.TestConcurrentArenaStaleMark"}},
	62: {what: "Reset while another goroutine allocates", tests: []string{"heap.TestArenaConcurrentUse", "heap.TestArenaResetRaces", "heap.TestConcurrentArenaResetMeanwhile"}},
	63: {what: "blocks larger than a chunk, and alignments larger than a page", tests: []string{"heap.TestArenaContract", "heap.TestArenaManyLarge", "heap.TestArenaTypedAlignment", "heap.TestConcurrentArenaLargeBlocks"}},
	64: {what: "a chunk that cannot be had", tests: []string{"heap.TestArenaFailures", "heap.TestArenaFailureLeavesAllAsItWas", "heap.TestConcurrentArenaChildFails"}},
	65: {what: "a block outside the buffer; no buffer, and one that is not aligned", tests: []string{"heap.TestFixedBufferFreeForeign", "heap.TestFixedBufferEmpty", "heap.TestFixedBufferUnalignedBuffer"}},
	66: {what: "writes beyond a block, whatever is below", tests: []string{"heap.TestDebugOverEverything", "heap.TestDebugWrongWrite", "heap.TestDebugOverflowUnderflow", "heap.TestDebugOverflowElements"}},
	67: {what: "two buffers that overlap", tests: []string{"heap.TestDebugOverlappingBuffers", "heap.TestDebugOverlapTwins"}},
	68: {what: "an object of a pool destroyed twice", tests: []string{"heap.TestPoolDoubleDestroy"}},
	69: {what: "an object of another pool, within another, of none", tests: []string{"heap.TestPoolDestroyForeign", "heap.TestPoolDestroyInterior", "heap.TestPoolDestroyNeverCreated"}},
	70: {what: "a pool that is full, and one that is closed with objects out", tests: []string{"heap.TestPoolMax", "heap.TestPoolLeak"}},
	71: {what: "a pool that keeps alive what a dead object refers to", tests: []string{"heap.TestPoolRetention", "heap.TestPoolUnderCollection"}},
	72: {what: "half of a mapping", tests: []string{"heap.TestPageMisuse/HalfMapping", "heap.TestReservedMisuse"}},

	// Goroutines.
	73: {what: "two goroutines in an allocator for one", tests: []string{"heap.TestArenaConcurrentUse", "heap.TestPoolConcurrentUse", "heap.TestFixedBufferInTurn", "heap.TestSMPCacheConcurrentUse"}},
	74: {what: "blocks freed by others than who asked for them", tests: []string{"heap.TestSMPProducerConsumer", "heap.TestDebugConcurrent", "heap.TestConcurrentArenaHandOver"}},
	75: {what: "two calls at work on one block", tests: []string{"heap.TestDebugRacingCalls", "heap.TestDebugConcurrentUse", "heap.TestValidationConcurrentUse", "heap.TestPageDoubleFreeAtOnce"}},
	76: {what: "Close while others allocate", tests: []string{"heap.TestDebugClosedMeanwhile", "heap.TestSMPReportsConcurrentUse"}},
	77: {what: "statistics and checks while others allocate", tests: []string{"heap.TestDebugConcurrent", "heap.TestCountingSnapshots", "heap.TestRegistryParallel"}},
	78: {what: "thousands of goroutines, one processor, and a profiler", tests: []string{"heap.TestDebugCrowd", "heap.TestSMPCrowd", "heap.TestSMPSignals"}},
	79: {what: "processors that come and go", tests: []string{"heap.TestSMPProcessorsChange"}},
	80: {what: "a data race in memory off the Go heap", tests: []string{"testing/allocatortest.TestOffHeapRace", "heap.TestSMPUseAfterFreeIsARace", "heap.TestPageHidesNoRace", "testing/allocatortest.TestNewHidesNoRace"}},

	// The operating system.
	81: {what: "a limit on the address space", tests: []string{"heap.TestPageAddressSpaceLimit"}},
	82: {what: "as many mappings as there may be", tests: []string{"heap.TestGuardedUpToMappings", "heap.TestPageMapCount", "internal/vm.TestGuardMarkersCostNoMapping"}},
	83: {what: "a kernel that cannot guard, or will not", tests: []string{"heap.TestGuardedDegrades", "internal/vm.TestGuardFails", "internal/guard.TestFailures", "internal/guard.TestMemoryRefused", "heap.TestGuardedMemoryRefused", "internal/guard.TestRefusedThenNot"}},
	84: {what: "each call of the system failing with each error", tests: []string{"testing/allocatortest.TestSystem", "heap.TestPageEveryCallFails", "heap.TestReservedEveryCallFails", "internal/vm.TestEveryCallFails", "heap.TestPagesMemlockLimit", "heap.TestPagesLockFails"}},
	85: {what: "larger pages", tests: []string{"heap.TestPageLargerPages", "heap.TestSMPLargerPages"}},
	86: {what: "freed memory handed to a system call", tests: []string{"heap.TestGuardedSystemCall", "heap.TestBadAddress"}},
	87: {what: "a fault that nobody catches, and one that is not ours", tests: []string{"heap.TestGuardedFaultEnds", "heap.TestCrashRecord", "heap.TestCatchForeignFault", "heap.TestCatchOthers"}},
	88: {what: "secrets in a forked child, and in a core dump", why: "no allocator promises to keep its memory out of them"},
	89: {what: "a crash in the middle of an operation on memory in a file", why: "no allocator has its memory in a file that another process opens"},

	// The collector.
	90: {what: "a Go pointer where the collector does not look", tests: []string{"heap.TestDebugHiddenPointer", "heap.TestDebugHiddenPointerTwin", "heap.TestHiddenInBytes", "contrib/hiddenpointer.TestAnalyzer"}},
	91: {what: "an allocator that nobody closed", tests: []string{"heap.TestDebugDropped", "heap.TestSMPCacheDropped", "testing/allocatortest.TestVerifyTestMain"}},
	92: {what: "the collector with all checks on itself", tests: []string{"heap.TestUnderCollectorChecks", "testing/allocatortest.TestSuite"}},
	93: {what: "a limit on Go's memory, and memory that it does not know", tests: []string{"heap.TestBudgetMovesLimit", "heap.TestBudgetCountsPages"}},

	// Load.
	94: {what: "combs, saws and lone survivors", tests: []string{"heap.TestSMPComb", "heap.TestSMPSawtooth", "heap.TestSMPOneSurvivor"}},
	95: {what: "a peak that is over", tests: []string{"heap.TestSMPDecay", "heap.TestSMPResident", "heap.TestDebugQuarantine"}},

	// Pointers and the collector.
	96:  {what: "free of what append moved", tests: []string{"heap.TestDebugTyped/Free after append moved", "heap.TestDebugWrongBlock/moved by append", "heap.TestMisuseToldInFull/moved by append", "heap.TestPageMisuse/Append", "heap.TestSMPMisuse/Append", "heap.TestReservedMisuse/Append", "heap.TestArenaMisuse/FreeAppended"}},
	97:  {what: "Append of a part of the slice itself", tests: []string{"mem.TestAppendOverlap", "generic.TestArrayListModel", "generic.TestDequeModel"}},
	98:  {what: "a managed block served from plain memory, shifted, cleared, copied as bytes", tests: []string{"testing/allocatortest.TestMutants/PlainFromTyped", "testing/allocatortest.TestMutants/ByteHeader", "testing/allocatortest.TestMutants/ClearsManagedBytes", "testing/allocatortest.TestMutants/RemapMovesManaged", "testing/allocatortest.TestMutants/OwnBufferUnderScanned", "testing/allocatortest.TestMutants/RecyclesAcrossTypes"}},
	99:  {what: "local blocks over what is partly scanned", tests: []string{"heap.TestHybridKeepsAlive", "heap.TestBufferFirstPointers", "testing/allocatortest.TestMutants/LocalUnscanned"}},
	100: {what: "a list off the heap of which only the head is kept", tests: []string{"heap.TestPoolPromisedList"}},
	101: {what: "a block with pointers that shrinks and grows again", tests: []string{"mem.TestReallocManaged", "heap.TestGCShrinkDropsTargets", "testing/allocatortest.TestMutants/ManagedRegrowthNotZero", "testing/allocatortest.TestMutants/LocalRegrowthNotZero"}},
	102: {what: "a handle made from collected memory", tests: []string{"mem.TestHandleToGoMemory"}},
	103: {what: "bytes as values with pointers or bools", tests: []string{"mem.TestBytesPanics", "mem.TestAlloc"}},
	104: {what: "more than Go's heap can be asked for", tests: []string{"heap.TestGCTooLarge", "heap.TestGCMaxSize", "heap.TestPagesMaxSize"}},
	105: {what: "Zero and Kind other than at the time of Alloc", tests: []string{"testing/allocatortest.TestMutants/RoutesByKind", "testing/allocatortest.TestMutants/TrustsAlign", "testing/allocatortest.TestNewKindAfterAlloc"}},

	// And more.
	106: {what: "reads and writes of freed memory, and beyond a block", tests: []string{"heap.TestGuardedUseAfterFree", "heap.TestGuardedOverflow", "heap.TestGuardedUnderflow", "heap.TestGuardedFaultLines", "heap.TestDebugAddressSanitizer", "heap.TestDebugWriteAfterFree"}},
	107: {what: "a child that lies", tests: []string{"heap.TestDebugChildLied", "heap.TestDebugLieTold", "heap.TestDebugOverlaps", "heap.TestValidationResizeLies", "heap.TestArenaChildLies", "heap.TestConcurrentArenaChildLies", "heap.TestPoolChildLied"}},
	108: {what: "valid operations, of which nothing may be said", tests: []string{"heap.TestDebugNoFalseReports", "heap.TestDebugContract", "heap.TestGuardedContract", "testing/allocatortest.TestSuiteOverDebug"}},
}

// What the catalogue names exists.
func TestCatalogue(t *testing.T) {
	tests := map[string]bool{} // functions, by folder and name
	texts := map[string]bool{} // constants, by folder and text
	for _, folder := range []string{"mem", "heap", "generic", "testing/allocatortest", "internal/guard", "internal/stack", "internal/vm", "contrib/hiddenpointer"} {
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(folder, err)
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if file == nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					tests[folder+"."+n.Name.Name] = true
				case *ast.BasicLit:
					texts[folder+"/"+strings.Trim(n.Value, "`\"")] = true
				}
				return true
			})
		}
	}
	seen := map[string]bool{}
	for i, c := range catalogue[1:] {
		if seen[c.what] || (len(c.tests) == 0) != (c.why != "") {
			t.Errorf("%d: %s: there twice, or without tests and without a reason", i+1, c.what)
		}
		seen[c.what] = true
		for _, name := range c.tests {
			folder, rest, _ := strings.Cut(name, ".Test")
			test, part, parts := strings.Cut(rest, "/")
			if !tests[folder+".Test"+test] || parts && !texts[folder+"/"+part] {
				t.Errorf("%s: there is no %s", c.what, name)
			}
		}
	}
}
