// Package invertedindex is an index of texts by the words in them, off the Go
// heap: a map from words to lists of documents, however many, that a garbage
// collection does not look at.
package invertedindex

import (
	"iter"
	"strings"
	"unicode"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

// postings are the numbers of documents, ascending. A list is an element of the
// map and so has no allocator of its own: every list has the map's.
type postings = generic.ArrayListUnmanaged[uint32]

// An Index finds documents by their words. It is for one goroutine at a time.
type Index struct {
	memory mem.Allocator
	words  *generic.StringHashMap[postings]
	docs   uint32
}

// New returns an empty index in memory of a, which must serve blocks of all
// sizes and take them back.
func New(a mem.Allocator) *Index {
	// A list holds a pointer to its block. Memory that the collector does not
	// see is no place for Go pointers, but these are to memory of a itself, and
	// never what keeps a Go object alive. That is what is promised here.
	a = mem.NoGoPointers(a)
	return &Index{memory: a, words: generic.NewStringHashMap[postings](a)}
}

// Close gives all memory back: first that of the lists, which the map does not
// know of, then the map's.
func (x *Index) Close() error {
	for _, list := range x.words.AllPtr() {
		list.Close(x.memory)
	}
	return x.words.Close()
}

// Add adds a document and returns its number. On an error the index is what it
// was before, save for words that no document has.
func (x *Index) Add(text string) (uint32, error) {
	doc := x.docs
	for word := range words(text) {
		if err := x.post(word, doc); err != nil {
			x.take(text, doc)
			return 0, err
		}
	}
	x.docs++
	return doc, nil
}

// post notes that a document has a word, once.
func (x *Index) post(word string, doc uint32) error {
	entry, err := x.words.GetOrPut(word) // a copy of word, if it is new
	if err != nil {
		return err
	}
	list := entry.Value
	if last, ok := list.Last(); ok && last == doc {
		return nil
	}
	return list.Append(x.memory, doc)
}

// take undoes what Add has done for a document.
func (x *Index) take(text string, doc uint32) {
	for word := range words(text) {
		if list := x.words.GetPtr(word); list != nil {
			if last, ok := list.Last(); ok && last == doc {
				list.Pop()
			}
		}
	}
}

// Search yields the documents that have all the words of the query, in order.
func (x *Index) Search(query string) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		var lists [][]uint32
		for word := range words(query) {
			list := x.words.GetPtr(word)
			if list == nil {
				return
			}
			lists = append(lists, list.Items())
		}
		if len(lists) == 0 {
			return
		}
	next:
		for _, doc := range lists[0] {
			for i, list := range lists[1:] {
				for len(list) > 0 && list[0] < doc {
					list = list[1:]
				}
				lists[i+1] = list
				if len(list) == 0 || list[0] != doc {
					continue next
				}
			}
			if !yield(doc) {
				return
			}
		}
	}
}

// Len returns the number of documents, and of different words.
func (x *Index) Len() (docs, words int) { return int(x.docs), x.words.Len() }

// words yields the words of a text in lower case.
func words(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		other := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
		for word := range strings.FieldsFuncSeq(strings.ToLower(text), other) {
			if !yield(word) {
				return
			}
		}
	}
}
