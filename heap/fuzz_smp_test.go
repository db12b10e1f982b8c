package heap_test

import (
	"syscall"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

// The input is a program for an SMP and two of its caches, whose blocks are freed
// through any of them, with a system that fails now and then.
func FuzzSMP(f *testing.F) {
	f.Add([]byte("\x00\x40\x00\x40\x01\x40\x02\x00\x90\x03\x00\x04\x05"))
	f.Add([]byte("\x01\xff\x01\xff\x01\xff\x03\x02\x10\x02\x80\x04\x00\x05\x01\x06\x20\x01\x01\x07"))
	f.Add([]byte("\x08\x30\x08\x60\x03\x00\x20\x04\x00\x08\xff\x05\x08\x10\x00\x10\x04\x01\x07\x08\x01\x0f\x10\x08\x77\x1f\x20\x09\x44"))
	f.Fuzz(func(t *testing.T, input []byte) {
		ops := script(input)
		s := heap.NewSMP(heap.SMPOptions{Retain: 1 << 16})
		all := [...]mem.Allocator{s, s.Cache(), s.Cache()}
		failing := false
		undo := vm.Inject(func(vm.Call) error {
			if failing {
				return syscall.ENOMEM
			}
			return nil
		})
		defer undo()
		var shadow shadow
		for len(ops) > 0 {
			op := ops.byte()
			failing = op&128 != 0
			a := all[op>>4%3]
			switch op % 10 {
			case 0, 1, 2, 3:
				size := 1 + ops.byte()<<(op%10*3)
				l := mem.Layout{Align: mem.AlignLog2(size % 13), Zero: size%2 == 0}
				b, err := a.Alloc(size, l)
				if err != nil {
					if !failing {
						t.Fatalf("Alloc(%d, %v): %v", size, l, err)
					}
					break
				}
				if (l.Zero && nonzero(b) >= 0) || len(b) != size || !l.Align.Check(addr(b)) {
					t.Fatalf("Alloc(%d, %v): %d bytes at %#x", size, l, len(b), addr(b))
				}
				shadow.add(t, b, l)
			case 4, 5:
				if len(shadow.blocks) == 0 {
					break
				}
				i := ops.byte() % len(shadow.blocks)
				k := shadow.blocks[i]
				size := max(1, len(k.b)+(ops.byte()-128)<<(op%10*2-8))
				call := a.Resize
				if op&8 != 0 {
					call = a.Remap
				}
				b, ok := call(k.b, k.l, size)
				shadow.resized(t, i, b, ok, size)
			case 6, 7, 8:
				if len(shadow.blocks) > 0 {
					i := ops.byte() % len(shadow.blocks)
					k := shadow.blocks[i]
					a.Free(k.b, k.l)
					if ops.byte()%8 == 0 {
						expectMisuse(t, heap.DoubleFree, func() { a.Free(k.b, k.l) })
					}
					shadow.remove(i)
				}
			case 9:
				mem.Trim(a)
			}
		}
		failing = false
		for len(shadow.blocks) > 0 {
			all[len(shadow.blocks)%3].Free(shadow.blocks[0].b, shadow.blocks[0].l)
			shadow.remove(0)
		}
		for _, a := range all[1:] {
			a.(*heap.SMPCache).Close()
		}
		heap.CheckSMP(s)
		s.Trim()
		if st := s.Stats(); st.Live != 0 || st.Cached != 0 || st.Committed != 0 {
			t.Fatalf("after all was freed: %+v", st)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
