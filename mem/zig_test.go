package mem_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestZigTable wants every public name of Zig's allocator interface and memory
// utilities in the table of the package documentation.
func TestZigTable(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(doc), "# From Zig")
	if !ok {
		t.Fatal("the documentation has no table")
	}
	known := make(map[string]bool)
	for line := range strings.Lines(table) {
		names := strings.TrimPrefix(line, "//\t")
		names = names[:min(len(names), zigColumn)] // what is to the right of it is ours
		for _, word := range regexp.MustCompile(`\w+`).FindAllString(names, -1) {
			known[word] = true
		}
	}
	for _, name := range strings.Fields(zigAllocator + zigAlignment + zigMem) {
		if !known[name] {
			t.Errorf("%s of Zig is not in the table", name)
		}
	}
}

// zigColumn is how wide the column of Zig's names is.
const zigColumn = len("Zig                              ")

// The public names of Zig 0.16, sorted.
const (
	zigAlignment = `
	backward check compare forward fromByteUnits fromByteUnitsOptional max min of order
	toByteUnits
`
	zigAllocator = `
	Error Log2Align VTable alignedAlloc alloc allocAdvancedWithRetAddr allocSentinel
	allocWithOptions allocWithOptionsRetAddr create destroy dupe dupeSentinel dupeZ failing
	free noAlloc noFree noRemap noResize rawAlloc rawFree rawRemap rawResize realloc
	reallocAdvanced remap resize
`
	zigMem = `
	Alignment Allocator DelimiterType ReverseIterator SplitBackwardsIterator SplitIterator
	TokenIterator ValidationAllocator WindowIterator absorbSentinel alignBackward
	alignBackwardAnyAlign alignForward alignForwardAnyAlign alignForwardLog2 alignInBytes
	alignInSlice alignPointer alignPointerOffset allEqual asBytes bigToNative boundedOrderZ
	byteSwapAllElements byteSwapAllFields byteSwapAllFieldsAligned byte_size_in_bits
	bytesAsSlice bytesAsValue bytesToValue collapseRepeats collapseRepeatsLen concat
	concatMaybeSentinel concatWithSentinel containsAtLeast containsAtLeastScalar
	containsAtLeastScalar2 copyBackwards copyForwards count countScalar cut cutLast cutPrefix
	cutScalar cutScalarLast cutSuffix doNotOptimizeAway endsWith eql find findAny findAnyPos
	findDiff findLast findLastAny findLastLinear findLastNone findMax findMin findMinMax
	findNone findNonePos findPos findPosLinear findScalar findScalarLast findScalarPos
	findSentinel indexOf indexOfAny indexOfAnyPos indexOfDiff indexOfMax indexOfMin
	indexOfMinMax indexOfNone indexOfNonePos indexOfPos indexOfPosLinear indexOfScalar
	indexOfScalarPos indexOfSentinel isAligned isAlignedAnyAlign isAlignedGeneric
	isAlignedLog2 isValidAlign isValidAlignGeneric join joinZ lastIndexOf lastIndexOfAny
	lastIndexOfLinear lastIndexOfNone lastIndexOfScalar len lessThan littleToNative max min
	minMax nativeTo nativeToBig nativeToLittle order orderZ readInt readPackedInt
	readPackedIntForeign readPackedIntNative readVarInt readVarPackedInt replace replaceOwned
	replaceScalar replacementSize reverse reverseIterator rotate sliceAsBytes sliceTo sort
	sortContext sortUnstable sortUnstableContext span splitAny splitBackwardsAny
	splitBackwardsScalar splitBackwardsSequence splitScalar splitSequence startsWith swap
	toBytes toNative tokenizeAny tokenizeScalar tokenizeSequence trim trimEnd trimStart
	validationWrap window writeInt writePackedInt writePackedIntForeign writePackedIntNative
	writeVarPackedInt zeroInit zeroes
`
)
