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
	name := t.Name()
	if v, ok := os.LookupEnv(pageChildEnv); ok {
		return v, true
	}
	exe, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	name, _, _ = strings.Cut(name, "/")
	c := exec.Command(exe, "-test.run=^"+name+"$", "-test.v", "-test.timeout=120s", "-test.count=1")
	c.Env = append(os.Environ(), pageChildEnv+"="+arg)
	out, err := c.CombinedOutput()
	if strings.Contains("\n"+string(out), "\n--- SKIP: "+name+" ") {
		t.Skipf("%s: %s", arg, out)
	}
	if err != nil || !strings.Contains("\n"+string(out), "\n--- PASS: "+name+" ") {
		t.Errorf("%s: %v\n%s", arg, err, out)
	}
	return string(out), false
}

// With larger pages than the machine has, everything holds as well.
func TestPageLargerPages(t *testing.T) {
	for _, size := range []string{"16384", "65536"} {
		arg, child := inPageChild(t, size)
		if !child {
			continue
		}
		n, err := strconv.Atoi(arg)
		if err != nil || n < vm.PageSize() {
			t.Skip("this machine has larger pages")
		}
		vm.SetPageSize(n)
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
		var shared int
		first := make(chan bool)
		var wg sync.WaitGroup
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
		wg.Go(func() {
			shared = 1
			use()
			// The detector must not learn of the order of the two by other means.
			race.Disable()
			first <- true
			race.Enable()
		})
		wg.Go(func() {
			race.Disable()
			<-first
			race.Enable()
			use()
			shared = 2
		})
		wg.Wait()
		if shared == 0 {
			t.Error("nothing happened")
		}
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	c := exec.Command(exe, "-test.run=^TestPageHidesNoRace$")
	c.Env = append(os.Environ(), pageChildEnv+"=1")
	out, _ := c.CombinedOutput()
	if !strings.Contains(string(out), "DATA RACE") {
		t.Errorf("the detector did not see the race\n%s", out)
	}
	if strings.Contains(string(out), "allod/internal/vm") {
		t.Errorf("the detector sees a race inside the allocator\n%s", out)
	}
}
