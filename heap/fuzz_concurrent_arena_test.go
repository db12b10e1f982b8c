package heap_test

import (
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// The input is a program with resets, over a child that fails.
func FuzzConcurrentArena(f *testing.F) {
	f.Add([]byte("\x00\x40\x00\x40\x01\x40\x02\x00\x90\x03\x00\x04\x05"))
	f.Add([]byte("\x01\xff\x01\xff\x01\xff\x03\x02\x10\x02\x80\x04\x00\x05\x01\x06\x20\x01\x01\x07"))
	f.Add([]byte("\x08\x30\x08\x60\x03\x00\x20\x04\x00\x08\xff\x05\x08\x10\x00\x10\x04\x01\x07\x08\x01"))
	f.Fuzz(func(t *testing.T, input []byte) {
		ops := script(input)
		child := &fakeChild{}
		a := heap.NewConcurrentArena(child)
		var s shadow
		for len(ops) > 0 {
			op := ops.byte()
			child.fail, child.refuse, child.move = op&16 != 0, op&32 != 0, op&64 != 0
			switch op % 9 {
			case 0, 1, 8:
				size := 1 + ops.byte()
				l := mem.Layout{Align: mem.AlignLog2(size % 6), Zero: op%9 == 1}
				if op%9 == 8 {
					size *= 64
				}
				b, err := a.Alloc(size, l)
				if err == nil {
					if (l.Zero && nonzero(b) >= 0) || len(b) != size || !l.Align.Check(addr(b)) {
						t.Fatalf("Alloc(%d, %v): %d bytes at %#x", size, l, len(b), addr(b))
					}
					s.add(t, b, l)
				} else if !child.fail {
					t.Fatalf("Alloc(%d): %v", size, err)
				}
			case 2, 3:
				if len(s.blocks) == 0 {
					break
				}
				i, size := ops.byte()%len(s.blocks), 1+8*ops.byte()
				if op%9 == 3 {
					i = len(s.blocks) - 1
				}
				b, ok := a.Resize(s.blocks[i].b, s.blocks[i].l, size)
				s.resized(t, i, b, ok, size)
			case 4:
				if len(s.blocks) > 0 {
					i := ops.byte() % len(s.blocks)
					a.Free(s.blocks[i].b, s.blocks[i].l)
					s.remove(i)
				}
			case 5:
				s.blocks = nil
				a.Reset()
			case 6:
				s.blocks = nil
				a.ResetTo(64 * ops.byte())
			case 7:
				s.blocks = nil
				a.Release()
				if blocks, _ := child.use(); blocks != 0 {
					t.Fatalf("%d blocks of the child after Release", blocks)
				}
			}
			s.check(t)
			if _, bytes := child.use(); bytes != a.Stats().Capacity {
				t.Fatalf("%d bytes of the child, Capacity %d", bytes, a.Stats().Capacity)
			}
		}
		a.Close()
		if blocks, _ := child.use(); blocks != 0 {
			t.Fatalf("%d blocks of the child after Close", blocks)
		}
	})
}
