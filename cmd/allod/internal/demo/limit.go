package demo

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/allod-dev/allod/cmd/allod/internal/exit"
	"github.com/allod-dev/allod/cmd/allod/internal/say"
	"github.com/allod-dev/allod/heap"
)

// A LimitResult says how building an index within a limit ended.
type LimitResult struct {
	Limit     int64  `json:"limit_bytes"`
	Documents int    `json:"documents"` // in the corpus
	Indexed   int    `json:"indexed"`   // in the index
	Words     int    `json:"words"`
	Postings  int    `json:"postings"`
	File      string `json:"file,omitempty"`  // that did not fit; none: the sorted dictionary
	Error     string `json:"error,omitempty"` // why
	Queries   int    `json:"queries"`         // asked of the index afterwards
	Intact    bool   `json:"intact"`          // it answers as one that never failed
	Lost      int64  `json:"lost_bytes"`      // not given back when it was closed
	ExitCode  int    `json:"exit_code"`
}

// buildWithin builds the index of c in an arena that gets no more than limit
// bytes. If that is not enough, it verifies that the index is as good as before
// the document, or the sorted dictionary, that did not fit: it must answer as an
// index of just the documents before.
func buildWithin(c *corpus, limit int64, progress func(done, total int)) (_ *LimitResult, err error) {
	r := &LimitResult{Limit: limit, Documents: len(c.docs), Indexed: len(c.docs), Intact: true}
	limited := heap.NewLimit(heap.Page{}, int(min(limit, math.MaxInt)))
	pages := heap.NewCounting(limited)
	ix := newArenaIndex(pages)
	defer func() {
		err = errors.Join(err, ix.close())
		r.Lost = pages.Stats().Bytes
	}()

	var s scratch
	failure := build(ix, c, &s, progress)
	var at *buildError
	switch {
	case failure == nil:
		r.Words, r.Postings = ix.size()
		return r, nil
	case isOutOfMemory(failure) && errors.As(failure, &at):
		r.Indexed, r.File, r.Error = at.doc, at.path, at.err.Error()
	default:
		return nil, failure
	}
	r.Words, r.Postings = ix.size()
	if r.Indexed == 0 {
		r.Intact = r.Postings == 0
		return r, nil
	}

	before := newArenaIndex(heap.Page{})
	defer func() { err = errors.Join(err, before.close()) }()
	rest := &corpus{c.root, c.docs[:r.Indexed]}
	if err := build(before, rest, &s, func(int, int) {}); err != nil {
		return nil, err
	}
	queries, err := chooseQueries(before, rest, queryCount, false)
	if err != nil && !errors.Is(err, errNoCorpus) { // too few words: nothing to ask
		return nil, err
	}
	want, err := digest(before, queries, &s)
	if err != nil {
		return nil, err
	}
	got, err := digest(ix, queries, &s)
	if err != nil {
		return nil, err
	}
	words, postings := before.size()
	r.Queries = len(queries)
	r.Intact = got == want && words == r.Words && postings == r.Postings
	return r, nil
}

// failure returns the error that the process ends with, or nil if the index fits.
func (r *LimitResult) failure() error {
	if r.Error == "" && r.Lost == 0 {
		return nil
	}
	code := exit.OutOfMemory
	if !r.Intact || r.Lost != 0 {
		code = exit.Failed
	}
	return exit.Error(code, errors.New(r.String()))
}

// where says at what memory ran out.
func (r *LimitResult) where() string {
	if r.File == "" {
		return "at sorting the dictionary, after all " + say.Plural(r.Documents, "file")
	}
	return fmt.Sprintf("at file %s of %s", say.Count(r.Indexed+1), say.Count(r.Documents))
}

// String says in a few lines what happened.
func (r *LimitResult) String() string {
	var b strings.Builder
	if r.Error == "" {
		fmt.Fprintf(&b, "the index fits into %s\n", say.FlagSize(r.Limit))
	} else {
		fmt.Fprintf(&b, "out of memory %s\n", r.where())
		if r.File != "" {
			fmt.Fprintf(&b, "  file    %s\n", r.File)
		}
		fmt.Fprintf(&b, "  reason  %s\n", r.Error)
	}
	state := "" // an index that fits was not put to a test
	if r.Error != "" {
		state = say.Pick(r.Intact, "intact: ", "DAMAGED: ")
	}
	fmt.Fprintf(&b, "  index   %s%s, %s, %s", state,
		say.Plural(r.Indexed, "file"), say.Plural(r.Words, "word"), say.Plural(r.Postings, "posting"))
	if r.Queries > 0 {
		fmt.Fprintf(&b, "; %s queries answered as before the failure", say.Count(r.Queries))
	}
	fmt.Fprintf(&b, "\n  lost    %s after closing it", say.Plural(r.Lost, "byte"))
	return b.String()
}
