package allocatortest

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/allod-dev/allod/heap"
)

// Leaks describes the blocks that are live: those of one stack in one group,
// the largest group first.
type Leaks struct {
	Blocks, Bytes int
	Groups        []LeakGroup
	most          int // groups to print
}

// A LeakGroup is the live blocks that were allocated at one place.
type LeakGroup struct {
	Blocks, Bytes int
	Alloc         heap.Stack
}

// Leaks returns what is live now, or nil if nothing is. It may be called at any
// time; at the end of the test it is what the test fails with.
func (a *Allocator) Leaks() *Leaks {
	groups := make(map[string]*LeakGroup)
	leaks := &Leaks{most: a.groups}
	for _, r := range a.blocks.records() {
		leaks.add(groups, r)
	}
	if leaks.Blocks == 0 {
		return nil
	}
	for _, g := range groups {
		leaks.Groups = append(leaks.Groups, *g)
	}
	slices.SortFunc(leaks.Groups, func(x, y LeakGroup) int {
		return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), cmp.Compare(y.Blocks, x.Blocks), slices.Compare(x.Alloc, y.Alloc))
	})
	return leaks
}

// add counts r. The test may end before the goroutine that allocated it, and
// then the race detector had something to say.
//
//go:norace
func (l *Leaks) add(groups map[string]*LeakGroup, r *record) {
	k := key(r.alloc)
	g := groups[k]
	if g == nil {
		g = &LeakGroup{Alloc: r.alloc}
		groups[k] = g
	}
	g.Blocks++
	g.Bytes += r.size
	l.Blocks++
	l.Bytes += r.size
}

// key returns s as something to find equals by.
//
//go:norace
func key(s heap.Stack) string {
	b := make([]byte, 0, 8*len(s))
	for _, pc := range s {
		b = binary.LittleEndian.AppendUint64(b, uint64(pc))
	}
	return string(b)
}

// String describes the leaks in several lines, with a stack for each group.
func (l *Leaks) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s leaked, %s", count(l.Blocks, "block"), count(l.Bytes, "byte"))
	for i, g := range l.Groups {
		if i == l.most {
			rest := LeakGroup{}
			for _, g := range l.Groups[i:] {
				rest.Blocks += g.Blocks
				rest.Bytes += g.Bytes
			}
			fmt.Fprintf(&b, "\n%s more at %s, %s", count(rest.Blocks, "block"),
				count(len(l.Groups)-i, "other place"), count(rest.Bytes, "byte"))
			break
		}
		fmt.Fprintf(&b, "\n%s, %s, allocated by\n%s", count(g.Blocks, "block"), count(g.Bytes, "byte"), indent(g.Alloc))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// describe prints the stacks of m.
func describe(m *heap.Misuse) string {
	var b strings.Builder
	for _, part := range []struct {
		title string
		stack heap.Stack
	}{{"called by", m.Here}, {"the block was allocated by", m.Alloc}, {"and freed by", m.Free}} {
		if len(part.stack) > 0 {
			fmt.Fprintf(&b, "%s\n%s", part.title, indent(part.stack))
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// indent prints a stack without the frames that say nothing: the methods of the
// allocator that recorded it, and what is below every test.
func indent(s heap.Stack) string {
	const own = "/allocatortest.(*Allocator)."
	var b strings.Builder
	frames := runtime.CallersFrames(s)
	for {
		f, more := frames.Next()
		switch {
		case f.Function == "", f.Function == "runtime.goexit", f.Function == "testing.tRunner":
		case b.Len() == 0 && strings.Contains(f.Function, own):
		default:
			fmt.Fprintf(&b, "\t%s\n\t\t%s:%d\n", f.Function, f.File, f.Line)
		}
		if !more {
			return b.String()
		}
	}
}
