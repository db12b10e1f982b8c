package heap_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/tools/pprof"
)

type frameJSON struct {
	Function, File string
	Line           int
}

// in tells whether the stack has a call of the function in a test.
func in(frames []frameJSON, function string) bool {
	for _, f := range frames {
		if strings.HasSuffix(f.Function, "."+function) && strings.HasSuffix(f.File, "_test.go") && f.Line > 0 {
			return true
		}
	}
	return false
}

// decode turns a report into JSON and back.
func decode(t *testing.T, report, into any) {
	t.Helper()
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

func TestMisuseJSON(t *testing.T) {
	d := newDebug(t, heap.GC{}, heap.DebugOptions{})
	b := debugAlloc(d, 24, word8)
	debugFree(d, b, word8)
	debugFreeAgain(d, b, word8)
	m := d.one(heap.DoubleFree, b, 24)
	var got struct {
		Kind, Op, Addr, Hint string
		Size                 int
		Here, Alloc, Free    []frameJSON
	}
	decode(t, m, &got)
	if got.Kind != "double free" || got.Op != "heap: Debug.Free" || got.Size != 24 || !strings.HasPrefix(got.Addr, "0x") || got.Hint != m.Hint {
		t.Errorf("%+v", got)
	}
	if !in(got.Here, "debugFreeAgain") || !in(got.Alloc, "debugAlloc") || !in(got.Free, "debugFree") {
		t.Errorf("%+v", got)
	}
	if text, err := json.Marshal(&heap.Misuse{Kind: heap.Copied, Op: "x"}); err != nil || string(text) != `{"kind":"allocator was copied","op":"x","addr":"0x0","size":0}` {
		t.Errorf("%s, %v", text, err)
	}
}

func TestLeakErrorJSON(t *testing.T) {
	d := newDebug(t, heap.GC{}, heap.DebugOptions{})
	leakOne(d)
	leakTwo(d)
	var got struct {
		Op            string
		Blocks, Bytes int
		Groups        []struct {
			Blocks, Bytes int
			Type          string
			Stack         []frameJSON
		}
	}
	e := d.Leaks()
	decode(t, e, &got)
	if got.Op != e.Op || got.Blocks != 2 || got.Bytes != e.Bytes || len(got.Groups) != 2 ||
		!in(got.Groups[0].Stack, "leakOne") && !in(got.Groups[1].Stack, "leakOne") {
		t.Errorf("%+v", got)
	}
}

func TestFaultJSON(t *testing.T) {
	d := guardedDebug(t, heap.GuardEnd, heap.DebugOptions{})
	b := debugAlloc(d, 24, word8)
	debugFree(d, b, word8)
	var got struct {
		Kind, Addr, Block string
		Size              int
		Here, Alloc, Free []frameJSON
	}
	var f *heap.Fault
	if !errors.As(heap.Catch(func() { debugRead(&b[3]) }), &f) {
		t.Fatal("no fault")
	}
	decode(t, f, &got)
	if got.Kind != "use after free" || got.Size != 24 || got.Block == got.Addr || !in(got.Here, "debugRead") || !in(got.Alloc, "debugAlloc") || !in(got.Free, "debugFree") {
		t.Errorf("%+v", got)
	}
}

// go tool pprof reads what WriteProfile writes, of live blocks and of leaks.
func TestWriteProfile(t *testing.T) {
	d := newDebug(t, heap.GC{}, heap.DebugOptions{})
	var empty, live bytes.Buffer
	if err := d.WriteProfile(&empty); err != nil || empty.Len() == 0 {
		t.Fatal(err)
	}
	for range 10 {
		leakOne(d)
	}
	leakTwo(d)
	if err := d.WriteProfile(&live); err != nil {
		t.Fatal(err)
	}
	var e *heap.LeakError
	if !errors.As(d.Close(), &e) {
		t.Fatal("no leak")
	}
	var leaked bytes.Buffer
	if err := e.WriteProfile(&leaked); err != nil {
		t.Fatal(err)
	}
	e.Groups = e.Groups[:1]
	if err := e.WriteProfile(&bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"live": live.Bytes(), "leaked": leaked.Bytes()} {
		out := pprof.Text(t, b, "-top", "-unit=B")
		if strings.Contains(out, "allod/mem.") || strings.Contains(out, "allod/heap.") {
			t.Errorf("%s shows the allocator:\n%s", name, out)
		}
		for _, want := range []string{"Type: inuse_space", "1000B", "heap_test.leakOne", "heap_test.leakTwo"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q:\n%s", name, want, out)
			}
		}
	}
}

// A Debug that is dropped without Close is told of, with who made it, and its
// blocks stay.
func TestDebugDropped(t *testing.T) {
	const variable = "ALLOD_TEST_DROPPED"
	switch os.Getenv(variable) {
	case "open":
		report := dropped(t)
		fmt.Fprint(os.Stdout, report)
		return
	case "closed":
		dropDebug(true)
		cleaned(t)
		cleaned(t)
		return
	}
	for how, want := range map[string]bool{"open": true, "closed": false} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestDebugDropped$", "-test.count=1")
		cmd.Env = append(os.Environ(), variable+"="+how)
		out, err := cmd.CombinedOutput()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Skipf("no child process: %v", err)
		}
		text := string(out)
		if told := strings.Contains(text, droppedTells) && strings.Contains(text, "heap_test.dropDebug"); told != want || err != nil {
			t.Errorf("%s: told is %t, %v:\n%s", how, told, err, text)
		}
	}
}

const droppedTells = "nobody can close it any more; made by"

// dropped drops a Debug, returns what is printed then, and goes on to use its
// block.
func dropped(t *testing.T) string {
	r, w, err := os.Pipe()
	if err != nil {
		t.Skip(err)
	}
	os.Stderr = w
	b := dropDebug(false)
	told := make(chan string)
	go func() {
		buf := make([]byte, 10_000)
		n, _ := r.Read(buf) // it is one write
		told <- string(buf[:n])
	}()
	for range 60_000 {
		runtime.GC()
		select {
		case report := <-told:
			for i := range b {
				if b[i] != 0xAA {
					t.Fatalf("byte %d of a block that nobody freed is %#x", i, b[i])
				}
				b[i]++
			}
			return report
		case <-time.After(time.Millisecond):
		}
	}
	t.Fatal("not told in a minute of collections")
	return ""
}

// cleaned returns when the cleanup of an object has run that was dropped after
// all that was dropped before. Cleanups may overtake one another: twice is sure.
func cleaned(t *testing.T) {
	done := make(chan bool)
	runtime.AddCleanup(new([64]byte), func(int) { close(done) }, 0)
	for range 60_000 {
		runtime.GC()
		select {
		case <-done:
			return
		case <-time.After(time.Millisecond):
		}
	}
	t.Error("nothing is cleaned up in a minute of collections")
}

//go:noinline
func dropDebug(closed bool) []byte {
	d := heap.NewDebug(heap.Page{}, heap.DebugOptions{})
	b := debugAlloc(d, 100, word8)
	if closed {
		debugFree(d, b, word8)
		d.Close()
	}
	return b
}
