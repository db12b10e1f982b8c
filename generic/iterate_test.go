package generic_test

import (
	"fmt"
	"iter"
	"strconv"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

// A changing is a container of numbers over which a loop goes that changes it.
// [TestEveryIterationWhileChanging] has the containers of elements of any type;
// these have strings, bits and rows.
type changing struct {
	add   func(k int) error
	drop  func(k int)
	loops map[string]loop
	close func()
}

// A loop is an iterator, and what its documentation allows the loop to change.
type loop struct {
	seq iter.Seq[int]
	may may
}

// may is what a loop may do, and what it then sees of it.
type may uint8

const (
	adds        may = 1 << iota // may add, and sees what it added
	addsUnseen                  // may add, and sees it or does not
	dropsAny                    // may drop any, and does not see what it dropped before
	dropsSeen                   // may drop what it has seen
	dropsAt                     // may drop the one it is at; the last one may then not be seen
	dropsHere                   // may drop the one it is at, and nothing else changes
	dropsItself                 // drops each before it yields it
)

func numberOf(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

// numbers turns an iterator over anything into one over numbers.
func numbers[E any](seq iter.Seq[E], number func(E) int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for v := range seq {
			if !yield(number(v)) {
				return
			}
		}
	}
}

func firsts[K, V any](seq iter.Seq2[K, V], number func(K) int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for k := range seq {
			if !yield(number(k)) {
				return
			}
		}
	}
}

func seconds[K, V any](seq iter.Seq2[K, V], number func(V) int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for _, v := range seq {
			if !yield(number(v)) {
				return
			}
		}
	}
}

func itself(n int) int { return n }

var changings = map[string]func(a mem.Allocator) changing{
	"StringHashMap": func(a mem.Allocator) changing {
		m := generic.NewStringHashMap[int](a)
		return changing{
			add:  func(k int) error { _, err := m.Put(strconv.Itoa(k), k); return err },
			drop: func(k int) { m.Remove(strconv.Itoa(k)) },
			loops: map[string]loop{
				"All":    {firsts(m.All(), numberOf), dropsAny | dropsAt | dropsSeen},
				"AllPtr": {seconds(m.AllPtr(), func(p *int) int { return *p }), dropsAny | dropsAt | dropsSeen},
				"Keys":   {numbers(m.Keys(), numberOf), dropsAny | dropsAt | dropsSeen},
				"Values": {numbers(m.Values(), itself), dropsAny | dropsAt | dropsSeen},
				"Drain":  {firsts(m.Drain(), numberOf), dropsAny | dropsItself},
			},
			close: func() { m.Close() },
		}
	},
	"StringHashSet": func(a mem.Allocator) changing {
		s := generic.NewStringHashSet(a)
		return changing{
			add:  func(k int) error { _, _, err := s.Add(strconv.Itoa(k)); return err },
			drop: func(k int) { s.Remove(strconv.Itoa(k)) },
			loops: map[string]loop{
				"All":   {numbers(s.All(), numberOf), dropsAny | dropsAt | dropsSeen},
				"Drain": {numbers(s.Drain(), numberOf), dropsAny | dropsItself},
			},
			close: func() { s.Close() },
		}
	},
	"BufMap": func(a mem.Allocator) changing {
		m := generic.NewBufMap(a)
		return changing{
			add:  func(k int) error { return m.Put(strconv.Itoa(k), fmt.Sprint(k)) },
			drop: func(k int) { m.Remove(strconv.Itoa(k)) },
			loops: map[string]loop{
				"All":      {firsts(m.All(), numberOf), adds | dropsAt},
				"Backward": {firsts(m.Backward(), numberOf), addsUnseen | dropsSeen | dropsAt},
				"Keys":     {numbers(m.Keys(), numberOf), adds | dropsAt},
				"Values":   {numbers(m.Values(), numberOf), adds | dropsAt},
				"Drain":    {firsts(m.Drain(), numberOf), dropsItself},
			},
			close: func() { m.Close() },
		}
	},
	"BufSet": func(a mem.Allocator) changing {
		s := generic.NewBufSet(a)
		return changing{
			add:  func(k int) error { return s.Insert(strconv.Itoa(k)) },
			drop: func(k int) { s.Remove(strconv.Itoa(k)) },
			loops: map[string]loop{
				"All":      {numbers(s.All(), numberOf), adds | dropsAt},
				"Backward": {numbers(s.Backward(), numberOf), addsUnseen | dropsSeen | dropsAt},
				"Drain":    {numbers(s.Drain(), numberOf), dropsItself},
			},
			close: func() { s.Close() },
		}
	},
	"StringPool": func(a mem.Allocator) changing {
		p := generic.NewStringPool(a)
		return changing{
			add:   func(k int) error { _, err := p.Intern(strconv.Itoa(k)); return err },
			loops: map[string]loop{"All": {seconds(p.All(), numberOf), adds}},
			close: func() { p.Close() },
		}
	},
	"DynamicBitSet": func(a mem.Allocator) changing {
		s := generic.NewDynamicBitSet(a)
		return changing{
			add: func(k int) error {
				if k >= s.Len() {
					if err := s.Resize(k+1, false); err != nil {
						return err
					}
				}
				s.Set(k)
				return nil
			},
			drop: func(k int) { s.Unset(k) },
			loops: map[string]loop{
				"All":      {s.All(), adds | dropsAny | dropsAt | dropsSeen},
				"Backward": {s.Backward(), addsUnseen | dropsAny | dropsAt | dropsSeen},
				"Drain":    {s.Drain(), adds | dropsAny | dropsItself},
			},
			close: func() { s.Close() },
		}
	},
	"DynamicBitSet, unset": func(a mem.Allocator) changing {
		s := generic.NewDynamicBitSet(a)
		return changing{
			add: func(k int) error {
				if k >= s.Len() {
					return s.Resize(k+1, false)
				}
				s.Unset(k)
				return nil
			},
			drop: func(k int) { s.Set(k) },
			loops: map[string]loop{
				"AllUnset":      {s.AllUnset(), adds | dropsAny | dropsAt | dropsSeen},
				"BackwardUnset": {s.BackwardUnset(), addsUnseen | dropsAny | dropsAt | dropsSeen},
			},
			close: func() { s.Close() },
		}
	},
	"DoublyLinkedList": func(a mem.Allocator) changing {
		l := generic.NewDoublyLinkedList[int](a)
		nodes := map[int]*generic.DoublyNode[int]{}
		return changing{
			add:  func(k int) (err error) { nodes[k], err = l.PushBack(k); return err },
			drop: func(k int) { l.Remove(nodes[k]) },
			loops: map[string]loop{
				"All":      {numbers(l.All(), func(n *generic.DoublyNode[int]) int { return n.Value }), dropsHere},
				"Values":   {numbers(l.Values(), itself), dropsHere},
				"Backward": {numbers(l.Backward(), func(n *generic.DoublyNode[int]) int { return n.Value }), dropsHere},
				"Drain":    {numbers(l.Drain(), itself), adds | dropsItself},
			},
			close: func() { l.Close() },
		}
	},
	"SinglyLinkedList": func(a mem.Allocator) changing {
		l := generic.NewSinglyLinkedList[int](a)
		var before *generic.SinglyNode[int]
		return changing{
			add: func(k int) (err error) {
				if before == nil {
					before, err = l.PushFront(k)
				} else {
					before, err = l.InsertAfter(before, k)
				}
				return err
			},
			loops: map[string]loop{
				"All":    {numbers(l.All(), func(n *generic.SinglyNode[int]) int { return n.Value }), 0},
				"Values": {numbers(l.Values(), itself), 0},
				"Drain":  {numbers(l.Drain(), itself), dropsItself},
			},
			close: func() { l.Close() },
		}
	},
	"MultiArrayList": func(a mem.Allocator) changing {
		type row struct {
			half byte
			n    int
		}
		l := generic.NewMultiArrayList[row](a)
		number := func(r row) int { return r.n }
		return changing{
			add: func(k int) error { return l.Append(row{byte(k), k}) },
			loops: map[string]loop{
				"All":    {seconds(l.All(), number), adds},
				"Values": {numbers(l.Values(), number), adds},
				"Drain":  {numbers(l.Drain(), number), dropsItself},
			},
			close: func() { l.Close() },
		}
	},
}

// A loop sees all that stays, nothing twice, nothing that it dropped, and what it
// added as far as the documentation says.
func TestIterationWhileChanging(t *testing.T) {
	const n = 90
	loops := 0
	for name, open := range changings {
		for method := range open(newChecked(t, mem.PlainOnly)).loops {
			loops++
			t.Run(name+"."+method, func(t *testing.T) {
				c := open(newChecked(t, mem.PlainOnly))
				defer c.close()
				live, seen, lost := map[int]bool{}, map[int]bool{}, map[int]bool{}
				add := func(k int) {
					if err := c.add(k); err != nil {
						t.Fatal(err)
					}
					live[k] = true
				}
				drop := func(k int) {
					c.drop(k)
					delete(live, k)
				}
				for k := range n {
					add(k)
				}
				l := c.loops[method]
				next, steps := n, 0
				for k := range l.seq {
					if !live[k] || seen[k] {
						t.Fatalf("%d is yielded: live %v, seen %v", k, live[k], seen[k])
					}
					seen[k] = true
					if l.may&dropsItself != 0 {
						delete(live, k)
					}
					if l.may&dropsAny != 0 && steps%5 == 1 {
						for other := (k * 7) % n; ; other = (other + 1) % n {
							if live[other] && !seen[other] {
								drop(other)
								break
							} else if other == (k*7+n-1)%n {
								break
							}
						}
					}
					if l.may&dropsSeen != 0 && steps%5 == 2 {
						for other := range next {
							if seen[other] && live[other] && other != k {
								drop(other)
								break
							}
						}
					}
					if l.may&(dropsAt|dropsHere) != 0 && steps%5 == 3 {
						if l.may&dropsAt != 0 && l.may&(dropsAny|dropsSeen) == 0 { // the last one takes its place
							last := -1
							for other := range live {
								if !seen[other] && !lost[other] {
									last = max(last, other)
								}
							}
							lost[last] = true
						}
						drop(k)
					}
					for range 3 { // so that there are more and more
						if l.may&(adds|addsUnseen) != 0 && steps%5 == 4 && next < n+60 {
							add(next)
							next++
						}
					}
					if steps++; steps > 2*n {
						t.Fatal("no end")
					}
				}
				for k := range live {
					if !seen[k] && !lost[k] && (k < n || l.may&adds != 0) {
						t.Errorf("%d is not yielded", k)
					}
				}
			})
		}
	}
	if loops < 30 {
		t.Errorf("%d loops", loops)
	}
}

// What the function given to DeleteFunc removes itself, or what comes in its
// place, is not removed once more.
func TestDeleteFuncRemovesItself(t *testing.T) {
	const n = 20
	for name, open := range map[string]func(a mem.Allocator) (put func(int), remove func(int), clear func(), delete func(func(int) bool), length func() int){
		"HashMap": func(a mem.Allocator) (func(int), func(int), func(), func(func(int) bool), func() int) {
			m := generic.NewHashMap[int, int](a)
			t.Cleanup(func() { m.Close() })
			return func(i int) { m.Put(i, i) }, func(i int) { m.Remove(i) }, m.Clear,
				func(del func(int) bool) { m.DeleteFunc(func(k, _ int) bool { return del(k) }) }, m.Len
		},
		"HashSet": func(a mem.Allocator) (func(int), func(int), func(), func(func(int) bool), func() int) {
			s := generic.NewHashSet[int](a)
			t.Cleanup(func() { s.Close() })
			return func(i int) { s.Add(i) }, func(i int) { s.Remove(i) }, s.Clear, s.DeleteFunc, s.Len
		},
		"StringHashMap": func(a mem.Allocator) (func(int), func(int), func(), func(func(int) bool), func() int) {
			m := generic.NewStringHashMap[int](a)
			t.Cleanup(func() { m.Close() })
			return func(i int) { m.Put(strconv.Itoa(i), i) }, func(i int) { m.Remove(strconv.Itoa(i)) }, m.Clear,
				func(del func(int) bool) { m.DeleteFunc(func(_ string, v int) bool { return del(v) }) }, m.Len
		},
	} {
		put, remove, clear, deleteFunc, length := open(newChecked(t, mem.PlainOnly))
		for i := range n {
			put(i)
		}
		deleteFunc(func(k int) bool { remove(k); return k%3 > 0 })
		if length() != 0 {
			t.Errorf("%s: %d are left of those that were removed", name, length())
		}
		for i := range n {
			put(i)
		}
		calls := 0
		deleteFunc(func(k int) bool { calls++; clear(); return true })
		if length() != 0 || calls != 1 {
			t.Errorf("%s: %d are left behind a Clear, %d calls", name, length(), calls)
		}
		put(0)
		calls = 0
		deleteFunc(func(k int) bool { // one after the other in the place of the one before
			remove(k)
			put(k + 1)
			calls++
			return calls < 100
		})
		if length() != 1 {
			t.Errorf("%s: %d are left, want the one that was put", name, length())
		}
	}
}
