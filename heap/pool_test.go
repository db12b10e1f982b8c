package heap_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/rt"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

type (
	poolPlain16  [2]uint64
	poolPlain64  [8]uint64
	poolPlain256 [32]uint64
	poolOdd      [3]byte
	poolFlags    struct {
		n  int16
		ok bool
	}
	poolNode struct {
		next  *poolNode
		value int
	}
	poolBig struct {
		name string
		data [200]int
		self *poolBig
	}
	poolHuge [5000]int32
)

// unscanned returns memory that the collector does not see, with or without the
// promise, whose leaks fail the test.
func unscanned(t testing.TB) mem.Allocator {
	return allocatortest.New(t, allocatortest.Child(heap.Page{}))
}

func promised(t testing.TB) mem.Allocator { return mem.NoGoPointers(unscanned(t)) }

func scanned(t testing.TB) mem.Allocator { return allocatortest.New(t) }

// mustCreate returns an object that is zero and aligned.
func mustCreate[T comparable](t testing.TB, p *heap.Pool[T]) *T {
	t.Helper()
	v, err := p.Create()
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	if *v != *new(T) {
		t.Fatalf("Create: %v, want zero", *v)
	}
	if !mem.AlignOf[T]().Check(uintptr(unsafe.Pointer(v))) {
		t.Fatalf("Create: %p is not aligned", v)
	}
	return v
}

// Objects of every shape from every kind of child: zero, disjoint, alive.
func TestPool(t *testing.T) {
	testPool(t, "plain16", unscanned, poolPlain16{1, 2})
	testPool(t, "plain64", scanned, poolPlain64{1, 2})
	testPool(t, "plain256", promised, poolPlain256{3})
	testPool(t, "odd", unscanned, poolOdd{1, 2, 3})
	testPool(t, "byte", scanned, byte(7))
	testPool(t, "flags", unscanned, poolFlags{3, true})
	testPool(t, "huge", unscanned, poolHuge{9})
	testPool(t, "node, local", promised, poolNode{value: 1})
	testPool(t, "node, managed", scanned, poolNode{&poolNode{}, 1})
	testPool(t, "big, local", promised, poolBig{})
	testPool(t, "big, managed", scanned, poolBig{name: "x"})
	testPool[any](t, "interface", scanned, 17)
}

func testPool[T comparable](t *testing.T, name string, child func(testing.TB) mem.Allocator, value T) {
	t.Run(name, func(t *testing.T) {
		p := heap.NewPool[T](child(t))
		defer p.Close()
		rng := rand.New(rand.NewPCG(1, 2))
		live := map[*T]bool{}
		var order []*T
		n := 700
		if unsafe.Sizeof(value) > 1000 {
			n = 90
		}
		for i := range 3 * n {
			if len(order) < n && (len(order) == 0 || rng.IntN(5) > 1) {
				v := mustCreate(t, p)
				if live[v] {
					t.Fatalf("step %d: %p was handed out twice", i, v)
				}
				*v = value
				live[v] = true
				order = append(order, v)
				continue
			}
			k := rng.IntN(len(order))
			v := order[k]
			if *v != value {
				t.Fatalf("step %d: object holds %v", i, *v)
			}
			p.Destroy(v)
			delete(live, v)
			order[k] = order[len(order)-1]
			order = order[:len(order)-1]
			if p.Len() != len(order) {
				t.Fatalf("step %d: Len %d, want %d", i, p.Len(), len(order))
			}
		}
		seen := 0
		for v := range p.All() {
			if !live[v] || !p.Owns(v) {
				t.Fatalf("All: %p is not live", v)
			}
			seen++
		}
		if seen != len(live) {
			t.Fatalf("All: %d objects, want %d", seen, len(live))
		}
		for _, v := range order {
			p.Destroy(v)
		}
		if s := p.Stats(); s.Live != 0 || s.Slots < n/2 || s.Slabs == 0 || s.Bytes < s.Slots*int(unsafe.Sizeof(value)) {
			t.Fatalf("Stats: %+v", s)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPoolNew(t *testing.T) {
	p := heap.NewPool[poolNode](scanned(t))
	defer p.Close()
	var list *poolNode
	for i := range 1000 {
		n, err := p.New(poolNode{list, i})
		if err != nil {
			t.Fatal(err)
		}
		list = n
	}
	for i := 999; list != nil; i-- {
		if list.value != i {
			t.Fatalf("node holds %d, want %d", list.value, i)
		}
		next := list.next
		p.Destroy(list)
		list = next
	}
	// Through the fast path, which does not clear first.
	n, err := p.New(poolNode{value: 5})
	if err != nil || n.value != 5 || n.next != nil {
		t.Fatalf("New: %v, %v", n, err)
	}
	p.Destroy(n)
}

// A T that holds pointers needs a scanned child or the promise, and the promise
// does not cover what only Go can make.
func TestPoolPointers(t *testing.T) {
	var pe *mem.PointerError
	refused := heap.NewPool[poolNode](unscanned(t))
	for range 2 {
		if v, err := refused.Create(); !errors.As(err, &pe) || v != nil {
			t.Errorf("Create: %v, %v, want a PointerError", v, err)
		}
	}
	if err := refused.Preheat(3); !errors.As(err, &pe) {
		t.Errorf("Preheat: %v, want a PointerError", err)
	}
	if err := refused.Close(); err != nil {
		t.Error(err)
	}
	opaque := heap.NewPool[map[int]int](promised(t))
	if _, err := opaque.New(nil); !errors.As(err, &pe) || !pe.Promised {
		t.Errorf("New: %v, want a PointerError under the promise", err)
	}
	fine := heap.NewPool[map[int]int](scanned(t))
	defer fine.Close()
	if m, err := fine.New(map[int]int{1: 2}); err != nil || (*m)[1] != 2 {
		t.Errorf("New: %v, %v", m, err)
	} else {
		fine.Destroy(m)
	}
}

// Objects of no size cost nothing and are not counted.
func TestPoolNoSize(t *testing.T) {
	p := heap.NewPool[struct{}](allocatortest.New(t))
	a, err := p.Create()
	if err != nil || a == nil {
		t.Fatalf("Create: %v, %v", a, err)
	}
	b, err := p.New(struct{}{})
	if err != nil || b == nil {
		t.Fatalf("New: %v, %v", b, err)
	}
	allocatortest.NoMisuse(t, func() {
		p.Destroy(a)
		p.Destroy(a)
		p.Destroy(b)
		p.Destroy(nil)
	})
	if err := p.Preheat(100); err != nil || p.Len() != 0 {
		t.Fatalf("Preheat: %v, Len %d", err, p.Len())
	}
	p.Reset()
	if freed := p.Trim(); freed != 0 {
		t.Errorf("Trim: %d", freed)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := p.Create(); err != mem.ErrClosed {
		t.Errorf("Create after Close: %v", err)
	}
}

// poolOf returns a pool with n live objects in several slabs.
func poolOf[T any](t testing.TB, child mem.Allocator, n int) (*heap.Pool[T], []*T) {
	t.Helper()
	p := heap.NewPool[T](child)
	t.Cleanup(func() { p.Close() })
	objects := make([]*T, n)
	for i := range objects {
		v, err := p.Create()
		if err != nil {
			t.Fatal(err)
		}
		objects[i] = v
	}
	return p, objects
}

func TestPoolAlign(t *testing.T) {
	for _, log2 := range []int{0, 3, 4, 6, 7, 12} {
		o := heap.PoolOptions{Align: mem.AlignLog2(log2)}
		testPoolAlign(t, heap.NewPoolWith[poolPlain16](unscanned(t), o), o.Align)
		testPoolAlign(t, heap.NewPoolWith[[3]uint64](scanned(t), o), o.Align)
		testPoolAlign(t, heap.NewPoolWith[poolOdd](scanned(t), o), o.Align)
		testPoolAlign(t, heap.NewPoolWith[[3]*int](scanned(t), o), o.Align)
		testPoolAlign(t, heap.NewPoolWith[[3]*int](promised(t), o), o.Align)
	}
	for _, p := range []*heap.Pool[[3]*int]{
		heap.NewPoolWith[[3]*int](heap.GC{}, heap.PoolOptions{Align: mem.AlignLog2(62 % (32 << (^uint(0) >> 63)))}),
		heap.NewPoolWith[[3]*int](mem.NoGoPointers(heap.Page{}), heap.PoolOptions{Align: mem.AlignLog2(32<<(^uint(0)>>63) - 2)}),
	} {
		if _, err := p.Create(); !errors.Is(err, mem.ErrTooLarge) {
			t.Errorf("absurd alignment: %v, want ErrTooLarge", err)
		}
	}
}

func testPoolAlign[T comparable](t *testing.T, p *heap.Pool[T], align mem.Alignment) {
	t.Helper()
	defer p.Close()
	n := 300
	if align.Log2() > 8 {
		n = 20
	}
	var objects []*T
	for range n {
		v := mustCreate(t, p)
		if !align.Check(uintptr(unsafe.Pointer(v))) {
			t.Fatalf("align %v: Create gave %p", align, v)
		}
		objects = append(objects, v)
	}
	slices.SortFunc(objects, func(a, b *T) int {
		return int(uintptr(unsafe.Pointer(a))) - int(uintptr(unsafe.Pointer(b)))
	})
	if align.Bytes() > int(unsafe.Sizeof(*new(T))) {
		for _, v := range firstMiddleLast(objects) {
			beside := (*T)(unsafe.Add(unsafe.Pointer(v), unsafe.Sizeof(*v)))
			expectMisuse(t, heap.InteriorFree, func() { p.Destroy(beside) })
		}
	}
	for i, v := range objects {
		if i > 0 && uintptr(unsafe.Pointer(v))-uintptr(unsafe.Pointer(objects[i-1])) < unsafe.Sizeof(*v) {
			t.Fatalf("align %v: objects overlap", align)
		}
		p.Destroy(v)
	}
	if p.Len() != 0 {
		t.Errorf("Len %d", p.Len())
	}
}

// Objects that are created together lie together, however the slots came to be
// free, and take every one of them.
func TestPoolAddressOrder(t *testing.T) {
	p, objects := poolOf[poolPlain16](t, unscanned(t), 1<<14) // all that there is room for
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(objects), func(i, j int) {
		objects[i], objects[j] = objects[j], objects[i]
	})
	before := p.Stats()
	for _, v := range objects {
		p.Destroy(v)
	}
	back := 0
	var last uintptr
	for range objects {
		v, err := p.Create()
		if err != nil {
			t.Fatal(err)
		}
		if at := uintptr(unsafe.Pointer(v)); at < last {
			back++
		}
		last = uintptr(unsafe.Pointer(v))
	}
	if back > 64+p.Stats().Slabs {
		t.Errorf("%d of %d objects lie before the one created before", back, len(objects))
	}
	if after := p.Stats(); after != before {
		t.Errorf("Stats %+v, before %+v", after, before)
	}
}

// The slots that became free last are those that are used next, of whatever slabs,
// and Trim finds them.
func TestPoolReuse(t *testing.T) {
	const n = 78 * 64 // that leaves an empty magazine
	test := func(t *testing.T, p *heap.Pool[poolPlain16], objects []*poolPlain16) {
		rng := rand.New(rand.NewPCG(5, 6))
		rng.Shuffle(len(objects), func(i, j int) { objects[i], objects[j] = objects[j], objects[i] })
		for n := 1; n <= 64; n *= 2 {
			some := objects[rng.IntN(len(objects)-n):][:n]
			for _, v := range some {
				p.Destroy(v)
			}
			for i, v := range slices.Backward(some) {
				if got := mustCreate(t, p); got != v {
					t.Fatalf("Create: %p, want %p, object %d of %d that were destroyed", got, v, i, n)
				}
			}
		}
		for _, v := range objects {
			p.Destroy(v)
		}
		if n := p.Trim(); n == 0 || p.Stats() != (heap.PoolStats{}) {
			t.Errorf("Trim: %d bytes, kept %+v", n, p.Stats())
		}
	}
	t.Run("plain", func(t *testing.T) {
		p, objects := poolOf[poolPlain16](t, unscanned(t), n)
		test(t, p, objects)
	})
	t.Run("aligned", func(t *testing.T) {
		p := heap.NewPoolWith[poolPlain16](unscanned(t), heap.PoolOptions{Align: mem.AlignLog2(6)})
		defer p.Close()
		var objects []*poolPlain16
		for range n {
			objects = append(objects, mustCreate(t, p))
		}
		test(t, p, objects)
	})
}

// The loop over All may destroy and create.
func TestPoolAll(t *testing.T) {
	p, objects := poolOf[poolPlain16](t, unscanned(t), 1000)
	n := 0
	for v := range p.All() {
		n++
		p.Destroy(v)
	}
	if n != 1000 || p.Len() != 0 {
		t.Errorf("%d objects, Len %d", n, p.Len())
	}
	for range objects {
		mustCreate(t, p)
	}
	n = 0
	for v := range p.All() { // each destroys the one after it
		n++
		after := (*poolPlain16)(unsafe.Add(unsafe.Pointer(v), unsafe.Sizeof(*v)))
		if p.Owns(after) {
			p.Destroy(after)
		}
	}
	if n > 510 || n < 500 || p.Len() != n {
		t.Errorf("%d objects, Len %d", n, p.Len())
	}
	n = 0
	for range p.All() {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("break after %d", n)
	}
	for v := range p.All() { // the slab goes away under the loop
		p.Release()
		if p.Owns(v) {
			t.Error("owned after Release")
		}
	}
}

// A leak is counted and named.
func TestPoolLeak(t *testing.T) {
	p, objects := poolOf[poolNode](t, scanned(t), 100)
	for _, v := range objects[3:] {
		p.Destroy(v)
	}
	err := p.Close()
	want := fmt.Sprintf("heap: Pool.Close: leaked 3 blocks of %d bytes\n3 blocks of %[1]d bytes of type heap_test.poolNode", 3*unsafe.Sizeof(poolNode{}))
	if err == nil || err.Error() != want {
		t.Errorf("Close: %v\nwant %s", err, want)
	}
	clean, objects := poolOf[poolNode](t, scanned(t), 100)
	for _, v := range objects {
		clean.Destroy(v)
	}
	if err := clean.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestPoolAllocs(t *testing.T) {
	if invariant.Enabled {
		t.Skip("the checks of this build allocate")
	}
	p := heap.NewPool[poolNode](heap.GC{})
	defer p.Close()
	if err := p.Preheat(20_000); err != nil {
		t.Fatal(err)
	}
	ring := make([]*poolNode, 300)
	full := heap.NewPoolWith[int](heap.GC{}, heap.PoolOptions{Max: 1})
	if _, err := full.Create(); err != nil {
		t.Fatal(err)
	}
	refused := heap.NewPool[*int](heap.Page{})
	failing := heap.NewPool[int](heap.NewFailing(heap.GC{}, heap.FailingOptions{Alloc: heap.FailRule{From: 1}}))
	failing.Create() // the first failure records its stack
	for name, f := range map[string]func(){
		"pair": func() {
			v, _ := p.Create()
			p.Destroy(v)
		},
		"many": func() {
			for i := range ring {
				ring[i], _ = p.New(poolNode{value: i})
			}
			for _, v := range ring {
				p.Destroy(v)
			}
		},
		"reset": func() { p.Create(); p.Reset() },
		"all": func() {
			for range p.All() {
			}
		},
		"full":    func() { full.Create() },
		"refused": func() { refused.Create() },
		"failing": func() { failing.Create(); failing.Preheat(10) },
		"stats":   func() { p.Stats() },
	} {
		if name == "reset" && !rt.Linked {
			continue // typed memory is cleared through package reflect
		}
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	// Closing frees; it does not allocate.
	pools := make([]*heap.Pool[int], 20)
	for i := range pools {
		pools[i] = heap.NewPool[int](heap.GC{})
		for range 2000 {
			pools[i].Create()
		}
		pools[i].Reset()
	}
	i := 0
	if n := testing.AllocsPerRun(10, func() { pools[i].Close(); i++ }); n != 0 {
		t.Errorf("Close: %v allocations", n)
	}
}
