package demo

import (
	"slices"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// arenaIndex is the same index in one arena: the map, the words and the
// postings lie where the collector does not look. Nothing is freed one by one;
// closing the arena ends it all.
type arenaIndex struct {
	arena    *heap.Arena
	memory   mem.Allocator // the arena, under the promise that makes list possible
	words    *generic.StringHashMap[*list]
	sorted   []string
	postings int
	room     int // for postings, in lists and chunks
}

// A list holds the postings of one word: the first in the list itself, since
// half of all words occur once, the others in chunks. A new chunk has room for
// a quarter of what the list holds, so that growing neither copies nor wastes
// much.
type list struct {
	count uint32
	first [1]posting
	head  *chunk
	tail  *chunk
}

const (
	leastChunk = 4
	mostChunk  = 8192 // long lists are skipped through chunk by chunk
)

func newArenaIndex(child mem.Allocator) *arenaIndex {
	arena := heap.NewArena(child)
	// Whatever the lists point to lies in the arena as well.
	memory := mem.NoGoPointers(arena)
	return &arenaIndex{arena: arena, memory: memory, words: generic.NewStringHashMap[*list](memory)}
}

func (ix *arenaIndex) add(word []byte, p posting) error {
	l, ok := ix.words.Get(view(word))
	if !ok {
		return ix.addWord(word, p)
	}
	if l.tail == nil || len(l.tail.items) == cap(l.tail.items) {
		if err := ix.grow(l); err != nil {
			return err
		}
	}
	l.tail.items = append(l.tail.items, p) // there is room
	l.count++
	ix.postings++
	return nil
}

func (ix *arenaIndex) addWord(word []byte, p posting) error {
	l, err := mem.New(ix.memory, list{count: 1, first: [1]posting{p}})
	if err != nil {
		return err
	}
	if _, err := ix.words.Put(view(word), l); err != nil {
		return err
	}
	ix.room++
	ix.postings++
	return nil
}

// grow adds an empty chunk to l.
func (ix *arenaIndex) grow(l *list) error {
	items, err := mem.AllocUninit[posting](ix.memory, min(max(int(l.count)/4, leastChunk), mostChunk))
	if err != nil {
		return err
	}
	c, err := mem.New(ix.memory, chunk{items: items[:0]})
	if err != nil {
		return err
	}
	if l.tail == nil {
		l.head = c
	} else {
		l.tail.next = c
	}
	l.tail = c
	ix.room += cap(items)
	return nil
}

func (ix *arenaIndex) undo(word []byte) {
	l, _ := ix.words.Get(view(word))
	l.count--
	ix.postings--
	if l.count == 0 {
		ix.words.Remove(view(word))
		return
	}
	l.pop()
}

// pop takes the last posting out of the last chunk that has one.
func (l *list) pop() {
	for len(l.tail.items) == 0 { // growing added it for nothing
		before := l.head
		for before.next != l.tail {
			before = before.next
		}
		before.next, l.tail = nil, before
	}
	l.tail.items = l.tail.items[:len(l.tail.items)-1]
}

func (ix *arenaIndex) seal() error {
	sorted, err := mem.Alloc[string](ix.memory, ix.words.Len())
	if err != nil {
		return err
	}
	i := 0
	for word := range ix.words.Keys() {
		sorted[i] = word
		i++
	}
	slices.Sort(sorted)
	ix.sorted = sorted
	return nil
}

func (ix *arenaIndex) find(word string) (cursor, int) {
	l, ok := ix.words.Get(word)
	if !ok {
		return cursor{}, 0
	}
	return cursor{l.first[:], l.head}, int(l.count)
}

func (ix *arenaIndex) dictionary() []string { return ix.sorted }

func (ix *arenaIndex) size() (words, postings int) { return ix.words.Len(), ix.postings }

func (ix *arenaIndex) slack() int { return (ix.room - ix.postings) * postingSize }

func (ix *arenaIndex) close() error {
	return ix.arena.Close()
}
