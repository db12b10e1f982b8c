//go:build race

package heap_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/allod-dev/allod/heap"
)

const arenaRaceEnv = "ALLOD_TEST_ARENA_RACE"

// Who reads a block while another goroutine ends its life is reported. The race
// happens in a process of its own.
func TestArenaResetRaces(t *testing.T) {
	if how := os.Getenv(arenaRaceEnv); how != "" {
		a := heap.NewArena(heap.Page{})
		m := a.Mark()
		b := arenaAlloc(t, a, 100, plainBytes)
		done := make(chan byte, 1)
		read := func() { done <- b[50] }
		if how == "good" {
			read()
		} else {
			go read()
			time.Sleep(10 * time.Millisecond) // the read comes first, by the clock alone
		}
		if how == "rewind" {
			a.Rewind(m)
		} else {
			a.Keep(m)
			a.Reset()
		}
		arenaAlloc(t, a, 100, plainBytes)[50] = 1
		<-done
		a.Close()
		return
	}
	for how, want := range map[string]bool{"reset": true, "rewind": true, "good": false} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestArenaResetRaces$")
		cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=1", arenaRaceEnv+"="+how)
		out, _ := cmd.CombinedOutput()
		if got := strings.Contains(string(out), "DATA RACE"); got != want {
			t.Errorf("%s: race reported: %v\n%s", how, got, out)
		}
	}
}
