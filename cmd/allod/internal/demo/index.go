package demo

import (
	"errors"
	"fmt"

	"github.com/allod-dev/allod/cmd/allod/internal/say"
	"github.com/allod-dev/allod/mem"
)

// A posting says where a word stands: it is word number pos of document doc.
type posting struct{ doc, pos uint32 }

// before tells whether p stands before q.
func (p posting) before(q posting) bool {
	return p.doc < q.doc || p.doc == q.doc && p.pos < q.pos
}

// An index is a full-text index: for each word of the corpus, its postings in
// ascending order. It does not know how it is kept in memory; that is what the
// variants differ in.
type index interface {
	// add notes that word stands at p, which is after all that was added. On an
	// error the index is what it was.
	add(word []byte, p posting) error
	// undo takes back the last add of word.
	undo(word []byte)
	// seal sorts the dictionary once everything is added.
	seal() error

	// find returns the postings of a word, and how many there are.
	find(word string) (cursor, int)
	// dictionary returns all words in ascending order, once sealed.
	dictionary() []string
	// size returns the number of words and of postings.
	size() (words, postings int)
	// slack returns how many bytes of the memory for postings hold none.
	slack() int

	// close gives the memory back.
	close() error
}

// A cursor runs over the postings of one word. They lie in one block or in a
// chain of them; either way the inner loops see slices.
type cursor struct {
	block []posting
	rest  *chunk
}

// next goes to the next block, and returns false if there is none.
func (c *cursor) next() bool {
	if c.rest == nil {
		c.block = nil
		return false
	}
	c.block, c.rest = c.rest.items, c.rest.next
	return true
}

// seek skips what stands before p, and returns false if that is everything.
func (c *cursor) seek(p posting) bool {
	for len(c.block) == 0 || c.block[len(c.block)-1].before(p) {
		if !c.next() {
			return false
		}
	}
	// Gallop: p is usually near, and when it is not, halve the way.
	lo, hi := 0, 1
	for hi < len(c.block) && c.block[hi-1].before(p) {
		lo, hi = hi, hi*2
	}
	hi = min(hi, len(c.block))
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if c.block[mid].before(p) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	c.block = c.block[lo:]
	return true
}

// A chunk is a stretch of the postings of one word in an [arenaIndex].
type chunk struct {
	next  *chunk
	items []posting
}

// A buildError says at which document building an index ended. The index holds
// all documents before that one, and nothing of it. After the last document it
// is the dictionary that could not be sorted, and path is empty.
type buildError struct {
	doc  int
	path string
	err  error
}

func (e *buildError) Error() string {
	if e.path == "" {
		return fmt.Sprintf("sorting the dictionary, after all %s: %v", say.Plural(e.doc, "file"), e.err)
	}
	return fmt.Sprintf("file %d, %s: %v", e.doc+1, e.path, e.err)
}

func (e *buildError) Unwrap() error { return e.err }

// build adds the documents of c to ix, and seals it.
func build(ix index, c *corpus, s *scratch, progress func(done, total int)) error {
	for doc := range c.docs {
		if err := addDocument(ix, c, doc, s); err != nil {
			return &buildError{doc, c.docs[doc], err}
		}
		s.reset()
		progress(doc+1, len(c.docs))
	}
	if err := ix.seal(); err != nil {
		return &buildError{len(c.docs), "", err}
	}
	return nil
}

// addDocument adds one document to ix, whole or not at all.
func addDocument(ix index, c *corpus, doc int, s *scratch) error {
	content, err := c.read(doc, s)
	if err != nil {
		return err
	}
	tokens, err := tokenize(content, s)
	if err != nil {
		return err
	}
	for pos, t := range tokens {
		if err := ix.add(content[t.start:t.end], posting{uint32(doc), uint32(pos)}); err != nil {
			for _, t := range tokens[:pos] {
				ix.undo(content[t.start:t.end])
			}
			return err
		}
	}
	return nil
}

// isOutOfMemory tells whether err means that memory ran out.
func isOutOfMemory(err error) bool { return errors.Is(err, mem.ErrOutOfMemory) }
