package heap_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// A program runs random operations on an allocator and compares with a model.
type program struct {
	a      mem.Allocator
	rand   *rand.Rand
	blocks []programBlock
	bytes  int
	typed  bool // also local blocks
}

type programBlock struct {
	b    []byte
	l    mem.Layout
	seed byte
}

func newProgram(a mem.Allocator, seed uint64) *program {
	return &program{a: a, rand: rand.New(rand.NewPCG(seed, 0)), typed: true}
}

type programNode struct {
	_ *programNode
	_ uintptr
}

func (p *program) layout() (mem.Layout, int) {
	if p.typed && p.rand.IntN(4) == 0 {
		l := mem.LayoutOf[programNode]()
		l.Kind = mem.Local
		return l, l.Type.Size()
	}
	return mem.Layout{Align: mem.AlignLog2(p.rand.IntN(8)), Zero: p.rand.IntN(2) == 0}, 1
}

func (p *program) fill(k *programBlock, from int) {
	if k.l.Kind != mem.Plain {
		return // zero it stays
	}
	for i := from; i < len(k.b); i++ {
		k.b[i] = k.seed + byte(i)
	}
}

func (p *program) check(k programBlock, n int) error {
	for i, got := range k.b[:n] {
		want := k.seed + byte(i)
		if k.l.Kind != mem.Plain {
			want = 0
		}
		if got != want {
			return fmt.Errorf("byte %d of %d is %#x, want %#x", i, len(k.b), got, want)
		}
	}
	return nil
}

// step runs one operation and returns an error if the contract was broken.
func (p *program) step() error {
	switch op := p.rand.IntN(8); {
	case op < 3 || len(p.blocks) == 0:
		l, elem := p.layout()
		size := (1 + p.rand.IntN(100)) * elem
		b, err := p.a.Alloc(size, l)
		if err != nil {
			if !errors.Is(err, mem.ErrOutOfMemory) {
				return err
			}
			return nil
		}
		if len(b) != size || cap(b) != size || !l.Align.Check(addr(b)) {
			return fmt.Errorf("Alloc(%d, %v): len %d, cap %d at %#x", size, l, len(b), cap(b), addr(b))
		}
		k := programBlock{b, l, byte(p.rand.Uint32())}
		if l.Zero || l.Kind != mem.Plain {
			for i, v := range b {
				if v != 0 {
					return fmt.Errorf("Alloc(%d, %v): byte %d is %#x", size, l, i, v)
				}
			}
		}
		p.fill(&k, 0)
		p.blocks = append(p.blocks, k)
		p.bytes += size
	case op < 5:
		i := p.rand.IntN(len(p.blocks))
		k := &p.blocks[i]
		size := (1 + p.rand.IntN(100)) * k.l.Type.Size()
		old := len(k.b)
		var b []byte
		var ok bool
		if op == 3 {
			b, ok = p.a.Resize(k.b, k.l, size)
			if ok && addr(b) != addr(k.b) {
				return errors.New("Resize moved the block")
			}
		} else {
			b, ok = p.a.Remap(k.b, k.l, size)
		}
		if !ok {
			if addr(b) != addr(k.b) || len(b) != old {
				return errors.New("a refused resize changed the block")
			}
			return p.check(*k, old)
		}
		if len(b) != size || cap(b) != size {
			return fmt.Errorf("resize to %d: len %d, cap %d", size, len(b), cap(b))
		}
		k.b = b
		p.bytes += size - old
		if err := p.check(*k, min(old, size)); err != nil {
			return fmt.Errorf("resize %d to %d: %w", old, size, err)
		}
		p.fill(k, min(old, size))
	default:
		i := p.rand.IntN(len(p.blocks))
		return p.free(i)
	}
	return nil
}

func (p *program) free(i int) error {
	k := p.blocks[i]
	if err := p.check(k, len(k.b)); err != nil {
		return err
	}
	p.blocks[i] = p.blocks[len(p.blocks)-1]
	p.blocks = p.blocks[:len(p.blocks)-1]
	p.bytes -= len(k.b)
	k.l.Zero = !k.l.Zero // ignored there
	p.a.Free(k.b, k.l)
	return nil
}

func (p *program) close() error {
	for len(p.blocks) > 0 {
		if err := p.free(0); err != nil {
			return err
		}
	}
	return nil
}

// Blocks and bytes in use correspond to those of the child, one to one, after
// every operation, failed ones too.
func TestWrappersCorrespond(t *testing.T) {
	for _, m := range wrapperMakers {
		t.Run(m.name, func(t *testing.T) {
			child := &fakeChild{}
			a := m.make(child)
			p := newProgram(a, 1)
			p.typed = !m.hybrid
			for i := range 500 {
				child.fail = p.rand.IntN(5) == 0
				child.refuse = p.rand.IntN(5) == 0
				child.move = p.rand.IntN(2) == 0
				if err := p.step(); err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
				checkUse(t, m, a, p)
				if blocks, bytes := child.use(); blocks != len(p.blocks) || bytes != p.bytes {
					t.Fatalf("step %d: the child has %d bytes in %d blocks, want %d in %d", i, bytes, blocks, p.bytes, len(p.blocks))
				}
			}
			if err := p.close(); err != nil {
				t.Fatal(err)
			}
			checkUse(t, m, a, p)
		})
	}
}

func checkUse(t *testing.T, m wrapperMaker, a mem.Allocator, p *program) {
	t.Helper()
	if m.live == nil {
		return
	}
	if blocks, bytes, known := m.live(a); known && (blocks >= 0 && blocks != len(p.blocks) || bytes != p.bytes) {
		t.Fatalf("%s: %d bytes in %d blocks, want %d in %d", m.name, bytes, blocks, p.bytes, len(p.blocks))
	}
}

// Stacks of wrappers, in every order, do what each does alone.
func TestWrapperStacks(t *testing.T) {
	depth, steps := 4, 40
	if testing.Short() || race.Enabled {
		depth, steps = 3, 20
	}
	var build func(stack []int)
	build = func(stack []int) {
		if len(stack) > 0 {
			testStack(t, stack, steps)
		}
		if len(stack) == depth || t.Failed() {
			return
		}
		for i := range wrapperMakers {
			build(append(stack[:len(stack):len(stack)], i))
		}
	}
	build(nil)
}

func testStack(t *testing.T, stack []int, steps int) {
	t.Helper()
	child := &fakeChild{move: true}
	layers := []mem.Allocator{child}
	var name strings.Builder
	for _, i := range stack {
		layers = append(layers, wrapperMakers[i].make(layers[len(layers)-1]))
		name.WriteString(wrapperMakers[i].name + " ")
	}
	p := newProgram(layers[len(layers)-1], uint64(len(stack)))
	p.typed = !strings.Contains(name.String(), "Hybrid") // it sends these elsewhere
	for i := range steps {
		child.fail, child.refuse = i%7 == 6, i%5 == 4
		if err := p.step(); err != nil {
			t.Fatalf("%sstep %d: %v", name.String(), i, err)
		}
		for j, m := range stack {
			checkUse(t, wrapperMakers[m], layers[j+1], p)
		}
		if blocks, bytes := child.use(); blocks != len(p.blocks) || bytes != p.bytes {
			t.Fatalf("%sstep %d: the child has %d bytes in %d blocks, want %d in %d", name.String(), i, bytes, blocks, p.bytes, len(p.blocks))
		}
	}
	if err := p.close(); err != nil {
		t.Fatalf("%s: %v", name.String(), err)
	}
	if blocks, bytes := child.use(); blocks != 0 || bytes != 0 {
		t.Fatalf("%s: %d bytes in %d blocks are left", name.String(), bytes, blocks)
	}
}
