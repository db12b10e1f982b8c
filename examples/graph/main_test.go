package main

import (
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

func TestRun(t *testing.T) {
	var out strings.Builder
	a := allocatortest.New(t, allocatortest.Child(heap.Page{}))
	if err := run(&out, a, 2000); err != nil || !strings.Contains(out.String(), "200 nodes and 2000 edges") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// The walk finds what following every edge until nothing is new finds.
func TestWalk(t *testing.T) {
	g := New(allocatortest.New(t))
	defer g.Close()
	if err := g.Random(100, 150); err != nil {
		t.Fatal(err)
	}
	edges := 0
	steps := map[int]int{0: 0}
	for n := range 100 {
		edges += len(g.From(n))
	}
	for changed := true; changed; {
		changed = false
		for n := range 100 {
			at, ok := steps[n]
			for _, to := range g.From(n) {
				if old, known := steps[int(to)]; ok && (!known || old > at+1) {
					steps[int(to)], changed = at+1, true
				}
			}
		}
	}
	far := 0
	for _, n := range steps {
		far = max(far, n)
	}
	reached, last, err := g.Walk(0)
	if err != nil || edges != 150 || reached != len(steps) || last != far {
		t.Errorf("%d edges; %d reached in %d steps, want %d in %d; %v", edges, reached, last, len(steps), far, err)
	}
}

func TestRunningOut(t *testing.T) {
	allocatortest.CheckAllFailures(t, func(a mem.Allocator) error {
		g := New(a)
		defer g.Close()
		if err := g.Random(50, 500); err != nil {
			return err
		}
		_, _, err := g.Walk(0)
		return err
	})
}
