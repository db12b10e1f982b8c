package heap_test

import (
	"bufio"
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

// A Debug that is dropped without Close is told of, with who made it.
func TestDebugDropped(t *testing.T) {
	switch os.Getenv("ALLOD_TEST_DROPPED") {
	case "open":
		dropDebug(false)
		for range 60_000 { // until the parent has seen enough
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
		return
	case "closed":
		dropDebug(true)
		cleaned(t)
		cleaned(t)
		return
	}
	const tells = "nobody can close it any more; made by"
	for how, want := range map[string]bool{"open": true, "closed": false} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestDebugDropped$", "-test.count=1")
		cmd.Env = append(os.Environ(), "ALLOD_TEST_DROPPED="+how)
		stderr, err := cmd.StderrPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Skipf("no child process: %v", err)
		}
		var out strings.Builder
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			fmt.Fprintln(&out, lines.Text())
			if text := out.String(); strings.Contains(text, tells) && strings.Contains(text, "heap_test.dropDebug") {
				cmd.Process.Kill()
			}
		}
		err = cmd.Wait()
		text := out.String()
		told := strings.Contains(text, tells) && strings.Contains(text, "heap_test.dropDebug")
		if told != want || !told && err != nil {
			t.Errorf("%s: told is %t, %v:\n%s", how, told, err, text)
		}
	}
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
func dropDebug(closed bool) {
	d := heap.NewDebug(heap.GC{}, heap.DebugOptions{})
	b := debugAlloc(d, 100, word8)
	if closed {
		debugFree(d, b, word8)
		d.Close()
	}
}
