package mem_test

import (
	"errors"
	"fmt"
	"log"
	"math"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// A function that needs memory is handed an allocator.
func squares(a mem.Allocator, n int) ([]int64, error) {
	s, err := mem.Alloc[int64](a, n)
	if err != nil {
		return nil, err
	}
	for i := range s {
		s[i] = int64(i) * int64(i)
	}
	return s, nil
}

// An allocator with a budget, by embedding: what is not written here is the
// wrapped allocator's.
type budget struct {
	mem.Allocator
	left int
}

func (b *budget) Alloc(size int, l mem.Layout) ([]byte, error) {
	if size > b.left {
		return nil, mem.ErrLimit
	}
	p, err := b.Allocator.Alloc(size, l)
	if err == nil {
		b.left -= size
	}
	return p, err
}

func (b *budget) Free(p []byte, l mem.Layout) {
	b.Allocator.Free(p, l)
	b.left += len(p)
}

// Growth in place would go past the budget: refuse it, and every caller takes
// the long way through Alloc.
func (b *budget) Resize(p []byte, _ mem.Layout, _ int) ([]byte, bool) { return p, false }
func (b *budget) Remap(p []byte, _ mem.Layout, _ int) ([]byte, bool)  { return p, false }

func ExampleAllocator() {
	a := &budget{heap.GC{}, 100}
	s, err := squares(a, 5)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s, a.left)
	_, err = squares(a, 1000)
	fmt.Println(err, errors.Is(err, mem.ErrOutOfMemory))
	mem.Free(a, s)
	fmt.Println(a.left)
	// Output:
	// [0 1 4 9 16] 60
	// mem: memory limit reached true
	// 100
}

func ExampleCreate() {
	type point struct{ x, y int }
	var a mem.Allocator = heap.Page{}
	p, err := mem.Create[point](a)
	if err != nil {
		log.Fatal(err)
	}
	defer mem.Destroy(a, p)
	p.x = 3
	fmt.Println(p.x, p.y)
	// Output: 3 0
}

// Realloc keeps the old slice when there is no memory for the new one.
func ExampleRealloc() {
	var a mem.Allocator = heap.GC{}
	s, err := squares(a, 3)
	if err != nil {
		log.Fatal(err)
	}
	s, err = mem.Realloc(a, s, math.MaxInt)
	fmt.Println(s, err)
	s, err = mem.Realloc(a, s, 5)
	fmt.Println(s, err)
	mem.Free(a, s)
	// Output:
	// [0 1 4] mem: request too large
	// [0 1 4 0 0] <nil>
}

// The builtin append would move a full slice to the Go heap.
func ExampleAppend() {
	var a mem.Allocator = heap.Page{}
	var s []int
	var err error
	for i := range 5 {
		if s, err = mem.Append(a, s, i); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(s)
	mem.Free(a, s)
	// Output: [0 1 2 3 4]
}

type listNode struct {
	value int
	next  *listNode
}

// The collector does not look into pages, so a type with pointers is refused,
// and told the ways out.
func ExamplePointerError() {
	_, err := mem.Create[listNode](heap.Page{})
	var refused *mem.PointerError
	if errors.As(err, &refused) {
		fmt.Println(refused.Path)
		for _, way := range refused.WaysOut() {
			fmt.Println("-", way)
		}
	}
	// Output:
	// mem_test.listNode.next
	// - heap.GC
	// - mem.Ptr[mem_test.listNode]
	// - the promise mem.NoGoPointers(allocator)
}

// All nodes are memory of one allocator, so that their pointers keep nothing
// alive: the promise holds.
func ExampleNoGoPointers() {
	a := mem.NoGoPointers(heap.Page{})
	var head *listNode
	for i := range 3 {
		n, err := mem.New(a, listNode{i, head})
		if err != nil {
			log.Fatal(err)
		}
		head = n
	}
	for n := head; n != nil; {
		fmt.Println(n.value)
		next := n.next
		mem.Destroy(a, n)
		n = next
	}
	// Output:
	// 2
	// 1
	// 0
}

// With a handle in place of the pointer no promise is needed.
func ExamplePtr() {
	type node struct {
		value int
		next  mem.Ptr[node]
	}
	var a mem.Allocator = heap.Page{}
	var head mem.Ptr[node]
	for i := range 3 {
		n, err := mem.New(a, node{i, head})
		if err != nil {
			log.Fatal(err)
		}
		head = mem.PtrTo(n)
	}
	for !head.IsNil() {
		n := head.Get()
		fmt.Println(n.value)
		head = n.next
		mem.Destroy(a, n)
	}
	// Output:
	// 2
	// 1
	// 0
}

func ExampleString() {
	type user struct {
		id   int
		name mem.String // a string would be refused
	}
	var a mem.Allocator = heap.Page{}
	name, err := mem.DupeString(a, "Ada")
	if err != nil {
		log.Fatal(err)
	}
	u, err := mem.New(a, user{1, mem.StringOf(name)})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(u.name.Get(), u.name.Len())
	mem.FreeString(a, u.name.Get())
	mem.Destroy(a, u)
	// Output: Ada 3
}

func ExampleSlice() {
	type series struct{ points mem.Slice[float64] }
	var a mem.Allocator = heap.Page{}
	points, err := mem.Alloc[float64](a, 3)
	if err != nil {
		log.Fatal(err)
	}
	s, err := mem.New(a, series{mem.SliceOf(points)})
	if err != nil {
		log.Fatal(err)
	}
	s.points.Get()[1] = 2.5
	fmt.Println(s.points.Get(), s.points.Len(), s.points.Cap())
	mem.Free(a, s.points.Get())
	mem.Destroy(a, s)
	// Output: [0 2.5 0] 3 3
}

// Code that allocates in many places checks in one. What was allocated before
// the failure goes with the arena.
func ExampleMust() {
	build := func(a mem.Allocator) (n int, err error) {
		defer mem.Rescue(&err)
		first := mem.Must(mem.Alloc[int](a, 3))
		second := mem.Must(mem.Alloc[int](a, math.MaxInt))
		return len(first) + len(second), nil
	}
	arena := heap.NewArena(heap.Page{})
	defer arena.Close()
	fmt.Println(build(arena))
	// Output: 0 mem: request too large
}

func ExampleAlignment() {
	a := mem.Align(64)
	fmt.Println(a.Forward(100), a.Backward(100), a.Pad(100), a.Check(128))
	fmt.Println(mem.AlignOf[uint64]().Bytes() <= 8)
	// Output:
	// 128 64 28 true
	// true
}

// A layout tells an allocator all about a block but its size.
func ExampleLayout() {
	l := mem.LayoutOf[listNode]()
	fmt.Println(l.Kind, l.Type, l.Zero)
	b, err := heap.GC{}.Alloc(2*l.Type.Size(), l) // what mem.Alloc[listNode](a, 2) asks
	fmt.Println(len(b) == 2*int(unsafe.Sizeof(listNode{})), err)
	// Output:
	// managed mem_test.listNode true
	// true <nil>
}

func ExampleKind() {
	fmt.Println(mem.LayoutOf[int]().Kind, mem.LayoutOf[string]().Kind)
	// Output: plain managed
}

func ExamplePointers() {
	fmt.Println(heap.Page{}.Pointers())
	fmt.Println(mem.NoGoPointers(heap.Page{}).Pointers())
	fmt.Println(heap.GC{}.Pointers())
	// Output:
	// plain only
	// promised
	// scanned
}

func ExampleType() {
	t := mem.TypeFor[listNode]()
	fmt.Println(t, t.HasPointers(), mem.TypeFor[float64]().Size(), mem.Type{})
	// Output: mem_test.listNode true 8 bytes
}

// oneShot serves a single block. NoResize supplies what it cannot do.
type oneShot struct {
	mem.NoResize
	buf [64]byte
}

func (o *oneShot) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("oneShot.Alloc", size)
	if err := mem.Refuse(l); err != nil {
		return nil, err
	}
	if size > len(o.buf) || l.Align.Bytes() > 1 {
		return nil, mem.ErrOutOfMemory
	}
	clear(o.buf[:size])
	return o.buf[:size:size], nil
}

func (o *oneShot) Free([]byte, mem.Layout) {}

func ExampleNoResize() {
	a := &oneShot{}
	s, err := mem.DupeString(a, "once")
	fmt.Println(s, err, a.Pointers())
	// Output: once <nil> plain only
}

// What an allocator holds, found through what wraps it.
func ExampleFootprinter() {
	a := heap.NewLimit(heap.NewFixedBuffer(make([]byte, 1000)).ThreadSafe(), 500)
	if _, err := mem.Alloc[byte](a, 250); err != nil {
		log.Fatal(err)
	}
	if x, ok := mem.As[mem.Footprinter](a); ok {
		f := x.Footprint()
		fmt.Printf("%d of %d bytes are live, %.0f %% are not\n", f.Live, f.Committed, 100*f.Fragmentation())
	}
	// Output: 250 of 1000 bytes are live, 75 % are not
}

// As looks through wrappers for an ability; here for the memory of a buffer.
func ExampleAs() {
	buffer := heap.NewFixedBuffer(make([]byte, 1024))
	var a mem.Allocator = mem.NoGoPointers(buffer)
	b, err := mem.Alloc[byte](a, 10)
	if err != nil {
		log.Fatal(err)
	}
	if o, ok := mem.As[mem.Owner](a); ok {
		fmt.Println(o.Owns(b), o.Owns(make([]byte, 1)))
	}
	// Output: true false
}
