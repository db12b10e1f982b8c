package allocatortest_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// three makes three allocations and a Realloc, and is right.
func three(a mem.Allocator) error {
	x, err := mem.Create[[16]int](a)
	if err != nil {
		return err
	}
	defer mem.Destroy(a, x)
	s, err := mem.DupeString(a, "three")
	if err != nil {
		return err
	}
	defer mem.FreeString(a, s)
	list, err := mem.Alloc[*int](a, 3)
	if err != nil {
		return err
	}
	defer func() { mem.Free(a, list) }()
	longer, err := mem.Realloc(a, list, 3000)
	if err != nil {
		return err
	}
	list = longer
	return nil
}

func TestCheckAllFailures(t *testing.T) {
	// Of 4 requests for memory, twice each, with and without Remap; and Remap
	// itself, once, twice.
	if n := allocatortest.CheckAllFailures(t, three); n != 2*4*2+2 {
		t.Errorf("%d failures injected, want %d", n, 2*4*2+2)
	}
	n := allocatortest.CheckFailures(t, allocatortest.FailureOptions{Child: heap.Page{}}, func(a mem.Allocator) error {
		if a.Pointers() != mem.PlainOnly {
			t.Errorf("Pointers() = %v, want the answer of Page", a.Pointers())
		}
		var err error
		var s []int
		for i := range 200 {
			if s, err = mem.Append(a, s, i); err != nil {
				break
			}
		}
		mem.Free(a, s)
		return err
	})
	if n == 0 {
		t.Error("no failures injected")
	}
}

// guilty are functions that do something wrong, and what is said of them.
var guilty = []struct {
	name string
	says string
	fn   func() func(a mem.Allocator) error
}{
	{"Leak", "leaked 1 block of 8 bytes", plain(func(a mem.Allocator) error {
		x, err := mem.Create[int64](a)
		if err != nil {
			return err
		}
		y, err := mem.Create[int64](a)
		if err != nil {
			return err // and x
		}
		mem.Destroy(a, y)
		mem.Destroy(a, x)
		return nil
	})},
	{"LeakAlways", "leaked 1 block of 8 bytes", plain(func(a mem.Allocator) error {
		_, err := mem.Create[int64](a)
		return err
	})},
	{"Swallowed", "the failure was swallowed", plain(func(a mem.Allocator) error {
		if x, err := mem.Create[int64](a); err == nil {
			mem.Destroy(a, x)
		}
		return nil
	})},
	{"WrongError", `error "no luck", which does not wrap mem.ErrOutOfMemory`, plain(func(a mem.Allocator) error {
		x, err := mem.Create[int64](a)
		if err != nil {
			return errors.New("no luck")
		}
		mem.Destroy(a, x)
		return nil
	})},
	{"FailsAlways", "error bad day, want success", plain(func(mem.Allocator) error { return errors.New("bad day") })},
	{"Panic", "panic: runtime error: invalid memory address", plain(func(a mem.Allocator) error {
		x, _ := mem.Create[int64](a)
		*x = 1
		mem.Destroy(a, x)
		return nil
	})},
	{"MoreEachTime", "2 requests, and 1 in the first run; the first one more is Alloc(4)", func() func(mem.Allocator) error {
		n := 0
		return func(a mem.Allocator) error {
			n++
			for range n {
				x, err := mem.Create[int32](a)
				if err != nil {
					return err
				}
				mem.Destroy(a, x)
			}
			return nil
		}
	}},
	{"OtherSize", "request 1 is Alloc(16)", func() func(mem.Allocator) error {
		n := 0
		return func(a mem.Allocator) error {
			n += 8
			s, err := mem.Alloc[byte](a, n)
			mem.Free(a, s)
			return err
		}
	}},
	{"OtherPlace", "and was Alloc(4) in the first run, by", func() func(mem.Allocator) error {
		n := 0
		return func(a mem.Allocator) error {
			n++
			var s []int32
			var err error
			if n%2 == 0 {
				s, err = mem.Alloc[int32](a, 1)
			} else {
				s, err = mem.Alloc[int32](a, 1)
			}
			mem.Free(a, s)
			return err
		}
	}},
	{"DoubleFreeOnFailure", "double free", plain(func(a mem.Allocator) error {
		x, err := mem.Create[int64](a)
		if err != nil {
			return err
		}
		defer mem.Destroy(a, x)
		y, err := mem.Create[int64](a)
		if err != nil {
			mem.Destroy(a, x)
			return err
		}
		mem.Destroy(a, y)
		return nil
	})},
	{"NeedsResize", "Remap refused: panic: cannot grow", plain(func(a mem.Allocator) error {
		s, err := mem.Alloc[int64](a, 4)
		if err != nil {
			return err
		}
		r, ok := mem.Remap(a, s, 6)
		if !ok {
			mem.Free(a, s)
			panic("cannot grow")
		}
		mem.Free(a, r)
		return nil
	})},
	{"LeakWhereRefused", "leaked 1 block of 32 bytes", plain(func(a mem.Allocator) error {
		s, err := mem.Alloc[int64](a, 4)
		if err != nil {
			return err
		}
		r, ok := mem.Resize(a, s, 6)
		if !ok {
			r, err = mem.Alloc[int64](a, 6)
			if err != nil {
				return err // and s
			}
			copy(r, s)
			mem.Free(a, s)
		}
		mem.Free(a, r)
		return nil
	})},
	{"LeakOnSpike", "Alloc number 1 failed: leaked 1 block", plain(func(a mem.Allocator) error {
		x, err := mem.Create[int64](a)
		if err != nil {
			// It tries once more, and forgets what it got.
			mem.Create[int64](a)
			return err
		}
		mem.Destroy(a, x)
		return nil
	})},
}

func plain(fn func(mem.Allocator) error) func() func(mem.Allocator) error {
	return func() func(mem.Allocator) error { return fn }
}

func TestCheckAllFailuresFinds(t *testing.T) {
	for _, g := range guilty {
		t.Run(g.name, func(t *testing.T) {
			r := allocatortest.NewRecorder()
			allocatortest.CheckAllFailures(r, g.fn())
			all := strings.Join(r.Failures(), "\n")
			if !strings.Contains(all, g.says) {
				t.Errorf("found %q, want %q", all, g.says)
			}
			if strings.Contains(g.name, "Leak") && !strings.Contains(all, "failures_test.go") {
				t.Errorf("%q does not say where", all)
			}
		})
	}
}

func TestCheckFailuresMaySwallow(t *testing.T) {
	n := allocatortest.CheckFailures(t, allocatortest.FailureOptions{MaySwallow: true, MaxPoints: 10}, func(a mem.Allocator) error {
		for range 100 {
			if x, err := mem.Create[int64](a); err == nil {
				mem.Destroy(a, x)
			}
		}
		return nil
	})
	if n != 2*10 {
		t.Errorf("%d failures injected, want %d", n, 2*10)
	}
}

// eager tries again after a failure, and leaks if that fails as well.
func eager(a mem.Allocator) error {
	x, err := mem.Create[int64](a)
	if err != nil {
		return err
	}
	y, err := mem.Alloc[int64](a, 100)
	if err != nil {
		if y, err = mem.Alloc[int64](a, 10); err != nil {
			return err // and x
		}
	}
	mem.Free(a, y)
	mem.Destroy(a, x)
	return nil
}

// What a program can do without may fail in silence; what it needs may not.
func TestCheckFailuresOptional(t *testing.T) {
	tidy := func(a mem.Allocator) error { // resetting needs nothing
		arena := heap.NewArena(a)
		defer arena.Close()
		for range 3 {
			if _, err := mem.Alloc[byte](arena, 3000); err != nil {
				return err
			}
		}
		arena.Reset()
		return nil
	}
	allocatortest.CheckAllFailures(t, tidy)

	compact := func(a mem.Allocator) error {
		if b, err := mem.Alloc[byte](a, 10); err == nil {
			mem.Free(a, b)
		}
		return nil
	}
	r := allocatortest.NewRecorder()
	allocatortest.CheckAllFailures(r, compact)
	if all := strings.Join(r.Failures(), "\n"); !strings.Contains(all, "swallowed") {
		t.Errorf("a swallowed failure was not reported: %q", all)
	}
	allocatortest.CheckFailures(t, allocatortest.FailureOptions{Optional: []string{"TestCheckFailuresOptional"}}, compact)
}

func TestCheckFailuresPairs(t *testing.T) {
	r := allocatortest.NewRecorderNamed("TestX")
	allocatortest.CheckFailures(r, allocatortest.FailureOptions{MaySwallow: true, Pairs: true}, eager)
	all := strings.Join(r.Failures(), "\n")
	if !strings.Contains(all, "Alloc number 2 failed, and number 3: leaked 1 block of 8 bytes") || !strings.Contains(all, "-allod.fail=2,3") {
		t.Errorf("found %q", all)
	}
}

func TestCheckFailuresSeeds(t *testing.T) {
	found := func() []string {
		r := allocatortest.NewRecorderNamed("TestX")
		n := allocatortest.CheckFailures(r, allocatortest.FailureOptions{
			MaySwallow: true, MaxPoints: 1, Seeds: 50, Seed: 100, Probability: 0.5,
		}, eager)
		if n != 2+50 {
			t.Errorf("%d failures injected, want %d", n, 2+50)
		}
		return r.Failures()
	}
	first := found()
	all := strings.Join(first, "\n")
	if len(first) == 0 || !strings.Contains(all, "by chance, of seed 1") || !strings.Contains(all, "-allod.fail=seed1") {
		t.Errorf("found %q", all)
	}
	if again := found(); len(again) != len(first) {
		t.Errorf("found %d failures, and %d the second time", len(first), len(again))
	}
}

// chosen makes one large request.
func chosen(a mem.Allocator) error {
	x, err := mem.Alloc[byte](a, 1000)
	mem.Free(a, x)
	return err
}

func TestCheckFailuresChosen(t *testing.T) {
	fn := func(a mem.Allocator) error {
		for range 5 {
			x, err := mem.Create[int64](a)
			if err != nil {
				return err
			}
			defer mem.Destroy(a, x)
		}
		return chosen(a)
	}
	for _, o := range []allocatortest.FailureOptions{{MinSize: 1000}, {Caller: "allocatortest_test.chosen"}} {
		if n := allocatortest.CheckFailures(t, o, fn); n != 2 {
			t.Errorf("%+v: %d failures injected, want 2", o, n)
		}
	}
}

// pair is a container of two lists that should grow together.
type pair struct {
	a    mem.Allocator
	x, y []int
}

func (p *pair) close() { mem.Free(p.a, p.x); mem.Free(p.a, p.y) }

// add is wrong: it may grow x alone.
func (p *pair) add(v int) error {
	x, err := mem.Append(p.a, p.x, v)
	if err != nil {
		return err
	}
	p.x = x
	y, err := mem.Append(p.a, p.y, v)
	if err != nil {
		return err
	}
	p.y = y
	return nil
}

// addBoth is right.
func (p *pair) addBoth(v int) error {
	x, err := mem.Append(p.a, p.x, v)
	if err != nil {
		return err
	}
	p.x = x
	y, err := mem.Append(p.a, p.y, v)
	if err != nil {
		p.x = p.x[:len(p.x)-1]
		return err
	}
	p.y = y
	return nil
}

func pairOperation(run func(*pair) error) allocatortest.Operation[*pair] {
	return allocatortest.Operation[*pair]{
		Setup: func(a mem.Allocator) (*pair, error) {
			p := &pair{a: a}
			return p, p.addBoth(1)
		},
		Run: run,
		Snapshot: func(p *pair) any {
			return [2][]int{slices.Clone(p.x), slices.Clone(p.y)}
		},
		Teardown: (*pair).close,
	}
}

func TestCheckUnchanged(t *testing.T) {
	n := allocatortest.CheckUnchanged(t, pairOperation(func(p *pair) error {
		for i := range 20 {
			if err := p.addBoth(i); err != nil {
				p.x, p.y = p.x[:1], p.y[:1]
				return err
			}
		}
		return nil
	}))
	if n < 8 {
		t.Errorf("%d failures injected, want 8 or more", n)
	}
	r := allocatortest.NewRecorder()
	allocatortest.CheckUnchanged(r, pairOperation(func(p *pair) error {
		for len(p.x) < cap(p.x) {
			p.x = append(p.x, 0)
			p.y = append(p.y, 0)
		}
		before := len(p.x)
		if err := p.add(2); err != nil {
			p.y = p.y[:1]
			if len(p.x) == before {
				p.x = p.x[:1]
			}
			return err
		}
		return nil
	}))
	if all := strings.Join(r.Failures(), "\n"); !strings.Contains(all, "left something changed") {
		t.Errorf("found %q, want that something changed", all)
	}
}

// Equal overlooks what does not matter.
func TestCheckUnchangedEqual(t *testing.T) {
	op := pairOperation(func(p *pair) error {
		p.x[0]++ // nobody cares
		return p.addBoth(2)
	})
	setup := op.Setup
	op.Setup = func(a mem.Allocator) (*pair, error) {
		p, err := setup(a)
		for err == nil && len(p.x) < cap(p.x) {
			err = p.addBoth(0) // so that the next one asks for memory
		}
		return p, err
	}
	op.Equal = func(before, after any) bool {
		return slices.Equal(before.([2][]int)[1], after.([2][]int)[1])
	}
	if n := allocatortest.CheckUnchanged(t, op); n == 0 {
		t.Error("no failures injected")
	}
	r := allocatortest.NewRecorder()
	op.Equal = nil
	allocatortest.CheckUnchanged(r, op)
	if all := strings.Join(r.Failures(), "\n"); !strings.Contains(all, "left something changed") {
		t.Errorf("found %q", all)
	}
}

func TestCheckUnchangedFails(t *testing.T) {
	r := allocatortest.NewRecorder()
	op := pairOperation(func(*pair) error { return nil })
	op.Setup = func(mem.Allocator) (*pair, error) { return nil, errors.New("no") }
	allocatortest.CheckUnchanged(r, op)
	if all := strings.Join(r.Failures(), "\n"); !strings.Contains(all, "Setup: no") {
		t.Errorf("found %q", all)
	}
	r = allocatortest.NewRecorder()
	broken := false
	allocatortest.CheckUnchanged(r, pairOperation(func(p *pair) error {
		if broken {
			return mem.ErrOutOfMemory
		}
		x, err := mem.Alloc[int](p.a, 5)
		if err != nil {
			broken = true
		}
		mem.Free(p.a, x)
		return err
	}))
	if all := strings.Join(r.Failures(), "\n"); !strings.Contains(all, "failed again when there was memory") {
		t.Errorf("found %q", all)
	}
}

// A function that takes its memory from elsewhere proves nothing.
func TestCheckAllFailuresOfNothing(t *testing.T) {
	r := allocatortest.NewRecorder()
	allocatortest.CheckAllFailures(r, func(mem.Allocator) error { return nil })
	r.Finish()
	want(t, r, "nothing was asked of the allocator")
}
