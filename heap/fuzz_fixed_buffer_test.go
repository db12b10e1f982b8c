package heap_test

import (
	"bytes"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// A shadow is what the blocks of a linear allocator must look like.
type shadow struct {
	blocks []shadowBlock
	next   byte
}

type shadowBlock struct {
	b    []byte
	l    mem.Layout
	fill byte
}

// add notes a new block, after making sure that it overlaps none, and fills it.
func (s *shadow) add(t *testing.T, b []byte, l mem.Layout) {
	t.Helper()
	s.apart(t, b, -1)
	s.next++
	s.blocks = append(s.blocks, shadowBlock{b, l, s.next})
	s.paint(len(s.blocks) - 1)
}

func (s *shadow) apart(t *testing.T, b []byte, except int) {
	t.Helper()
	for i, o := range s.blocks {
		if i != except && addr(b) < addr(o.b)+uintptr(len(o.b)) && addr(o.b) < addr(b)+uintptr(len(b)) {
			t.Fatalf("%d bytes at %#x overlap %d bytes at %#x", len(b), addr(b), len(o.b), addr(o.b))
		}
	}
}

func (s *shadow) paint(i int) {
	for j := range s.blocks[i].b {
		s.blocks[i].b[j] = s.blocks[i].fill
	}
}

func (s *shadow) remove(i int) { s.blocks = append(s.blocks[:i], s.blocks[i+1:]...) }

// check fails unless every block holds what was painted into it.
func (s *shadow) check(t *testing.T) {
	t.Helper()
	for _, o := range s.blocks {
		if !bytes.Equal(o.b, filled(len(o.b), o.fill)) {
			t.Fatalf("%d bytes at %#x: %x, want %x everywhere", len(o.b), addr(o.b), o.b, o.fill)
		}
	}
}

// resized notes what Resize made of block i, which held n bytes before.
func (s *shadow) resized(t *testing.T, i int, b []byte, ok bool, size int) {
	t.Helper()
	old := s.blocks[i].b
	switch {
	case addr(b) != addr(old):
		t.Fatalf("Resize moved a block")
	case !ok && (len(b) != len(old) || cap(b) != cap(old)):
		t.Fatalf("Resize refused and gave %d bytes for %d", len(b), len(old))
	case ok && (len(b) != size || cap(b) != size):
		t.Fatalf("Resize(%d): len %d, cap %d", size, len(b), cap(b))
	}
	s.apart(t, b, i)
	if grown := b[min(len(b), len(old)):]; (s.blocks[i].l.Zero || s.blocks[i].l.Kind != mem.Plain) && nonzero(grown) >= 0 {
		t.Fatalf("Resize: grown bytes are not zero")
	}
	s.blocks[i].b = b
	for j := min(len(b), len(old)); j < len(b); j++ {
		b[j] = s.blocks[i].fill
	}
}

// A script hands out the bytes of fuzz input, and zeroes when they are gone.
type script []byte

func (s *script) byte() int {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return int(b)
}

// The input is a program: an operation and its arguments, a byte each.
func FuzzFixedBuffer(f *testing.F) {
	f.Add([]byte("\x00\x10\x00\x00\x08\x13\x01\x00\x02\x00\x20\x03"))
	f.Add([]byte("\x00\x10\x00\x04\x00\x20\x01\x02\x00\x40\x05\x00\x08\x00\x06\x01\x00\x07"))
	f.Add([]byte("\x00\x10\x00\x03\x01\x00\x01\x00\x00\x10\x00\x04\x02\x00\x20\x04\x02\x00\x04\x05\x06\x07"))
	f.Add([]byte("\x00\x01\x00\x00\x08\x30\x00\x01\x00\x01\x01\x01\x00\x01\x09\x00\x09\x01\x07\x00\x01\x00"))
	f.Fuzz(func(t *testing.T, input []byte) {
		ops := script(input)
		skip := ops.byte() % 16
		buf := heap.NewFixedBuffer(filled(1024, 0xC3)[skip:])
		var s shadow
		type openMark struct {
			m            heap.BufferMark
			blocks, used int
		}
		var marks []openMark
		var misuses int
		before := heap.OnMisuse(func(*heap.Misuse) { misuses++ })
		defer func() { heap.OnMisuse(before) }()
		expect := 0
		for len(ops) > 0 {
			used, last := buf.Used(), len(s.blocks)-1
			switch op := ops.byte(); op % 10 {
			case 0, 1, 2: // Alloc
				size, flags := ops.byte(), ops.byte()
				l := mem.Layout{Align: mem.AlignLog2(flags % 8), Zero: flags&16 != 0}
				if flags&32 != 0 {
					l.Kind, l.Type = mem.Local, mem.TypeFor[*byte]()
				}
				size = (size + 1) * l.Type.Size()
				var a mem.Allocator = buf
				if op%10 == 2 {
					a = buf.ThreadSafe()
				}
				b, err := a.Alloc(size, l)
				if err != nil {
					if buf.Used() != used {
						t.Fatalf("a failed Alloc took %d bytes", buf.Used()-used)
					}
					if size <= buf.Cap()-used-int(l.Align.Mask()) {
						t.Fatalf("Alloc(%d, %v) with %d of %d bytes used: %v", size, l.Align, used, buf.Cap(), err)
					}
					break
				}
				if len(b) != size || cap(b) != size || !l.Align.Check(addr(b)) || !buf.Owns(b) {
					t.Fatalf("Alloc(%d, %v): len %d, cap %d at %#x", size, l.Align, len(b), cap(b), addr(b))
				}
				if (l.Zero || l.Kind != mem.Plain) && nonzero(b) >= 0 {
					t.Fatalf("Alloc(%d): not zero", size)
				}
				s.add(t, b, l)
			case 3: // Resize
				if last < 0 {
					break
				}
				i, size := ops.byte()%(last+1), 1+4*ops.byte()
				b, ok := buf.Resize(s.blocks[i].b, s.blocks[i].l, size)
				if !ok && (size <= len(s.blocks[i].b) || buf.Used() != used) {
					t.Fatalf("Resize(%d) of %d bytes: false, Used %d, was %d", size, len(s.blocks[i].b), buf.Used(), used)
				}
				s.resized(t, i, b, ok, size)
			case 4: // Free
				if last < 0 {
					break
				}
				i := ops.byte() % (last + 1)
				buf.Free(s.blocks[i].b, s.blocks[i].l)
				s.remove(i)
				for j := range marks {
					if i < marks[j].blocks {
						marks[j].blocks--
					}
				}
			case 5: // Free the last one, twice
				if last < 0 || len(marks) > 0 && last < marks[len(marks)-1].blocks {
					break
				}
				b := s.blocks[last].b
				buf.Free(b, s.blocks[last].l)
				s.remove(last)
				if buf.Used() < used { // it came back, so that the second one must not go further
					used = buf.Used()
					buf.Free(b, mem.Layout{})
					expect++
					if buf.Used() != used {
						t.Fatal("a double free took another block along")
					}
				}
			case 6:
				marks = append(marks, openMark{buf.Mark(), len(s.blocks), used})
			case 7, 8: // Rewind, Keep
				if len(marks) == 0 {
					break
				}
				m := marks[len(marks)-1]
				marks = marks[:len(marks)-1]
				if op%10 == 8 {
					buf.Keep(m.m)
					break
				}
				buf.Rewind(m.m)
				s.blocks = s.blocks[:m.blocks]
				if buf.Used() != m.used {
					t.Fatalf("Rewind: Used %d, was %d", buf.Used(), m.used)
				}
			case 9:
				if len(marks) > 0 {
					expect++
				} else {
					s.blocks = nil
				}
				buf.Reset()
			}
			s.check(t)
			if misuses != expect {
				t.Fatalf("%d misuses reported, want %d", misuses, expect)
			}
		}
	})
}
