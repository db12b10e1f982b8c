package allocatortest

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/allod-dev/allod/heap"
)

// Leaks returns what is live now, or nil if nothing is: those of one stack in
// one group, the largest group first. It may be called at any time; at the end
// of the test it is what the test fails with.
func (a *Allocator) Leaks() *heap.LeakError {
	groups := make(map[string]*heap.LeakGroup)
	leaks := new(heap.LeakError)
	for _, r := range a.blocks.records() {
		add(leaks, groups, r)
	}
	if leaks.Blocks == 0 {
		return nil
	}
	for _, g := range groups {
		leaks.Groups = append(leaks.Groups, *g)
	}
	slices.SortFunc(leaks.Groups, func(x, y heap.LeakGroup) int {
		return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), cmp.Compare(y.Blocks, x.Blocks), slices.Compare(x.Stack, y.Stack))
	})
	return leaks
}

// add counts r. The test may end before the goroutine that allocated it, and
// then the race detector had something to say.
//
//go:norace
func add(l *heap.LeakError, groups map[string]*heap.LeakGroup, r *record) {
	k := key(r.alloc)
	g := groups[k]
	if g == nil {
		g = &heap.LeakGroup{Stack: r.alloc, Type: typeName(r)}
		groups[k] = g
	}
	if g.Type != typeName(r) {
		g.Type = ""
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

// typeName returns the name of the type of r's elements, "" for raw bytes.
func typeName(r *record) string {
	if t := r.layout.Type.Reflect(); t != nil {
		return t.String()
	}
	return ""
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

// indent prints the program's part of a stack.
func indent(s heap.Stack) string {
	return "\t" + strings.ReplaceAll(strings.TrimSuffix(s.Program().String(), "\n"), "\n", "\n\t") + "\n"
}
