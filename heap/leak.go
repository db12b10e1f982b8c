package heap

import (
	"cmp"
	"fmt"
	"slices"
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
// first line is the sum, then follows each group with its stack, as
// [Stack.Program] has it. Groups that look the same then are told as one.
func (e *LeakError) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op + ": ")
	}
	fmt.Fprintf(&b, "leaked %s of %s", plural(e.Blocks, "block"), plural(e.Bytes, "byte"))
	places := e.places()
	for i, p := range places {
		if i == leakGroupsPrinted {
			fmt.Fprintf(&b, "\nand from %s more", plural(len(places)-i, "place"))
			break
		}
		fmt.Fprintf(&b, "\n%s of %s%s", plural(p.blocks, "block"), plural(p.bytes, "byte"), p.from)
	}
	return b.String()
}

// A leakPlace is what leaked in one place of the program, whichever way it took
// through the allocator.
type leakPlace struct {
	blocks, bytes int
	from          string // what Error says of type and stack
}

// places returns the groups as Error tells of them, most bytes first.
func (e *LeakError) places() (all []leakPlace) {
	at := make(map[string]int, len(e.Groups))
	for i := range e.Groups {
		g := &e.Groups[i]
		from := ""
		if g.Type != "" {
			from = " of type " + g.Type
		}
		if len(g.Stack) > 0 {
			from += ", allocated by\n" + indented(g.Stack.Program())
		}
		n, known := at[from]
		if !known {
			n = len(all)
			at[from] = n
			all = append(all, leakPlace{from: from})
		}
		all[n].blocks += g.Blocks
		all[n].bytes += g.Bytes
	}
	slices.SortStableFunc(all, func(a, b leakPlace) int { return cmp.Compare(b.bytes, a.bytes) })
	return all
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
