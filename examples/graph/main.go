// Graph makes a random graph of ten million edges off the Go heap, walks over all
// of it, and tells what a garbage collection costs while it is there.
//
//	go run ./examples/graph -edges 10000000
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

func main() {
	edges := flag.Int("edges", 10_000_000, "how many edges the graph has")
	flag.Parse()
	if err := run(os.Stdout, heap.Page{}, *edges); err != nil {
		log.Fatal(err)
	}
}

func run(w io.Writer, a mem.Allocator, edges int) error {
	g := New(a)
	defer g.Close()
	start := time.Now()
	if err := g.Random(max(1, edges/10), edges); err != nil {
		return err
	}
	fmt.Fprintf(w, "%d nodes and %d edges made in %v\n", g.Nodes(), g.Edges(), time.Since(start).Round(time.Millisecond))

	start = time.Now()
	reached, far, err := g.Walk(0)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%d nodes reached from the first, the last in %d steps, in %v\n", reached, far, time.Since(start).Round(time.Millisecond))

	start = time.Now()
	runtime.GC()
	fmt.Fprintf(w, "a garbage collection takes %v\n", time.Since(start).Round(10*time.Microsecond))
	return nil
}

// A Graph is directed. The edges of node n are targets[first[n]:first[n+1]].
type Graph struct {
	a       mem.Allocator
	first   generic.ArrayListUnmanaged[uint32]
	targets generic.ArrayListUnmanaged[uint32]
}

// New returns a graph without nodes in memory of a.
func New(a mem.Allocator) *Graph { return &Graph{a: a} }

// Close gives all memory back.
func (g *Graph) Close() {
	g.first.Close(g.a)
	g.targets.Close(g.a)
}

// Nodes returns the number of nodes.
func (g *Graph) Nodes() int { return max(0, g.first.Len()-1) }

// Edges returns the number of edges.
func (g *Graph) Edges() int { return g.targets.Len() }

// From returns where the edges of node n lead.
func (g *Graph) From(n int) []uint32 {
	first := g.first.Items()
	return g.targets.Items()[first[n]:first[n+1]]
}

// Random fills an empty graph with edges between nodes by chance. On an error
// the graph is empty.
func (g *Graph) Random(nodes, edges int) (err error) {
	defer func() {
		if err != nil {
			g.Close()
		}
	}()
	if err := g.first.Resize(g.a, nodes+1); err != nil {
		return err
	}
	if err := g.targets.Resize(g.a, edges); err != nil {
		return err
	}
	// The sources are made twice by the same chance: once to count the edges of
	// each node, once to put them in their place. That saves a list of edges.
	first, targets := g.first.Items(), g.targets.Items()
	source := rand.New(rand.NewPCG(1, 2))
	for range edges {
		first[source.IntN(nodes)]++
	}
	sum := uint32(0)
	for n, count := range first {
		sum += count
		first[n] = sum
	}
	source = rand.New(rand.NewPCG(1, 2))
	target := rand.New(rand.NewPCG(3, 4))
	for range edges {
		n := source.IntN(nodes)
		first[n]-- // down to where the edges of n begin
		targets[first[n]] = uint32(target.IntN(nodes))
	}
	return nil
}

// Walk goes from one node to all that can be reached, the nearest first, and
// returns how many these are and how many steps the last one takes.
func (g *Graph) Walk(from int) (reached, steps int, err error) {
	var seen generic.DynamicBitSetUnmanaged
	defer seen.Close(g.a)
	var queue generic.DequeUnmanaged[uint32]
	defer queue.Close(g.a)
	if err := seen.Resize(g.a, g.Nodes(), false); err != nil {
		return 0, 0, err
	}
	if err := queue.PushBack(g.a, uint32(from)); err != nil {
		return 0, 0, err
	}
	seen.Set(from)
	for queue.Len() > 0 {
		for range queue.Len() { // all that are as many steps away
			n, _ := queue.PopFront()
			reached++
			for _, to := range g.From(int(n)) {
				if seen.IsSet(int(to)) {
					continue
				}
				seen.Set(int(to))
				if err := queue.PushBack(g.a, to); err != nil {
					return 0, 0, err
				}
			}
		}
		if queue.Len() > 0 {
			steps++
		}
	}
	return reached, steps, nil
}
