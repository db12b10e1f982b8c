//go:build race

package heap_test

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// A race of the program must be reported although both of its sides allocate
// from the same allocator, in chunks that are there already. Each case is tried
// in a process of its own: this test binary, told by the environment what to do.

const linearRaceEnv = "ALLOD_TEST_LINEAR_RACE"

var linearRaces = map[string]func() mem.Allocator{
	"ConcurrentArena": func() mem.Allocator {
		a := heap.NewConcurrentArena(heap.GC{})
		a.Alloc(8, mem.Layout{}) // the chunk
		return a
	},
	"SharedBuffer": func() mem.Allocator { return heap.NewFixedBuffer(make([]byte, 4096)).ThreadSafe() },
}

func TestLinearHidesNoRaces(t *testing.T) {
	if name := os.Getenv(linearRaceEnv); name != "" {
		raceLinear(name)
		return
	}
	for name := range linearRaces {
		for _, what := range []string{"variable", "block", "freed block"} {
			t.Run(name+"/"+what, func(t *testing.T) {
				for _, twin := range []string{"", "good "} {
					cmd := exec.Command(os.Args[0], "-test.run=^TestLinearHidesNoRaces$")
					cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=1", linearRaceEnv+"="+twin+name+"/"+what)
					out, _ := cmd.CombinedOutput()
					if got, want := strings.Contains(string(out), "DATA RACE"), twin == ""; got != want {
						t.Errorf("%srace reported: %v\n%s", twin, got, out)
					}
				}
			})
		}
	}
}

// raceLinear lets two goroutines write a variable or a block, or one read a
// block that the other frees, with nothing between them but calls to the
// allocator. In the good twin there is a lock.
func raceLinear(name string) {
	name, good := strings.CutPrefix(name, "good ")
	name, what, _ := strings.Cut(name, "/")
	a := linearRaces[name]()
	use := func() {
		for range 10 {
			// No memory is used twice, which would order the two.
			b, _ := a.Alloc(8, mem.Layout{Zero: true})
			a.Alloc(8, mem.Layout{})
			a.Resize(b, mem.Layout{}, 8)
			a.Free(b, mem.Layout{})
		}
	}
	shared, _ := a.Alloc(8, mem.Layout{})
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			time.Sleep(time.Duration(i) * 50 * time.Millisecond) // orders nothing
			use()
			if good {
				mu.Lock()
				defer mu.Unlock()
			}
			switch {
			case what == "variable":
				raced++
			case what == "block":
				shared[0]++
			case i == 0:
				raced = int(shared[0])
			case i == 1:
				a.Free(shared, mem.Layout{})
			}
			use()
		})
	}
	wg.Wait()
}
