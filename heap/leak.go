package heap

import (
	"fmt"
	"strings"
)

// A LeakError reports blocks that were live when what they came from was
// closed. Allocators that look return it from Close, and have freed the blocks
// or not as their Close says.
type LeakError struct {
	// Op is the call that found the leak: "heap: Pool.Close". It is empty where
	// somebody asked, rather than closed.
	Op string
	// Blocks is how many blocks were live, at least 1.
	Blocks int
	// Bytes is their size as it was asked for, in sum.
	Bytes int
	// Groups holds the blocks by the stack that allocated them, most bytes
	// first. If the allocator does not record stacks it is empty, or holds one group
	// without a stack. Blocks and Bytes count all blocks even if Groups does not
	// hold all.
	Groups []LeakGroup
}

// A LeakGroup is the leaked blocks that one stack allocated.
type LeakGroup struct {
	// Blocks and Bytes are those of the group.
	Blocks int
	Bytes  int
	// Type is the name of the blocks' type, or empty if it is not known or not
	// the same for all.
	Type string
	// Stack is the stack that allocated them, empty if it was not recorded.
	Stack Stack
}

// leakGroupsPrinted bounds what Error prints. One loop that leaks is one group.
const leakGroupsPrinted = 10

// Error says how many blocks leaked and, where that is known, from where: the
// first line is the sum, then follows each group with its stack.
func (e *LeakError) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op + ": ")
	}
	fmt.Fprintf(&b, "leaked %s of %s", plural(e.Blocks, "block"), plural(e.Bytes, "byte"))
	for i := range e.Groups {
		if i == leakGroupsPrinted {
			fmt.Fprintf(&b, "\nand from %s more", plural(len(e.Groups)-i, "place"))
			break
		}
		g := &e.Groups[i]
		fmt.Fprintf(&b, "\n%s of %s", plural(g.Blocks, "block"), plural(g.Bytes, "byte"))
		if g.Type != "" {
			b.WriteString(" of type " + g.Type)
		}
		if len(g.Stack) > 0 {
			b.WriteString(", allocated by\n" + indented(g.Stack.Program()))
		}
	}
	return b.String()
}

// indented returns what s prints, a tab further right.
func indented(s Stack) string {
	return "\t" + strings.ReplaceAll(strings.TrimSuffix(s.String(), "\n"), "\n", "\n\t")
}

// plural returns "1 block", "2 blocks".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
