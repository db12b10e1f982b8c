package heap

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/stack"
	"github.com/allod-dev/allod/mem"
)

// What a Debug says.

// The errors of Alloc should the handler return.
var (
	errLiedDebug    = errors.New("heap: Debug: the child broke the contract")
	errMisusedDebug = errors.New("heap: Debug: the request breaks the contract")
)

// debugStacks returns the stacks of all Debugs, which so name equal stacks alike.
var debugStacks = sync.OnceValue(func() *stack.Table { return stack.NewTable(debugStacksKept) })

// found reports what is wrong with the block b that a caller passed; k is what
// the table has there.
func (d *Debug) found(op string, b []byte, l mem.Layout, k *debugBlock, f debugFinding) {
	m := &Misuse{Kind: f.kind, Op: op, Addr: address(b), Size: len(b)}
	switch f.kind {
	case ForeignFree, InteriorFree:
		var there debugBlock
		if other := debugs.owner(m.Addr, d, &there); other != 0 {
			m.Kind, k = WrongAllocator, &there
			m.Hint = fmt.Sprintf("the block is of Debug %d, and this is Debug %d", other, d.id)
			break
		}
		if f.kind == ForeignFree {
			m.Hint = hintForeign
			break
		}
		switch {
		case f.at < 0:
			m.Hint = fmt.Sprintf("it is %d bytes before a block of %d", -f.at, k.size)
		case f.at >= k.size:
			m.Hint = fmt.Sprintf("it is %d bytes past the end of a block of %d", f.at-k.size, k.size)
		default:
			m.Hint = fmt.Sprintf("it is %d bytes into a block of %d", f.at, k.size)
		}
		if k.state == debugDead {
			m.Hint += ", which is free"
		}
	case DoubleFree, UseAfterFree:
		m.Hint = fmt.Sprintf("the block of %d bytes was freed, or moved by Remap, before", k.size)
	case UseAfterClose:
		m.Hint = "the Debug was closed"
	case ConcurrentUse:
		m.Hint = "another goroutine is freeing or resizing the block"
		m.Other = debugStack(k.rival)
	case SizeMismatch:
		m.Hint = fmt.Sprintf("the block has %d bytes", k.size)
	case AlignMismatch:
		m.Hint = fmt.Sprintf("the block is aligned to %v, not %v", k.align, l.Align)
		if !sameShape(l.Type, k.typ) {
			m.Hint += fmt.Sprintf("; it holds %v, not %v", k.typ, l.Type)
		}
	case TypeMismatch:
		m.Hint = fmt.Sprintf("the block holds %v, not %v", k.typ, l.Type)
	}
	d.misuse(m, k)
}

// hurt reports the damage of a block that is, or was, size bytes at addr.
func (d *Debug) hurt(op string, addr uintptr, size int, k *debugBlock, h *damage) {
	if h != nil {
		d.deliverAll(d.damages(op, addr, size, k, h))
	}
}

// damages returns a report for each kind of damage, of a call that is going on.
func (d *Debug) damages(op string, addr uintptr, size int, k *debugBlock, h *damage) (all []*Misuse) {
	m := Misuse{Op: op, Addr: addr, Size: size, Alloc: debugStack(k.alloc), Free: debugStack(k.free), Here: trimmed(callers(1))}
	if h.under {
		u := m
		u.Kind = Underflow
		u.Hint = fmt.Sprintf("%s written, the nearest %d before the start", plural(h.underN, "byte"), -h.underAt)
		all = append(all, &u)
	}
	if h.over {
		o := m
		o.Kind = Overflow
		o.Hint = fmt.Sprintf("%s written, the first %d past the end", plural(h.overN, "byte"), h.overAt-k.size)
		all = append(all, &o)
	}
	if h.dead {
		w := m
		w.Kind = WriteAfterFree
		w.Hint = fmt.Sprintf("%s written, the first at offset %d", plural(h.deadN, "byte"), h.deadAt)
		all = append(all, &w)
	}
	return all
}

// misuse reports m with the stacks of k, which may be nil.
func (d *Debug) misuse(m *Misuse, k *debugBlock) {
	if k != nil {
		m.Alloc, m.Free = debugStack(k.alloc), debugStack(k.free)
	}
	d.deliver(m)
}

// deliverAll hands all to the handler, each of them even if it panics.
func (d *Debug) deliverAll(all []*Misuse) { d.deliverPast(0, all) }

// deliverPast is deliverAll during so many panics of the handler. Each of them has
// a part of the stack, so there is an end.
func (d *Debug) deliverPast(panics int, all []*Misuse) {
	n := 0
	defer func() {
		switch {
		case n == len(all):
		case panics+1 == debugPanics:
			d.reports.Add(int64(len(all) - n))
		default:
			d.deliverPast(panics+1, all[n:])
		}
	}()
	for n < len(all) {
		n++
		d.deliver(all[n-1])
	}
}

// debugPanics is how often the handler may panic in one call: as often as there are
// reports, unless more are asked for.
const debugPanics = 1000

// deliver hands m to the handler, unless there were enough before.
func (d *Debug) deliver(m *Misuse) {
	if d.reports.Add(1) > int64(d.o.MaxReports) {
		return
	}
	if m.Here == nil {
		m.Here = trimmed(callers(1))
	}
	if d.o.OnMisuse == nil {
		report(m)
		return
	}
	reports.Add(1)
	d.o.OnMisuse(m)
}

// debugStack returns the stack that id names.
func debugStack(id stack.ID) Stack {
	if id == 0 {
		return nil
	}
	return stack.Logical(debugStacks().PCs(id))
}

// trimmed returns s without the functions of Debug that it begins with.
func trimmed(s Stack) Stack {
	n := 0
	for f := range s.frames {
		if !strings.HasPrefix(f.Function, debugMethods) {
			break
		}
		n++
	}
	if n >= len(s) {
		return s
	}
	return s[n:]
}

// debugMethods is how the names of Debug's methods begin.
var debugMethods = reflect.TypeFor[Debug]().PkgPath() + ".(*Debug)."

// debugGroups bounds how many groups a report of leaks has.
const debugGroups = 1000

// leakCount is a group of leaked blocks.
type leakCount struct {
	blocks, bytes int
	typ           mem.Type
	mixed         bool // not all have the type
}

// leaks returns the blocks born after the given one, in at most so many groups,
// or nil.
func (d *Debug) leaks(op string, after uint64, most int) *LeakError {
	groups := make(map[stack.ID]*leakCount)
	e := &LeakError{Op: op}
	for i := int32(1); ; i++ {
		var k debugBlock
		if !d.nextLive(i, after, &k) {
			break
		}
		i = k.at
		e.Blocks++
		e.Bytes += k.size
		g := groups[k.alloc]
		if g == nil {
			g = &leakCount{typ: k.typ}
			groups[k.alloc] = g
		}
		g.blocks++
		g.bytes += k.size
		g.mixed = g.mixed || g.typ != k.typ
	}
	if e.Blocks == 0 {
		return nil
	}
	ids := make([]stack.ID, 0, len(groups))
	for id := range groups {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b stack.ID) int {
		x, y := groups[a], groups[b]
		return cmp.Or(cmp.Compare(y.bytes, x.bytes), cmp.Compare(y.blocks, x.blocks), cmp.Compare(a, b))
	})
	for _, id := range ids[:min(len(ids), most)] {
		g := groups[id]
		if id == 0 && len(groups) == 1 && (g.mixed || g.typ == mem.Type{}) {
			break // says nothing that e does not
		}
		group := LeakGroup{Blocks: g.blocks, Bytes: g.bytes, Stack: debugStack(id)}
		if !g.mixed && g.typ != (mem.Type{}) {
			group.Type = g.typ.String()
		}
		e.Groups = append(e.Groups, group)
	}
	return e
}

// nextLive returns in k the first block from node i on that was born after the
// given one, and is live, or admitted and about to be.
//
//go:norace
func (d *Debug) nextLive(i int32, after uint64, k *debugBlock) bool {
	for d.table.visit(i, debugBusy, k) {
		d.table.unlock()
		if k.state != debugDead && k.birth > after { // if a call seized it, that is 0
			return true
		}
		i = k.at + 1
	}
	return false
}

// debugs are the Debugs that are open, for telling whose a block is.
var debugs debugRegistry

// A debugRegistry is written when a Debug is made or closed, and read when one
// reports a block that it does not know. It keeps no Debug alive.
type debugRegistry struct {
	made atomic.Uint64
	mu   sync.Mutex
	all  []weak.Pointer[Debug]
}

// number returns the number of a new Debug.
func (r *debugRegistry) number() uint64 {
	race.Disable()
	defer race.Enable()
	return r.made.Add(1)
}

// add makes d known.
func (r *debugRegistry) add(d *Debug) {
	race.Disable()
	defer race.Enable()
	r.change(d, nil)
}

// remove makes d unknown.
func (r *debugRegistry) remove(d *Debug) {
	race.Disable()
	defer race.Enable()
	r.change(nil, d)
}

// change adds one Debug and drops another, and those that nobody has.
//
//go:norace
func (r *debugRegistry) change(add, drop *Debug) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.all
	all := make([]weak.Pointer[Debug], 0, len(old)+1)
	for i := range old {
		if p := old[i].Value(); p != nil && p != drop {
			all = all[:len(all)+1]
			all[len(all)-1] = old[i]
		}
	}
	if add != nil {
		all = all[:len(all)+1]
		all[len(all)-1] = weak.Make(add)
	}
	r.all = all
}

// owner returns the number of the Debug other than d that has a live block at
// addr, and in k the block; or 0.
func (r *debugRegistry) owner(addr uintptr, d *Debug, k *debugBlock) (id uint64) {
	for _, p := range r.list() {
		if o := p.Value(); o != nil && o != d && o.table.starts(addr, k) {
			return o.id
		}
	}
	return 0
}

// holder tells whether addr is in a live block of a Debug other than d.
func (r *debugRegistry) holder(addr uintptr, d *Debug) bool {
	for _, p := range r.list() {
		if o := p.Value(); o != nil && o != d && (o.table.owns(addr) || holds(o.buffers, addr)) {
			return true
		}
	}
	return false
}

// list returns the weak pointers, in a slice that is never written again.
//
//go:norace
func (r *debugRegistry) list() []weak.Pointer[Debug] {
	race.Disable()
	defer race.Enable()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all
}

// OpenDebugs returns the Debugs of this process that were not closed, oldest
// first. One that nothing refers to any more may be missing. It is for a look at
// all of them at the end of a process or of its tests.
func OpenDebugs() []*Debug {
	var open []*Debug
	for _, p := range debugs.list() {
		if d := p.Value(); d != nil {
			race.Acquire(&d.made)
			open = append(open, d)
		}
	}
	return open
}
