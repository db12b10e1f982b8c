package demo

import (
	"maps"
	"slices"
)

// goIndex is the index as an experienced Go programmer writes it: postings in
// slices of values, no pointer per posting, one lookup per word added.
type goIndex struct {
	words    map[string]*[]posting
	sorted   []string
	postings int
}

func newGoIndex() *goIndex {
	return &goIndex{words: make(map[string]*[]posting)}
}

func (ix *goIndex) add(word []byte, p posting) error {
	list := ix.words[string(word)] // does not allocate
	if list == nil {
		list = new([]posting)
		ix.words[string(word)] = list
	}
	*list = append(*list, p)
	ix.postings++
	return nil
}

func (ix *goIndex) undo(word []byte) {
	list := ix.words[string(word)]
	*list = (*list)[:len(*list)-1]
	ix.postings--
	if len(*list) == 0 {
		delete(ix.words, string(word))
	}
}

func (ix *goIndex) seal() error {
	ix.sorted = slices.AppendSeq(make([]string, 0, len(ix.words)), maps.Keys(ix.words))
	slices.Sort(ix.sorted)
	return nil
}

func (ix *goIndex) find(word string) (cursor, int) {
	list := ix.words[word]
	if list == nil {
		return cursor{}, 0
	}
	return cursor{block: *list}, len(*list)
}

func (ix *goIndex) dictionary() []string { return ix.sorted }

func (ix *goIndex) size() (words, postings int) { return len(ix.words), ix.postings }

func (ix *goIndex) slack() int {
	n := 0
	for _, list := range ix.words {
		n += (cap(*list) - len(*list)) * postingSize
	}
	return n
}

func (ix *goIndex) close() error {
	*ix = goIndex{}
	return nil
}
