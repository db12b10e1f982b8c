//go:build race

package allocatortest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

const raceChild = "ALLOCATORTEST_RACE_CHILD"

// TestNewHidesNoRace has two goroutines race, with calls of one allocator before
// and after. Its lock must not look as if it ordered them.
func TestNewHidesNoRace(t *testing.T) {
	if os.Getenv(raceChild) != "" {
		a := allocatortest.New(t)
		shared := 0
		step, done := make(chan bool), make(chan bool)
		go func() {
			defer close(done)
			shared++
			mem.Destroy(a, mem.Must(mem.Create[int](a)))
			mem.Destroy(a, mem.Must(mem.Create[*int](a)))
			a.Stats()
			step <- false // not read in time: see below
		}()
		// Some time later, though nothing says so.
		for a.Stats().Frees < 2 {
		}
		mem.Destroy(a, mem.Must(mem.Create[*int](a)))
		shared++ // races
		<-step
		<-done
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestNewHidesNoRace$", "-test.v")
	cmd.Env = append(os.Environ(), raceChild+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "DATA RACE") {
		t.Errorf("the detector overlooked a race of the program: %v\n%s", err, out)
	}
	if strings.Count(string(out), "WARNING: DATA RACE") > 1 {
		t.Errorf("the detector saw more than the race of the program:\n%s", out)
	}
}
