// Package leaktest shows how a test finds a leak: see index_test.go. This file
// is the code under test.
package leaktest

import "github.com/allod-dev/allod/mem"

// An Index holds words in memory of an allocator.
type Index struct {
	memory mem.Allocator
	words  []string
}

// NewIndex returns an empty index that takes its memory from memory.
func NewIndex(memory mem.Allocator) *Index { return &Index{memory: memory} }

// Add adds a copy of word. On an error the index is what it was.
func (x *Index) Add(word string) error {
	word, err := mem.DupeString(x.memory, word)
	if err != nil {
		return err
	}
	words, err := mem.Append(x.memory, x.words, word)
	if err != nil {
		mem.FreeString(x.memory, word) // forget this, and TestRunningOut fails
		return err
	}
	x.words = words
	return nil
}

// Words returns what was added. It is valid until the next Add or Close.
func (x *Index) Words() []string { return x.words }

// Close gives all memory back.
func (x *Index) Close() {
	for _, word := range x.words {
		mem.FreeString(x.memory, word) // forget this, and TestIndex fails
	}
	mem.Free(x.memory, x.words)
	x.words = nil
}
