// Package mem defines what an allocator is, and gives programs typed memory
// from any of them.
//
// A function that needs memory takes an [Allocator] and calls the functions
// here with it:
//
//	nodes, err := mem.Alloc[Node](a, 1000) // zeroed; len == cap == 1000
//	if err != nil {
//		return err // out of memory is an ordinary error
//	}
//	defer mem.Free(a, nodes)
//
// The allocators themselves are in package heap. Those who write one read the
// contract at [Allocator].
//
// # Rules of the typed layer
//
// Values are zero unless the name says Uninit. A slice has len == cap, except
// from [Append]. What came from one allocator goes back to the same one, whole:
// freeing s[:0] is right, freeing s[1:] or s[:n:n] is a misuse. Requests for no
// bytes never reach the allocator, and nil may always be freed. A negative
// length panics, a size that overflows is [ErrTooLarge].
//
// Slices must grow with [Append], [Realloc] or a container of package generic:
// the builtin append moves a full slice to the Go heap without a word. Nor do
// these move off the Go heap by themselves: Go's maps, channels and closures,
// string concatenation, and what fmt and encoding/json return.
//
// # The collector
//
// Most allocators hold memory that the garbage collector does not see. A Go
// pointer kept there would not keep its target alive; so whether T holds
// pointers decides who may serve it:
//
//	T                            every allocator   under NoGoPointers   heap.GC
//	no pointers                  plain             plain                plain
//	*U, string, []U              refused           local                managed
//	map, chan, func, interface   refused           refused              managed
//
// Refused means a [*PointerError], which names the field and the ways out:
//
//   - memory that the collector sees: heap.GC, or an arena or pool over it;
//   - handles instead of pointers: [Ptr], [String] and [Slice] are numbers;
//   - the promise of [NoGoPointers], where the pointers refer to memory of
//     allocators only, as those of a linked list or a tree do.
//
// # From Zig
//
// The model is Zig's std.mem.Allocator. Where Go has the word already, it is
// Go's. The methods of an allocator:
//
//	Zig                              here, or Go's
//	Allocator, VTable                Allocator, an interface
//	rawAlloc, rawResize,             a.Alloc, a.Resize,
//	rawRemap, rawFree                a.Remap, a.Free
//	noAlloc, noResize, noRemap       embed NoResize
//	noFree                           an empty Free method
//	Allocator.failing                heap.NewFailing with From: 1
//	create, destroy                  Create, New, Destroy
//	alloc                            AllocUninit, or Alloc for zeroes
//	alignedAlloc, allocAdvanced…     AllocAligned, FreeAligned
//	allocWithOptions, allocSentinel  Alloc of n+1; DupeZ and JoinZ for strings
//	absorbSentinel                   s[:len(s)+1]
//	alignAllocLen                    GoodSize
//	allocWithOptionsRetAddr,         (stacks are found without being passed)
//	allocAdvancedWithRetAddr
//	resize, remap                    Resize, Remap
//	realloc, reallocAdvanced         Realloc, ReallocAligned
//	free                             Free
//	dupe                             Dupe, DupeString
//	dupeZ, dupeSentinel              DupeZ
//	Error, error.OutOfMemory         ErrOutOfMemory, and errors that wrap it
//	Alignment, Log2Align             Alignment
//	  fromByteUnits, toByteUnits       Align, Alignment.Bytes
//	  fromByteUnitsOptional            IsValidAlign, then Align
//	  of, order, compare               AlignOf, Alignment.Compare
//	  max, min                         Alignment.Max, Alignment.Min
//	  forward, backward, check         Alignment.Forward, Backward, Check
//	ValidationAllocator              heap.Validation
//	validationWrap                   heap.NewValidation
//
// The utilities of std.mem, as of Zig 0.16:
//
//	Zig                              here, or Go's
//	alignForward, alignBackward      AlignForward, AlignBackward
//	alignForwardLog2                 AlignLog2(n).Forward
//	alignForwardAnyAlign,            AlignForwardAny,
//	alignBackwardAnyAlign            AlignBackwardAny
//	isAligned, isAlignedGeneric      IsAligned
//	isAlignedAnyAlign                IsAlignedAny
//	isAlignedLog2                    AlignLog2(n).Check
//	isValidAlign,                    IsValidAlign
//	isValidAlignGeneric
//	alignPointer, alignPointerOffset AlignInSlice
//	alignInBytes, alignInSlice       AlignInBytes, AlignInSlice
//	asBytes, toBytes                 AsBytes; *(*[n]byte)(AsBytes(&v))
//	bytesAsValue, bytesToValue       BytesAs; *BytesAs[T](b)
//	bytesAsSlice, sliceAsBytes       BytesAsSlice, SliceAsBytes
//	zeroes, zeroInit                 the zero value, Zeroes; T{Field: v}
//	set                              clear; a loop
//	copyForwards, copyBackwards      copy; CopyForwards, CopyBackwards
//	eql, order, lessThan, orderZ,    slices.Equal, slices.Compare, bytes.Compare
//	boundedOrderZ
//	indexOfDiff                      IndexDiff
//	allEqual                         !slices.ContainsFunc
//	startsWith, endsWith             bytes.HasPrefix, bytes.HasSuffix
//	trim, trimStart, trimEnd         bytes.Trim, bytes.TrimLeft, bytes.TrimRight
//	indexOf, indexOfPos, find,       bytes.Index, of b[i:]
//	findPos, indexOfPosLinear,
//	findPosLinear
//	lastIndexOf, lastIndexOfLinear,  bytes.LastIndex
//	findLast, findLastLinear
//	indexOfScalar, indexOfScalarPos, slices.Index, bytes.IndexByte
//	findScalar, findScalarPos
//	lastIndexOfScalar,               bytes.LastIndexByte
//	findScalarLast
//	indexOfAny, indexOfAnyPos,       bytes.IndexAny
//	findAny, findAnyPos
//	lastIndexOfAny, findLastAny      bytes.LastIndexAny
//	indexOfNone, indexOfNonePos,     bytes.IndexFunc
//	findNone, findNonePos
//	lastIndexOfNone, findLastNone    bytes.LastIndexFunc
//	indexOfSentinel, findSentinel,   bytes.IndexByte(b, 0)
//	len, span, sliceTo
//	findDiff                         IndexDiff
//	count, countScalar               bytes.Count
//	containsAtLeast,                 bytes.Count(b, x) >= n
//	containsAtLeastScalar,
//	containsAtLeastScalar2
//	min, max, minMax                 slices.Min, slices.Max
//	indexOfMin, indexOfMax,          a loop
//	indexOfMinMax, findMin, findMax,
//	findMinMax
//	cut, cutScalar                   bytes.Cut
//	cutPrefix, cutSuffix             bytes.CutPrefix, bytes.CutSuffix
//	cutLast, cutScalarLast           bytes.LastIndex, and slicing
//	replace, replaceScalar           bytes.ReplaceAll
//	replacementSize, replaceOwned    ReplaceAll
//	collapseRepeats,                 slices.CompactFunc
//	collapseRepeatsLen
//	reverse                          slices.Reverse
//	reverseIterator, ReverseIterator slices.Backward
//	rotate                           slices.Reverse, three times
//	swap                             a, b = b, a
//	sort, sortUnstable, sortContext, slices.SortStableFunc, slices.SortFunc
//	sortUnstableContext
//	join, joinZ                      Join, JoinZ
//	concat, concatMaybeSentinel,     Concat
//	concatWithSentinel
//	tokenizeScalar, tokenizeAny,     bytes.FieldsFuncSeq
//	tokenizeSequence, TokenIterator
//	splitScalar, splitAny,           bytes.SplitSeq
//	splitSequence, SplitIterator,
//	DelimiterType
//	splitBackwardsScalar,            bytes.LastIndex, step by step
//	splitBackwardsAny,
//	splitBackwardsSequence,
//	SplitBackwardsIterator
//	window, WindowIterator           Windows; slices.Chunk where they do not overlap
//	readInt, writeInt, readVarInt    encoding/binary
//	readPackedInt, writePackedInt,   shifts and masks
//	readVarPackedInt,
//	writeVarPackedInt,
//	readPackedIntNative,
//	readPackedIntForeign,
//	writePackedIntNative,
//	writePackedIntForeign
//	nativeToLittle, nativeToBig,     encoding/binary, byte order by byte order
//	littleToNative, bigToNative,
//	toNative, nativeTo
//	byteSwapAllFields,               math/bits.ReverseBytes64, …
//	byteSwapAllFieldsAligned,
//	byteSwapAllElements
//	byte_size_in_bits                8
//	doNotOptimizeAway                runtime.KeepAlive; b.Loop in benchmarks
package mem
