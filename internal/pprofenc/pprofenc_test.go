package pprofenc_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/allod-dev/allod/internal/pprofenc"
	"github.com/allod-dev/allod/internal/tools/pprof"
)

//go:noinline
func here() []uintptr {
	pcs := make([]uintptr, 20)
	return pcs[:runtime.Callers(1, pcs)]
}

//go:noinline
func elsewhere() []uintptr { return here() }

func example() *pprofenc.Profile {
	p := pprofenc.New(pprofenc.Heap, "program", time.Unix(1, 0))
	p.Add(here(), 3, 300, 1, 100)
	p.Add(elsewhere(), 5, 5<<40, 2, 2<<40)
	p.Add(elsewhere(), 1, 1, 1, 1)
	p.Add(nil, 0, 0, 1, 7)
	return p
}

// The tool reads what is written.
func TestTool(t *testing.T) {
	var b bytes.Buffer
	if err := example().Write(&b); err != nil {
		t.Fatal(err)
	}
	raw := pprof.Text(t, b.Bytes(), "-raw")
	for _, want := range []string{
		"PeriodType: inuse_space bytes", "Period: 1", "Time: 1970-01-01",
		"alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes[dflt]",
		"3        300          1        100:", "program",
		"pprofenc_test.here", "pprofenc_test.go:20", "pprofenc_test.go:29",
	} {
		if !strings.Contains(raw, want) {
			t.Errorf("-raw has no %q:\n%s", want, raw)
		}
	}
	top := pprof.Text(t, b.Bytes(), "-top")
	for _, want := range []string{"Type: inuse_space", "2TB", "pprofenc_test.elsewhere"} {
		if !strings.Contains(top, want) {
			t.Errorf("-top has no %q:\n%s", want, top)
		}
	}
	if top := pprof.Text(t, b.Bytes(), "-top", "-sample_index=alloc_objects"); !strings.Contains(top, "9 total") {
		t.Errorf("%s", top)
	}
}

// The same stacks make the same bytes, and each text is there once.
func TestWrite(t *testing.T) {
	p := pprofenc.New(pprofenc.Heap, "program", time.Unix(1, 0))
	stack := here()
	var all [2]bytes.Buffer
	for i := range all {
		if err := p.Write(&all[i]); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(all[0].Bytes(), all[1].Bytes()) {
		t.Error("a profile is not written the same again")
	}
	for range 100 {
		p.Add(stack, 1, 1, 1, 1)
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(plain, []byte("pprofenc_test.here")); n != 1 {
		t.Errorf("a function's name is there %d times", n)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }

var errBroken = errors.New("broken")

func TestWriteFails(t *testing.T) {
	if err := example().Write(broken{}); !errors.Is(err, errBroken) {
		t.Errorf("%v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	example().Add(nil, 1)
}
