package heap_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// logLines returns what fn logs through a Logging with these options, as text
// without times and addresses.
func logLines(t *testing.T, child mem.Allocator, o heap.LoggingOptions, fn func(a mem.Allocator)) []string {
	t.Helper()
	var out bytes.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			switch a.Key {
			case slog.TimeKey:
				return slog.Attr{}
			case "addr", "from":
				if s := a.Value.String(); !strings.HasPrefix(s, "0x") || s == "0x0" {
					t.Errorf("%s is %q", a.Key, s)
				}
				return slog.String(a.Key, "0x")
			}
			return a
		},
	}))
	fn(heap.NewLogging(child, o))
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

func checkLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		var g, w string
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("line %d is %q\nwant      %q", i+1, g, w)
		}
	}
}

func TestLoggingRecords(t *testing.T) {
	child := &fakeChild{}
	got := logLines(t, child, heap.LoggingOptions{}, func(a mem.Allocator) {
		l := mem.Layout{Align: mem.Align(16), Zero: true}
		b := mem.Must(a.Alloc(100, l))
		b, _ = a.Resize(b, l, 150)
		child.refuse = true
		b, _ = a.Resize(b, l, 160)
		b, _ = a.Resize(b, l, 10) // shrinking may be refused too
		b, _ = a.Remap(b, l, 20)
		child.refuse, child.move = false, true
		b, _ = a.Remap(b, l, 30)
		a.Free(b, l)
		child.fail = true
		a.Alloc(7, mem.Layout{})
		mem.Create[*int](a)
		a.Alloc(8, mem.LayoutOf[*int]())
	})
	checkLines(t, got,
		`level=DEBUG msg=alloc size=100 align=16 type=bytes kind=plain zero=true addr=0x`,
		`level=DEBUG msg=resize old_size=100 size=150 align=16 type=bytes kind=plain zero=true addr=0x`,
		`level=DEBUG msg="resize refused" old_size=150 size=160 align=16 type=bytes kind=plain zero=true addr=0x`,
		`level=DEBUG msg="resize refused" old_size=150 size=10 align=16 type=bytes kind=plain zero=true addr=0x`,
		`level=DEBUG msg="remap refused" old_size=150 size=20 align=16 type=bytes kind=plain zero=true addr=0x`,
		`level=DEBUG msg=remap old_size=150 size=30 align=16 type=bytes kind=plain zero=true from=0x addr=0x`,
		`level=DEBUG msg=free size=30 align=16 type=bytes addr=0x`,
		`level=ERROR msg="alloc failed" size=7 align=1 type=bytes kind=plain zero=false err="fake: out of memory"`,
		`level=ERROR msg="alloc failed" size=8 align=`+mem.AlignOf[*int]().String()+
			` type=*int kind=managed zero=true err="mem: *int is a Go pointer, which the garbage collector would not see in this memory; use heap.GC or mem.Ptr[int] or the promise mem.NoGoPointers(allocator)"`,
	)
}

func TestLoggingLevels(t *testing.T) {
	child := &fakeChild{}
	run := func(a mem.Allocator) {
		child.fail, child.refuse = false, true
		b := mem.Must(mem.Alloc[int32](a, 1))
		mem.Resize(a, b, 2)
		child.fail = true
		mem.Alloc[int32](a, 1)
		mem.Free(a, b)
	}
	levels := func(lines []string) (got []string) {
		for _, line := range lines {
			level, _, _ := strings.Cut(strings.TrimPrefix(line, "level="), " ")
			got = append(got, level)
		}
		return got
	}
	checkLines(t, levels(logLines(t, child, heap.LoggingOptions{
		SuccessLevel: slog.LevelInfo, FailureLevel: slog.LevelWarn,
	}, run)), "INFO", "INFO", "WARN", "INFO")
	checkLines(t, levels(logLines(t, child, heap.LoggingOptions{
		SuccessLevel: slog.LevelInfo, FailureLevel: slog.LevelWarn, RefusedLevel: slog.LevelError,
	}, run)), "INFO", "ERROR", "WARN", "INFO")
	checkLines(t, levels(logLines(t, child, heap.LoggingOptions{
		SuccessLevel: slog.LevelDebug - 1, RefusedLevel: slog.LevelDebug - 1,
	}, run)), "ERROR")
	lines := logLines(t, child, heap.LoggingOptions{Name: "index"}, run)
	if want := "level=DEBUG msg=alloc allocator=index size=4 align=4 type=int32"; !strings.HasPrefix(lines[0], want) {
		t.Errorf("%q, want %q...", lines[0], want)
	}
}

// A LevelVar switches logging on and off while the program runs.
func TestLoggingLevelVar(t *testing.T) {
	var level slog.LevelVar
	level.Set(slog.LevelDebug - 1)
	lines := logLines(t, &fakeChild{}, heap.LoggingOptions{SuccessLevel: &level}, func(a mem.Allocator) {
		b := mustAlloc(t, a, 8)
		level.Set(slog.LevelInfo)
		a.Free(b, mem.Layout{})
	})
	checkLines(t, lines, "level=INFO msg=free size=8 align=1 type=bytes addr=0x")
}

// Without a Logger, records go to what slog.Default is at that time.
func TestLoggingDefaultLogger(t *testing.T) {
	a := heap.NewLogging(&fakeChild{}, heap.LoggingOptions{})
	var out bytes.Buffer
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	a.Free(mustAlloc(t, a, 8), mem.Layout{})
	if n := strings.Count(out.String(), "\n"); n != 2 {
		t.Errorf("%d lines:\n%s", n, out.String())
	}
}

// The source of a record is the line of the program, not one of this library.
func TestLoggingSource(t *testing.T) {
	var out bytes.Buffer
	a := heap.NewLogging(heap.NewCounting(&fakeChild{}), heap.LoggingOptions{
		Logger: slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true})),
	})
	p, err := mem.New(heap.NewCounting(a), 1)
	if err != nil {
		t.Fatal(err)
	}
	mem.Destroy(a, p)
	for dec := json.NewDecoder(&out); dec.More(); {
		var r struct{ Source slog.Source }
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(r.Source.Function, ".TestLoggingSource") || !strings.HasSuffix(r.Source.File, "logging_test.go") {
			t.Errorf("source is %+v", r.Source)
		}
	}
}

// handlerFunc is a slog.Handler made of a function.
type handlerFunc func(r slog.Record) error

func (handlerFunc) Enabled(context.Context, slog.Level) bool        { return true }
func (f handlerFunc) Handle(_ context.Context, r slog.Record) error { return f(r) }
func (f handlerFunc) WithAttrs([]slog.Attr) slog.Handler            { return f }
func (f handlerFunc) WithGroup(string) slog.Handler                 { return f }
func (f handlerFunc) logging(child mem.Allocator) *heap.Logging {
	return heap.NewLogging(child, heap.LoggingOptions{Logger: slog.New(f)})
}

// A handler that fails or panics does not change what the allocator does.
func TestLoggingHandlerFails(t *testing.T) {
	for name, f := range map[string]handlerFunc{
		"error": func(slog.Record) error { return errors.New("disk full") },
		"panic": func(slog.Record) error { panic("handler") },
	} {
		t.Run(name, func(t *testing.T) {
			child := &fakeChild{}
			a := f.logging(child)
			p := newProgram(a, 1)
			const steps = 50
			for range steps {
				if err := p.step(); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.close(); err != nil {
				t.Fatal(err)
			}
			if blocks, _ := child.use(); blocks != 0 {
				t.Errorf("%d blocks are left", blocks)
			}
			if s := a.Stats(); s.Failed != s.Records || s.Failed < steps || s.Nested != 0 {
				t.Errorf("%+v, want all failed", s)
			}
		})
	}
}

type panicLeveler struct{}

func (panicLeveler) Level() slog.Level { panic("leveler") }

func TestLoggingLevelerPanics(t *testing.T) {
	a := heap.NewLogging(&fakeChild{}, heap.LoggingOptions{SuccessLevel: panicLeveler{}})
	a.Free(mustAlloc(t, a, 8), mem.Layout{})
	if s := a.Stats(); s.Failed != 2 || s.Records != 0 {
		t.Errorf("%+v", s)
	}
}

// A handler that allocates from the allocator it logs comes to an end, and
// every record of the program is written, those of goroutines that run at the
// same time too.
func TestLoggingHandlerAllocates(t *testing.T) {
	var a *heap.Logging
	a = handlerFunc(func(r slog.Record) error {
		b, err := deep(30, func() ([]byte, error) { return mem.Alloc[byte](a, 64) })
		if err != nil {
			return err
		}
		runtime.Gosched()
		mem.Free(a, b)
		return nil
	}).logging(&fakeChild{})
	const goroutines, each = 8, 20
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range each {
				a.Free(mustAlloc(t, a, 8), mem.Layout{})
			}
		})
	}
	wg.Wait()
	const records = goroutines * each * 2
	if s, want := a.Stats(), (heap.LoggingStats{Records: records, Nested: 2 * records}); s != want {
		t.Errorf("%+v, want %+v", s, want)
	}
}

// deep calls fn with n frames more on the stack.
//
//go:noinline
func deep(n int, fn func() ([]byte, error)) ([]byte, error) {
	if n > 0 {
		return deep(n-1, fn)
	}
	return fn()
}

// Neither do two that log into each other go on for ever, however deep the
// stack between them.
func TestLoggingMutual(t *testing.T) {
	var a, b *heap.Logging
	records := 0
	f := func(other **heap.Logging) handlerFunc {
		return func(slog.Record) error {
			records++
			x, err := deep(200, func() ([]byte, error) { return (*other).Alloc(8, mem.Layout{}) })
			if err == nil {
				(*other).Free(x, mem.Layout{})
			}
			return err
		}
	}
	a, b = f(&b).logging(&fakeChild{}), f(&a).logging(&fakeChild{})
	a.Free(mustAlloc(t, a, 8), mem.Layout{})
	if records != 2 || b.Stats().Nested != 4 {
		t.Errorf("%d records; %+v and %+v", records, a.Stats(), b.Stats())
	}
}

// A handler that blocks holds up its own caller, not the others.
func TestLoggingHandlerBlocks(t *testing.T) {
	release, entered := make(chan struct{}), make(chan struct{})
	var once sync.Once
	a := handlerFunc(func(slog.Record) error {
		first := false
		once.Do(func() { first = true })
		if first {
			close(entered)
			<-release
		}
		return nil
	}).logging(&fakeChild{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.Free(mustAlloc(t, a, 8), mem.Layout{})
	}()
	<-entered
	other := make(chan struct{})
	go func() {
		defer close(other)
		a.Free(mustAlloc(t, a, 8), mem.Layout{})
	}()
	select {
	case <-other:
	case <-time.After(time.Minute):
		t.Error("the other goroutine is held up")
	}
	close(release)
	<-done
	<-other
}

type countingHandler struct {
	handlerFunc
	enabled *int
}

func (h countingHandler) Enabled(context.Context, slog.Level) bool {
	*h.enabled++
	return false
}

// A disabled level costs one question, and allocates nothing even where the
// default logger is asked.
func TestLoggingDisabled(t *testing.T) {
	asked := 0
	a := heap.NewLogging(&oneBlock{block: make([]byte, 64)}, heap.LoggingOptions{
		Logger: slog.New(countingHandler{enabled: &asked}),
	})
	b := mustAlloc(t, a, 8)
	b, _ = a.Resize(b, mem.Layout{}, 9)
	b, _ = a.Resize(b, mem.Layout{}, 1000)
	b, _ = a.Remap(b, mem.Layout{}, 10)
	b, _ = a.Remap(b, mem.Layout{}, 1000)
	a.Alloc(1000, mem.Layout{})
	a.Free(b, mem.Layout{})
	if asked != 7 {
		t.Errorf("asked %d times whether the level is enabled, want 7", asked)
	}
	if s := a.Stats(); s != (heap.LoggingStats{}) {
		t.Errorf("%+v", s)
	}

	a = heap.NewLogging(&oneBlock{block: make([]byte, 64)}, heap.LoggingOptions{FailureLevel: slog.LevelDebug})
	if n := testing.AllocsPerRun(100, func() {
		a.Free(mustAlloc(t, a, 8), mem.Layout{})
		a.Alloc(1000, mem.Layout{})
	}); n != 0 {
		t.Errorf("%v allocations per run with the default logger", n)
	}
}
