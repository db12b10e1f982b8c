package heap_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// Some tests change what a process cannot change back: its limits, its user, the
// size of its pages. They run in a process of their own.

const pageChildEnv = "ALLOD_HEAP_PAGE_CHILD"

// inPageChild runs the calling test again in a child process, with arg, and
// returns its output and whether it failed. In the child it returns arg and true.
func inPageChild(t *testing.T, arg string) (string, bool) {
	t.Helper()
	if v, ok := os.LookupEnv(pageChildEnv); ok {
		return v, true
	}
	name, _, _ := strings.Cut(t.Name(), "/")
	out, err := runPageChild(t, arg)
	if strings.Contains("\n"+out, "\n--- SKIP: "+name+" ") {
		t.Skipf("%s: %s", arg, out)
	}
	if err != nil || !strings.Contains("\n"+out, "\n--- PASS: "+name+" ") {
		t.Errorf("%s: %v\n%s", arg, err, out)
	}
	return out, false
}

// runPageChild runs the calling test again in a child process that has arg in
// pageChildEnv.
func runPageChild(t *testing.T, arg string) (output string, err error) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	name, _, _ := strings.Cut(t.Name(), "/")
	c := exec.Command(exe, "-test.run=^"+name+"$", "-test.v", "-test.timeout=120s", "-test.count=1")
	c.Env = append(os.Environ(), pageChildEnv+"="+arg)
	out, err := c.CombinedOutput()
	return string(out), err
}

// inLargerPages runs the calling test again in a child process where a page has
// size bytes. There it returns that size, which is that of the child if the test has
// several, and true.
func inLargerPages(t *testing.T, size int) (n int, child bool) {
	t.Helper()
	arg, child := inPageChild(t, strconv.Itoa(size))
	if !child {
		return 0, false
	}
	n, err := strconv.Atoi(arg)
	if err != nil || n < vm.PageSize() {
		t.Skip("this machine has larger pages")
	}
	vm.SetPageSize(n)
	return n, true
}

// With larger pages than the machine has, everything holds as well.
func TestPageLargerPages(t *testing.T) {
	for _, size := range []int{16 << 10, 64 << 10} {
		n, child := inLargerPages(t, size)
		if !child {
			continue
		}
		allocatortest.RunWith(t, allocatortest.Promises{
			ReusesFreed: !vm.GoHeap, NoGarbage: !vm.GoHeap && !invariant.Enabled,
		}, func(*testing.T) mem.Allocator { return heap.Page{} })
		b := pageAlloc(t, heap.Page{}, n+1, mem.Layout{})
		if got := mem.GoodSize(heap.Page{}, n+1, mem.Layout{}); got != 2*n {
			t.Errorf("GoodSize(%d) = %d, want %d", n+1, got, 2*n)
		}
		heap.Page{}.Free(b, mem.Layout{})
		return
	}
}

// What the allocator does inside does not hide a race of the program's.
func TestPageHidesNoRace(t *testing.T) {
	if !race.Enabled {
		t.Skip("needs the race detector")
	}
	if _, child := os.LookupEnv(pageChildEnv); child {
		shared := 0
		use := func() {
			for range 100 { // enough to meet in every shard
				// No method of t here: they have locks that the detector sees.
				b, err := heap.Page{}.Alloc(100, mem.Layout{})
				if err != nil {
					panic(err)
				}
				b, _ = heap.Page{}.Resize(b, mem.Layout{}, 200)
				heap.Page{}.Free(b, mem.Layout{})
			}
		}
		inUnseenOrder(func() {
			shared = 1
			use()
		}, func() {
			use()
			shared = 2
		})
		if shared == 0 {
			t.Error("nothing happened")
		}
		return
	}
	out, _ := runPageChild(t, "1")
	if !strings.Contains(out, "DATA RACE") {
		t.Errorf("the detector did not see the race\n%s", out)
	}
	if strings.Contains(out, "allod/internal/vm") {
		t.Errorf("the detector sees a race inside the allocator\n%s", out)
	}
}

// inUnseenOrder runs first, and then the other, on goroutines whose order the race
// detector does not learn of.
func inUnseenOrder(first, then func()) {
	done := make(chan bool)
	var wg sync.WaitGroup
	wg.Go(func() {
		first()
		race.Disable()
		done <- true
		race.Enable()
	})
	wg.Go(func() {
		race.Disable()
		<-done
		race.Enable()
		then()
	})
	wg.Wait()
}
