package heap_test

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// What SMP does inside does not hide a race of the program's, and is none.
func TestSMPHidesNoRace(t *testing.T) {
	if !race.Enabled {
		t.Skip("needs the race detector")
	}
	if _, child := os.LookupEnv(pageChildEnv); child {
		s := heap.NewSMP(heap.SMPOptions{ProfileRate: 1})
		var shared int
		first := make(chan bool)
		var wg sync.WaitGroup
		// Who gets a slot, or a slab, comes after those who had it; but not after
		// what they did later.
		use := func() {
			var blocks [][]byte
			for i := range 200 {
				b, err := s.Alloc(1+i*15, mem.Layout{})
				if err != nil {
					panic(err)
				}
				b[0] = 1
				blocks = append(blocks, b)
			}
			for _, b := range blocks {
				s.Free(b, mem.Layout{})
			}
		}
		wg.Go(func() {
			use()
			shared = 1
			race.Disable() // the detector must not learn of the order from here
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
	c := exec.Command(exe, "-test.run=^TestSMPHidesNoRace$")
	c.Env = append(os.Environ(), pageChildEnv+"=1")
	out, _ := c.CombinedOutput()
	if !strings.Contains(string(out), "DATA RACE") {
		t.Errorf("the detector did not see the race\n%s", out)
	}
	if strings.Contains(string(out), "heap/smp") && !strings.Contains(string(out), "smp_race_test.go") {
		t.Errorf("the detector sees a race inside the allocator\n%s", out)
	}
}

// A use after free by another goroutine is a race, and seen as one.
func TestSMPUseAfterFreeIsARace(t *testing.T) {
	if !race.Enabled {
		t.Skip("needs the race detector")
	}
	if _, child := os.LookupEnv(pageChildEnv); child {
		b := must(heap.Default().Alloc(100, mem.Layout{}))
		var wg sync.WaitGroup
		wg.Go(func() { heap.Default().Free(b, mem.Layout{}) })
		wg.Go(func() { b[50]++ })
		wg.Wait()
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	c := exec.Command(exe, "-test.run=^TestSMPUseAfterFreeIsARace$")
	c.Env = append(os.Environ(), pageChildEnv+"=1")
	if out, _ := c.CombinedOutput(); !strings.Contains(string(out), "DATA RACE") {
		t.Errorf("the detector did not see the race\n%s", out)
	}
}
