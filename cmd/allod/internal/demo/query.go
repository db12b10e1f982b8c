package demo

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// A match is a document that answers a query, and how often.
type match struct{ doc, hits uint32 }

// A query is a phrase, or the beginning of a word.
type query struct {
	Kind string `json:"kind"` // phrase or prefix
	Text string `json:"text"`
}

const (
	phraseQuery = "phrase"
	prefixQuery = "prefix"
)

// answer returns the documents that answer q, most hits first, in memory of s.
func answer(ix index, q query, s *scratch) ([]match, error) {
	var matches []match
	var err error
	if q.Kind == prefixQuery {
		matches, err = prefix(ix, q.Text, s)
	} else {
		matches, err = phrase(ix, q.Text, s)
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(matches, func(a, b match) int {
		if a.hits != b.hits {
			return cmp.Compare(b.hits, a.hits)
		}
		return cmp.Compare(a.doc, b.doc)
	})
	return matches, nil
}

// maxPhrase bounds the words of a phrase, so that its cursors need no memory.
const maxPhrase = 8

// phrase finds the places where the words of text follow one another. It walks
// the rarest word's postings and seeks in those of the others.
func phrase(ix index, text string, s *scratch) ([]match, error) {
	var cursors [maxPhrase]cursor
	n, rarest, fewest := 0, 0, 0
	for word := range strings.FieldsSeq(text) {
		if n == maxPhrase {
			break
		}
		c, count := ix.find(word)
		if count == 0 {
			return nil, nil
		}
		if n == 0 || count < fewest {
			rarest, fewest = n, count
		}
		cursors[n] = c
		n++
	}
	var matches []match
	if n == 0 {
		return matches, nil
	}
	lead := cursors[rarest]
	for {
		for _, p := range lead.block {
			if p.pos < uint32(rarest) {
				continue
			}
			found := true
			for i := range n {
				want := posting{p.doc, p.pos - uint32(rarest) + uint32(i)}
				if i == rarest {
					continue
				}
				if !cursors[i].seek(want) {
					return matches, nil // nothing further on can match
				}
				if cursors[i].block[0] != want {
					found = false
					break
				}
			}
			if !found {
				continue
			}
			if last := len(matches) - 1; last >= 0 && matches[last].doc == p.doc {
				matches[last].hits++
				continue
			}
			var err error
			if matches, err = push(s.a, matches, match{p.doc, 1}); err != nil {
				return nil, err
			}
		}
		if !lead.next() {
			return matches, nil
		}
	}
}

// prefix finds the documents with words that begin with text.
func prefix(ix index, text string, s *scratch) ([]match, error) {
	var docs []uint32
	for _, word := range completions(ix, text) {
		c, _ := ix.find(word)
		for {
			for _, p := range c.block {
				var err error
				if docs, err = push(s.a, docs, p.doc); err != nil {
					return nil, err
				}
			}
			if !c.next() {
				break
			}
		}
	}
	slices.Sort(docs)
	var matches []match
	for _, doc := range docs {
		if last := len(matches) - 1; last >= 0 && matches[last].doc == doc {
			matches[last].hits++
			continue
		}
		var err error
		if matches, err = push(s.a, matches, match{doc, 1}); err != nil {
			return nil, err
		}
	}
	return matches, nil
}

// completions returns the words of the dictionary that begin with text.
func completions(ix index, text string) []string {
	words := ix.dictionary()
	lo := sort.SearchStrings(words, text)
	n := sort.Search(len(words)-lo, func(i int) bool {
		return !strings.HasPrefix(words[lo+i], text)
	})
	return words[lo : lo+n]
}
