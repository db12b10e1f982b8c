package invariant_test

import (
	"testing"

	"github.com/allod-dev/allod/internal/invariant"
)

func TestCheck(t *testing.T) {
	invariant.Check(true, "never seen %d", 1)
	defer func() {
		if got, want := recover(), "invariant broken: off 3 of 2"; got != want {
			t.Errorf("panic %v, want %q", got, want)
		}
	}()
	invariant.Check(false, "off %d of %d", 3, 2)
}
