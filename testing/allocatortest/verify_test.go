package allocatortest_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// newDebug returns a Debug that says nothing by itself, closed when t ends.
func newDebug(t *testing.T) *heap.Debug {
	d := heap.NewDebug(heap.GC{}, heap.DebugOptions{
		OnMisuse: func(m *heap.Misuse) { t.Error(m) },
		OnLeak:   func(*heap.LeakError) {},
	})
	t.Cleanup(func() { d.Close() })
	return d
}

func TestVerifyNone(t *testing.T) {
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			d, leaky := newDebug(t), newDebug(t)
			for range 100 {
				r := allocatortest.NewRecorder()
				b := mem.Must(d.Alloc(24, word))
				other := mem.Must(leaky.Alloc(48, word))
				allocatortest.VerifyNone(r, d)
				want(t, r, "leaked 1 block of 24 bytes", "TestVerifyNone")
				d.Free(b, word)

				r = allocatortest.NewRecorder()
				allocatortest.VerifyNone(r, d)
				if f := r.Failures(); len(f) != 0 {
					t.Fatalf("found %q", f)
				}
				allocatortest.VerifyNone(r, d, leaky)
				want(t, r, "leaked 1 block of 48 bytes")
				leaky.Free(other, word)
			}
			r := allocatortest.NewRecorder()
			b := mem.Must(d.Alloc(8, word))
			d.Free(b, word)
			b[3] = 1
			allocatortest.VerifyNone(r, d)
			want(t, r, "write after free", "and freed by")
		})
	}
	r := allocatortest.NewRecorder()
	allocatortest.VerifyNone(r)
	want(t, r, "no allocator to look at")
}

// tests stands for a testing.M.
type tests func() int

func (f tests) Run() int { return f() }

func leakInto(a mem.Allocator) { mem.Must(a.Alloc(24, word)) }

func leakApart(a mem.Allocator, done chan bool) {
	defer close(done)
	leakInto(a)
}

// leakInHelper leaks below a function that has the name of a test.
func leakInHelper(a mem.Allocator, done chan bool) {
	defer close(done)
	iotest.TestReader(leakingReader{a}, nil)
}

type leakingReader struct{ a mem.Allocator }

func (r leakingReader) Read([]byte) (int, error) {
	leakInto(r.a)
	return 0, io.EOF
}

func TestVerifyTestMain(t *testing.T) {
	for _, tt := range []struct {
		name string
		run  func(d *heap.Debug) int
		opts []allocatortest.VerifyOption
		code int
		says string // or nothing is printed
	}{
		{"Clean", func(d *heap.Debug) int { d.Free(mem.Must(d.Alloc(24, word)), word); return 0 }, nil, 0, ""},
		{"Leak", func(d *heap.Debug) int { leakInto(d); return 0 }, nil, 1, "all tests passed, but\nleaked 1 block of 24 bytes"},
		{"Damage", func(d *heap.Debug) int {
			b := mem.Must(d.Alloc(24, word))
			d.Free(b, word)
			b[0] = 1
			return 0
		}, nil, 1, "write after free"},
		{"Failed", func(d *heap.Debug) int { leakInto(d); return 3 }, nil, 3, ""},
		{"IgnoreTop", func(d *heap.Debug) int { leakInto(d); return 0 },
			[]allocatortest.VerifyOption{allocatortest.IgnoreTopFunction("github.com/allod-dev/allod/testing/allocatortest_test.leakInto")}, 0, ""},
		{"IgnoreOtherTop", func(d *heap.Debug) int { leakInto(d); return 0 },
			[]allocatortest.VerifyOption{allocatortest.IgnoreTopFunction("github.com/allod-dev/allod/testing/allocatortest_test.TestVerifyTestMain")}, 1, "leaked"},
		{"IgnoreAny", func(d *heap.Debug) int { leakInto(d); return 0 },
			[]allocatortest.VerifyOption{allocatortest.IgnoreAnyFunction("github.com/allod-dev/allod/testing/allocatortest_test.tests.Run")}, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDebug(t)
			mem.Must(d.Alloc(1000, word)) // before anything
			var out bytes.Buffer
			code := -1
			opts := append(tt.opts, allocatortest.IgnoreCurrent(), allocatortest.Cleanup(func(c int) { code = c }))
			allocatortest.VerifyTestMainTo(&out, tests(func() int { return tt.run(d) }), opts...)
			const line = "\nto run only this: go test -run '^TestVerifyTestMain$'\n"
			if tt.says != "" && !strings.HasSuffix(out.String(), line) {
				t.Errorf("printed %q, want %q at the end", out.String(), line)
			}
			if code != tt.code || (tt.says == "") != (out.Len() == 0) || !strings.Contains(out.String(), tt.says) {
				t.Errorf("code %d, printed %q; want %d, %q", code, out.String(), tt.code, tt.says)
			}
		})
	}
	d := newDebug(t)
	leakInto(d)
	code := 0
	var out bytes.Buffer
	allocatortest.VerifyTestMainTo(&out, tests(func() int { return 0 }), allocatortest.Cleanup(func(c int) { code = c }))
	if code != 1 || !strings.Contains(out.String(), "leakInto") {
		t.Errorf("code %d, printed %q; want what was live before", code, out.String())
	}

	// A goroutine does not tell which test started it.
	done := make(chan bool)
	go leakApart(d, done)
	<-done
	out.Reset()
	allocatortest.VerifyTestMainTo(&out, tests(func() int { return 0 }), allocatortest.Cleanup(func(int) {}))
	if text := out.String(); !strings.Contains(text, "leaked 2 blocks") || strings.Contains(text, "to run only this") {
		t.Errorf("printed %q, want what is of no test as well", text)
	}

	// Nor does a helper that has the name of one.
	out.Reset()
	allocatortest.VerifyTestMainTo(&out, tests(func() int {
		done := make(chan bool)
		go leakInHelper(d, done)
		<-done
		return 0
	}), allocatortest.IgnoreCurrent(), allocatortest.Cleanup(func(int) {}))
	if text := out.String(); !strings.Contains(text, "iotest.TestReader") || strings.Contains(text, "to run only this") {
		t.Errorf("printed %q, want no line that runs no test", text)
	}
}

func TestExpectLeaks(t *testing.T) {
	e := allocatortest.ExpectLeaks(t, 2, leakTwo)
	if e.Bytes != 2000 || len(e.Groups) != 1 || !strings.Contains(e.Groups[0].Stack.String(), "leakTwo") {
		t.Errorf("ExpectLeaks = %+v", e)
	}
	r := allocatortest.NewRecorder()
	allocatortest.ExpectLeaks(r, 1, leakTwo)
	want(t, r, "want 1 leaked, but: leaked 2 blocks of 2000 bytes", "leakTwo")

	r = allocatortest.NewRecorder()
	if e := allocatortest.ExpectLeaks(r, 1, func(mem.Allocator) {}); e != nil {
		t.Errorf("ExpectLeaks = %v, want nil", e)
	}
	want(t, r, "no block leaked, want 1")

	r = allocatortest.NewRecorder()
	allocatortest.ExpectLeaks(r, 1, func(a mem.Allocator) {
		b := mem.Must(a.Alloc(8, word))
		a.Free(b, word)
		a.Free(b, word)
		leakOne(a)
	})
	want(t, r, "double free")
}
