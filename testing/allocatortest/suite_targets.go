package allocatortest

import (
	"runtime"
	"weak"

	"github.com/allod-dev/allod/mem"
)

// The suite sees with weak pointers whether the collector sees a block: what the
// block points at must live, and nothing else points at it.

// target is what the blocks of the suite point at. It is too large for the
// runtime to put several into one object.
type target [6]uint64

const magic = 0xa110d_a110d

// shape is a type with pointers, as the suite needs it.
type shape interface {
	typ() mem.Type
	layout(mem.Kind) mem.Layout
	size() int
	// store makes element i of b point at t, and load undoes it.
	store(b []byte, i int, t *target)
	load(b []byte, i int) *target
}

type shapeOf[T any] struct {
	set func(*T, *target)
	get func(*T) *target
}

func (s shapeOf[T]) typ() mem.Type { return mem.TypeFor[T]() }

func (s shapeOf[T]) layout(k mem.Kind) mem.Layout {
	return mem.Layout{Align: mem.AlignOf[T](), Kind: k, Type: mem.TypeFor[T]()}
}

func (s shapeOf[T]) size() int                        { return mem.TypeFor[T]().Size() }
func (s shapeOf[T]) store(b []byte, i int, t *target) { s.set(&view[T](b)[i], t) }
func (s shapeOf[T]) load(b []byte, i int) *target     { return s.get(&view[T](b)[i]) }

type (
	front struct {
		p *target
		_ uintptr
	}
	back struct {
		_ uintptr
		p *target
	}
	inside struct {
		_ [2]uintptr
		p *target
		_ [2]uintptr
	}
	large struct {
		_ [125]uintptr
		p *target
	}
)

// The pointers of these lie in different places, so that a block which is shifted
// by a word, or typed as another, hides at least one of them.
var shapes = []shape{
	shapeOf[*target]{func(v **target, t *target) { *v = t }, func(v **target) *target { return *v }},
	shapeOf[front]{func(v *front, t *target) { v.p = t }, func(v *front) *target { return v.p }},
	shapeOf[back]{func(v *back, t *target) { v.p = t }, func(v *back) *target { return v.p }},
	shapeOf[inside]{func(v *inside, t *target) { v.p = t }, func(v *inside) *target { return v.p }},
	shapeOf[string]{func(v *string, t *target) { *v = textOf(t) }, func(v *string) *target { return targetOf(*v) }},
	shapeOf[any]{func(v *any, t *target) { *v = t }, func(v *any) *target { return (*v).(*target) }},
	shapeOf[large]{func(v *large, t *target) { v.p = t }, func(v *large) *target { return v.p }},
}

// counts are how many elements the suite asks for in one block: with the shapes
// above they lead below and above every border at which the runtime changes how
// it keeps track of pointers.
var counts = []int{1, 2, 3, 7, 33, 300}

// planted is a block whose elements point at targets that only they keep alive.
type planted struct {
	*block
	s    shape
	seed uint64
	refs []weak.Pointer[target]
}

// apart runs f on a goroutine of its own, so that no pointer it held is left on
// a stack.
func apart(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// plant makes the elements from on point at new targets.
func (x *planted) plant(from int) {
	x.refs = x.refs[:from]
	for i := from; i < len(x.b)/x.s.size(); i++ {
		t := new(target)
		t[0], t[5] = magic^x.seed, uint64(i)
		x.s.store(x.b, i, t)
		x.refs = append(x.refs, weak.Make(t))
	}
}

// plant asks for a block of n elements and makes them point at new targets.
func (p *probe) plant(s shape, kind mem.Kind, n int, seed uint64) *planted {
	p.Helper()
	x := &planted{s: s, seed: seed}
	apart(func() {
		x.block = p.allocTyped(n*s.size(), s.layout(kind))
		if x.block != nil {
			x.plant(0)
		}
	})
	if x.block == nil {
		p.FailNow()
	}
	return x
}

// allocTyped is alloc on a goroutine that is not the test's, which may not end
// the test: it returns nil then.
func (p *probe) allocTyped(size int, l mem.Layout) *block {
	p.spent += size + l.Align.Bytes() - 1 + 16
	b, err := p.a.Alloc(size, l)
	if err != nil || len(b) < size {
		p.fail("%v: %s, error %v", request(size, l), show(b), err)
		return nil
	}
	k := &block{b: b, l: l}
	p.live = append(p.live, k)
	return k
}

// alive fails the test unless the n first targets of x live and are what they
// were. Call it after a collection.
func (p *probe) alive(x *planted, n int, after string) {
	p.Helper()
	apart(func() {
		for i, r := range x.refs[:n] {
			t := r.Value()
			if t == nil {
				p.fail("%s: %d %v: what element %d points at was collected", after, len(x.refs), x.s.typ(), i)
				return
			}
			if got := x.s.load(x.b, i); got != t || t[0] != magic^x.seed || t[5] != uint64(i) {
				p.fail("%s: %d %v: element %d points elsewhere", after, len(x.refs), x.s.typ(), i)
				return
			}
		}
	})
}

// collect frees whatever nobody sees a pointer to.
func collect() {
	runtime.GC()
	runtime.GC() // what a weak pointer had brought back in the first
}
