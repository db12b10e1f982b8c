package heap_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

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
			m := expectMisuse(t, heap.DoubleFree, func() { p.Destroy(v) })
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

// The object that was created last is destroyed and created again by a way of its
// own. Whatever comes between, its life ends once and its slot is not lost.
func TestPoolLastObject(t *testing.T) {
	type object = poolPlain16
	for name, between := range map[string]func(t *testing.T, p *heap.Pool[object], v *object) (kept bool){
		"Nothing": func(*testing.T, *heap.Pool[object], *object) bool { return true },
		"Nil": func(t *testing.T, p *heap.Pool[object], _ *object) bool {
			allocatortest.NoMisuse(t, func() { p.Destroy(nil) })
			return true
		},
		"Twice": func(t *testing.T, p *heap.Pool[object], v *object) bool {
			expectMisuse(t, heap.DoubleFree, func() { p.Destroy(v) })
			return true
		},
		"Foreign": func(t *testing.T, p *heap.Pool[object], _ *object) bool {
			expectMisuse(t, heap.ForeignFree, func() { p.Destroy(new(object)) })
			return true
		},
		"Owns": func(t *testing.T, p *heap.Pool[object], v *object) bool {
			if p.Owns(v) {
				t.Error("a dead object is owned")
			}
			return true
		},
		"All": func(t *testing.T, p *heap.Pool[object], v *object) bool {
			for q := range p.All() {
				if q == v {
					t.Error("a dead object is yielded")
				}
			}
			return true
		},
		"Stats": func(t *testing.T, p *heap.Pool[object], _ *object) bool {
			if s := p.Stats(); s.Live != p.Len() || s.Live != 2 {
				t.Errorf("%+v, Len %d, want 2", s, p.Len())
			}
			return true
		},
		"Preheat": func(t *testing.T, p *heap.Pool[object], _ *object) bool {
			if err := p.Preheat(p.Stats().Slots + 1); err != nil {
				t.Error(err)
			}
			return true
		},
		"Trim":    func(_ *testing.T, p *heap.Pool[object], _ *object) bool { p.Trim(); return true },
		"Reset":   func(_ *testing.T, p *heap.Pool[object], _ *object) bool { p.Reset(); return false },
		"ResetTo": func(_ *testing.T, p *heap.Pool[object], _ *object) bool { p.ResetTo(0); return false },
		"Release": func(_ *testing.T, p *heap.Pool[object], _ *object) bool { p.Release(); return false },
	} {
		t.Run(name, func(t *testing.T) {
			p, objects := poolOf[object](t, unscanned(t), 3)
			v := objects[2]
			v[0] = 7
			p.Destroy(v)
			live := 0
			if between(t, p, v) {
				live = 2
			}
			if n := p.Len(); n != live {
				t.Fatalf("Len %d, want %d", n, live)
			}
			seen := map[*object]bool{}
			if live > 0 {
				seen[objects[0]], seen[objects[1]] = true, true
			}
			for range 200 {
				w := mustCreate(t, p)
				if seen[w] {
					t.Fatalf("%p is handed out twice", w)
				}
				seen[w] = true
				x, err := p.New(object{1, 2})
				if err != nil || seen[x] || *x != (object{1, 2}) {
					t.Fatalf("New: %p, %v, %v", x, *x, err)
				}
				p.Destroy(x)
				y, err := p.New(object{3, 4})
				if err != nil || y != x || *y != (object{3, 4}) {
					t.Fatalf("New after Destroy: %p, %v, %v, want %p", y, *y, err, x)
				}
				p.Destroy(y)
			}
			if n := p.Len(); n != live+200 {
				t.Errorf("Len %d, want %d", n, live+200)
			}
		})
	}
}

// A pool whose only object was the last one is empty to every method.
func TestPoolLastObjectAlone(t *testing.T) {
	p := heap.NewPoolWith[poolPlain16](unscanned(t), heap.PoolOptions{Max: 1})
	again := func() {
		v := mustCreate(t, p)
		if _, err := p.Create(); err != mem.ErrLimit {
			t.Errorf("Create of a full pool: %v", err)
		}
		p.Destroy(v)
	}
	again()
	for v := range p.All() {
		t.Errorf("%p is dead and yielded", v)
	}
	again()
	if err := p.Preheat(1); err != nil {
		t.Errorf("Preheat of an empty pool: %v", err)
	}
	again()
	if n, bytes := p.Trim(), p.Stats().Bytes; n == 0 || bytes != 0 {
		t.Errorf("Trim of an empty pool gives %d bytes back and keeps %d", n, bytes)
	}
	again()
	if err := p.Close(); err != nil {
		t.Errorf("Close of an empty pool: %v", err)
	}
}

// In a loop over all objects, one that dies before it is reached is not yielded.
func TestPoolAllDestroyAhead(t *testing.T) {
	p, _ := poolOf[poolPlain16](t, unscanned(t), 10)
	n := 0
	for v := range p.All() {
		if v[0] == 1 {
			t.Fatalf("%p is dead and yielded", v)
		}
		n++
		q := mustCreate(t, p)
		q[0] = 1
		p.Destroy(q)
	}
	if n != 10 || p.Len() != 10 {
		t.Errorf("%d objects yielded, Len %d, want 10", n, p.Len())
	}
}

// A slot that was never used is as dead as one that was.
func TestPoolDestroyNeverCreated(t *testing.T) {
	p, objects := poolOf[poolPlain16](t, unscanned(t), 1)
	never := (*poolPlain16)(unsafe.Add(unsafe.Pointer(objects[0]), 200*unsafe.Sizeof(poolPlain16{})))
	expectMisuse(t, heap.DoubleFree, func() { p.Destroy(never) })
	allocatortest.NoMisuse(t, func() { p.Destroy(objects[0]) })
}

func TestPoolDestroyInterior(t *testing.T) {
	p, objects := poolOf[poolPlain64](t, unscanned(t), 1000)
	for name, v := range firstMiddleLast(objects) {
		for _, off := range []uintptr{1, 8, 16, unsafe.Sizeof(*v) - 1} {
			inside := uintptr(unsafe.Pointer(v)) + off
			m := expectMisuse(t, heap.InteriorFree, func() {
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
		if expectMisuse(t, heap.ForeignFree, func() { p.Destroy(v) }) == nil {
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
	expectMisuse(t, heap.ForeignFree, func() { p.Destroy(new(int)) })
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
	expectMisuse(t, heap.UseAfterClose, func() { p.Destroy(objects[0]) })
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
	expectMisuse(t, heap.Uninitialised, func() {
		if v, err := p.Create(); err == nil || v != nil {
			t.Errorf("Create: %v, %v", v, err)
		}
	})
	expectMisuse(t, heap.Uninitialised, func() { p.New(1) })
	expectMisuse(t, heap.Uninitialised, func() { p.Destroy(new(int)) })
	expectMisuse(t, heap.Uninitialised, func() { p.Preheat(1) })
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
	expectMisuse(t, heap.Copied, func() { q.Create() })
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
	m := expectMisuse(t, heap.ConcurrentUse, func() { p.Create() })
	if m != nil && (!strings.Contains(m.Here.String(), "Pool[...]).Owns") || strings.Contains(m.Here.String(), "Pool[...]).Create") ||
		!strings.Contains(m.Other.String(), "Pool[...]).Create") || !strings.Contains(m.Error(), "\nat the same time as\n")) {
		t.Errorf("not both stacks:\n%v\n%v\n%v", m, m.Here, m.Other)
	}
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
		if expectMisuse(t, heap.ChildLied, func() {
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
