package heap

import (
	"fmt"

	"github.com/allod-dev/allod/mem"
)

// Two allocators that were handed the same bytes overwrite each other's blocks.
// What a FixedBuffer does with its own it cannot see; of the Debugs that stand on
// them there is a list.

// fixedIn returns the buffers that were handed to the allocators below a.
func fixedIn(a mem.Allocator) (all []*FixedBuffer) {
	for a != nil {
		switch x := a.(type) {
		case *FixedBuffer:
			return append(all, x)
		case *SharedBuffer:
			return append(all, (*FixedBuffer)(x))
		case *BufferFirst:
			all, a = append(all, &x.buf), x.child
		case *Hybrid:
			a = x.child
		case mem.Unwrapper:
			a = x.Unwrap()
		default:
			return all
		}
	}
	return all
}

// holds tells whether addr is in one of the buffers.
//
//go:norace
func holds(all []*FixedBuffer, addr uintptr) bool {
	for _, f := range all {
		if addr-address(f.buf) < uintptr(len(f.buf)) {
			return true
		}
	}
	return false
}

// overlap reports a buffer below d that has bytes in common with one below
// another Debug. It is called once, by NewDebug.
//
//go:norace
func (d *Debug) overlap(op string) {
	for _, f := range d.buffers {
		o, n := debugs.shares(d, f)
		if o == nil {
			continue
		}
		d.deliver(&Misuse{Kind: Overlap, Op: op, Addr: address(f.buf), Size: len(f.buf),
			Hint: fmt.Sprintf("Debug %d, which is open, has %s of it", o.id, plural(n, "byte")),
			Here: callers(3), Other: debugStack(o.life.made)})
		return
	}
}

// shares returns a Debug other than d with n bytes of the buffer of f below it.
// That is right where f is below both, or one buffer lies in what was served from
// the other.
//
//go:norace
func (r *debugRegistry) shares(d *Debug, f *FixedBuffer) (o *Debug, n int) {
	from, end := address(f.buf), address(f.buf)+uintptr(len(f.buf))
	for _, p := range r.list() {
		x := p.Value()
		if x == nil || x == d {
			continue
		}
		if x.table.within(from, end) {
			return nil, 0
		}
		for _, g := range x.buffers {
			first, last := max(from, address(g.buf)), min(end, address(g.buf)+uintptr(len(g.buf)))
			if f == g || first >= last || last-first == uintptr(len(g.buf)) && last-from <= f.off {
				continue // f served g's buffer before
			}
			o, n = x, int(last-first)
		}
	}
	return o, n
}

// within tells whether a live block has all bytes from one address up to another.
//
//go:norace
func (t *debugTable) within(from, end uintptr) bool {
	t.lock()
	defer t.unlock()
	i := t.around(from)
	if i == 0 {
		return false
	}
	n := t.node(i)
	return n.is() != debugDead && n.addr() <= from && end-n.addr() <= uintptr(n.size)
}
