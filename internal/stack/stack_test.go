package stack_test

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/allod-dev/allod/internal/stack"
)

// Both stacks are taken on one line, so that they differ in the first address
// only.

type pair struct{ ours, theirs []uintptr }

func take(depth int) pair {
	ours, theirs := make([]uintptr, depth), make([]uintptr, depth)
	n, m := stack.Callers(0, ours), runtime.Callers(1, theirs)
	return pair{ours[:n], theirs[:m]}
}

func (p pair) compare(t *testing.T, what string) {
	t.Helper()
	ours, theirs := stack.Logical(p.ours), p.theirs
	if len(p.ours) == cap(p.ours) || len(theirs) == cap(theirs) {
		// Cut: ours has more where functions were inlined, and less for wrappers.
		n := min(len(ours), len(theirs))
		ours, theirs = ours[:n], theirs[:n]
	}
	if len(ours) == 0 {
		t.Errorf("%s: nothing", what)
		return
	}
	if len(ours) != len(theirs) || !slices.Equal(ours[1:], theirs[1:]) || frames(ours) != frames(theirs) {
		t.Errorf("%s: %d frames, runtime.Callers has %d\n%s---\n%s", what, len(ours), len(theirs), frames(ours), frames(theirs))
	}
}

func frames(pcs []uintptr) string {
	var b strings.Builder
	f := runtime.CallersFrames(pcs)
	for {
		fr, more := f.Next()
		fmt.Fprintf(&b, "%s %s:%d\n", fr.Function, fr.File, fr.Line)
		if !more {
			return b.String()
		}
	}
}

type taker struct{ depth int }

func (t taker) value() pair    { return take(t.depth) }
func (t *taker) pointer() pair { return take(t.depth) }

type outer struct{ *taker }

type iface interface{ pointer() pair }

func inlined(depth int) pair  { return inlined2(depth) }
func inlined2(depth int) pair { return inlined3(depth) }
func inlined3(depth int) pair { return take(depth) }

//go:noinline
func generic[T any](v T, depth int) pair { return take(depth) }

type box[T any] struct{ v T }

//go:noinline
func (b *box[T]) method(depth int) pair {
	b.v = *new(T)
	return take(depth)
}

//go:noinline
func deep(n, depth int) pair {
	if n == 0 {
		return take(depth)
	}
	return deep(n-1, depth)
}

//go:noinline
func large(depth int) (p pair) {
	var pad [32 << 10]byte
	p = take(depth)
	runtime.KeepAlive(&pad)
	return p
}

// Frames must be those of runtime.Callers, whatever the compiler made of the
// functions.
func TestCallers(t *testing.T) {
	inGoroutine := func(f func(chan<- pair)) pair {
		c := make(chan pair)
		go f(c)
		return <-c
	}
	for _, depth := range []int{1, 2, 3, 4, 5, 16, 64, 1000} {
		x := &taker{depth}
		for _, c := range []struct {
			name string
			take func() pair
		}{
			{"plain", func() pair { return take(depth) }},
			{"inlined", func() pair { return inlined(depth) }},
			{"method", x.pointer},
			{"value method", x.value},
			{"method value", func() pair { f := x.value; return f() }},
			{"method expression", func() pair { f := (*taker).value; return f(x) }},
			{"promoted through interface", func() pair { var i iface = outer{x}; return i.pointer() }},
			{"generic int", func() pair { return generic(1, depth) }},
			{"generic pointer", func() pair { return generic(x, depth) }},
			{"generic value", func() pair { f := generic[*taker]; return f(x, depth) }},
			{"generic method", func() pair { return (&box[string]{}).method(depth) }},
			{"generic method value", func() pair { f := (&box[*int]{}).method; return f(depth) }},
			{"deep", func() pair { return deep(200, depth) }},
			{"large frame", func() pair { return large(depth) }},
			{"goroutine", func() pair { return inGoroutine(func(c chan<- pair) { c <- take(depth) }) }},
			{"goroutine with arguments", func() pair {
				c := make(chan pair)
				go func(n int, c chan<- pair) { c <- inlined(n) }(depth, c)
				return <-c
			}},
			{"goroutine of a method value", func() pair {
				c := make(chan pair)
				go (&sender{c, depth}).send()
				return <-c
			}},
			{"defer", func() (p pair) { defer func() { p = take(depth) }(); return }},
			{"defer with arguments", func() (p pair) {
				s := &sender{make(chan pair, 1), depth}
				func() { defer s.sendTo(s.c) }()
				return <-s.c
			}},
			{"panic", func() (p pair) {
				defer func() { recover() }()
				defer func() { p = take(depth) }()
				panic(1)
			}},
			{"reflect", func() pair { return reflect.ValueOf(x.pointer).Call(nil)[0].Interface().(pair) }},
			{"reflect.MakeFunc", func() pair {
				f := reflect.MakeFunc(reflect.TypeFor[func() pair](), func([]reflect.Value) []reflect.Value {
					return []reflect.Value{reflect.ValueOf(take(depth))}
				})
				return f.Interface().(func() pair)()
			}},
			{"range over func", func() (p pair) {
				for range func(yield func() bool) { yield() } {
					p = take(depth)
				}
				return
			}},
			{"sort", func() (p pair) {
				slices.SortFunc([]int{2, 1}, func(a, b int) int { p = take(depth); return a - b })
				return
			}},
			{"once", func() (p pair) { new(sync.Once).Do(func() { p = take(depth) }); return }},
		} {
			c.take().compare(t, fmt.Sprintf("%s, depth %d", c.name, depth))
		}
	}
}

type sender struct {
	c     chan pair
	depth int
}

func (s *sender) send()                { s.c <- take(s.depth) }
func (s *sender) sendTo(c chan<- pair) { c <- take(s.depth) }

//go:noinline
func skipping(skip int, pcs []uintptr) int { return stack.Callers(skip, pcs) }

//go:noinline
func skippedTo(skip int) []uintptr {
	pcs := make([]uintptr, 8)
	return pcs[:skipping(skip, pcs)]
}

func TestCallersSkip(t *testing.T) {
	for skip, want := range []string{"skipping", "skippedTo", "TestCallersSkip"} {
		f, _ := runtime.CallersFrames(stack.Logical(skippedTo(skip))).Next()
		if !strings.HasSuffix(f.Function, "."+want) {
			t.Errorf("skip %d: first in %s, want %s", skip, f.Function, want)
		}
	}
	if n := len(skippedTo(1000)); n != 0 {
		t.Errorf("skip 1000: %d addresses", n)
	}
	if n := stack.Callers(0, nil); n != 0 {
		t.Errorf("no room: %d addresses", n)
	}
	if pcs := stack.Logical(nil); pcs != nil {
		t.Errorf("Logical(nil) = %v", pcs)
	}
}

// Stacks that move are followed all the same.
func TestCallersGrowingStack(t *testing.T) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := range 40 {
				deep(n*n, 64).compare(t, "growing stack")
			}
		}()
	}
	wg.Wait()
}

func TestCallersAllocates(t *testing.T) {
	pcs := make([]uintptr, 16)
	if n := testing.AllocsPerRun(100, func() { stack.Callers(0, pcs) }); n != 0 {
		t.Errorf("Callers: %v allocations", n)
	}
}

func BenchmarkCallers(b *testing.B) {
	for _, depth := range []int{8, 16, 32} {
		pcs := make([]uintptr, depth)
		table := stack.NewTable(1 << 20)
		for _, c := range []struct {
			name string
			f    func()
		}{
			{"stack", func() { stack.Callers(0, pcs) }},
			{"stack+intern", func() { table.Intern(pcs[:stack.Callers(0, pcs)]) }},
			{"runtime", func() { runtime.Callers(1, pcs) }},
		} {
			b.Run(fmt.Sprintf("impl=%s/depth=%d", c.name, depth), func(b *testing.B) {
				b.ReportAllocs()
				nest(40, func() {
					for b.Loop() {
						c.f()
					}
				})
			})
		}
	}
}

//go:noinline
func nest(n int, f func()) {
	if n == 0 {
		f()
		return
	}
	nest(n-1, f)
}
