package guard

import "github.com/allod-dev/allod/internal/vm"

// What places hold, and how to make them hold less.

// Held is what the places hold whose last tenants are of one owner.
type Held struct {
	Blocks    int // live
	Size      int // of these, as asked for
	Live      int // bytes of the pages that they touch
	Committed int // bytes that have memory behind them: Live, and what places keep
	Reserved  int // bytes of the places, with a guarded page each
}

// Held looks at every place that was ever let.
//
//go:norace
func (p *Pool) Held(owner uint64) (h Held) {
	p.lock()
	defer p.unlock()
	for _, r := range p.regions {
		for i := range r.let {
			at := &r.places[i]
			if at.t.Owner != owner || at.t.Size == 0 {
				continue
			}
			pages, _ := at.pages()
			h.Reserved += r.cap + vm.PageSize()
			if at.t.Live {
				h.Blocks++
				h.Size += at.t.Size
				h.Live += len(pages)
			}
			if !at.sealed || at.kept() {
				h.Committed += len(pages)
			}
		}
	}
	return h
}

// kept tells whether the place has memory although it is inaccessible.
//
//go:norace
func (at *place) kept() bool { return at.soiled && !at.drained }

// Trim gives back the memory of places that are free and keep theirs, and returns
// how many bytes. They keep memory again once they were let again. Those that are
// stuck are tried again.
//
//go:norace
func (p *Pool) Trim() (n int) {
	p.lock()
	defer p.unlock()
	for i := range p.classes {
		n += p.retry(i)
		for at := p.classes[i].oldest; at != nil; at = at.next {
			if !at.kept() {
				continue
			}
			pages, _ := at.pages()
			if vm.Drain(pages) == nil {
				at.drained = true
				n += len(pages)
			}
		}
	}
	return n
}

// retry makes places of class c that are stuck ones to be let again, where the
// system does not refuse any more, and returns how many bytes of memory they lost.
//
//go:norace
func (p *Pool) retry(c int) (n int) {
	k := &p.classes[c]
	at := k.stuck
	k.stuck = nil
	for at != nil {
		next := at.next
		if at.next = nil; p.seal(at) {
			p.stuck--
			p.put(c, at)
			if !at.keeps {
				pages, _ := at.pages()
				n += len(pages)
			}
		} else {
			at.next, k.stuck = k.stuck, at
		}
		at = next
	}
	return n
}
