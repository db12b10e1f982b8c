package heap_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

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
	expectMisuse(t, heap.DoubleFree, func() { p.Destroy(v) })

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
	expectMisuse(t, heap.ForeignFree, func() { p.Destroy(objects[0]) })
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
