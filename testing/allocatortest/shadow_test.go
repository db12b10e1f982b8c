package allocatortest_test

import (
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// TestShadow plays with right allocators, and wants nothing said.
func TestShadow(t *testing.T) {
	for name, make := range map[string]func() (first, control mem.Allocator){
		"Arena":  func() (mem.Allocator, mem.Allocator) { return heap.NewArena(allocatortest.New(t)), nil },
		"Honest": func() (mem.Allocator, mem.Allocator) { return newHonest(64 << 10), newHonest(1 << 20) },
		"GC":     func() (mem.Allocator, mem.Allocator) { return heap.GC{}, allocatortest.New(t) },
		"Page": func() (mem.Allocator, mem.Allocator) {
			return allocatortest.New(t, allocatortest.Child(heap.Page{})), heap.GC{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(4) {
				first, control := make()
				s := allocatortest.NewShadow(t, first, control)
				allocatortest.Play(t, s, allocatortest.RandomProgram(seed, 500))
				if a, ok := first.(*heap.Arena); ok {
					a.Close()
				}
			}
		})
	}
	// Twins agree.
	s := allocatortest.NewShadow(t, newHonest(64<<10), newHonest(64<<10))
	s.Agree = true
	for i := range 100 {
		b, err := s.Alloc(100+i, word)
		if err != nil {
			break
		}
		if b, ok := s.Resize(b, word, 50); ok {
			s.Free(b, word)
		}
	}
}

// TestShadowFinds plays with the mutants, whose blocks only the Shadow looks at.
func TestShadowFinds(t *testing.T) {
	for name, says := range map[string]string{
		"Short": " = [", "Overlapping": "", "StaleContents": "want 0", "ResizeMoves": "Resize(",
		"RemapLosesContents": "Remap changed byte", "ResizeWithoutRoom": "overlaps", "ErrorAndBlock": "and a block",
	} {
		t.Run(name, func(t *testing.T) {
			m := mutantNamed(t, name)
			for seed := range uint64(50) {
				r := allocatortest.NewRecorder()
				s := allocatortest.NewShadow(r, m.make(r), nil)
				work(s, int(seed))
				if all := strings.Join(r.Failures(), "\n"); all != "" {
					if !strings.Contains(all, says) {
						t.Errorf("found %q, want %q", all, says)
					}
					return
				}
			}
			t.Error("not found")
		})
	}
}

// work is a program that looks at nothing that it wrote.
func work(a mem.Allocator, seed int) {
	defer func() { recover() }() // a broken allocator may break the program
	zero := mem.Layout{Align: mem.Align(8), Zero: true}
	var held [][]byte
	for i := range 60 {
		size := 1 + (i*seed*7+i*13)%300
		b, err := a.Alloc(size, zero)
		if err != nil || len(b) != size {
			continue
		}
		for j := range b {
			b[j] = byte(i + j + 1)
		}
		held = append(held, b)
		k := (i * 5) % len(held)
		switch i % 4 {
		case 0:
			a.Free(held[k], zero)
			held = append(held[:k], held[k+1:]...)
		case 1:
			held[k], _ = a.Resize(held[k], zero, len(held[k])+8)
		case 2:
			held[k], _ = a.Remap(held[k], zero, 2*len(held[k]))
		}
	}
	if b, err := a.Alloc(2000, zero); err == nil {
		a.Free(b, zero)
	}
}

// clobbers writes to the newest other block when one is freed.
type clobbers struct {
	mem.Allocator
	last []byte
}

func (c *clobbers) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := c.Allocator.Alloc(size, l)
	c.last = b
	return b, err
}

func (c *clobbers) Free(b []byte, l mem.Layout) {
	c.last[len(c.last)/2]++
	c.Allocator.Free(b, l)
}

func TestShadowNamesTheCall(t *testing.T) {
	r := allocatortest.NewRecorder()
	s := allocatortest.NewShadow(r, &clobbers{Allocator: heap.GC{}}, nil)
	x, y := mem.Must(s.Alloc(100, word)), mem.Must(s.Alloc(100, word))
	y[50] = 7
	s.Free(x, word)
	want(t, r, "Free changed byte 50 of the block [100:100] at", "from 0x7 to 0x8")
}

func TestShadowAgree(t *testing.T) {
	for _, tt := range []struct {
		name           string
		first, control mem.Allocator
		says           string
	}{
		{"Alloc", heap.NewLimit(heap.GC{}, 50), heap.GC{}, "the control says <nil>"},
		{"AllocMore", heap.GC{}, heap.NewLimit(heap.GC{}, 50), "error <nil>; the control says"},
		{"Resize", allocatortest.New(t, allocatortest.NoResize()), heap.NewFixedBuffer(make([]byte, 4096)), "Resize(100 -> 50) = false; the control says true"},
		{"ResizeMore", heap.NewFixedBuffer(make([]byte, 4096)), allocatortest.New(t, allocatortest.NoResize()), "Resize(100 -> 50) = true; the control says false"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := allocatortest.NewRecorder()
			s := allocatortest.NewShadow(r, tt.first, tt.control)
			s.Agree = true
			if b, err := s.Alloc(100, word); err == nil {
				b, _ = s.Resize(b, word, 50)
				s.Free(b, word)
			}
			want(t, r, tt.says)
		})
	}
}
