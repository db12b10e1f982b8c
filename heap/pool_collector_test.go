package heap_test

import (
	"runtime"
	"sync"
	"testing"
	"weak"

	"github.com/allod-dev/allod/heap"
)

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
