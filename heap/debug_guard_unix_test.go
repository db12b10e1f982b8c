//go:build unix

package heap_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/allod-dev/allod/heap"
)

// A system call that is given memory which nobody may access says so, and the
// process goes on.
func TestGuardedSystemCall(t *testing.T) {
	d := guardedDebug(t, heap.GuardEnd, heap.DebugOptions{})
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	b := debugAlloc(d, 100, word1)
	copy(b, "text")
	if n, err := w.Write(b[:4]); n != 4 || err != nil {
		t.Fatalf("a live block: %d, %v", n, err)
	}
	if n, err := r.Read(b); n != 4 || err != nil || string(b[:4]) != "text" {
		t.Fatalf("a live block: %d, %v", n, err)
	}
	debugFree(d, b, word1)
	if n, err := w.Write(b[:4]); n > 0 || !errors.Is(err, syscall.EFAULT) {
		t.Errorf("write of a freed block: %d, %v", n, err)
	}
	if _, err := w.Write([]byte("more")); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(b); n > 0 || !errors.Is(err, syscall.EFAULT) {
		t.Errorf("read into a freed block: %d, %v", n, err)
	}
	d.none()
}

// Without Catch a fault ends the process, with the address and where it was.
func TestGuardedFaultEnds(t *testing.T) {
	const key = "ALLOD_TEST_FAULT"
	if how := os.Getenv(key); how != "" {
		d := guardedDebug(t, heap.GuardEnd, heap.DebugOptions{})
		b := debugAlloc(d, 100, word1)
		if how == "freed" {
			debugFree(d, b, word1)
		}
		debugRead(&b[5])
		return
	}
	guardedDebug(t, heap.GuardEnd, heap.DebugOptions{}) // skips where there is none
	for how, want := range map[string]string{"live": "PASS", "freed": "unexpected fault address 0x"} {
		c := exec.Command(os.Args[0], "-test.run=^TestGuardedFaultEnds$", "-test.count=1")
		c.Env = append(os.Environ(), key+"="+how)
		out, err := c.CombinedOutput()
		if (err != nil) != (how == "freed") || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v, want %q in\n%s", how, err, want, out)
		}
		if how == "freed" && !strings.Contains(string(out), "debugRead") {
			t.Errorf("it is not told where:\n%s", out)
		}
	}
}
