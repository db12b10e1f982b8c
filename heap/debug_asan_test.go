package heap_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/asan"
	"github.com/allod-dev/allod/internal/race"
)

// Under the address sanitizer a read of a freed block is reported by that. The
// test runs itself in such a build.
func TestDebugAddressSanitizer(t *testing.T) {
	if os.Getenv("ALLOD_TEST_ASAN") != "" {
		if !asan.Enabled {
			t.Fatal("not a build with -asan")
		}
		d := heap.NewDebug(heap.Page{}, heap.DebugOptions{QuarantineBlocks: 5})
		for range 20 { // memory that was poisoned is good again
			b := debugAlloc(d, 64, word8)
			clear(b)
			debugFree(d, b, word8)
			d.Check()
		}
		b := debugAlloc(d, 64, word8)
		debugRead(&b[5])
		debugFree(d, b, word8)
		os.Stdout.WriteString("nothing wrong so far\n")
		debugRead(&b[5])
		t.Fatal("the read was not seen")
	}
	if testing.Short() || race.Enabled {
		t.Skip("it builds the tests anew")
	}
	cmd := exec.Command("go", "test", "-asan", "-count=1", "-run=^TestDebugAddressSanitizer$", ".")
	cmd.Env = append(os.Environ(), "ALLOD_TEST_ASAN=1")
	out, err := cmd.CombinedOutput()
	text := string(out)
	if !strings.Contains(text, "nothing wrong so far") && !strings.Contains(text, "AddressSanitizer:") {
		t.Skipf("go test -asan does not work here: %v\n%s", err, text)
	}
	if before, after, _ := strings.Cut(text, "nothing wrong so far"); strings.Contains(before, "AddressSanitizer:") ||
		!strings.Contains(after, "AddressSanitizer: use-after-poison") {
		t.Errorf("%v\n%s", err, text)
	}
}
