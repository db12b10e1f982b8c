package tooearly

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// The fault has the lines that read, freed and allocated the block.
func TestGreet(t *testing.T) {
	d := heap.NewDebug(heap.Page{}, heap.DebugOptions{Guard: heap.GuardEnd})
	p := mem.Must(mem.New(d, 1))
	guarded := d.Stats().Guarded > 0
	mem.Destroy(d, p)
	d.Close()
	if !guarded {
		t.Skip("no page can be guarded here")
	}
	var fault *heap.Fault
	if err := Greet(io.Discard, "Ada"); !errors.As(err, &fault) {
		t.Fatalf("Greet = %v, want a fault", err)
	}
	if fault.Kind != heap.UseAfterFree || fault.Size != len("hello Ada") {
		t.Errorf("%+v", fault)
	}
	for _, at := range []struct {
		stack heap.Stack
		text  string
	}{{fault.Here, "range hello"}, {fault.Free, "mem.Free"}, {fault.Alloc, "mem.Concat"}} {
		f, _ := runtime.CallersFrames(at.stack.Program()).Next()
		before, _, _ := strings.Cut(Source, at.text)
		want := fmt.Sprintf("tooearly.go:%d", 1+strings.Count(before, "\n"))
		if got := fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line); got != want {
			t.Errorf("%s at %s, want %s", at.text, got, want)
		}
	}
}
