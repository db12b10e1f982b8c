package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
)

// The tests start this binary again where the demo starts itself.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == HiddenCommand {
		if err := RunVariant(os.Args[2], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(ExitCode(err))
		}
		os.Exit(0)
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

// indexes returns one index of each kind, and a function that tells how many
// bytes are off the Go heap.
func indexes(t testing.TB) (map[string]index, func() int64) {
	pages := heap.NewCounting(heap.Page{})
	return map[string]index{"go": newGoIndex(), "arena": newArenaIndex(pages)},
		func() int64 { return pages.Stats().Bytes }
}

func TestAnswers(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"a": "to be or not to be",
		"b": "To be, or not to be: that is the question. to be",
		"c": "not\x00to\xffbe",
		"d": "",
		"e": "tobacco tomato to",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := openCorpus(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	a, b, cc, e := uint32(0), uint32(1), uint32(2), uint32(4)
	tests := []struct {
		query
		want []match
	}{
		{query{phraseQuery, "to be"}, []match{{a, 2}, {b, 2}, {cc, 1}}},
		{query{phraseQuery, "be or"}, []match{{a, 1}, {b, 1}}},
		{query{phraseQuery, "not to be"}, []match{{a, 1}, {b, 1}, {cc, 1}}},
		{query{phraseQuery, "question"}, []match{{b, 1}}},
		{query{phraseQuery, "to to"}, nil},
		{query{phraseQuery, "be absent"}, nil},
		{query{phraseQuery, ""}, nil},
		{query{prefixQuery, "tob"}, []match{{e, 1}}},
		{query{prefixQuery, "to"}, []match{{e, 3}, {a, 2}, {b, 2}, {cc, 1}}},
		{query{prefixQuery, "T"}, []match{{b, 1}}},
		{query{prefixQuery, "zebra"}, nil},
	}
	all, off := indexes(t)
	for name, ix := range all {
		for _, s := range []*scratch{new(scratch), newArenaScratch(heap.Page{})} {
			if words, _ := ix.size(); words == 0 {
				if err := build(ix, c, s, quiet); err != nil {
					t.Fatal(err)
				}
			}
			for _, test := range tests {
				got, err := answer(ix, test.query, s)
				if err != nil || !slices.Equal(got, test.want) {
					t.Errorf("%s: %s %q: %v, %v, want %v", name, test.Kind, test.Text, got, err, test.want)
				}
			}
			if err := s.close(); err != nil {
				t.Error(err)
			}
		}
		if err := ix.close(); err != nil {
			t.Error(err)
		}
	}
	if off() != 0 {
		t.Errorf("%d bytes were not given back", off())
	}
}

// Long lists go through many chunks; a walk over all postings must see them in
// order, and seeking must find what a walk finds.
func TestIndexesAgree(t *testing.T) {
	c := smallCorpus(t, 400)
	all, off := indexes(t)
	var queries []query
	digests := make(map[string]string)
	for name, ix := range all {
		if err := build(ix, c, new(scratch), quiet); err != nil {
			t.Fatal(err)
		}
		var err error
		if queries, err = chooseQueries(ix, c, 200, true); err != nil {
			t.Fatal(err)
		}
		if digests[name], err = digest(ix, queries, new(scratch)); err != nil {
			t.Fatal(err)
		}
		pages := heap.NewCounting(heap.Page{})
		s := newArenaScratch(pages)
		if digests[name+"+scratch"], err = digest(ix, queries, s); err != nil {
			t.Fatal(err)
		}
		if pages.Stats().Bytes == 0 {
			t.Errorf("%s: the answers were not in the scratch arena", name)
		}
		s.close()
	}
	const want = "cb7f700d70044129"
	for name, got := range digests {
		if got != want {
			t.Errorf("%s: answers are %s, want %s", name, got, want)
		}
	}
	g, a := all["go"], all["arena"]
	if !slices.Equal(g.dictionary(), a.dictionary()) {
		t.Error("dictionaries differ")
	}
	for _, word := range g.dictionary() {
		x, n := g.find(word)
		y, m := a.find(word)
		var postings []posting
		for more := true; more; more = y.next() {
			postings = append(postings, y.block...)
		}
		if n != m || !slices.Equal(x.block, postings) {
			t.Fatalf("%s: %d and %d postings, or other ones", word, n, m)
		}
	}
	if used := 8 * 400 * 200; a.slack() > used/4 {
		t.Errorf("%d bytes of slack for %d bytes of postings", a.slack(), used)
	}
	g.close()
	a.close()
	if off() != 0 {
		t.Errorf("%d bytes were not given back", off())
	}
}

// Taking back must restore exactly what was there, wherever chunks end.
func TestUndo(t *testing.T) {
	for upTo := range 60 {
		all, off := indexes(t)
		for name, ix := range all {
			for i := range upTo {
				if err := ix.add([]byte("w"), posting{uint32(i), 0}); err != nil {
					t.Fatal(err)
				}
			}
			for back := range upTo {
				for range back {
					ix.undo([]byte("w"))
				}
				for i := range back {
					if err := ix.add([]byte("w"), posting{uint32(upTo - back + i), 0}); err != nil {
						t.Fatal(err)
					}
				}
			}
			c, n := ix.find("w")
			seen := 0
			for more := true; more; more = c.next() {
				for _, p := range c.block {
					if int(p.doc) != seen {
						t.Fatalf("%s: posting %d is of document %d", name, seen, p.doc)
					}
					seen++
				}
			}
			if seen != upTo || n != upTo {
				t.Fatalf("%s: %d postings, counted as %d, want %d", name, seen, n, upTo)
			}
			for range upTo {
				ix.undo([]byte("w"))
			}
			if words, postings := ix.size(); words != 0 || postings != 0 {
				t.Fatalf("%s: %d words and %d postings are left", name, words, postings)
			}
			ix.close()
		}
		if off() != 0 {
			t.Errorf("%d bytes were not given back", off())
		}
	}
}

// However little memory there is, running out leaves the index of the documents
// before, and loses nothing.
func TestLimit(t *testing.T) {
	c := smallCorpus(t, 300)
	for _, limit := range []int64{1, 4 << 10, 64 << 10, 200 << 10, 256 << 10, 300 << 10, 400 << 10, 512 << 10} {
		r, err := buildWithin(c, limit, quiet)
		if err != nil {
			t.Fatalf("limit %d: %v", limit, err)
		}
		if r.Error == "" || !r.Intact || r.Lost != 0 || ExitCode(r.failure()) != ExitOutOfMemory {
			t.Errorf("limit %d: %+v", limit, r)
		}
		if r.Indexed > 0 && r.Queries == 0 {
			t.Errorf("limit %d: %d documents, but nothing was asked", limit, r.Indexed)
		}
	}
	r, err := buildWithin(c, 64<<20, quiet)
	if err != nil || r.Error != "" || r.Indexed != 300 || r.Lost != 0 || r.failure() != nil {
		t.Errorf("limit 64 MiB: %+v, %v", r, err)
	}
	if strings.Contains(r.String(), "intact") { // nothing was put to a test
		t.Errorf("limit 64 MiB: %s", r)
	}
}

// Memory can also run out when all documents are in the index and only the
// dictionary remains to be sorted. Of one file of many different words no limit
// is without an answer.
func TestLimitSweep(t *testing.T) {
	dir := t.TempDir()
	var text []byte
	for i := range 2000 {
		text = fmt.Appendf(text, "word%d ", i)
	}
	if err := os.WriteFile(filepath.Join(dir, "words"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := openCorpus(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	atFile, atDictionary := 0, 0
	for limit := int64(8 << 10); ; limit += 8 << 10 {
		r, err := buildWithin(c, limit, quiet)
		if err != nil {
			t.Fatalf("limit %d: %v", limit, err)
		}
		if !r.Intact || r.Lost != 0 {
			t.Errorf("limit %d: %+v", limit, r)
		}
		if r.Error == "" {
			break
		}
		want := "at file 1 of 1"
		if r.File == "" {
			want = "at sorting the dictionary, after all 1 file"
			atDictionary++
			if r.Indexed != 1 || r.Words != 2000 || r.Queries == 0 {
				t.Errorf("limit %d: %+v", limit, r)
			}
		} else {
			atFile++
		}
		if ExitCode(r.failure()) != ExitOutOfMemory || !strings.Contains(r.String(), want) {
			t.Errorf("limit %d: exit code %d, want %q in\n%s", limit, ExitCode(r.failure()), want, r)
		}
	}
	if atFile == 0 || atDictionary == 0 {
		t.Errorf("memory ran out %d times at the file and %d times at the dictionary", atFile, atDictionary)
	}
}

// Documents of one word hold no phrase to ask for; running out is the same error
// all the same.
func TestLimitOneWord(t *testing.T) {
	dir := t.TempDir()
	for i := range 400 {
		name := filepath.Join(dir, fmt.Sprintf("%03d", i))
		if err := os.WriteFile(name, fmt.Appendf(nil, "%0300d", i), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := openCorpus(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	r, err := buildWithin(c, 64<<10, quiet)
	if err != nil || r.Error == "" || r.Indexed == 0 || r.Queries != 0 || !r.Intact || r.Lost != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A file that vanishes between listing and reading stands for any that cannot
// be read.
func TestUnreadableFile(t *testing.T) {
	c := smallCorpus(t, 30)
	if size, err := c.warm(quiet); err != nil || size < 1000 {
		t.Errorf("warm: %d bytes, %v", size, err)
	}
	lost := c.docs[20]
	if err := os.Remove(filepath.Join(c.root, lost)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.warm(quiet); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "file 21, "+lost) {
		t.Errorf("warm: %v", err)
	}
	all, off := indexes(t)
	for name, ix := range all {
		err := build(ix, c, new(scratch), quiet)
		var at *buildError
		if !errors.As(err, &at) || at.doc != 20 || at.path != lost || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
		if ExitCode(err) != ExitCheckFailed {
			t.Errorf("%s: exit code %d", name, ExitCode(err))
		}
		if _, postings := ix.size(); postings != 20*200 {
			t.Errorf("%s: %d postings, want those of 20 files", name, postings)
		}
		ix.close()
	}
	if off() != 0 {
		t.Errorf("%d bytes were not given back", off())
	}
	if _, err := buildWithin(c, 64<<20, quiet); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("buildWithin: %v", err)
	}
}

func TestOpenCorpus(t *testing.T) {
	c := smallCorpus(t, 30)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(c.root, link); err != nil {
		t.Log(err) // Windows does not let everybody
	} else if l, err := openCorpus(link, 1); err != nil || !slices.Equal(l.docs, c.docs) {
		t.Errorf("through a link: %v", err)
	}
	for scale, want := range map[float64]int{0.1: 3, 0.5: 15, 1: 30, 2: 60, 2.5: 75} {
		s, err := openCorpus(c.root, scale)
		if err != nil || len(s.docs) != want {
			t.Errorf("scale %g: %d documents, %v, want %d", scale, len(s.docs), err, want)
		}
	}
	file := filepath.Join(c.root, c.docs[0])
	for _, root := range []string{filepath.Join(c.root, "absent"), file, t.TempDir()} {
		if _, err := openCorpus(root, 1); ExitCode(err) != ExitUsage {
			t.Errorf("openCorpus(%s): %v has exit code %d", root, err, ExitCode(err))
		}
	}
	if _, err := openCorpus(c.root, 0.001); ExitCode(err) != ExitUsage {
		t.Errorf("scale 0.001: %v", err)
	}
}

func TestHistogram(t *testing.T) {
	for d := time.Duration(1); d < time.Hour; d += d/97 + 1 {
		b := bucket(d)
		if bottom(b) > d || bottom(b+1) <= d || bottom(b+1)-bottom(b) > d/64+1 {
			t.Fatalf("%d ns: bucket %d from %d to %d", d, b, bottom(b), bottom(b+1))
		}
	}
	var h, o histogram
	for i := range 1000 {
		into := &h
		if i%3 == 0 {
			into = &o
		}
		into.add(time.Duration(i+1) * time.Microsecond)
	}
	h.merge(&o)
	for q, want := range map[float64]time.Duration{0.5: 500, 0.99: 990, 0.999: 999, 1: 1000} {
		want *= time.Microsecond
		if got := h.quantile(q); got < want || got > want+want/32 {
			t.Errorf("quantile(%g) = %v, want %v", q, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { h.add(time.Millisecond) }); n != 0 {
		t.Errorf("add allocates %v times", n)
	}
}

func TestArrivals(t *testing.T) {
	due := arrivals(1000, 20000)
	if !slices.IsSorted(due) || due[0] < 0 {
		t.Error("arrivals are not in order")
	}
	if last := due[len(due)-1]; last < 19*time.Second || last > 21*time.Second {
		t.Errorf("20000 arrivals at 1000 per second take %v", last)
	}
	pace, err := newPacer()
	if err != nil {
		t.Fatal(err)
	}
	defer pace.close()
	start := time.Now()
	for range 10 {
		pace.sleep(100 * time.Microsecond)
	}
	if took := time.Since(start); took < time.Millisecond {
		t.Errorf("10 sleeps of 100 µs took %v", took)
	}
}

// In the off-heap variant with scratch arenas, answering allocates nothing on
// the Go heap, and takes no more off it the hundredth time than the first.
func TestAnswerAllocs(t *testing.T) {
	c := smallCorpus(t, 200)
	ix := newArenaIndex(heap.Page{})
	defer ix.close()
	if err := build(ix, c, new(scratch), quiet); err != nil {
		t.Fatal(err)
	}
	pages := heap.NewCounting(heap.Page{})
	s := newArenaScratch(pages)
	defer s.close()
	for _, q := range []query{{phraseQuery, "word1 word2"}, {prefixQuery, "word10"}} {
		for range 2 { // until the arena has what it takes
			if _, err := answer(ix, q, s); err != nil {
				t.Error(err)
			}
			s.reset()
		}
		taken := pages.Stats().Bytes
		n := testing.AllocsPerRun(100, func() {
			if _, err := answer(ix, q, s); err != nil {
				t.Error(err)
			}
			s.reset()
		})
		if n != 0 && !invariant.Enabled { // an arena that checks itself takes stacks
			t.Errorf("%s %q: %v allocations", q.Kind, q.Text, n)
		}
		if more := pages.Stats().Bytes - taken; more > 0 {
			t.Errorf("%s %q: %d bytes more after 100 answers", q.Kind, q.Text, more)
		}
	}
}

func TestWords(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{count(0), "0"}, {count(999), "999"}, {count(16872401), "16,872,401"},
		{duration(2351 * time.Millisecond), "2.35 s"}, {duration(57449 * time.Microsecond), "57.4 ms"},
		{duration(210 * time.Nanosecond), "0.21 µs"}, {duration(0), "0.00 µs"},
		{size(0), "0"}, {size(1), "1 byte"}, {size(30), "30 bytes"}, {size(1000), "1.00 kB"},
		{size(661_000_000), "661 MB"}, {size(12_300), "12.3 kB"}, {size(3_450_000_000), "3.45 GB"},
		{flagSize(64 << 20), "64MiB"}, {flagSize(1000), "1000B"}, {flagSize(40 << 10), "40KiB"},
		{flagSize(round(22369621)), "21MiB"}, {flagSize(round(21800)), "21KiB"}, {flagSize(round(999)), "999B"},
		{plural(0, "file"), "0 files"}, {plural(1, "file"), "1 file"}, {plural(11500, "file"), "11,500 files"},
		{(&Report{Bytes: 120e6}).about(7 * time.Second), "about a minute"},
		{(&Report{Bytes: 12e6}).about(time.Second), "some seconds"},
		{(&Report{Bytes: 30e6}).about(7 * time.Second), "less than a minute"},
		{(&Report{Bytes: 240e6}).about(14 * time.Second), "some minutes"},
		{compare(100, 10, "shorter", "longer"), "10 times shorter"},
		{compare(10, 25, "shorter", "longer"), "2.5 times longer"},
		{compare(10, 10, "shorter", "longer"), "about the same"},
		{compare(10, 0, "shorter", "longer"), "too little to compare"},
		{wrap("one two  three", 7), "one two\nthree"}, {wrap("µµµ µµµ", 7), "µµµ µµµ"}, {wrap("", 7), ""},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
	for s, want := range map[string]int64{"1": 1, "64MiB": 64 << 20, "1.5GB": 1.5e9, "10k": 10 << 10, "21KiB": 21 << 10, "7B": 7, "2g": 2 << 30} {
		if got, err := ParseSize(s); got != want || err != nil {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "MiB", "-1", "0", "1 potato", "NaN", "1e300"} {
		if got, err := ParseSize(s); err == nil {
			t.Errorf("ParseSize(%q) = %d", s, got)
		}
	}
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
		if result.Requests == 0 || result.Latency(0.999) == 0 || result.PeakRSS < 1<<20 || result.FullGC == 0 {
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
			l.ExitCode = ExitCode(l.failure())
		}
		return l, err
	})
	if err != nil {
		t.Fatal(err)
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
		if !strings.Contains(wrap(out.String(), 1e6), want) {
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

func TestChecksFail(t *testing.T) {
	ok := func() *Report {
		l := &LimitResult{Limit: 1, Error: "no", Intact: true, ExitCode: ExitOutOfMemory}
		return &Report{Variants: []*Result{{Answers: "1", OffHeap: 9}, {Answers: "1", OffHeap: 9}}, Limited: l}
	}
	r := ok()
	if r.check(); len(r.Failed) != 0 {
		t.Fatalf("checks failed: %q", r.Failed)
	}
	for name, spoil := range map[string]func(*Report){
		"answers":  func(r *Report) { r.Variants[1].Answers = "2" },
		"words":    func(r *Report) { r.Variants[1].Words = 1 },
		"leak":     func(r *Report) { r.Variants[1].Lost = 1 },
		"code":     func(r *Report) { r.Limited.ExitCode = 0 },
		"damage":   func(r *Report) { r.Limited.Intact = false },
		"lost":     func(r *Report) { r.Limited.Lost = 1 },
		"postings": func(r *Report) { r.Variants[0].Postings = 1 },
	} {
		r := ok()
		spoil(r)
		var out bytes.Buffer
		if r.check(); len(r.Failed) != 1 {
			t.Errorf("%s: %q", name, r.Failed)
		}
		if err := r.write(&out, 80); err != nil || !strings.Contains(out.String(), "CHECK FAILED") {
			t.Errorf("%s: %v\n%s", name, err, &out)
		}
	}
}

// What a variant answers is in its own kind of scratch memory: without any, it
// has no answers.
func TestAnswersInScratch(t *testing.T) {
	c := smallCorpus(t, 30)
	ix := newGoIndex()
	if err := build(ix, c, new(scratch), quiet); err != nil {
		t.Fatal(err)
	}
	var r Result
	err := r.measureLoad(ix, c, spec{Requests: 1, Rate: 1, Load: time.Millisecond}, func() *scratch {
		return newArenaScratch(heap.NewLimit(heap.Page{}, 1))
	}, quiet)
	if !isOutOfMemory(err) || r.Answers != "" {
		t.Errorf("answers %q, %v", r.Answers, err)
	}
}

// The old page stays until there is a new one.
func TestPageFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "x.html")
	if err := os.WriteFile(name, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	holds := func(want string) {
		t.Helper()
		got, err := os.ReadFile(name)
		entries, _ := os.ReadDir(dir)
		if err != nil || string(got) != want || len(entries) != 1 {
			t.Errorf("%q, %v, beside %v; want only %q", got, err, entries, want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	o := Options{Root: smallCorpus(t, 3).root, Scale: 1, Load: time.Millisecond, HTML: name}
	if err := Run(ctx, o, io.Discard, os.Stderr); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	holds("old")

	p, err := createPage(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.WriteString("new"); err != nil {
		t.Error(err)
	}
	if err := p.keep(); err != nil {
		t.Error(err)
	}
	p.discard()
	holds("new")

	p, err = createPage(os.DevNull) // replaced by nothing
	if err != nil {
		t.Fatal(err)
	}
	if p.Name() != os.DevNull {
		t.Errorf("writing to %s", p.Name())
	}
	if err := p.keep(); err != nil {
		t.Error(err)
	}
}

func TestWarning(t *testing.T) {
	r := &Report{Variants: []*Result{{Title: "a", Got: 0.97}, {Title: "b"}}}
	if w := r.warning(); w != "" {
		t.Errorf("a quiet machine: %q", w)
	}
	r.Variants[1].Got = 0.5
	if w := r.warning(); !strings.Contains(w, "b got 50 %") || strings.Contains(w, "a got") {
		t.Errorf("a busy machine: %q", w)
	}
}

// Whoever has more threads with work than processors waits for them, in
// whichever phase.
func TestShare(t *testing.T) {
	if cpuTime() == 0 {
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
	if runtime.GOOS != "linux" || waitTime() == 0 {
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

// Collecting on idle processors takes nothing from anybody.
func TestGCCPU(t *testing.T) {
	for range 3 {
		runtime.GC()
	}
	gc, idle, all := gcCPU(), readMetric("/cpu/classes/gc/mark/idle:cpu-seconds"), readMetric("/cpu/classes/gc/total:cpu-seconds")
	if gc <= 0 || gc+idle > all*1.001 {
		t.Errorf("%g s of collecting, %g s of it idle, are counted as %g s", all, idle, gc)
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
