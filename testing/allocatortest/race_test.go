//go:build race

package allocatortest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
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
	oneRace(t, "")
}

// oneRace runs the test once more in a process of its own, and wants the race
// detector to see one race there, in a function of that name.
func oneRace(t *testing.T, function string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(exe, "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v")
	cmd.Env = append(os.Environ(), raceChild+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "DATA RACE") || !strings.Contains(string(out), function) {
		t.Errorf("the detector overlooked a race of the program: %v\n%s", err, out)
	}
	if strings.Count(string(out), "WARNING: DATA RACE") > 1 {
		t.Errorf("the detector saw more than the race of the program:\n%s", out)
	}
}

// TestOffHeapRace has two goroutines write to one block off the Go heap, which
// the detector sees, since pages come from the Go heap in its builds. The twin
// waits, and nothing is seen.
func TestOffHeapRace(t *testing.T) {
	for name, memory := range map[string]func(t *testing.T) mem.Allocator{
		"Page":  func(*testing.T) mem.Allocator { return heap.Page{} },
		"Arena": func(*testing.T) mem.Allocator { return heap.NewArena(heap.Page{}) },
		"New":   func(t *testing.T) mem.Allocator { return allocatortest.New(t, allocatortest.Child(heap.Page{})) },
	} {
		t.Run(name, func(t *testing.T) {
			if os.Getenv(raceChild) == "" {
				writeBoth(memory(t), true)
				oneRace(t, "writeOff")
				return
			}
			writeBoth(memory(t), false)
		})
	}
}

// writeBoth writes to a block in two goroutines, one after the other if they are
// to wait.
func writeBoth(a mem.Allocator, wait bool) {
	p := mem.Must(mem.Create[int64](a))
	step, done := make(chan bool, 1), make(chan bool)
	go func() {
		defer close(done)
		if wait {
			<-step
		}
		writeOff(p)
	}()
	writeOff(p)
	step <- true
	<-done
	mem.Destroy(a, p)
}

//go:noinline
func writeOff(p *int64) { *p++ }
