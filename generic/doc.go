// Package generic provides containers that are handed an allocator.
//
//	ArrayList          elements in one growing block: what a slice is to Go
//	SegmentedList      elements that never move
//	MultiArrayList     structs kept as columns
//	Deque              a queue with two ends
//	RingBuffer         a queue of bounded length
//	PriorityQueue      the first of many, in an order of their own
//	PriorityDequeue    the first of many and the last
//	BTreeMap           keys in order, with ranges
//	SinglyLinkedList   nodes that know the next one; also intrusive
//	DoublyLinkedList   nodes that know their neighbours; also intrusive
//	HashMap            open addressing, grown part by part: what a map is to Go
//	StringHashMap      the same for strings, of which it keeps copies of its own
//	HashSet            keys alone; StringHashSet for strings
//	ArrayHashMap       keys and values in order of insertion, as slices
//	ConcurrentMap      a map for many goroutines; StringConcurrentMap for strings
//	ConcurrentBufMap   strings and bytes that are copied, for many goroutines
//	Cache              the same of bounded size
//	BufMap, BufSet     strings that are copied, with strings as values or alone
//	StringPool         strings as numbers of 32 bits
//	Buffer             bytes to write and to read, for package io
//	StringBuilder      a string made of parts
//	DynamicBitSet      bits, or a set of small numbers
//	BitStack           bits, the last one first
//
// There is no skip list: BTreeMap does all that one does for a single goroutine,
// in less memory and less time.
//
// Each container, save those for many goroutines, comes in two forms that share
// one implementation. The managed form, ArrayList, stores its allocator. The
// unmanaged form, ArrayListUnmanaged, is handed it with every call that may need
// it: it is the smaller one, its zero value is ready for use, and it is what to
// embed where many containers share one allocator. ToManaged and ToUnmanaged make
// one form of the other.
//
// # Rules that hold for all of them
//
// An operation that fails returns an error and leaves the container exactly as
// it was; nothing is lost, and a later attempt may succeed. An operation that
// cannot fail says so by returning no error. Close cannot fail either: that of
// an unmanaged form returns nothing, that of a managed form an error that is
// always nil, so that it is an [io.Closer].
//
// Elements without Go pointers live in memory of any allocator. Elements with
// Go pointers need one whose memory the collector scans, such as heap.GC;
// others are refused with a [*mem.PointerError], unless the owner of the
// memory gave the promise of [mem.NoGoPointers]. Strings are such elements:
// what maps them off the Go heap is StringHashMap, and not HashMap with string
// keys. A container as the element of a container off the Go heap holds such
// pointers, too, and takes the promise, which both containers are then handed:
// see the example of the package.
//
// Pointers and slices into a container stay valid until it grows, shrinks,
// moves the element or is closed. Nothing keeps the memory alive that they
// refer to, if it is not the Go heap's. Iterators yield copies of keys and values.
// A string that a container owns is no more than lent by what returns or yields
// it: it lives until its entry is removed, or replaced, or for one turn of the
// loop where that removes the entry or holds a lock.
//
// An unmanaged container must be handed the same allocator every time. It
// remembers what the first one answered to Pointers, and panics when an
// allocator of another kind is to take or give back its memory.
//
// The containers of this package are for one goroutine at a time; reading alone
// may be done by many, save from a Buffer. ConcurrentMap, StringConcurrentMap,
// ConcurrentBufMap and Cache are for many, and hand out copies, or lend under a
// lock.
package generic
