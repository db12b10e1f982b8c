//go:build race

package heap_test

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allod-dev/allod/mem"
)

// A race of the program must be reported although both of its sides use the
// same wrapper, whose counters and tables they share. Each wrapper is tried in a
// process of its own: this test binary, told by the environment what to do.
// ThreadSafe is the exception, and says so.

const raceEnv = "ALLOD_TEST_RACE"

func TestWrappersHideNoRaces(t *testing.T) {
	if name := os.Getenv(raceEnv); name != "" {
		raceThrough(t, name)
		return
	}
	for _, m := range wrapperMakers {
		if m.name == "ThreadSafe" {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			for _, twin := range []string{"", "good "} {
				cmd := exec.Command(os.Args[0], "-test.run=^TestWrappersHideNoRaces$")
				cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=1", raceEnv+"="+twin+m.name)
				out, _ := cmd.CombinedOutput()
				if got, want := strings.Contains(string(out), "DATA RACE"), twin == ""; got != want {
					t.Errorf("%srace reported: %v\n%s", twin, got, out)
				}
			}
		})
	}
}

var raced int

// raceThrough lets two goroutines write a variable, with nothing between them but
// calls to the wrapper. In the good twin there is a lock.
func raceThrough(t *testing.T, name string) {
	name, good := strings.CutPrefix(name, "good ")
	for _, m := range wrapperMakers {
		if m.name != name {
			continue
		}
		var mu sync.Mutex
		a := m.make(eachItsOwn{})
		use := func() {
			for range 10 {
				b := mem.Must(a.Alloc(8, mem.Layout{}))
				b, _ = a.Resize(b, mem.Layout{}, 4)
				b, _ = a.Remap(b, mem.Layout{}, 2)
				a.Free(b, mem.Layout{})
				a.Alloc(1<<20, mem.Layout{})
			}
		}
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 50 * time.Millisecond) // orders nothing
				use()
				if good {
					mu.Lock()
					defer mu.Unlock()
				}
				raced++
				use()
			})
		}
		wg.Wait()
	}
}

// eachItsOwn is a child without any state that goroutines share.
type eachItsOwn struct{ mem.NoResize }

func (eachItsOwn) Alloc(size int, _ mem.Layout) ([]byte, error) {
	if size > 1000 {
		return nil, errFake
	}
	return make([]byte, size), nil
}

func (eachItsOwn) Resize(b []byte, _ mem.Layout, size int) ([]byte, bool) {
	if size > len(b) {
		return b, false
	}
	return b[:size:size], true
}

func (e eachItsOwn) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	return e.Resize(b, l, size)
}

func (eachItsOwn) Free([]byte, mem.Layout) {}
