package generic_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/allod-dev/allod/generic"
)

// What the table for users of Zig says to call is there to be called.
func TestZigNames(t *testing.T) {
	text, err := os.ReadFile("../docs/zig-containers.md")
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]reflect.Type{
		"IntrusiveSinglyLinkedList": reflect.TypeFor[*generic.IntrusiveSinglyLinkedList[task, *task]](),
		"IntrusiveDoublyLinkedList": reflect.TypeFor[*generic.IntrusiveDoublyLinkedList[task, *task]](),
	}
	for _, in := range injections {
		types[nameOf(in.of)] = in.of
	}
	other := map[string]bool{"Context": true, "Buffer": true, "StringBuilder": true, "SinglyLinks": true, "DoublyLinks": true}
	name := regexp.MustCompile("`([A-Z][A-Za-z]*)`")
	found := 0
	sections := strings.Split(string(text), "\n## ")
	theirs := regexp.MustCompile("`(?:Node\\.)?(\\w+)`")
	known := func(section string, names map[string]bool) {
		for row := range strings.Lines(section) {
			if cells := strings.Split(row, "|"); len(cells) == 4 {
				for _, m := range theirs.FindAllStringSubmatch(cells[1], -1) {
					names[m[1]] = true
				}
			}
		}
	}
	for _, section := range sections[1:] {
		heading, rest, _ := strings.Cut(section, "\n")
		zig := map[string]bool{}
		known(sections[0], zig) // what is so for all
		known(rest, zig)
		for _, name := range strings.Fields(zigContainers[heading]) {
			if !zig[name] {
				t.Errorf("%s: %s of Zig is not in the table", heading, name)
			}
		}
		typ := types[heading]
		if typ == nil {
			t.Errorf("there is no %s", heading)
			continue
		}
		for _, row := range strings.Split(rest, "\n") {
			cells := strings.Split(row, "|")
			if len(cells) != 4 {
				continue
			}
			for _, m := range name.FindAllStringSubmatch(cells[2], -1) {
				found++
				if _, ok := typ.MethodByName(m[1]); !ok && !other[m[1]] {
					t.Errorf("%s has no method %s", heading, m[1])
				}
			}
		}
	}
	if found < 150 {
		t.Errorf("%d names", found)
	}
}

// zigContainers are the public names of Zig 0.16's containers, without those of the
// containers themselves, and without what makes another of each: AssumeCapacity,
// Bounded, NoClobber, Context.
var zigContainers = map[string]string{
	"ArrayList": `
		Aligned AlignedManaged Managed SentinelSlice Slice addManyAsArray addManyAsSlice
		addManyAt addOne allocatedSlice append appendNTimes appendSlice appendUnalignedSlice
		clearAndFree clearRetainingCapacity clone deinit ensureTotalCapacity
		ensureTotalCapacityPrecise ensureUnusedCapacity expandToCapacity fromOwnedSlice
		fromOwnedSliceSentinel getLast getLastOrNull growCapacity init initBuffer initCapacity
		insert insertSlice moveToUnmanaged orderedRemove orderedRemoveMany pop print
		replaceRange resize shrinkAndFree shrinkAndFreePrecise shrinkRetainingCapacity
		shrinkToLen shrinkToLenSentinel swapRemove toManaged toOwnedSlice toOwnedSliceAssert
		toOwnedSliceSentinel toOwnedSliceSentinelAssert unusedCapacitySlice`,
	"HashMap": `
		AutoContext AutoHashMap AutoHashMapUnmanaged Entry GetOrPutResult Hash Iterator KV
		KeyIterator Managed Size StringContext StringHashMap StringHashMapUnmanaged StringIndexContext
		StringIndexAdapter Unmanaged ValueIterator capacity clearAndFree
		clearRetainingCapacity clone cloneWithAllocator contains containsAdapted count
		default_max_load_percentage deinit ensureTotalCapacity ensureUnusedCapacity eql
		eqlString fetchPut fetchRemove fetchRemoveAdapted fill get getAdapted getAutoEqlFn
		getAutoHashFn getEntry getEntryAdapted getKey getKeyAdapted getKeyPtr getKeyPtrAdapted
		getOrPut getOrPutAdapted getOrPutValue getPtr getPtrAdapted hash hashString init
		isFree isTombstone isUsed iterator keyIterator lockPointers move next promote put
		rehash remove removeAdapted removeByPtr takeFingerprint unlockPointers valueIterator`,
	"ArrayHashMap": `
		Auto Custom Data DataList Entry GetOrPutResult Hash Iterator KV String autoEqlIsCheap
		capacity clearAndFree clearRetainingCapacity clone contains containsAdapted count
		deinit ensureTotalCapacity ensureUnusedCapacity eql eqlString fetchOrderedRemove
		fetchOrderedRemoveAdapted fetchPut fetchSwapRemove fetchSwapRemoveAdapted get
		getAdapted getAutoEqlFn getAutoHashFn getAutoHashStratFn getEntry getEntryAdapted
		getHashPtrAddrFn getIndex getIndexAdapted getKey getKeyAdapted getKeyPtr
		getKeyPtrAdapted getOrPut getOrPutAdapted getOrPutValue getPtr getPtrAdapted
		getTrivialEqlFn hash hashString init iterator keys lessThan lockPointers move next
		orderedRemove orderedRemoveAdapted orderedRemoveAt orderedRemoveAtMany pop put reIndex
		reinit reset setKey shrinkAndFree shrinkRetainingCapacity sort sortUnstable swapRemove
		swapRemoveAdapted swapRemoveAt unlockPointers values`,
	"MultiArrayList": `
		Bare Field Slice Tag addOne append capacityInBytes clearAndFree clearRetainingCapacity
		clone deinit ensureTotalCapacity ensureUnusedCapacity fromT get growCapacity
		initCapacity insert items lessThan orderedRemove orderedRemoveMany pop resize set
		setCapacity shrinkAndFree shrinkRetainingCapacity slice sort sortSpan sortSpanUnstable
		sortUnstable subslice swap swapRemove toMultiArrayList toOwnedSlice toT`,
	"Deque": `
		Iterator allocator at atPtr back backPtr deinit ensureTotalCapacity
		ensureTotalCapacityPrecise ensureUnusedCapacity front frontPtr init initBuffer
		initCapacity iterator next nextPtr peek peekPtr popBack popFront pushBack
		pushBackSlice pushFront pushFrontSlice`,
	"PriorityQueue": `
		Iterator capacity clearAndFree clearRetainingCapacity count deinit ensureTotalCapacity
		ensureTotalCapacityPrecise ensureUnusedCapacity fromOwnedSlice init iterator next peek
		pop popIndex push pushSlice reset shrinkAndFree update`,
	"PriorityDequeue": `
		Iterator capacity count deinit ensureTotalCapacity ensureUnusedCapacity fromOwnedSlice
		init iterator next peekMax peekMin popIndex popMax popMin push pushSlice reset
		shrinkAndFree update`,
	"DynamicBitSet": `
		ArrayBitSet Direction IntegerBitSet Iterator IteratorOptions MaskInt Range ShiftInt
		StaticBitSet Type capacity clone complement count deinit eql findFirstSet findLastSet
		initEmpty initFull isSet iterator last_item_mask next resize set setAll
		setIntersection setRangeValue setUnion setValue subsetOf supersetOf toggle toggleAll
		toggleFirstSet toggleSet unset unsetAll`,
	"BitStack": `
		deinit ensureTotalCapacity init peek peekWithState pop popWithState push pushWithStateAssumeCapacity`,
	"BufMap": `
		count deinit get getPtr init iterator put putMove remove`,
	"BufSet": `
		Iterator allocator clone cloneWithAllocator contains count deinit init insert iterator
		remove`,
	"IntrusiveSinglyLinkedList": `
		Node countChildren findLast insertAfter len popFirst prepend remove removeNext reverse`,
	"IntrusiveDoublyLinkedList": `
		Node append concatByMoving insertAfter insertBefore len pop popFirst prepend remove`,
	"BTreeMap": `
		Entry InorderIterator Node getEntryFor getEntryForExisting getMax getMin init
		inorderIterator next prev reset set`,
}
