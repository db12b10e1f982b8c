package heap_test

import (
	"runtime"
	"sync"
	"testing"
	"weak"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/rt"
	"github.com/allod-dev/allod/mem"
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

// mixed has objects with pointers where the collector sees them, for all that it
// promises.
type mixed struct{ heap.GC }

func (mixed) Pointers() mem.Pointers { return mem.Promised }

// plainMixed is mixed without a promise.
type plainMixed struct{ heap.GC }

func (plainMixed) Pointers() mem.Pointers { return mem.PlainOnly }

// Destroy clears what the collector may look at, and does not touch other objects.
// Both are zero when they are created again.
func TestPoolStale(t *testing.T) {
	for name, child := range map[string]mem.Allocator{
		"promised": promised(t), "scanned": scanned(t),
		"mixed": mixed{}, "mixed, wrapped": heap.NewCounting(mixed{}), "mixed, promised": mem.NoGoPointers(plainMixed{}),
		"counted": heap.NewCounting(promised(t)),
	} {
		kept := rt.Linked && (name == "promised" || name == "counted")
		p := heap.NewPool[poolNode](child)
		v, last := mustCreate(t, p), mustCreate(t, p)
		*v = poolNode{last, 7}
		p.Destroy(v)
		if touched := *v == (poolNode{}); !race.Enabled && touched == kept {
			t.Errorf("%s: a destroyed object is %v", name, *v)
		}
		if w := mustCreate(t, p); w != v {
			t.Errorf("%s: Create: %p, want %p", name, w, v)
		}
		*v = poolNode{last, 7}
		p.Destroy(v)
		if w, err := p.New(poolNode{nil, 8}); err != nil || w != v || *w != (poolNode{nil, 8}) {
			t.Errorf("%s: New: %v, %v", name, w, err)
		}
		p.Destroy(v)
		p.Destroy(last)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

// While the collector marks, New does not lead it to where pointers of destroyed
// objects led: the runtime ends a program whose write barrier finds such a pointer.
func TestPoolStalePointers(t *testing.T) {
	mayHide(t)
	type object struct{ target *[1 << 16]byte }
	child := mem.NoGoPointers(heap.Page{})
	ballast := make([]*[8]*int, 1<<17) // that marking takes a while
	for i := range ballast {
		ballast[i] = new([8]*int)
	}
	for range 3 {
		// One object in most pools: it is made again by a way of its own.
		pools := make([]*heap.Pool[object], 200)
		counts := make([]int, len(pools))
		targets := [4]*[1 << 16]byte{}
		for i := range targets {
			targets[i] = new([1 << 16]byte)
		}
		for i := range pools {
			pools[i] = heap.NewPool[object](child)
			counts[i] = 1
			if i%8 == 0 {
				counts[i] = 300
			}
			objects := make([]*object, counts[i])
			for k := range objects {
				v, err := pools[i].New(object{targets[k%len(targets)]})
				if err != nil {
					t.Fatal(err)
				}
				objects[k] = v
			}
			for _, v := range objects {
				pools[i].Destroy(v)
			}
		}
		clear(targets[:])
		runtime.GC()
		runtime.GC()
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.GC()
		}()
		for i, p := range pools {
			for range counts[i] {
				if v, err := p.New(object{}); err != nil || v.target != nil {
					t.Fatalf("New: %v, %v", v, err)
				}
				runtime.Gosched()
			}
		}
		<-done
		for _, p := range pools {
			p.Release()
		}
	}
	runtime.KeepAlive(ballast)
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
