package mem_test

import (
	"math"
	"slices"
	"testing"

	"github.com/allod-dev/allod/mem"
)

// FuzzTyped runs a program of operations on one slice, through an allocator that
// resizes, moves, fails or refuses as the program says, beside a plain Go slice
// that does the same. fake checks what reaches the allocator, and leaks.
func FuzzTyped(f *testing.F) {
	f.Add([]byte{0, 10, 1, 20, 2, 3, 4, 5, 5, 0, 6, 1})
	f.Add([]byte{7, 1, 0, 200, 7, 2, 1, 100, 7, 4, 3, 30, 4, 9, 5, 77, 6, 0})
	f.Fuzz(func(t *testing.T, program []byte) {
		a := newFake(t, mem.PlainOnly)
		var s, model []uint16
		failing := false
		for len(program) >= 2 {
			op, arg := program[0]%9, int(program[1])
			program = program[2:]
			oldCap, calls := cap(s), a.calls
			switch op {
			case 0, 1, 2:
				var ok bool
				var err error
				switch op {
				case 0:
					s, ok = mem.Resize(a, s, arg)
				case 1:
					s, ok = mem.Remap(a, s, arg)
				case 2:
					s, err = mem.Realloc(a, s, arg)
					ok = err == nil
				}
				if ok {
					model = append(model[:min(arg, len(model))], make([]uint16, max(0, arg-len(model)))...)
				} else if op == 2 && !failing {
					t.Fatalf("Realloc(%d): %v", arg, err)
				}
			case 3, 4:
				add := make([]uint16, arg)
				if op == 4 && len(s) < 1<<12 { // a part of itself
					add = s[min(arg, len(s)):]
				}
				want := append(slices.Clone(model), add...)
				r, err := mem.Append(a, s, add...)
				if err == nil {
					s, model = r, want
				} else if !failing {
					t.Fatalf("Append of %d: %v", len(add), err)
				}
			case 5: // a shorter view of the block
				s, model = s[:min(arg, len(s))], model[:min(arg, len(s))]
			case 6:
				for i := range s {
					s[i] += uint16(arg + i)
					model[i] += uint16(arg + i)
				}
			case 7:
				a.inPlace, a.moves, failing = arg&1 != 0, arg&2 != 0, arg&4 != 0
				a.failFrom = 0
				if failing {
					a.failFrom = 1
				}
			case 8:
				if r, err := mem.Realloc(a, s, math.MaxInt-arg); err == nil || len(r) != len(s) {
					t.Fatalf("Realloc(MaxInt-%d): %v", arg, err)
				}
			}
			if !slices.Equal(s, model) {
				t.Fatalf("operation %d, %d: %v, want %v", op, arg, s, model)
			}
			if cap(s) == oldCap && a.calls > calls+2 {
				t.Fatalf("operation %d, %d: %d calls for nothing", op, arg, a.calls-calls)
			}
		}
		mem.Free(a, s)
	})
}
