package stack_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/allod-dev/allod/internal/stack"
)

// of returns a stack that is determined by seed.
func of(seed, depth int) []uintptr {
	pcs := make([]uintptr, depth)
	x := uintptr(seed)*0x9E3779B1 + 1
	for i := range pcs {
		x = x*0x2545F491 + 7
		pcs[i] = x
	}
	return pcs
}

func TestTable(t *testing.T) {
	table := stack.NewTable(8 << 20)
	ids := make(map[stack.ID]int)
	const n = 20_000
	for i := range n {
		depth := 1 + i%40
		id := table.Intern(of(i, depth))
		if id == 0 {
			t.Fatalf("stack %d: no ID", i)
		}
		if j, ok := ids[id]; ok {
			t.Fatalf("stacks %d and %d are both %d", i, j, id)
		}
		ids[id] = i
	}
	for id, i := range ids {
		want := of(i, 1+i%40)
		if got := table.PCs(id); !slices.Equal(got, want) {
			t.Fatalf("stack %d: %x, want %x", i, got, want)
		}
		if again := table.Intern(want); again != id {
			t.Fatalf("stack %d: %d at first, then %d", i, id, again)
		}
	}
	if stacks, _, lost := table.Stats(); stacks != n || lost != 0 {
		t.Errorf("%d stacks and %d lost, want %d and none", stacks, lost, n)
	}
}

// Stacks that begin alike, or are one the beginning of the other, are two.
func TestTablePrefixes(t *testing.T) {
	table := stack.NewTable(1 << 20)
	pcs := of(1, stack.MaxDepth+10)
	seen := make(map[stack.ID]bool)
	for n := 1; n <= stack.MaxDepth; n++ {
		id := table.Intern(pcs[:n])
		if id == 0 || seen[id] || !slices.Equal(table.PCs(id), pcs[:n]) {
			t.Fatalf("the first %d: ID %d, seen %t, %x", n, id, seen[id], table.PCs(id))
		}
		seen[id] = true
	}
}

func TestTableDepth(t *testing.T) {
	table := stack.NewTable(1 << 20)
	long := of(1, stack.MaxDepth+10)
	if got := table.PCs(table.Intern(long)); !slices.Equal(got, long[:stack.MaxDepth]) {
		t.Errorf("%d addresses of %d", len(got), stack.MaxDepth)
	}
	if id := table.Intern(nil); id != 0 {
		t.Errorf("Intern(nil) = %d", id)
	}
	if pcs := table.PCs(0); pcs != nil {
		t.Errorf("PCs(0) = %x", pcs)
	}
}

// A full table loses new stacks and keeps the old ones.
func TestTableFull(t *testing.T) {
	table := stack.NewTable(1)
	var ids []stack.ID
	for i := 0; ; i++ {
		id := table.Intern(of(i, 30))
		if id == 0 {
			break
		}
		ids = append(ids, id)
	}
	_, words, lost := table.Stats()
	if lost != 1 || len(ids) < 200 || words > 1<<13 {
		t.Errorf("full with %d stacks of %d words, %d lost", len(ids), words, lost)
	}
	for i, id := range ids {
		if again := table.Intern(of(i, 30)); again != id {
			t.Fatalf("stack %d: %d at first, then %d", i, id, again)
		}
	}
}

func TestTableAllocates(t *testing.T) {
	table := stack.NewTable(1 << 20)
	pcs := of(1, 16)
	table.Intern(pcs)
	if n := testing.AllocsPerRun(100, func() { table.Intern(pcs) }); n != 0 {
		t.Errorf("Intern of a known stack: %v allocations", n)
	}
}

// All goroutines get the same IDs.
func TestTableConcurrent(t *testing.T) {
	table := stack.NewTable(1 << 22)
	const workers, n = 8, 2000
	var (
		ids [workers][n]stack.ID
		wg  sync.WaitGroup
	)
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range n {
				j := (i + w*n/workers) % n
				ids[w][j] = table.Intern(of(j, 1+j%20))
				if got := table.PCs(ids[w][j]); !slices.Equal(got, of(j, 1+j%20)) {
					t.Errorf("stack %d: %x", j, got)
				}
			}
		}()
	}
	wg.Wait()
	for w := range workers {
		if ids[w] != ids[0] {
			t.Fatal("goroutines got other IDs for the same stacks")
		}
	}
	if stacks, _, _ := table.Stats(); stacks != n {
		t.Errorf("%d stacks, want %d", stacks, n)
	}
}

func BenchmarkIntern(b *testing.B) {
	table := stack.NewTable(1 << 22)
	pcs := of(1, 16)
	b.ReportAllocs()
	for b.Loop() {
		table.Intern(pcs)
	}
}
