package invertedindex

import (
	"fmt"
	"log"
	"slices"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

func Example() {
	x := New(heap.Default())
	defer x.Close()
	for _, text := range []string{"An allod is land.", "A fief is land held of a lord.", "An allod has no lord."} {
		if _, err := x.Add(text); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(slices.Collect(x.Search("land")))
	fmt.Println(slices.Collect(x.Search("lord allod")))
	// Output:
	// [0 1]
	// [2]
}

// Whatever memory it is in, the index finds what a search of all texts does.
func TestIndex(t *testing.T) {
	for _, child := range []mem.Allocator{heap.Page{}, heap.GC{}} {
		x := New(allocatortest.New(t, allocatortest.Child(child)))
		var texts []string
		for i := range 300 {
			texts = append(texts, fmt.Sprintf("w%d w%d w%d w%d", i%2, i%3, i%7, i%2))
			if doc, err := x.Add(texts[i]); err != nil || int(doc) != i {
				t.Fatal(doc, err)
			}
		}
		for _, query := range []string{"w0", "w1 w2", "w6 w1 w0", "W5", "none", "w1 none", ""} {
			var want []uint32
			for i, text := range texts {
				all := query != ""
				for q := range words(query) {
					all = all && slices.Contains(slices.Collect(words(text)), q)
				}
				if all {
					want = append(want, uint32(i))
				}
			}
			if got := slices.Collect(x.Search(query)); !slices.Equal(got, want) {
				t.Errorf("%q: %v, want %v", query, got, want)
			}
		}
		if docs, words := x.Len(); docs != 300 || words != 7 {
			t.Errorf("%d documents, %d words", docs, words)
		}
		x.Close()
	}
}

// An Add that runs out of memory leaves no trace in what a search finds.
func TestRunningOut(t *testing.T) {
	allocatortest.CheckAllFailures(t, func(a mem.Allocator) error {
		x := New(a)
		defer x.Close()
		for i, text := range []string{"one two three", "two three four two"} {
			if _, err := x.Add(text); err != nil {
				if n := len(slices.Collect(x.Search("three"))); n != i {
					t.Errorf("%d documents found after %d were added", n, i)
				}
				return err
			}
		}
		return nil
	})
}
