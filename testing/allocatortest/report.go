package allocatortest

import (
	"fmt"
	"strings"

	"github.com/allod-dev/allod/heap"
)

// line returns the first line of what err prints: the stacks that follow are
// printed by describe, with that of the call.
func line(err error) string {
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}

// describe prints the stacks of m.
func describe(m *heap.Misuse) string {
	var b strings.Builder
	other := "at the same time as"
	if m.Kind == heap.Overlap {
		other = "the other one was made by"
	}
	for _, part := range []struct {
		title string
		stack heap.Stack
	}{{"called by", m.Here}, {"the block was allocated by", m.Alloc}, {"and freed by", m.Free}, {other, m.Other}} {
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
