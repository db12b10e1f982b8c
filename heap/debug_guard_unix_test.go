//go:build unix

package heap_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/race"
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

// The error of such a call is explained, by the block that it is about, and
// every other error is left alone.
func TestBadAddress(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	write := func(b []byte) error { _, err := w.Write(b); return err }
	for _, c := range []struct {
		name string
		kind heap.MisuseKind
		side heap.DebugGuard
		free bool
		b    func(b []byte) []byte
		at   int
	}{
		{"twin", 0, heap.GuardEnd, false, func(b []byte) []byte { return b }, 0},
		{"freed", heap.UseAfterFree, heap.GuardEnd, true, func(b []byte) []byte { return b }, 0},
		{"part of a freed one", heap.UseAfterFree, heap.GuardEnd, true, func(b []byte) []byte { return b[len(b)/2:] }, 50},
		{"beyond the end", heap.Overflow, heap.GuardEnd, false, func(b []byte) []byte { return byteSlice(b, 0) }, 100},
		{"past the end", heap.Overflow, heap.GuardEnd, false, func(b []byte) []byte { return unsafe.Slice(byteAt(b, len(b)), 3) }, 100},
		{"before the start", heap.Underflow, heap.GuardStart, false, func(b []byte) []byte { return unsafe.Slice(byteAt(b, -1), 3) }, -1},
	} {
		d := guardedDebug(t, c.side, heap.DebugOptions{})
		s := &scene{debugTest: d, size: 100}
		b := s.one(word1)
		if c.free {
			s.free(b, word1)
		}
		x := c.b(b)
		err := write(x)
		if (err != nil) != (c.kind != 0) {
			t.Fatalf("%s: write: %v", c.name, err)
		}
		fine := make([]byte, 10)
		at := next()
		told := heap.BadAddress(err, fine, x)
		var f *heap.Fault
		if errors.As(told, &f) != (c.kind != 0) {
			t.Fatalf("%s: %v", c.name, told)
		}
		if f != nil && (f.Kind != c.kind || f.Addr != addr(b)+uintptr(c.at) || f.Block != addr(b) || f.Size != 100 || !errors.Is(told, syscall.EFAULT) ||
			begins(f.Here) != at || begins(f.Alloc) != s.born || begins(f.Free) != s.died || !strings.HasPrefix(told.Error(), "heap: BadAddress: access ")) {
			t.Errorf("%s: %v: %v at %s, of %s, freed %s; want %s, %s, %s", c.name, f.Kind, told, begins(f.Here), begins(f.Alloc), begins(f.Free), at, s.born, s.died)
		}
		if got := heap.BadAddress(err, fine); got != err {
			t.Errorf("%s: of another buffer: %v", c.name, got)
		}
		if got := heap.BadAddress(syscall.EPIPE, x); got != syscall.EPIPE {
			t.Errorf("%s: another error: %v", c.name, got)
		}
		if !c.free {
			d.Free(b, word1)
		}
		d.none()
	}
	// What else nobody can access.
	page := debugAlloc(heap.Page{}, 100, word1)
	heap.Page{}.Free(page, word1)
	if err := write(page); !race.Enabled && heap.BadAddress(err, page) != err {
		t.Errorf("a page: %v", heap.BadAddress(err, page))
	}
}

// A process that a fault ends leaves behind what the block was.
func TestCrashRecord(t *testing.T) {
	const key = "ALLOD_TEST_CRASH"
	if how := os.Getenv(key); how != "" {
		crash(t, how)
		return
	}
	guardedDebug(t, heap.GuardEnd, heap.DebugOptions{}) // skips where there is none
	for how, kind := range map[string]heap.MisuseKind{"": 0, "freed": heap.UseAfterFree, "past the end": heap.Overflow, "before the start": heap.Underflow, "nil": 0} {
		if how == "" {
			how = "good"
		}
		name := filepath.Join(t.TempDir(), "record")
		c := exec.Command(os.Args[0], "-test.run=^TestCrashRecord$", "-test.count=1")
		c.Env = append(os.Environ(), key+"="+how+"|"+name)
		out, err := c.CombinedOutput()
		if (err == nil) != (how == "good") {
			t.Fatalf("%s: %v\n%s", how, err, out)
		}
		file, err := os.Open(name)
		if err != nil {
			t.Fatalf("%s: %v\n%s", how, err, out)
		}
		f, err := heap.ReadCrash(file, string(out))
		file.Close()
		if kind == 0 {
			if f != nil || !errors.Is(err, heap.ErrCrashRecord) {
				t.Errorf("%s: %v, %v", how, f, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", how, err, out)
		}
		said := func(what string) string { // what the process said of it before
			_, text, _ := strings.Cut(string(out), what+"=")
			text, _, _ = strings.Cut(text, "\n")
			return text
		}
		got := fmt.Sprintf("%v %#x %#x %d %s %s", f.Kind, f.Addr, f.Block, f.Size, begins(f.Alloc), begins(f.Free))
		want := fmt.Sprintf("%v %s %s 100 %s %s", kind, said("addr"), said("block"), said("born"), said("died"))
		if got != want {
			t.Errorf("%s: %s, want %s\n%v", how, got, want, f)
		}
		if _, err := heap.ReadCrash(strings.NewReader("something else"), string(out)); !errors.Is(err, heap.ErrCrashRecord) {
			t.Errorf("another file: %v", err)
		}
	}
}

// crash is the process that ends.
func crash(t *testing.T, how string) {
	how, name, _ := strings.Cut(how, "|")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	d := guardedDebug(t, heap.GuardEnd, heap.DebugOptions{QuarantineBlocks: 10})
	if how == "before the start" {
		d = guardedDebug(t, heap.GuardStart, heap.DebugOptions{QuarantineBlocks: 10})
	}
	early := debugAlloc(d, 100, word1)
	stop, err := heap.RecordGuarded(file)
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	if _, err := heap.RecordGuarded(file); !errors.Is(err, heap.ErrCrashRecord) {
		t.Errorf("two at a time: %v", err)
	}
	for range 300 { // others, before and after
		debugFree(d, debugAlloc(d, 100, word1), word1)
	}
	s := &scene{debugTest: d, size: 100}
	b := s.one(word1)
	at := map[string]int{"past the end": 100, "before the start": -1}[how]
	if how == "freed" {
		s.free(b, word1)
	}
	for range 5 {
		debugFree(d, debugAlloc(d, 100, word1), word1)
	}
	fmt.Printf("addr=%#x\nblock=%#x\nborn=%s\ndied=%s\n", addr(b)+uintptr(at), addr(b), s.born, s.died)
	switch how {
	case "good":
		b[0] = 1
		debugFree(d, b, word1)
		debugFree(d, early, word1)
	case "nil":
		debugRead((*byte)(unsafe.Pointer(new(struct{ p *byte }).p)))
	default:
		debugRead(byteAt(b, at))
	}
	stop()
	stop()
	again, err := os.Create(name + ".again")
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if stop, err = heap.RecordGuarded(again); err != nil {
		t.Fatal(err)
	}
	stop()
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
