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
// part of a test.
var catalogue = []struct {
	what  string
	tests []string
}{
	// Typed helpers.
	{"objects with pointers where the collector does not look", []string{"mem.TestPointerError", "mem.TestKinds", "heap.TestPageManaged", "heap.TestFixedBufferPointers", "heap.TestArenaRefusesPointers", "heap.TestPoolPointers", "heap.TestCManaged", "heap.TestWrappersPointers", "testing/allocatortest.TestMutants/ServesManaged"}},
	{"objects without pointers, though they look like it", []string{"mem.TestPointerFree"}},
	{"objects of no size, and freeing them as often as one likes", []string{"mem.TestNoBytesNeverReachTheAllocator", "heap.TestDebugTyped/Free of nothing", "heap.TestPoolNoSize"}},
	{"free of nil", []string{"mem.TestCreate", "mem.TestNoBytesNeverReachTheAllocator"}},
	{"destroyed twice", []string{"heap.TestDebugTyped/Destroy twice", "heap.TestDebugDoubleFree", "heap.TestDebugWrongBlock/freed"}},
	{"free of the middle of a block, which stays live", []string{"heap.TestDebugTyped/Free of s[1:]", "heap.TestDebugFreeInterior", "heap.TestDebugWrongBlock/interior"}},
	{"free of a slice with less capacity, or less length", []string{"heap.TestDebugTyped/Free of s[:4:4]", "heap.TestDebugTyped/Free of s[:0]", "heap.TestDebugWrongBlock/cut"}},
	{"room beyond the length that was asked for", []string{"testing/allocatortest.TestMutants/CapBeyondLen", "testing/allocatortest.TestMutants/Long"}},
	{"free of a stack, a global, a string, Go's heap, an unmapped page", []string{"heap.TestDebugFreeStack", "heap.TestDebugWrongBlock/global", "heap.TestDebugWrongBlock/string", "heap.TestDebugWrongBlock/of the Go heap", "heap.TestDebugWrongBlock/nowhere"}},
	{"destroyed as another type", []string{"heap.TestDebugTyped/Destroy as another type", "heap.TestDebugTyped/Destroy as a converted type", "heap.TestDebugLayoutMismatch"}},
	{"a string, and a map with it as a key, after its block is freed", []string{"heap.TestDebugStringAfterFree"}},
	{"Realloc from nothing, to nothing, and failing", []string{"mem.TestRealloc", "mem.TestReallocManaged"}},
	{"Realloc after Free", []string{"heap.TestDebugReallocFreed", "heap.TestDebugResizeFreed"}},
	{"Resize to the same, and to more than fits", []string{"heap.TestDebugTyped/Resize to the same", "mem.TestResize", "testing/allocatortest.TestMutants/RefusedResizeModifies"}},
	{"a slice header longer than its block", []string{"heap.TestDebugWrongBlock/oversize"}},
	{"an allocator that is copied after its first use", []string{"heap.TestCopied", "heap.TestArenaCopied", "heap.TestPoolCopied", "heap.TestSMPCopied", "heap.TestFixedBufferCopied"}},
	{"the zero value of an allocator", []string{"heap.TestWrappersZeroValue", "heap.TestDebugZeroValue", "heap.TestArenaUninitialised", "heap.TestPoolZeroValue", "heap.TestConcurrentArenaZeroValue", "heap.TestReservedZeroValue", "heap.TestBufferFirstZeroValue", "generic.TestZeroManaged"}},
	{"a nil pointer as an Allocator", []string{"mem.TestNonsensePanics/typed nil", "heap.TestWrappersNilChild", "heap.TestNilFieldIsNoNilAllocator"}},

	// The interface, and wrappers.
	{"alignments out of range, and beyond all memory", []string{"mem.TestNonsensePanics/AlignLog2", "testing/allocatortest.TestMutants/AlignOverflows"}},
	{"lengths and sizes that are not positive", []string{"mem.TestNonsensePanics", "heap.TestWrappersSizes", "testing/allocatortest.TestMutants/SizeZeroServed", "testing/allocatortest.TestMutants/NegativeResizeRefused", "generic.TestNegativeNumbers"}},
	{"Resize with a wrong length, alignment or type", []string{"heap.TestDebugWrongBlock", "heap.TestDebugLayoutMismatch", "heap.TestValidationLayoutMismatch"}},
	{"a refusal that changes the block", []string{"testing/allocatortest.TestMutants/RefusedResizeModifies", "testing/allocatortest.TestMutants/RefusedResizeShortens", "testing/allocatortest.TestMutants/RefusedRemapFrees"}},
	{"a block of another allocator with the same settings", []string{"heap.TestDebugWrongBlock/of another Debug", "heap.TestDebugWrongAllocator", "heap.TestPageMisuse/OtherPages", "heap.TestSMPMisuse/OtherSMP"}},
	{"a block passed by one wrapper too few, or too many", []string{"heap.TestDebugWrongBlock/of the wrapper", "heap.TestDebugWrongBlock/of the child"}},
	{"neither a block nor an error", []string{"testing/allocatortest.TestMutants/NilNil", "heap.TestDebugLieTold/nothing", "heap.TestValidationAllocLies"}},
	{"wrappers on wrappers", []string{"heap.TestWrapperStacksContract", "heap.TestWrapperStacks", "heap.TestWrappersCorrespond"}},
	{"an allocator that stands on itself", []string{"heap.TestArenaPanics/Init cycle"}},
	{"Close with live blocks", []string{"heap.TestDebugLeaks", "heap.TestDebugLeakLines", "heap.TestDebugLeakPrinted", "heap.TestPoolLeak", "heap.TestSMPClose", "testing/allocatortest.TestNewLeak"}},
	{"use after Close, and Close again", []string{"heap.TestDebugUseAfterClose", "heap.TestDebugWrongBlock/closed", "heap.TestArenaClose", "heap.TestPoolUseAfterClose", "heap.TestSMPClose", "heap.TestConcurrentArenaClose"}},
	{"free of an allocator's own metadata", []string{"heap.TestDebugWrongBlock/own metadata"}},
	{"free of what was freed, and served again", []string{"heap.TestDebugQuarantine", "heap.TestDebugNeverReuse", "heap.TestDebugWrongBlock/freed, not in quarantine"}},
	{"a handler that uses the allocator it hears of, or panics", []string{"heap.TestDebugHandler", "heap.TestDebugHandlerPanics"}},
	{"a log that fails, blocks, panics or allocates", []string{"heap.TestLoggingHandlerFails", "heap.TestLoggingHandlerBlocks", "heap.TestLoggingLevelerPanics", "heap.TestLoggingHandlerAllocates"}},
	{"names that are no names", []string{"heap.TestNamedMisuse"}},

	// Arithmetic.
	{"n times a size, beyond an int", []string{"mem.TestAllocTooLarge", "mem.TestDupeConcat"}},
	{"a size with what surrounds it, beyond an int", []string{"heap.TestDebugTooLarge", "heap.TestPageTooLarge", "heap.TestFixedBufferHuge", "heap.TestArenaHuge", "heap.TestConcurrentArenaHuge", "heap.TestGCTooLarge", "heap.TestSMPNonsense", "testing/allocatortest.TestMutants/SizeOverflows", "internal/guard.TestTooLarge", "internal/vm.TestMapTooLarge"}},
	{"a capacity, a hint or a load factor beyond an int", []string{"generic.TestArrayListOverflow", "generic.TestHashMapOverflow", "generic.TestStringHashMapOverflow", "generic.TestSegmentedListEdges", "generic.TestDequeEdges"}},
	{"an index out of range", []string{"generic.TestArrayListPanics", "generic.TestHashMapPanics", "generic.TestBitEdges"}},
	{"counters that go beyond an int", []string{"heap.TestCountingLargeTotals", "heap.TestLimitOverflow"}},

	// Out of memory, at every step.
	{"each operation of each container with each allocation failing", []string{"generic.TestInjectedPoints", "testing/allocatortest.TestContainers"}},
	{"each wrapper and each room with each allocation failing", []string{"heap.TestWrappersAllFailures", "heap.TestDebugAllFailures", "heap.TestArenaFailures", "heap.TestPoolFailures", "heap.TestConcurrentArenaAllFailures", "heap.TestArenaFailureLeavesAllAsItWas"}},
	{"bookkeeping without memory", []string{"heap.TestDebugQuarantineGivesWay", "internal/stack.TestTableFull"}},
	{"Close when there is no memory any more", []string{"heap.TestCloseWithoutMemory"}},
	{"an error that is swallowed", []string{"testing/allocatortest.TestCheckAllFailuresFinds", "testing/allocatortest.TestCheckFailuresMaySwallow"}},
	{"a program that allocates differently each time", []string{"testing/allocatortest.TestCheckAllFailuresFinds"}},
	{"an error that allocates", []string{"mem.TestFailingAllocatesNothing", "heap.TestLimitErrorAllocatesNothing", "testing/allocatortest.TestMutants/Garbage"}},
	{"limits within limits", []string{"heap.TestLimitNested", "heap.TestLimitRollsBack", "heap.TestDebugLimitExact"}},
	{"the same seed", []string{"heap.TestFailingSeed"}},
	{"pages that are promised and not there", []string{"heap.TestPageEveryCallFails"}},

	// Arenas, pools and buffers.
	{"a block of an arena that gave it up", []string{"heap.TestGuardedArena", "heap.TestArenaPoison", "heap.TestArenaMisuse/FreeAfterReset"}},
	{"free of the last block of an arena, twice, and of others", []string{"heap.TestArenaLastBlock", "heap.TestArenaMisuse/FreeTwice", "heap.TestFixedBufferDoubleFree"}},
	{"Resize of the last block, and of others, with a child that fails", []string{"heap.TestArenaExtend", "heap.TestArenaFailureLeavesAllAsItWas"}},
	{"marks out of order, and out of date", []string{"heap.TestArenaMisuse/RewindOuter", "heap.TestArenaMisuse/RewindTwice", "heap.TestArenaMisuse/ResetMarked", "heap.TestFixedBufferMarkMisuse", "heap.TestConcurrentArenaStaleMark"}},
	{"Reset while another goroutine allocates", []string{"heap.TestArenaConcurrentUse", "heap.TestArenaResetRaces", "heap.TestConcurrentArenaResetMeanwhile"}},
	{"blocks larger than a chunk, and alignments larger than a page", []string{"heap.TestArenaContract", "heap.TestArenaManyLarge", "heap.TestArenaTypedAlignment", "heap.TestConcurrentArenaLargeBlocks"}},
	{"a block outside the buffer; no buffer, and one that is not aligned", []string{"heap.TestFixedBufferFreeForeign", "heap.TestFixedBufferEmpty", "heap.TestFixedBufferUnalignedBuffer"}},
	{"writes beyond a block, whatever is below", []string{"heap.TestDebugOverEverything", "heap.TestDebugWrongWrite"}},
	{"two buffers that overlap", []string{"heap.TestDebugOverlappingBuffers", "heap.TestDebugOverlapTwins"}},
	{"an object of a pool destroyed twice", []string{"heap.TestPoolDoubleDestroy"}},
	{"an object of another pool, within another, of none", []string{"heap.TestPoolDestroyForeign", "heap.TestPoolDestroyInterior", "heap.TestPoolDestroyNeverCreated"}},
	{"a pool that is full, and one that is closed with objects out", []string{"heap.TestPoolMax", "heap.TestPoolLeak"}},
	{"a pool that keeps alive what a dead object refers to", []string{"heap.TestPoolRetention", "heap.TestPoolUnderCollection"}},
	{"half of a mapping", []string{"heap.TestPageMisuse/HalfMapping", "heap.TestReservedMisuse"}},

	// Goroutines.
	{"two goroutines in an allocator for one", []string{"heap.TestArenaConcurrentUse", "heap.TestPoolConcurrentUse", "heap.TestFixedBufferInTurn", "heap.TestSMPCacheConcurrentUse"}},
	{"blocks freed by others than who asked for them", []string{"heap.TestSMPProducerConsumer", "heap.TestDebugConcurrent", "heap.TestConcurrentArenaHandOver"}},
	{"two calls at work on one block", []string{"heap.TestDebugRacingCalls", "heap.TestDebugConcurrentUse", "heap.TestValidationConcurrentUse", "heap.TestPageDoubleFreeAtOnce"}},
	{"Close while others allocate", []string{"heap.TestDebugClosedMeanwhile"}},
	{"statistics and checks while others allocate", []string{"heap.TestDebugConcurrent", "heap.TestCountingSnapshots", "heap.TestRegistryParallel"}},
	{"thousands of goroutines, one processor, and a profiler", []string{"heap.TestDebugCrowd", "heap.TestSMPCrowd"}},
	{"processors that come and go", []string{"heap.TestSMPProcessorsChange"}},
	{"a data race in memory off the Go heap", []string{"testing/allocatortest.TestOffHeapRace", "heap.TestSMPUseAfterFreeIsARace", "heap.TestPageHidesNoRace", "testing/allocatortest.TestNewHidesNoRace"}},

	// The operating system.
	{"a limit on the address space", []string{"heap.TestPageAddressSpaceLimit"}},
	{"as many mappings as there may be", []string{"heap.TestGuardedUpToMappings", "heap.TestPageMapCount", "internal/vm.TestGuardMarkersCostNoMapping"}},
	{"a kernel that cannot guard, or will not", []string{"heap.TestGuardedDegrades", "internal/vm.TestGuardFails", "internal/guard.TestFailures", "internal/guard.TestRefusedThenNot"}},
	{"each call of the system failing with each error", []string{"testing/allocatortest.TestSystem", "heap.TestPageEveryCallFails", "heap.TestReservedEveryCallFails", "internal/vm.TestEveryCallFails"}},
	{"memory that may not be locked", []string{"heap.TestPagesMemlockLimit", "heap.TestPagesLockFails"}},
	{"larger pages", []string{"heap.TestPageLargerPages"}},
	{"freed memory handed to a system call", []string{"heap.TestGuardedSystemCall", "heap.TestBadAddress"}},
	{"reads and writes of freed memory, and beyond a block", []string{"heap.TestGuardedUseAfterFree", "heap.TestGuardedOverflow", "heap.TestGuardedUnderflow", "heap.TestGuardedFaultLines", "heap.TestDebugAddressSanitizer"}},
	{"a fault that nobody catches, and one that is not ours", []string{"heap.TestGuardedFaultEnds", "heap.TestCrashRecord", "heap.TestCatchForeignFault", "heap.TestCatchOthers"}},

	// The collector.
	{"a Go pointer where the collector does not look", []string{"heap.TestDebugHiddenPointer", "heap.TestDebugHiddenPointerTwin", "heap.TestHiddenInBytes", "contrib/hiddenpointer.TestAnalyzer"}},
	{"an allocator that nobody closed", []string{"heap.TestDebugDropped", "heap.TestSMPCacheDropped", "testing/allocatortest.TestVerifyTestMain"}},
	{"the collector with all checks on itself", []string{"heap.TestUnderCollectorChecks", "testing/allocatortest.TestSuite"}},
	{"a limit on Go's memory, and memory that it does not know", []string{"heap.TestBudgetMovesLimit", "heap.TestBudgetCountsPages"}},
	{"a managed block served from plain memory, shifted, cleared, copied as bytes", []string{"testing/allocatortest.TestMutants/PlainFromTyped", "testing/allocatortest.TestMutants/ByteHeader", "testing/allocatortest.TestMutants/ClearsManagedBytes", "testing/allocatortest.TestMutants/RemapMovesManaged", "testing/allocatortest.TestMutants/OwnBufferUnderScanned", "testing/allocatortest.TestMutants/RecyclesAcrossTypes"}},
	{"local blocks over what is partly scanned", []string{"heap.TestHybridKeepsAlive", "heap.TestBufferFirstPointers", "testing/allocatortest.TestMutants/LocalUnscanned"}},
	{"a list off the heap of which only the head is kept", []string{"heap.TestPoolPromisedList"}},
	{"a block with pointers that shrinks and grows again", []string{"mem.TestReallocManaged", "heap.TestGCShrinkDropsTargets", "testing/allocatortest.TestMutants/ManagedRegrowthNotZero", "testing/allocatortest.TestMutants/LocalRegrowthNotZero"}},
	{"a handle made from collected memory", []string{"mem.TestHandleToGoMemory"}},
	{"bytes as values with pointers or bools", []string{"mem.TestBytesPanics", "mem.TestAlloc"}},
	{"more than Go's heap can be asked for", []string{"heap.TestGCTooLarge", "heap.TestGCMaxSize", "heap.TestPagesMaxSize"}},
	{"Zero and Kind other than at the time of Alloc", []string{"testing/allocatortest.TestMutants/RoutesByKind", "testing/allocatortest.TestMutants/TrustsAlign"}},
	{"append that moved a block, and Append of a part of the slice itself", []string{"heap.TestDebugTyped/Free after append moved", "heap.TestDebugWrongBlock/moved by append", "heap.TestPageMisuse/Append", "heap.TestSMPMisuse/Append", "heap.TestReservedMisuse/Append", "heap.TestArenaMisuse/FreeAppended", "mem.TestAppendOverlap", "generic.TestArrayListModel", "generic.TestDequeModel"}},

	// Load.
	{"combs, saws and lone survivors", []string{"heap.TestSMPComb", "heap.TestSMPSawtooth", "heap.TestSMPOneSurvivor"}},
	{"a peak that is over", []string{"heap.TestSMPDecay", "heap.TestSMPResident", "heap.TestDebugQuarantine"}},
	{"valid operations, of which nothing may be said", []string{"heap.TestDebugNoFalseReports", "heap.TestDebugContract", "heap.TestGuardedContract", "testing/allocatortest.TestSuiteOverDebug"}},
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
	for _, c := range catalogue {
		if seen[c.what] || len(c.tests) == 0 {
			t.Errorf("%s: there twice, or without tests", c.what)
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
