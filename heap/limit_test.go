package heap_test

import (
	"errors"
	"math"
	"sync"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

func TestLimitExact(t *testing.T) {
	child := &fakeChild{}
	m := heap.NewLimit(child, 100)
	want := func(used int) {
		t.Helper()
		if m.Used() != used || m.Available() != max(m.Limit()-used, 0) {
			t.Fatalf("used %d, available %d, want %d used of %d", m.Used(), m.Available(), used, m.Limit())
		}
	}
	refused := func(size int) {
		t.Helper()
		if b, err := m.Alloc(size, mem.Layout{}); b != nil || !errors.Is(err, mem.ErrLimit) || !errors.Is(err, mem.ErrOutOfMemory) {
			t.Fatalf("Alloc(%d) = %d bytes, %v, want ErrLimit", size, len(b), err)
		}
	}
	refused(101)
	want(0)
	b1 := mustAlloc(t, m, 60)
	refused(41)
	b2 := mustAlloc(t, m, 40) // to the byte
	want(100)
	refused(1)
	if _, ok := m.Resize(b1, mem.Layout{}, 61); ok {
		t.Fatal("grown past the limit")
	}
	if _, ok := m.Remap(b1, mem.Layout{}, 61); ok {
		t.Fatal("grown past the limit")
	}
	want(100)
	b1, ok := m.Resize(b1, mem.Layout{}, 10)
	if !ok {
		t.Fatal("shrink refused")
	}
	want(50)
	b1, ok = m.Resize(b1, mem.Layout{}, 60)
	if !ok {
		t.Fatal("grow refused")
	}
	want(100)
	child.move = true
	b1, ok = m.Remap(b1, mem.Layout{}, 20)
	if !ok {
		t.Fatal("remap refused")
	}
	b1, ok = m.Remap(b1, mem.Layout{}, 30)
	if !ok {
		t.Fatal("remap refused")
	}
	want(70)
	m.Free(b2, mem.Layout{})
	want(30)
	m.Free(b1, mem.Layout{})
	want(0)
}

// What the child refuses is not charged, to no limit on the way.
func TestLimitRollsBack(t *testing.T) {
	child := &fakeChild{fail: true, refuse: true}
	outer := heap.NewLimit(heap.NewLimit(child, 1000), 1000)
	inner := outer.Unwrap().(*heap.Limit)
	for range 10 {
		if _, err := outer.Alloc(500, mem.Layout{}); err != errFake {
			t.Fatalf("Alloc: %v, want the child's error", err)
		}
	}
	child.fail = false
	b := mustAlloc(t, outer, 500)
	for range 10 {
		for _, size := range []int{600, 400} {
			if _, ok := outer.Resize(b, mem.Layout{}, size); ok {
				t.Fatal("Resize answered true")
			}
			if _, ok := outer.Remap(b, mem.Layout{}, size); ok {
				t.Fatal("Remap answered true")
			}
		}
	}
	if outer.Used() != 500 || inner.Used() != 500 {
		t.Errorf("used %d and %d, want 500", outer.Used(), inner.Used())
	}
	outer.Free(b, mem.Layout{})
	if outer.Used() != 0 || inner.Used() != 0 {
		t.Errorf("used %d and %d, want 0", outer.Used(), inner.Used())
	}
}

// The error of nested limits names the one that was reached, and the operation
// that failed is charged to none.
func TestLimitNested(t *testing.T) {
	total := heap.NewLimit(&fakeChild{}, 100)
	total.Name = "total"
	one, two := heap.NewLimit(total, 80), heap.NewLimit(total, 80)
	one.Name = "one"

	b := mustAlloc(t, one, 70)
	_, err := one.Alloc(20, mem.Layout{})
	var le *heap.LimitError
	if !errors.As(err, &le) || le.Limit != one || err.Error() != `heap: Limit "one": 80 bytes reached` {
		t.Errorf("over the limit of one: %v", err)
	}
	if total.Used() != 70 {
		t.Errorf("total was charged: %d", total.Used())
	}
	_, err = two.Alloc(40, mem.Layout{})
	if !errors.As(err, &le) || le.Limit != total || err.Error() != `heap: Limit "total": 100 bytes reached` {
		t.Errorf("over the total: %v", err)
	}
	if two.Used() != 0 || total.Used() != 70 {
		t.Errorf("a failed Alloc was charged: two %d, total %d", two.Used(), total.Used())
	}
	_, err = two.Alloc(81, mem.Layout{})
	if !errors.As(err, &le) || le.Limit != two || err.Error() != "heap: Limit: 80 bytes reached" {
		t.Errorf("over the limit of two: %v", err)
	}
	if !errors.Is(err, mem.ErrLimit) || !errors.Is(err, mem.ErrOutOfMemory) {
		t.Errorf("%v does not wrap what it should", err)
	}
	one.Free(b, mem.Layout{})
}

// No sum wraps, wherever the limit is.
func TestLimitOverflow(t *testing.T) {
	m := heap.NewLimit(&fakeChild{}, math.MaxInt)
	b := mustAlloc(t, m, 100)
	for _, size := range []int{math.MaxInt, math.MaxInt - 100 + 1} {
		if _, err := m.Alloc(size, mem.Layout{}); !errors.Is(err, mem.ErrLimit) {
			t.Errorf("Alloc(%d) with 100 used: %v, want ErrLimit", size, err)
		}
	}
	// The largest that is within the limit is up to the child.
	if _, err := m.Alloc(math.MaxInt-100, mem.Layout{}); !errors.Is(err, mem.ErrTooLarge) {
		t.Errorf("Alloc(MaxInt-100): %v, want the child's ErrTooLarge", err)
	}
	if _, ok := m.Resize(b, mem.Layout{}, math.MaxInt); ok {
		t.Error("Resize(MaxInt) answered true")
	}
	if m.Used() != 100 {
		t.Errorf("used %d, want 100", m.Used())
	}
	m.Free(b, mem.Layout{})
	zero := heap.NewLimit(&fakeChild{}, 0)
	if _, err := zero.Alloc(1, mem.Layout{}); !errors.Is(err, mem.ErrLimit) {
		t.Errorf("Alloc(1) under a limit of 0: %v", err)
	}
	for _, fn := range []func(){
		func() { heap.NewLimit(&fakeChild{}, -1) },
		func() { m.SetLimit(-1) },
	} {
		if catch(fn) == nil {
			t.Error("a negative limit did not panic")
		}
	}
}

func TestLimitSetLimit(t *testing.T) {
	m := heap.NewLimit(&fakeChild{}, 100)
	b1, b2 := mustAlloc(t, m, 50), mustAlloc(t, m, 50)
	m.SetLimit(60)
	if m.Limit() != 60 || m.Available() != 0 || m.Used() != 100 {
		t.Errorf("limit %d, available %d, used %d", m.Limit(), m.Available(), m.Used())
	}
	if _, err := m.Alloc(1, mem.Layout{}); !errors.Is(err, mem.ErrLimit) {
		t.Errorf("over the lowered limit: %v", err)
	}
	b1, ok := m.Resize(b1, mem.Layout{}, 40) // shrinking is always possible
	if !ok {
		t.Error("shrink refused over the limit")
	}
	m.Free(b2, mem.Layout{})
	m.Free(mustAlloc(t, m, 20), mem.Layout{})
	m.SetLimit(math.MaxInt)
	m.Free(mustAlloc(t, m, 500), mem.Layout{})
	m.Free(b1, mem.Layout{})
	if m.Used() != 0 {
		t.Errorf("used %d, want 0", m.Used())
	}
}

// A foreign block makes no room, whether the child reports it, with a handler
// that returns or one that panics, or swallows it.
func TestLimitForeign(t *testing.T) {
	m := heap.NewLimit(&reportingChild{}, 100)
	b := mustAlloc(t, m, 40)
	misuses(t, func() { m.Free(make([]byte, 30), mem.Layout{}) })
	catch(func() { m.Free(make([]byte, 30), mem.Layout{}) })
	if m.Used() != 40 {
		t.Errorf("used %d, want 40", m.Used())
	}
	noMisuse(t, func() { m.Free(b, mem.Layout{}) })
	if m.Used() != 0 {
		t.Errorf("used %d, want 0", m.Used())
	}
	m = heap.NewLimit(heap.GC{}, 100)
	m.Free(make([]byte, 1000), mem.Layout{})
	if _, err := m.Alloc(101, mem.Layout{}); !errors.Is(err, mem.ErrLimit) {
		t.Errorf("a foreign block made room for more than the limit: %v", err)
	}
}

// Goroutines that share a limit never hold more than it between them, and all
// of it can be had.
func TestLimitShared(t *testing.T) {
	const limit, goroutines, rounds = 1000, 8, 300
	c := heap.NewCounting(&fakeChild{move: true})
	m := heap.NewLimit(c, limit)
	above := heap.NewCounting(m)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			p := newProgram(above, uint64(g))
			for range rounds {
				if err := p.step(); err != nil {
					t.Error(err)
				}
				if used := m.Used(); used < 0 || used > limit {
					t.Errorf("%d bytes are used of %d", used, limit)
				}
			}
			if err := p.close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if peak := c.Stats().PeakBytes; peak > limit {
		t.Errorf("%d bytes were live below a limit of %d", peak, limit)
	}
	if peak := above.Stats().PeakBytes; peak > limit {
		t.Errorf("%d bytes were live above a limit of %d", peak, limit)
	}
	if above.Stats().Failures == 0 {
		t.Error("the limit was never reached: the test tests nothing")
	}
	m.Free(mustAlloc(t, m, limit), mem.Layout{})
}

// A container that asks what size is good must not be led over the limit.
func TestLimitGoodSize(t *testing.T) {
	m := heap.NewLimit(&fakeChild{}, 120)
	if got := m.GoodSize(50, mem.Layout{}); got != 64 {
		t.Errorf("GoodSize(50) with room for 120 = %d, want the child's 64", got)
	}
	if got := m.GoodSize(100, mem.Layout{}); got != 100 {
		t.Errorf("GoodSize(100) with room for 120 = %d, want 100", got)
	}
	if got := new(heap.Limit).GoodSize(7, mem.Layout{}); got != 7 {
		t.Errorf("GoodSize of the zero value = %d, want 7", got)
	}
}

func TestLimitErrorAllocatesNothing(t *testing.T) {
	m := heap.NewLimit(&oneBlock{}, 10)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := m.Alloc(11, mem.Layout{}); err == nil {
			t.Fatal("no error")
		}
	}); n != 0 {
		t.Errorf("%v allocations per refusal", n)
	}
}

// FuzzLimit compares nested limits with a model.
func FuzzLimit(f *testing.F) {
	f.Add(uint16(100), uint16(50), uint64(1), []byte{0, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add(uint16(300), uint16(1000), uint64(7), []byte{0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, low, high uint16, seed uint64, moods []byte) {
		child := &fakeChild{}
		inner := heap.NewLimit(child, int(low))
		outer := heap.NewLimit(inner, int(high))
		p := newProgram(outer, seed)
		for i, mood := range moods {
			child.fail, child.refuse, child.move = mood&1 != 0, mood&2 != 0, mood&4 != 0
			if mood&0xf8 == 0xf8 {
				inner.SetLimit(int(low) / (i + 1))
			}
			before := p.bytes
			if err := p.step(); err != nil {
				t.Fatal(err)
			}
			if p.bytes > before && (p.bytes > inner.Limit() || p.bytes > outer.Limit()) {
				t.Fatalf("grew to %d bytes under limits of %d and %d", p.bytes, inner.Limit(), outer.Limit())
			}
			if inner.Used() != p.bytes || outer.Used() != p.bytes {
				t.Fatalf("used %d and %d, want %d", inner.Used(), outer.Used(), p.bytes)
			}
		}
		if err := p.close(); err != nil {
			t.Fatal(err)
		}
	})
}
