package heap_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"unsafe"
	"weak"

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

// firstMiddleLast are the objects that misuse is tried on: at both ends of the
// pool and in the current slab as well as in others.
func firstMiddleLast[T any](objects []*T) map[string]*T {
	return map[string]*T{"first": objects[0], "middle": objects[len(objects)/2], "last": objects[len(objects)-1]}
}

func TestPoolDoubleDestroy(t *testing.T) {
	doubleDestroy[poolPlain16](t, unscanned(t))
	doubleDestroy[poolOdd](t, unscanned(t))
	doubleDestroy[poolNode](t, scanned(t))
	doubleDestroy[poolBig](t, promised(t))
}

func doubleDestroy[T any](t *testing.T, child mem.Allocator) {
	p, objects := poolOf[T](t, child, 1000)
	for name, v := range firstMiddleLast(objects) {
		allocatortest.NoMisuse(t, func() { p.Destroy(v) })
		for range 2 {
			m := allocatortest.ExpectMisuse(t, heap.DoubleFree, func() { p.Destroy(v) })
			if m == nil || m.Addr != uintptr(unsafe.Pointer(v)) || len(m.Here) == 0 || m.Op != "heap: Pool.Destroy" {
				t.Errorf("%s: report %+v", name, m)
			}
		}
		if p.Owns(v) {
			t.Errorf("%s: a dead object is owned", name)
		}
	}
	if p.Len() != 997 {
		t.Errorf("Len %d, want 997", p.Len())
	}
	seen := map[*T]bool{}
	for v := range p.All() {
		seen[v] = true
	}
	for range 3 { // each slot is handed out once
		v, err := p.Create()
		if err != nil || seen[v] {
			t.Errorf("Create: %p, %v", v, err)
		}
		seen[v] = true
	}
}

// A slot that was never used is as dead as one that was.
func TestPoolDestroyNeverCreated(t *testing.T) {
	p, objects := poolOf[poolPlain16](t, unscanned(t), 1)
	never := (*poolPlain16)(unsafe.Add(unsafe.Pointer(objects[0]), 200*unsafe.Sizeof(poolPlain16{})))
	allocatortest.ExpectMisuse(t, heap.DoubleFree, func() { p.Destroy(never) })
	allocatortest.NoMisuse(t, func() { p.Destroy(objects[0]) })
}

func TestPoolDestroyInterior(t *testing.T) {
	p, objects := poolOf[poolPlain64](t, unscanned(t), 1000)
	for name, v := range firstMiddleLast(objects) {
		for _, off := range []uintptr{1, 8, 16, unsafe.Sizeof(*v) - 1} {
			inside := uintptr(unsafe.Pointer(v)) + off
			m := allocatortest.ExpectMisuse(t, heap.InteriorFree, func() {
				p.Destroy((*poolPlain64)(unsafe.Add(unsafe.Pointer(v), off)))
			})
			if m == nil || m.Addr != inside {
				t.Errorf("%s+%d: report %+v", name, off, m)
			}
		}
		if !p.Owns(v) {
			t.Errorf("%s: no longer owned", name)
		}
		allocatortest.NoMisuse(t, func() { p.Destroy(v) })
	}
}

var globalPlain poolPlain16

func TestPoolDestroyForeign(t *testing.T) {
	child := unscanned(t)
	p, objects := poolOf[poolPlain16](t, child, 300)
	_, others := poolOf[poolPlain16](t, child, 300)
	var local poolPlain16
	own, err := mem.Create[poolPlain16](child)
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Destroy(child, own)
	for name, v := range map[string]*poolPlain16{
		"another pool's": others[0], "another pool's last": others[299], "the Go heap's": new(poolPlain16),
		"a global": &globalPlain, "a local": &local, "the child's": own,
	} {
		if allocatortest.ExpectMisuse(t, heap.ForeignFree, func() { p.Destroy(v) }) == nil {
			t.Errorf("%s object", name)
		}
		if p.Owns(v) {
			t.Errorf("%s object is owned", name)
		}
	}
	allocatortest.NoMisuse(t, func() {
		p.Destroy(nil)
		p.Destroy(objects[0])
	})
	if p.Owns(nil) {
		t.Error("nil is owned")
	}
	if p.Len() != 299 {
		t.Errorf("Len %d, want 299", p.Len())
	}
}

// An empty pool owns nothing, so it knows that everything is foreign.
func TestPoolDestroyForeignEmpty(t *testing.T) {
	p := heap.NewPool[int](heap.GC{})
	defer p.Close()
	allocatortest.ExpectMisuse(t, heap.ForeignFree, func() { p.Destroy(new(int)) })
	allocatortest.NoMisuse(t, func() { p.Destroy(nil) })
}

func TestPoolUseAfterClose(t *testing.T) {
	p, objects := poolOf[poolPlain16](t, unscanned(t), 10)
	for _, v := range objects[1:] {
		p.Destroy(v)
	}
	var leak *heap.LeakError
	if err := p.Close(); !errors.As(err, &leak) || leak.Blocks != 1 || leak.Bytes != 16 {
		t.Fatalf("Close: %v", err)
	}
	allocatortest.ExpectMisuse(t, heap.UseAfterClose, func() { p.Destroy(objects[0]) })
	if v, err := p.Create(); err != mem.ErrClosed || v != nil {
		t.Errorf("Create: %v, %v, want ErrClosed", v, err)
	}
	if v, err := p.New(poolPlain16{}); err != mem.ErrClosed || v != nil {
		t.Errorf("New: %v, %v, want ErrClosed", v, err)
	}
	if err := p.Preheat(1); err != mem.ErrClosed {
		t.Errorf("Preheat: %v, want ErrClosed", err)
	}
	p.Reset()
	p.ResetTo(0)
	p.Release()
	if freed := p.Trim(); freed != 0 {
		t.Errorf("Trim: %d", freed)
	}
	for range p.All() {
		t.Error("All yields an object")
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Errorf("Close again: %v", err)
		}
	}
}

func TestPoolZeroValue(t *testing.T) {
	var p heap.Pool[int]
	allocatortest.ExpectMisuse(t, heap.Uninitialised, func() {
		if v, err := p.Create(); err == nil || v != nil {
			t.Errorf("Create: %v, %v", v, err)
		}
	})
	allocatortest.ExpectMisuse(t, heap.Uninitialised, func() { p.New(1) })
	allocatortest.ExpectMisuse(t, heap.Uninitialised, func() { p.Destroy(new(int)) })
	allocatortest.ExpectMisuse(t, heap.Uninitialised, func() { p.Preheat(1) })
	allocatortest.NoMisuse(t, func() {
		p.Destroy(nil)
		p.Reset()
		p.ResetTo(1)
		p.Trim()
		p.Release()
		if err := p.Close(); err != nil || p.Len() != 0 {
			t.Errorf("Close: %v, Len %d", err, p.Len())
		}
	})
}

func TestPoolNonsense(t *testing.T) {
	for want, f := range map[string]func(){
		"heap: NewPool: nil Allocator":                func() { heap.NewPool[int](nil) },
		"heap: NewPoolWith: nil Allocator":            func() { heap.NewPoolWith[int](nil, heap.PoolOptions{}) },
		"heap: NewPoolWith: negative option":          func() { heap.NewPoolWith[int](heap.GC{}, heap.PoolOptions{Max: -1}) },
		"heap: Pool.Preheat: negative count":          func() { heap.NewPool[int](heap.GC{}).Preheat(-1) },
		"heap: Pool.ResetTo: negative limit":          func() { heap.NewPool[int](heap.GC{}).ResetTo(-1) },
		"heap: NewPool: nil *heap.Limit as Allocator": func() { heap.NewPool[int]((*heap.Limit)(nil)) },
	} {
		mustPanic(t, want, f)
	}
}

func TestPoolCopied(t *testing.T) {
	if !invariant.Enabled {
		t.Skip("found in builds with invariants")
	}
	p, _ := poolOf[int](t, heap.GC{}, 1)
	q := new(heap.Pool[int])
	memcpy(unsafe.Pointer(q), unsafe.Pointer(p), unsafe.Sizeof(*p)) // as *q = *p, which vet refuses
	allocatortest.ExpectMisuse(t, heap.Copied, func() { q.Create() })
	allocatortest.NoMisuse(t, func() { p.Create() })
}

func memcpy(to, from unsafe.Pointer, n uintptr) {
	copy(unsafe.Slice((*uintptr)(to), n/unsafe.Sizeof(n)), unsafe.Slice((*uintptr)(from), n/unsafe.Sizeof(n)))
}

// inside is an allocator that calls a function while it is asked.
type insideAlloc struct {
	mem.Allocator
	during func()
}

func (a *insideAlloc) Alloc(size int, l mem.Layout) ([]byte, error) {
	if a.during != nil {
		a.during()
	}
	return a.Allocator.Alloc(size, l)
}

func TestPoolConcurrentUse(t *testing.T) {
	if !invariant.Enabled {
		t.Skip("found in builds with invariants")
	}
	a := &insideAlloc{Allocator: heap.GC{}}
	p := heap.NewPool[int](a)
	defer p.Close()
	a.during = func() {
		a.during = nil
		var wg sync.WaitGroup
		wg.Go(func() { p.Owns(new(int)) }) // while Create is under way
		wg.Wait()
	}
	allocatortest.ExpectMisuse(t, heap.ConcurrentUse, func() { p.Create() })
	allocatortest.NoMisuse(t, func() { p.Create() })
}

// shortChild breaks the contract in one way or another.
type shortChild struct {
	mem.Allocator
	skip, less int
}

func (c shortChild) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := c.Allocator.Alloc(size+c.skip, l)
	if err != nil {
		return nil, err
	}
	return b[c.skip : len(b)-c.less], nil
}

func TestPoolChildLied(t *testing.T) {
	for name, c := range map[string]shortChild{"short": {heap.GC{}, 0, 8}, "unaligned": {heap.GC{}, 1, 0}} {
		p := heap.NewPool[poolPlain16](c)
		if allocatortest.ExpectMisuse(t, heap.ChildLied, func() {
			if _, err := p.Create(); !errors.Is(err, mem.ErrOutOfMemory) {
				t.Errorf("%s: Create: %v", name, err)
			}
		}) == nil {
			t.Error(name)
		}
		if s := p.Stats(); s != (heap.PoolStats{}) {
			t.Errorf("%s: Stats %+v", name, s)
		}
		p.Close()
	}
}

func TestPoolMax(t *testing.T) {
	for _, most := range []int{1, 63, 64, 65, 1000} {
		p := heap.NewPoolWith[poolPlain64](unscanned(t), heap.PoolOptions{Max: most})
		var objects []*poolPlain64
		for range most {
			objects = append(objects, mustCreate(t, p))
		}
		before := p.Stats()
		for range 2 {
			if v, err := p.Create(); err != mem.ErrLimit || v != nil {
				t.Errorf("Max %d: Create: %v, %v, want ErrLimit", most, v, err)
			}
		}
		if err := p.Preheat(1); err != mem.ErrLimit {
			t.Errorf("Max %d: Preheat: %v, want ErrLimit", most, err)
		}
		if got := p.Stats(); got != before || got.Slots != most || got.Live != most {
			t.Errorf("Max %d: Stats %+v, before %+v", most, got, before)
		}
		p.Destroy(objects[0])
		if v := mustCreate(t, p); v != objects[0] {
			t.Errorf("Max %d: Create gave %p, want %p", most, v, objects[0])
		}
		var leak *heap.LeakError
		if err := p.Close(); !errors.As(err, &leak) || leak.Blocks != most || leak.Bytes != 64*most {
			t.Errorf("Max %d: Close: %v", most, err)
		}
	}
}

func TestPoolPreheat(t *testing.T) {
	child := allocatortest.New(t)
	calls := func() uint64 { return child.Stats().Allocs }
	p := heap.NewPool[poolPlain16](child)
	if calls() != 0 {
		t.Fatal("NewPool asked the child")
	}
	const many = 1<<18 + 1000 // more than a slab holds
	if err := p.Preheat(many); err != nil {
		t.Fatal(err)
	}
	before := calls()
	created := many
	if invariant.Enabled {
		created = 1000 // every slot is checked again and again
	}
	for i := range created {
		if _, err := p.Create(); err != nil {
			t.Fatal(err)
		}
		if i == 10 {
			if err := p.Preheat(many - 11); err != nil { // there is room
				t.Fatal(err)
			}
		}
	}
	if calls() != before {
		t.Errorf("the child was asked after Preheat")
	}
	if err := p.Preheat(0); err != nil || calls() != before {
		t.Errorf("Preheat(0): %v", err)
	}
	if err := p.Preheat(math.MaxInt); !errors.Is(err, mem.ErrOutOfMemory) {
		t.Errorf("Preheat(MaxInt): %v", err)
	}
	if s := p.Stats(); s.Slots != many || s.Live != created {
		t.Errorf("Stats %+v", s)
	}
	p.Release()
	q := heap.NewPoolWith[poolPlain16](child, heap.PoolOptions{Preheat: 1000, Max: 900})
	mustCreate(t, q)
	if s := q.Stats(); s.Slots != 900 || s.Slabs != 1 {
		t.Errorf("Preheat over Max: %+v", s)
	}
	q.Release()
}

// Preheat that fails half way gives everything back.
func TestPoolPreheatFails(t *testing.T) {
	f := heap.NewFailing(scanned(t), heap.FailingOptions{Alloc: heap.FailRule{From: 3}})
	p := heap.NewPool[poolNode](f)
	v := mustCreate(t, p)
	before := p.Stats()
	if err := p.Preheat(1_000_000); err != heap.ErrInduced {
		t.Fatalf("Preheat: %v", err)
	}
	if got := p.Stats(); got != before {
		t.Errorf("Stats %+v, before %+v", got, before)
	}
	p.Destroy(v)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
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
			allocatortest.ExpectMisuse(t, heap.InteriorFree, func() { p.Destroy(beside) })
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
// free.
func TestPoolAddressOrder(t *testing.T) {
	p, objects := poolOf[poolPlain16](t, unscanned(t), 20_000)
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(objects), func(i, j int) {
		objects[i], objects[j] = objects[j], objects[i]
	})
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
}

func TestPoolReset(t *testing.T) {
	child := allocatortest.New(t)
	p := heap.NewPool[poolBig](child)
	fill := func(n int) {
		for range n {
			v := mustCreate(t, p)
			v.name, v.self, v.data[7] = "x", v, 7
		}
	}
	fill(500)
	before := p.Stats()
	calls := child.Stats().Allocs
	for range 3 {
		p.Reset()
		if s := p.Stats(); s.Live != 0 || s.Slots != before.Slots || s.Bytes != before.Bytes {
			t.Fatalf("Reset: %+v, before %+v", s, before)
		}
		for range p.All() {
			t.Fatal("All yields an object after Reset")
		}
		fill(before.Slots)
	}
	if child.Stats().Allocs != calls {
		t.Error("Reset lost memory")
	}
	v := mustCreate(t, p)
	p.Reset()
	allocatortest.ExpectMisuse(t, heap.DoubleFree, func() { p.Destroy(v) })

	limit := p.Stats().Bytes / 2
	p.ResetTo(limit)
	if s := p.Stats(); s.Bytes > limit || s.Bytes == 0 || s.Live != 0 {
		t.Errorf("ResetTo(%d): %+v", limit, s)
	}
	fill(500)
	p.ResetTo(math.MaxInt)
	if s := p.Stats(); s.Slots < 500 {
		t.Errorf("ResetTo(MaxInt): %+v", s)
	}
	fill(500)
	p.ResetTo(0)
	if s := p.Stats(); s != (heap.PoolStats{}) {
		t.Errorf("ResetTo(0): %+v", s)
	}
	fill(10)
	p.Release()
	if s := p.Stats(); s != (heap.PoolStats{}) {
		t.Errorf("Release: %+v", s)
	}
	if blocks, _ := child.Live(); blocks != 0 {
		t.Errorf("Release left %d blocks", blocks)
	}
	fill(10)
	p.Reset()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// Large objects of fresh slabs are not cleared, since they are zero; those that
// were used before a Reset are.
func TestPoolResetLarge(t *testing.T) {
	p := heap.NewPool[poolHuge](unscanned(t))
	defer p.Close()
	for range 3 {
		for range 10 {
			mustCreate(t, p)[4999] = 1
		}
		p.Reset()
	}
	v := mustCreate(t, p)
	v[0] = 1
	p.Destroy(v)
	mustCreate(t, p)
	p.Reset()
}

func TestPoolTrim(t *testing.T) {
	child := unscanned(t)
	p, objects := poolOf[poolPlain64](t, child, 5000)
	before := p.Stats()
	if before.Slabs < 4 {
		t.Fatalf("only %d slabs", before.Slabs)
	}
	if freed := p.Trim(); freed != 0 {
		t.Errorf("Trim of a full pool: %d", freed)
	}
	keep := objects[2500]
	for _, v := range objects {
		if v != keep {
			p.Destroy(v)
		}
	}
	*keep = poolPlain64{42}
	var trimmer mem.Trimmer = p
	freed := trimmer.Trim()
	s := p.Stats()
	if s.Slabs != 1 || s.Live != 1 || freed != before.Bytes-s.Bytes || keep[0] != 42 {
		t.Errorf("Trim: %d freed, %+v, object %d", freed, s, keep[0])
	}
	if !p.Owns(keep) || p.Owns(objects[0]) {
		t.Error("Owns is wrong after Trim")
	}
	allocatortest.ExpectMisuse(t, heap.ForeignFree, func() { p.Destroy(objects[0]) })
	for range 3000 { // grows again, around the survivor
		if v := mustCreate(t, p); v == keep {
			t.Fatal("a live object was handed out")
		}
	}
	p.Destroy(keep)
	if p.Len() != 3000 {
		t.Errorf("Len %d", p.Len())
	}
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

// What an object referred to is collectable as soon as it is destroyed, and what
// a live one refers to is not.
func TestPoolRetention(t *testing.T) {
	type holder struct {
		_      [3]int
		target *[64]int
		_      [2]string
	}
	p := heap.NewPool[holder](scanned(t))
	defer p.Close()
	objects := make([]*holder, 400)
	watch := make([]weak.Pointer[[64]int], len(objects))
	for i := range objects {
		v, err := p.New(holder{target: &[64]int{i}})
		if err != nil {
			t.Fatal(err)
		}
		objects[i], watch[i] = v, weak.Make(v.target)
	}
	for i, v := range objects {
		if i%2 == 0 {
			p.Destroy(v)
		}
	}
	runtime.GC()
	runtime.GC()
	for i := range watch {
		if alive := watch[i].Value() != nil; alive != (i%2 != 0) {
			t.Fatalf("target %d alive: %t", i, alive)
		}
	}
	p.Reset()
	runtime.GC()
	runtime.GC()
	for i := range watch {
		if watch[i].Value() != nil {
			t.Fatalf("target %d outlived Reset", i)
		}
	}
}

// A list of nodes off the Go heap, of which only the head is in a Go variable,
// survives collections: the nodes are kept alive by the pool.
func TestPoolPromisedList(t *testing.T) {
	p := heap.NewPool[poolNode](promised(t))
	defer p.Close()
	var head *poolNode
	const n = 5000
	for i := range n {
		v := mustCreate(t, p)
		*v = poolNode{head, i}
		head = v
		if i%1000 == 0 {
			runtime.GC()
		}
	}
	runtime.GC()
	for i := n - 1; i >= 0; i-- {
		if head.value != i {
			t.Fatalf("node holds %d, want %d", head.value, i)
		}
		next := head.next
		p.Destroy(head)
		head = next
	}
}

// While another goroutine collects, managed objects keep what they refer to.
func TestPoolUnderCollection(t *testing.T) {
	p := heap.NewPool[poolNode](heap.GC{})
	defer p.Close()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	})
	var ring [500]*poolNode
	for i := range 20_000 {
		at := i % len(ring)
		if old := ring[at]; old != nil {
			if old.next.value != old.value {
				t.Fatalf("object %d refers to %d", old.value, old.next.value)
			}
			p.Destroy(old)
		}
		v, err := p.New(poolNode{&poolNode{value: i}, i})
		if err != nil {
			t.Fatal(err)
		}
		ring[at] = v
	}
	close(stop)
	wg.Wait()
	p.Reset()
}

// Every request to the child fails in turn: nothing is lost and nothing leaks.
func TestPoolFailures(t *testing.T) {
	for name, child := range map[string]mem.Allocator{"scanned": nil, "promised": mem.NoGoPointers(heap.Page{})} {
		n := allocatortest.CheckFailures(t, allocatortest.FailureOptions{Child: child}, func(a mem.Allocator) error {
			p := heap.NewPool[poolNode](a)
			defer p.Close()
			var list *poolNode
			for i := range 2000 {
				v, err := p.New(poolNode{list, i})
				if err != nil {
					for n := 0; list != nil; n++ {
						if list.value != i-1-n {
							t.Errorf("%s: node holds %d, want %d", name, list.value, i-1-n)
						}
						list = list.next
					}
					return err
				}
				list = v
			}
			return p.Preheat(5000)
		})
		if n < 5 {
			t.Errorf("%s: only %d failures", name, n)
		}
	}
	for _, run := range []func(*heap.Pool[poolPlain64]) error{
		func(p *heap.Pool[poolPlain64]) error { return p.Preheat(1 << 19) },
		func(p *heap.Pool[poolPlain64]) error {
			_, err := p.Create()
			return err
		},
	} {
		allocatortest.CheckUnchanged(t, allocatortest.Operation[*heap.Pool[poolPlain64]]{
			Setup: func(a mem.Allocator) (*heap.Pool[poolPlain64], error) {
				p := heap.NewPool[poolPlain64](a)
				for p.Len() == 0 || p.Len() < p.Stats().Slots { // the next one takes a slab
					if _, err := p.New(poolPlain64{uint64(p.Len())}); err != nil {
						return nil, err
					}
				}
				return p, nil
			},
			Run: run,
			Snapshot: func(p *heap.Pool[poolPlain64]) any {
				var all []poolPlain64
				for v := range p.All() {
					all = append(all, *v)
				}
				return fmt.Sprint(p.Stats(), all)
			},
			Teardown: func(p *heap.Pool[poolPlain64]) { p.Close() },
		})
	}
}

// A budget is used to its end: where the next slab would pass it, a smaller one
// is asked for.
func TestPoolFillsLimit(t *testing.T) {
	const budget = 100_000
	limit := heap.NewLimit(unscanned(t), budget)
	p := heap.NewPool[poolPlain64](limit)
	defer p.Close()
	var err error
	for err == nil {
		_, err = p.Create()
	}
	if !errors.Is(err, mem.ErrLimit) {
		t.Fatalf("Create: %v", err)
	}
	if held := p.Len() * 64; held < budget*95/100 || held > budget {
		t.Errorf("%d bytes of objects in a budget of %d", held, budget)
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

// FuzzPool plays a program of operations on a pool and on a model of it.
func FuzzPool(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01\x00\x01\x01\x02\x05\x03\x00\x04"))
	f.Add([]byte{0x40, 0x00, 0xFF, 0x41, 0x00, 0x06, 0x07, 0x40, 0xFF, 0x01, 0x05, 0x06})
	f.Add([]byte{0x00, 0x00, 0x02, 0x00, 0x01, 0x02, 0x00, 0x03, 0x00, 0x08, 0x09, 0x0A})
	rng := rand.New(rand.NewPCG(5, 6))
	for range 4 {
		program := make([]byte, 200)
		for i := range program {
			program[i] = byte(rng.Uint32())
		}
		f.Add(program)
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 300 {
			return
		}
		playPool(t, program, heap.NewPool[poolNode](allocatortest.New(t)), 0)
		playPool(t, program, heap.NewPoolWith[poolNode](allocatortest.New(t, allocatortest.Child(mem.NoGoPointers(heap.GC{}))), heap.PoolOptions{Max: 300, Align: mem.Align(32)}), 300)
	})
}

func playPool(t *testing.T, program []byte, p *heap.Pool[poolNode], most int) {
	var live []*poolNode
	values := map[*poolNode]int{}
	serial := 0
	next := func() int {
		if len(program) == 0 {
			return 0
		}
		b := program[0]
		program = program[1:]
		return int(b)
	}
	create := func() {
		v, err := p.Create()
		if most != 0 && len(live) == most {
			if err != mem.ErrLimit {
				t.Fatalf("Create of a full pool: %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := values[v]; twice || *v != (poolNode{}) {
			t.Fatalf("Create: %p is live or not zero: %v", v, *v)
		}
		serial++
		*v = poolNode{v, serial}
		values[v] = serial
		live = append(live, v)
	}
	destroy := func(k int) {
		v := live[k]
		if v.value != values[v] || v.next != v {
			t.Fatalf("object holds %v, want %d", *v, values[v])
		}
		p.Destroy(v)
		delete(values, v)
		live[k] = live[len(live)-1]
		live = live[:len(live)-1]
		if p.Owns(v) {
			t.Fatal("a dead object is owned")
		}
		if len(live)%32 == 0 { // reports are slow
			allocatortest.ExpectMisuse(t, heap.DoubleFree, func() { p.Destroy(v) })
		}
	}
	for len(program) > 0 {
		switch op := next(); op % 16 {
		case 0, 1, 2:
			create()
		case 3, 4:
			for range next() {
				create()
			}
		case 5, 6:
			if len(live) > 0 {
				destroy(next() * len(live) / 256)
			}
		case 7, 8:
			for range min(next(), len(live)) {
				destroy((op * 7) % len(live))
			}
		case 9:
			p.Reset()
			live, values = live[:0], map[*poolNode]int{}
		case 10:
			p.ResetTo(next() * 100)
			live, values = live[:0], map[*poolNode]int{}
		case 11:
			before := p.Stats()
			if freed := p.Trim(); before.Bytes-freed != p.Stats().Bytes {
				t.Fatalf("Trim: %d freed, %+v then %+v", freed, before, p.Stats())
			}
		case 12:
			n := next()
			if err := p.Preheat(n); err != nil && (most == 0 || n <= most-len(live)) {
				t.Fatal(err)
			}
			if s := p.Stats(); s.Slots-s.Live < n && (most == 0 || n <= most-len(live)) {
				t.Fatalf("Preheat(%d): %+v", n, s)
			}
		case 13:
			seen := 0
			for v := range p.All() {
				if _, ok := values[v]; !ok {
					t.Fatalf("All: %p is not live", v)
				}
				seen++
			}
			if seen != len(live) {
				t.Fatalf("All: %d, want %d", seen, len(live))
			}
		case 14:
			if len(live) > 0 {
				inside := (*poolNode)(unsafe.Add(unsafe.Pointer(live[0]), unsafe.Sizeof(uintptr(0))))
				allocatortest.ExpectMisuse(t, heap.InteriorFree, func() { p.Destroy(inside) })
			}
			allocatortest.ExpectMisuse(t, heap.ForeignFree, func() { p.Destroy(new(poolNode)) })
		case 15:
			p.Release()
			live, values = live[:0], map[*poolNode]int{}
		}
		if p.Len() != len(live) {
			t.Fatalf("Len %d, want %d", p.Len(), len(live))
		}
	}
	for _, v := range live {
		if v.value != values[v] || !p.Owns(v) {
			t.Fatalf("object holds %v, want %d", *v, values[v])
		}
	}
	err := p.Close()
	var leak *heap.LeakError
	if (err != nil) != (len(live) > 0) || err != nil && (!errors.As(err, &leak) || leak.Blocks != len(live)) {
		t.Fatalf("Close with %d live: %v", len(live), err)
	}
}
