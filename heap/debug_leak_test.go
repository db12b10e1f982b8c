package heap_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

//go:noinline
func leakOne(a mem.Allocator) []byte { return debugAlloc(a, 100, word8) }

//go:noinline
func leakTwo(a mem.Allocator) []int64 {
	s, err := mem.Alloc[int64](a, 500)
	if err != nil {
		panic(err)
	}
	return s
}

// However many places leak, a report has so many groups, and counts all.
func TestDebugLeakGroups(t *testing.T) {
	d := newDebug(t, &bump{room: make([]byte, 1<<20)}, heap.DebugOptions{})
	const places = 1500
	for i := range places {
		deepAlloc(d, i)
	}
	leakTwo(d)
	e := d.Leaks()
	if e.Blocks != places+1 || e.Bytes != places*8+4000 || len(e.Groups) != 1000 || e.Groups[0].Bytes != 4000 {
		t.Errorf("%d blocks of %d bytes in %d groups", e.Blocks, e.Bytes, len(e.Groups))
	}
	if text := e.Error(); strings.Count(text, "allocated by") != 10 || !strings.Contains(text, "leakTwo") || !strings.HasSuffix(text, "more") {
		t.Error(text)
	}
}

// Close returns the leak and hands it over, grouped by stack, largest first.
func TestDebugLeaks(t *testing.T) {
	var told *heap.LeakError
	d := newDebug(t, heap.Page{}, heap.DebugOptions{OnLeak: func(e *heap.LeakError) { told = e }})
	if e := d.Leaks(); e != nil {
		t.Errorf("leaks of nothing: %v", e)
	}
	var kept [][]byte
	for range 3 {
		kept = append(kept, leakOne(d))
	}
	s := leakTwo(d)
	now := d.Snapshot()
	if e := d.LeaksSince(now); e != nil {
		t.Errorf("leaks since now: %v", e)
	}
	kept = append(kept, leakOne(d))
	if e := d.LeaksSince(now); e == nil || e.Blocks != 1 || e.Bytes != 100 {
		t.Errorf("leaks since: %v", e)
	}
	d.Free(kept[3], word8)
	e := d.Leaks()
	if e == nil || e.Blocks != 4 || e.Bytes != 4300 || len(e.Groups) != 2 {
		t.Fatalf("leaks: %v", e)
	}
	if g := e.Groups[0]; g.Blocks != 1 || g.Bytes != 4000 || g.Type != "int64" || !strings.Contains(g.Stack.String(), "heap_test.leakTwo\n") {
		t.Errorf("largest group: %+v\n%v", g, g.Stack)
	}
	if g := e.Groups[1]; g.Blocks != 3 || g.Bytes != 300 || g.Type != "" || !strings.Contains(g.Stack.String(), "heap_test.leakOne\n") {
		t.Errorf("second group: %+v\n%v", g, g.Stack)
	}
	err := d.Close()
	var le *heap.LeakError
	if !errors.As(err, &le) || le != told || le.Blocks != 4 || le.Op != "heap: Debug.Close" {
		t.Errorf("Close: %v, told %v", err, told)
	}
	if !strings.Contains(err.Error(), "debug_test.go:") {
		t.Errorf("no line in %q", err)
	}
	s[0], kept[0][0] = 1, 1 // the leaked blocks are left alone
}

// By default a leak goes to standard error.
func TestDebugLeakPrinted(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Skip(err)
	}
	before := os.Stderr
	os.Stderr = w
	d := heap.NewDebug(heap.GC{}, heap.DebugOptions{StackDepth: -1})
	debugAlloc(d, 10, word8)
	d.Close()
	os.Stderr = before
	w.Close()
	buf := make([]byte, 1000)
	n, _ := r.Read(buf)
	r.Close()
	if got, want := string(buf[:n]), "heap: Debug.Close: leaked 1 block of 10 bytes\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

func TestOpenDebugs(t *testing.T) {
	has := func(d *heap.Debug) bool { return slices.Contains(heap.OpenDebugs(), d) }
	x := heap.NewDebug(heap.GC{}, heap.DebugOptions{})
	y := heap.NewDebug(heap.GC{}, heap.DebugOptions{})
	if !has(x) || !has(y) {
		t.Error("a Debug that is open is missing")
	}
	x.Close()
	if has(x) || !has(y) {
		t.Error("Close of one Debug made it, or another, what it is not")
	}
	y.Close()
	if has(y) {
		t.Error("a Debug that is closed is there")
	}
}

// Whoever looks at all Debugs while others are made does not race with those who
// make them, in the eyes of the race detector, which sees no lock of theirs.
func TestOpenDebugsRace(t *testing.T) {
	made := make(chan *heap.Debug)
	go func() {
		d := heap.NewDebug(heap.Page{}, heap.DebugOptions{})
		time.Sleep(20 * time.Millisecond) // before anybody is told
		made <- d
	}()
	for {
		for _, d := range heap.OpenDebugs() {
			d.Stats()
			d.Leaks()
		}
		select {
		case d := <-made:
			d.Close()
			return
		default:
			time.Sleep(time.Millisecond)
		}
	}
}
