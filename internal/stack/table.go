package stack

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/race"
)

// An ID names a stack in a [Table]. The zero ID names no stack.
type ID uint32

// A Table keeps each stack once. It only grows, as far as the bound that it was
// made with. It is safe for concurrent use and adds no order between the
// goroutines that use it in the race detector's eyes.
type Table struct {
	heads  [buckets]atomic.Uint32 // the newest record of each bucket, as an ID
	chunks [maxChunks]atomic.Pointer[chunk]
	words  int // the most words that records may take
	lost   atomic.Uint64

	mu     sync.Mutex // guards what follows, and is held to add a record
	used   int        // words of records, and of gaps at the end of chunks
	stacks int
}

// Records are immutable and never move, and a record is complete before its
// bucket points to it: a stack that is known is found without a lock. A record
// is the hash, the ID of the next in its bucket with the number of addresses,
// and the addresses; its ID is its place, counted in words from 1. It lies in
// one chunk as a whole. Chunks hold numbers only, and the collector does not look
// inside.
//
// What is read without the lock was written before an atomic store. The race
// detector is told nothing of either, so that a Table orders nobody; hence
// nothing here is instrumented, and there is no copy, append or map.

const (
	bucketBits = 14
	buckets    = 1 << bucketBits
	chunkWords = 1 << 13
	maxChunks  = 1 << 10
	header     = 2

	// MaxDepth is how many addresses a stack in a Table may have.
	MaxDepth = 1 << lenBits / 2
	lenBits  = 8
)

type chunk [chunkWords]uintptr

// NewTable returns an empty Table that takes up to about the given number of
// bytes.
func NewTable(bytes int) *Table {
	const word = bits.UintSize / 8
	return &Table{words: max(1, min(maxChunks, bytes/word/chunkWords, maxWords/chunkWords)) * chunkWords}
}

// maxWords is how many words an ID can tell apart beside the length that shares
// a word with it.
const maxWords = 1 << min(32, bits.UintSize-lenBits)

// Intern returns the ID of the stack with the addresses pcs, of which it keeps
// the first MaxDepth. The ID is 0 if there are none, or if the stack is new and
// the Table full. It allocates nothing for a stack that is known, and next to
// nothing for a new one.
//
//go:norace
func (t *Table) Intern(pcs []uintptr) ID {
	if len(pcs) == 0 {
		return 0
	}
	if len(pcs) > MaxDepth {
		pcs = pcs[:MaxDepth]
	}
	h := hash(pcs)
	race.Disable()
	head := &t.heads[uint64(h)>>(bits.UintSize-bucketBits)]
	id := t.find(ID(head.Load()), h, pcs)
	if id == 0 {
		id = t.add(head, h, pcs)
	}
	race.Enable()
	return id
}

// find searches the records from id on.
//
//go:norace
func (t *Table) find(id ID, h uintptr, pcs []uintptr) ID {
search:
	for id != 0 {
		c, i := t.at(id)
		link := c[i+1]
		if c[i] == h && int(link%(1<<lenBits)) == len(pcs) {
			for j, pc := range pcs {
				if c[i+header+j] != pc {
					id = ID(link >> lenBits)
					continue search
				}
			}
			return id
		}
		id = ID(link >> lenBits)
	}
	return 0
}

// add adds a record, unless there is one by now.
//
//go:norace
func (t *Table) add(head *atomic.Uint32, h uintptr, pcs []uintptr) ID {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := ID(head.Load())
	if id := t.find(first, h, pcs); id != 0 {
		return id
	}
	at := t.used
	if room := chunkWords - at%chunkWords; len(pcs)+header > room {
		at += room
	}
	if at >= t.words {
		t.lost.Add(1)
		return 0
	}
	if t.chunks[at/chunkWords].Load() == nil {
		t.chunks[at/chunkWords].Store(new(chunk))
	}
	id := ID(at + 1)
	c, i := t.at(id)
	c[i], c[i+1] = h, uintptr(first)<<lenBits|uintptr(len(pcs))
	for j, pc := range pcs {
		c[i+header+j] = pc
	}
	t.used = at + header + len(pcs)
	t.stacks++
	head.Store(uint32(id))
	return id
}

// at returns where the record of id is.
//
//go:norace
func (t *Table) at(id ID) (c *chunk, i int) {
	n := uint(id) - 1
	return t.chunks[n/chunkWords].Load(), int(n % chunkWords)
}

// PCs returns a copy of the addresses of the stack that Intern named id; nil for
// 0.
//
//go:norace
func (t *Table) PCs(id ID) []uintptr {
	if id == 0 {
		return nil
	}
	var room [MaxDepth]uintptr
	pcs := make([]uintptr, t.Read(id, room[:]))
	for i := range pcs {
		pcs[i] = room[i]
	}
	return pcs
}

// Read writes the first of these addresses to pcs, as many as it has room for, and
// returns how many there were.
//
//go:norace
func (t *Table) Read(id ID, pcs []uintptr) (n int) {
	if id == 0 {
		return 0
	}
	race.Disable()
	c, i := t.at(id)
	n = min(len(pcs), int(c[i+1]%(1<<lenBits)))
	for j := range n {
		pcs[j] = c[i+header+j]
	}
	race.Enable()
	return n
}

// Stats returns how many stacks there are, how many words they take, and how
// often a stack was not kept because the Table was full.
//
//go:norace
func (t *Table) Stats() (stacks, words int, lost uint64) {
	race.Disable()
	t.mu.Lock()
	stacks, words, lost = t.stacks, t.used, t.lost.Load()
	t.mu.Unlock()
	race.Enable()
	return stacks, words, lost
}

// hash mixes the addresses in two lanes, so that one multiplication need not
// wait for the other. Its top bits choose the bucket.
//
//go:norace
func hash(pcs []uintptr) uintptr {
	const m = 0x9E3779B97F4A7C15
	a, b := uint64(len(pcs)), uint64(m)
	i := 0
	for ; i+1 < len(pcs); i += 2 {
		a = (a ^ uint64(pcs[i])) * m
		b = (b ^ uint64(pcs[i+1])) * m
		a ^= a >> 32
		b ^= b >> 32
	}
	if i < len(pcs) {
		a = (a ^ uint64(pcs[i])) * m
	}
	a ^= bits.RotateLeft64(b, 29)
	a ^= a >> 32
	a *= 0xD6E8FEB86659FD93
	return uintptr(a >> (64 - bits.UintSize))
}
