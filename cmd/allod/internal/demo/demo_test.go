package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allod-dev/allod/cmd/allod/internal/exit"
	"github.com/allod-dev/allod/cmd/allod/internal/say"
	"github.com/allod-dev/allod/cmd/allod/internal/usage"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// The tests start this binary again where the demo starts itself.
func TestMain(m *testing.M) {
	for name, run := range map[string]func(string, io.Writer) error{HiddenCommand: RunVariant, HiddenMistake: RunMistake} {
		if len(os.Args) == 3 && os.Args[1] == name {
			if err := run(os.Args[2], os.Stdout); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(exit.Code(err))
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// smallCorpus is a folder with a few hundred files of a language of 300 words,
// the same in every run.
func smallCorpus(t testing.TB, files int) *corpus {
	t.Helper()
	dir := t.TempDir()
	state := uint32(1)
	random := func(n int) int { // small numbers more often than large ones
		state = state*1664525 + 1013904223
		a := int(state>>8) % n
		state = state*1664525 + 1013904223
		return min(a, int(state>>8)%n)
	}
	for f := range files {
		var b strings.Builder
		for range 200 {
			fmt.Fprintf(&b, "word%d ", random(300))
		}
		sub := filepath.Join(dir, fmt.Sprintf("d%d", f%7))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("f%03d", f)), []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := openCorpus(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func quiet(int, int) {}

// watched returns pages whose use is watched: a leak or misuse fails the test.
func watched(t testing.TB) mem.Allocator {
	return allocatortest.New(t, allocatortest.Child(heap.Page{}))
}

// indexes returns one index of each kind, and a function that tells how many
// bytes are off the Go heap.
func indexes(t testing.TB) (map[string]index, func() int64) {
	pages := heap.NewCounting(watched(t))
	return map[string]index{"go": newGoIndex(), "arena": newArenaIndex(pages)},
		func() int64 { return pages.Stats().Bytes }
}

// Every variant, each in a process of its own, over a small corpus.
func TestVariants(t *testing.T) {
	c := smallCorpus(t, 100)
	s := spec{Root: c.root, Scale: 1, Load: 200 * time.Millisecond}
	r := &Report{Root: c.root, Documents: len(c.docs)}
	for _, v := range variants {
		s.Variant = v.name
		result, err := inProcess(context.Background(), s, func(float64) {})
		if err != nil {
			t.Fatal(err)
		}
		if result.Requests == 0 || len(result.Latencies) != len(quantiles) || result.PeakRSS < 1<<20 || result.FullGC == 0 {
			t.Errorf("%s: %+v", v.name, result)
		}
		if (result.OffHeap > 0) != v.offHeap {
			t.Errorf("%s: %d bytes off the heap", v.name, result.OffHeap)
		}
		r.Variants = append(r.Variants, result)
		s.Budget, s.Requests, s.Rate = 64<<20, result.Requests, min(result.Rate, 1000)
	}
	err := r.limited(func(limit int64) (*LimitResult, error) {
		l, err := buildWithin(c, limit, quiet)
		if err == nil {
			l.ExitCode = exit.Code(l.failure())
		}
		return l, err
	})
	if err != nil {
		t.Fatal(err)
	}
	r.measureAlike()
	for _, v := range r.Variants {
		if v.Latency(0.999) == 0 || v.Latency(0.999) > v.OfAll[len(quantiles)-1].Latency || v.Undisturbed <= 0 || v.Undisturbed > 1 {
			t.Errorf("%s: latencies %v, of all %v, a share of %g", v.Variant, v.Latencies, v.OfAll, v.Undisturbed)
		}
	}
	r.check()
	if len(r.Failed) > 0 {
		t.Errorf("checks failed: %q", r.Failed)
	}
	var out, page bytes.Buffer
	if err := errors.Join(r.write(&out, 80), r.writeHTML(&page)); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, want := range []string{"p99.9", "full collection", "slowest 1 in 1,000", "exit code is 3",
		"the same answers (" + r.plain().Answers + "), and the arenas gave every byte back"} {
		if !strings.Contains(say.Wrap(out.String(), 1e6), want) {
			t.Errorf("the report does not say %q:\n%s", want, &out)
		}
	}
	if strings.Contains(page.String(), "http:") || strings.Contains(page.String(), "https:") ||
		strings.Contains(page.String(), "<script") || strings.Contains(page.String(), "ZgotmplZ") {
		t.Error("the page is not self-contained")
	}
	if want := fmt.Sprintf("over 100 files (0): %d words, 20,000 postings.", r.plain().Words); !strings.Contains(page.String(), want) {
		t.Errorf("the page does not say %q", want)
	}
	if n := strings.Count(page.String(), `role="img"`); n != 7 {
		t.Errorf("%d charts, want 7", n)
	}
}

// Whoever has more threads with work than processors waits for them, in
// whichever phase.
func TestShare(t *testing.T) {
	if usage.CPU() == 0 {
		t.Skip("the processor time of this process is not known")
	}
	c := smallCorpus(t, 100)
	ix := newGoIndex()
	var r Result
	if err := r.measureBuild(ix, c, new(scratch), quiet); err != nil {
		t.Fatal(err)
	}
	if r.Got <= 0 || r.Got > 1 {
		t.Errorf("building got a share of %g", r.Got)
	}
	for _, share := range []float64{0.5, 0.7, 0} {
		r.got(share)
	}
	if r.Got > 0.5 || r.Got == 0 {
		t.Errorf("the least share is %g", r.Got)
	}
	if waited, _ := waitTime(); runtime.GOOS != "linux" || waited == 0 {
		t.Skip("how long this process waits is not known")
	}
	threads := 4 * runtime.NumCPU()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
	work := startWork()
	var wg sync.WaitGroup
	for range threads {
		wg.Go(func() {
			for work.cpu() < time.Duration(threads)*50*time.Millisecond {
			}
		})
	}
	wg.Wait()
	if share := work.share(); share <= 0 || share > alone {
		t.Errorf("%d threads for %d processors got a share of %g", threads, runtime.NumCPU(), share)
	}
}

// The hidden command says what went wrong, and with which exit code.
func TestRunVariantErrors(t *testing.T) {
	if err := RunVariant("{", new(bytes.Buffer)); err == nil {
		t.Error("no error for half a spec")
	}
	for name, s := range map[string]spec{
		"no folder":  {Root: filepath.Join(t.TempDir(), "absent"), Scale: 1, Variant: "go"},
		"no variant": {Root: t.TempDir(), Scale: 1, Variant: "rust"},
	} {
		arg, _ := json.Marshal(s)
		var out bytes.Buffer
		if err := RunVariant(string(arg), &out); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var e event
		if err := json.Unmarshal(out.Bytes(), &e); err != nil || e.Error == "" || e.Code == 0 || e.Result != nil {
			t.Errorf("%s: %s", name, &out)
		}
	}
}
