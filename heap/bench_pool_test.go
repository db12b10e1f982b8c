package heap_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// A pair is one object created and destroyed, again and again. The functions are
// written out for each type: a generic benchmark would measure the dictionary.

func BenchmarkPoolPair(b *testing.B) {
	b.Run("impl=new/size=16", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sink16 = new(poolPlain16)
		}
	})
	b.Run("impl=sync.Pool/size=16", func(b *testing.B) {
		b.ReportAllocs()
		p := sync.Pool{New: func() any { return new(poolPlain16) }}
		for b.Loop() {
			v := p.Get().(*poolPlain16)
			*v = poolPlain16{}
			p.Put(v)
		}
	})
	b.Run("impl=pool/size=16", func(b *testing.B) {
		b.ReportAllocs()
		p := heap.NewPool[poolPlain16](heap.GC{})
		for b.Loop() {
			v, err := p.Create()
			if err != nil {
				b.Fatal(err)
			}
			p.Destroy(v)
		}
	})
	b.Run("impl=new/size=64", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sink64 = new(poolPlain64)
		}
	})
	b.Run("impl=sync.Pool/size=64", func(b *testing.B) {
		b.ReportAllocs()
		p := sync.Pool{New: func() any { return new(poolPlain64) }}
		for b.Loop() {
			v := p.Get().(*poolPlain64)
			*v = poolPlain64{}
			p.Put(v)
		}
	})
	b.Run("impl=pool/size=64", func(b *testing.B) {
		b.ReportAllocs()
		p := heap.NewPool[poolPlain64](heap.GC{})
		for b.Loop() {
			v, err := p.Create()
			if err != nil {
				b.Fatal(err)
			}
			p.Destroy(v)
		}
	})
	b.Run("impl=new/size=256", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sink256 = new(poolPlain256)
		}
	})
	b.Run("impl=sync.Pool/size=256", func(b *testing.B) {
		b.ReportAllocs()
		p := sync.Pool{New: func() any { return new(poolPlain256) }}
		for b.Loop() {
			v := p.Get().(*poolPlain256)
			*v = poolPlain256{}
			p.Put(v)
		}
	})
	b.Run("impl=pool/size=256", func(b *testing.B) {
		b.ReportAllocs()
		p := heap.NewPool[poolPlain256](heap.GC{})
		for b.Loop() {
			v, err := p.Create()
			if err != nil {
				b.Fatal(err)
			}
			p.Destroy(v)
		}
	})
	b.Run("impl=new/type=node", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sinkNode = new(poolNode)
		}
	})
	b.Run("impl=sync.Pool/type=node", func(b *testing.B) {
		b.ReportAllocs()
		p := sync.Pool{New: func() any { return new(poolNode) }}
		for b.Loop() {
			v := p.Get().(*poolNode)
			*v = poolNode{}
			p.Put(v)
		}
	})
	b.Run("impl=pool/type=node", func(b *testing.B) {
		b.ReportAllocs()
		p := heap.NewPool[poolNode](heap.GC{})
		for b.Loop() {
			v, err := p.Create()
			if err != nil {
				b.Fatal(err)
			}
			p.Destroy(v)
		}
	})
}

var (
	sink16   *poolPlain16
	sink64   *poolPlain64
	sink256  *poolPlain256
	sinkNode *poolNode
)

// BenchmarkPoolRandom creates many objects, writes each, destroys all in random
// order, and does so again with what the first round left behind. An operation
// is one object of that second round.
func BenchmarkPoolRandom(b *testing.B) {
	type object [4]uint64
	for _, n := range []int{100_000, 1_000_000} {
		order := rand.New(rand.NewPCG(1, 2)).Perm(n)
		objects := make([]*object, n)
		rounds := func(b *testing.B, create func() *object, destroy func(*object)) {
			b.ReportAllocs()
			round := func() {
				for i := range objects {
					objects[i] = create()
					objects[i][0] = uint64(i)
				}
				for _, i := range order {
					destroy(objects[i])
				}
			}
			round()
			for b.Loop() {
				round()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/object")
		}
		b.Run(fmt.Sprintf("impl=new/n=%d", n), func(b *testing.B) {
			rounds(b, func() *object { return new(object) }, func(*object) {})
		})
		b.Run(fmt.Sprintf("impl=sync.Pool/n=%d", n), func(b *testing.B) {
			p := sync.Pool{New: func() any { return new(object) }}
			rounds(b, func() *object {
				v := p.Get().(*object)
				*v = object{}
				return v
			}, func(v *object) { p.Put(v) })
		})
		b.Run(fmt.Sprintf("impl=pool/n=%d", n), func(b *testing.B) {
			p := heap.NewPool[object](heap.Page{})
			defer p.Close()
			rounds(b, func() *object {
				v, _ := p.Create()
				return v
			}, p.Destroy)
		})
		clear(objects)
	}
}

// BenchmarkPoolList builds a linked list and tears it down.
func BenchmarkPoolList(b *testing.B) {
	const n = 100_000
	perNode := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/node")
	}
	b.Run("impl=new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var list *poolNode
			for i := range n {
				list = &poolNode{list, i}
			}
			sinkNode = list
		}
		perNode(b)
	})
	for name, child := range map[string]mem.Allocator{"gc": heap.GC{}, "page": mem.NoGoPointers(heap.Page{})} {
		b.Run("impl=pool/child="+name, func(b *testing.B) {
			b.ReportAllocs()
			p := heap.NewPool[poolNode](child)
			for b.Loop() {
				var list *poolNode
				for i := range n {
					v, err := p.New(poolNode{list, i})
					if err != nil {
						b.Fatal(err)
					}
					list = v
				}
				for list != nil {
					next := list.next
					p.Destroy(list)
					list = next
				}
			}
			perNode(b)
			p.Close()
		})
	}
}
