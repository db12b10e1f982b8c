package demo

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
)

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
		for _, s := range []*scratch{new(scratch), newArenaScratch(watched(t))} {
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
		pages := heap.NewCounting(watched(t))
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

// In the off-heap variant with scratch arenas, answering allocates nothing on
// the Go heap, and takes no more off it the hundredth time than the first.
func TestAnswerAllocs(t *testing.T) {
	c := smallCorpus(t, 200)
	ix := newArenaIndex(watched(t))
	defer ix.close()
	if err := build(ix, c, new(scratch), quiet); err != nil {
		t.Fatal(err)
	}
	pages := heap.NewCounting(watched(t))
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
		return newArenaScratch(heap.NewLimit(watched(t), 1))
	}, quiet)
	if !isOutOfMemory(err) || r.Answers != "" {
		t.Errorf("answers %q, %v", r.Answers, err)
	}
}
