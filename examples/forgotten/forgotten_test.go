package forgotten

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
)

// The leak has the number of blocks, their bytes, and the line that asked for
// them.
func TestGreet(t *testing.T) {
	var leak *heap.LeakError
	if err := Greet(io.Discard, "Ada", "Grace"); !errors.As(err, &leak) {
		t.Fatalf("Greet = %v, want a leak", err)
	}
	if leak.Blocks != 1 || leak.Bytes != len("hello Ada") || len(leak.Groups) != 1 {
		t.Fatalf("%+v", leak)
	}
	f, _ := runtime.CallersFrames(leak.Groups[0].Stack.Program()).Next()
	at := fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line)
	if line := lineOf("mem.Concat"); at != fmt.Sprintf("forgotten.go:%d", line) {
		t.Errorf("allocated at %s, want line %d", at, line)
	}
}

// lineOf returns the number of the line of the program that has the text.
func lineOf(text string) int {
	before, _, ok := strings.Cut(Source, text)
	if !ok {
		return 0
	}
	return 1 + strings.Count(before, "\n")
}
