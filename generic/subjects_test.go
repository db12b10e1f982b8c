package generic_test

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

// A subject is a container of one type of elements, as tests see it that are
// about all of them.
type subject struct {
	name     string // "HashMap/pointers"
	pointers bool   // elements hold Go pointers
	nodes    bool   // every element has a block of its own, or a part of one
	open     func(a mem.Allocator) opened
}

// An opened is a container with elements that are numbered from 0.
type opened struct {
	c interface {
		io.Closer
		Len() int
	}
	add  func(i int) error     // adds element i, of which there are i
	drop func(i int)           // removes element i, the last one
	has  func(i int) bool      // tells whether element i is there, and is what was added
	walk func(n int) (sum int) // sums the numbers of the elements, in the ways that there are
}

// A box is what the pointers of elements lead to: nothing else keeps it alive.
type box struct{ n, not int }

type content interface{ int | *box }

// content returns element i, in the Go heap if it is a pointer.
func contentOf[T content](i int) T {
	var v T
	switch p := any(&v).(type) {
	case *int:
		*p = i
	case **box:
		*p = &box{i, ^i}
	}
	return v
}

// number returns which element v is, or -1 if it is none.
func number[T content](v T) int {
	switch p := any(&v).(type) {
	case *int:
		return *p
	case **box:
		if b := *p; b != nil && b.not == ^b.n {
			return b.n
		}
	}
	return -1
}

// lastFirst has queues give out the element first that was added last.
type lastFirst[T content] struct{}

func (lastFirst[T]) Compare(a, b T) int { return cmp.Compare(number(b), number(a)) }

// firstFirst is the order in which elements are added.
type firstFirst[T content] struct{}

func (firstFirst[T]) Compare(a, b T) int { return cmp.Compare(number(a), number(b)) }

// keyTexts are keys that are there already, so that making one takes no memory.
var keyTexts = func() (s [2000]string) {
	for i := range s {
		s[i] = fmt.Sprint("key number ", i)
	}
	return s
}()

// ownText returns a string in the Go heap that nobody else has.
func ownText(i int) string { return string([]byte(keyTexts[i])) }

// subjects are all containers, of numbers and of pointers, and those of strings
// and bits.
var subjects = slices.Concat(subjectsOf[int]("/plain", false), subjectsOf[*box]("/pointers", true), []subject{orderedByElement}, textSubjects)

func subjectsOf[T content](suffix string, pointers bool) []subject {
	of := func(name string, nodes bool, open func(a mem.Allocator) opened) subject {
		return subject{name + suffix, pointers, nodes, open}
	}
	at := func(get func(i int) T) func(i int) bool {
		return func(i int) bool { return number(get(i)) == i }
	}
	return []subject{
		of("ArrayList", false, func(a mem.Allocator) opened {
			l := generic.NewArrayList[T](a)
			return opened{l, func(i int) error { return l.Append(contentOf[T](i)) }, func(int) { l.Pop() }, at(l.At), func(int) (sum int) {
				for _, v := range l.All() {
					sum += number(v)
				}
				for _, v := range l.Backward() {
					sum += number(v)
				}
				for v := range l.Values() {
					sum += number(v)
				}
				return sum / 3
			}}
		}),
		of("MultiArrayList", false, func(a mem.Allocator) opened {
			l := generic.NewMultiArrayList[struct {
				small byte
				v     T
			}](a)
			get := func(i int) T { return l.Get(i).v }
			return opened{l, func(i int) error {
				return l.Append(struct {
					small byte
					v     T
				}{byte(i), contentOf[T](i)})
			}, func(int) { l.Pop() }, at(get), func(int) (sum int) {
				for _, v := range l.All() {
					sum += number(v.v)
				}
				for _, v := range l.Backward() {
					sum += number(v.v)
				}
				for v := range l.Values() {
					sum += number(v.v)
				}
				return sum / 3
			}}
		}),
		of("SegmentedList", false, func(a mem.Allocator) opened {
			l := generic.NewSegmentedList[T](a)
			return opened{l, func(i int) error { return l.Append(contentOf[T](i)) }, func(int) { l.Pop() }, at(l.At), func(int) (sum int) {
				for _, v := range l.All() {
					sum += number(v)
				}
				for _, p := range l.AllPtr() {
					sum += number(*p)
				}
				for _, v := range l.Backward() {
					sum += number(v)
				}
				for s := range l.Segments() {
					for _, v := range s {
						sum += number(v)
					}
				}
				return sum / 4
			}}
		}),
		of("Deque", false, func(a mem.Allocator) opened {
			d := generic.NewDeque[T](a)
			return opened{d, func(i int) error {
				if i%2 == 0 { // and the block wraps around
					return d.PushBack(contentOf[T](i))
				}
				v, _ := d.PopFront()
				if err := d.PushBack(contentOf[T](i)); err != nil {
					return err
				}
				return d.PushFront(v)
			}, func(int) { d.PopBack() }, at(d.At), func(int) (sum int) {
				for _, v := range d.All() {
					sum += number(v)
				}
				for _, v := range d.Backward() {
					sum += number(v)
				}
				for v := range d.Values() {
					sum += number(v)
				}
				return sum / 3
			}}
		}),
		of("RingBuffer", false, func(a mem.Allocator) opened {
			r := generic.NewRingBuffer[T](a)
			return opened{r, func(i int) error {
				if r.Free() == 0 {
					if err := r.SetCapacity(2*r.Cap() + 1); err != nil {
						return err
					}
				}
				return r.Push(contentOf[T](i))
			}, func(i int) {
				for range i { // the last one comes to the front
					v, _ := r.Pop()
					r.Push(v)
				}
				r.Pop()
			}, at(r.At), func(int) (sum int) {
				for _, v := range r.All() {
					sum += number(v)
				}
				for _, v := range r.Backward() {
					sum += number(v)
				}
				for v := range r.Values() {
					sum += number(v)
				}
				return sum / 3
			}}
		}),
		of("PriorityQueue", false, func(a mem.Allocator) opened {
			q := generic.NewPriorityQueueOrder(a, lastFirst[T]{})
			return opened{q, func(i int) error { return q.Push(contentOf[T](i)) }, func(int) { q.Pop() }, func(i int) bool {
				for v := range q.Values() {
					if number(v) == i {
						return true
					}
				}
				return false
			}, func(int) (sum int) {
				for _, v := range q.Items() {
					sum += number(v)
				}
				return sum
			}}
		}),
		of("PriorityDequeue", false, func(a mem.Allocator) opened {
			q := generic.NewPriorityDequeueOrder(a, firstFirst[T]{})
			return opened{q, func(i int) error { return q.Push(contentOf[T](i)) }, func(int) { q.PopMax() }, func(i int) bool {
				for v := range q.Values() {
					if number(v) == i {
						return true
					}
				}
				return false
			}, func(int) (sum int) {
				for _, v := range q.Items() {
					sum += number(v)
				}
				return sum
			}}
		}),
		of("SinglyLinkedList", true, func(a mem.Allocator) opened {
			l := generic.NewSinglyLinkedList[T](a)
			return opened{l, func(i int) error { _, err := l.PushFront(contentOf[T](i)); return err }, func(int) { l.PopFront() }, func(i int) bool {
				for v := range l.Values() {
					if number(v) == i {
						return true
					}
				}
				return false
			}, func(int) (sum int) {
				for n := range l.All() {
					sum += number(n.Value)
				}
				for v := range l.Values() {
					sum += number(v)
				}
				return sum / 2
			}}
		}),
		of("DoublyLinkedList", true, func(a mem.Allocator) opened {
			l := generic.NewDoublyLinkedList[T](a)
			return opened{l, func(i int) error { _, err := l.PushBack(contentOf[T](i)); return err }, func(int) { l.PopBack() }, func(i int) bool {
				for v := range l.Values() {
					if number(v) == i {
						return true
					}
				}
				return false
			}, func(int) (sum int) {
				for n := range l.All() {
					sum += number(n.Value)
				}
				for n := range l.Backward() {
					sum += number(n.Value)
				}
				for v := range l.Values() {
					sum += number(v)
				}
				return sum / 3
			}}
		}),
		of("HashMap", false, func(a mem.Allocator) opened {
			m := generic.NewHashMap[int, T](a)
			return opened{m, func(i int) error { return m.Put(i, contentOf[T](i)) }, func(i int) { m.Remove(i) }, func(i int) bool {
				v, ok := m.Get(i)
				return ok && number(v) == i
			}, func(int) (sum int) {
				for _, v := range m.All() {
					sum += number(v)
				}
				for _, p := range m.AllPtr() {
					sum += number(*p)
				}
				for k := range m.Keys() {
					sum += k
				}
				for v := range m.Values() {
					sum += number(v)
				}
				return sum / 4
			}}
		}),
		of("HashSet", false, func(a mem.Allocator) opened {
			// Keys that are pointers lead to what nothing else keeps alive, and are
			// found by what that is.
			s := generic.NewHashSet[T](a)
			s.SetContext(&generic.Context[T]{Hash: func(v T) uint64 { return uint64(number(v)) }, Equal: func(a, b T) bool { return number(a) == number(b) }})
			return opened{s, func(i int) error { _, err := s.Add(contentOf[T](i)); return err }, func(i int) { s.RemoveAdapted(uint64(i), func(v T) bool { return number(v) == i }) }, func(i int) bool {
				v, ok := s.GetAdapted(uint64(i), func(v T) bool { return number(v) == i })
				return ok && number(v) == i
			}, func(int) (sum int) {
				for v := range s.All() {
					sum += number(v)
				}
				return sum
			}}
		}),
		of("ArrayHashMap", false, func(a mem.Allocator) opened {
			m := generic.NewArrayHashMap[int, T](a)
			return opened{m, func(i int) error { return m.Put(i, contentOf[T](i)) }, func(i int) { m.SwapRemove(i) }, func(i int) bool {
				v, ok := m.Get(i)
				return ok && number(v) == i
			}, func(int) (sum int) {
				for _, v := range m.All() {
					sum += number(v)
				}
				for _, v := range m.Backward() {
					sum += number(v)
				}
				return sum / 2
			}}
		}),
		of("ConcurrentMap", false, func(a mem.Allocator) opened {
			m := generic.NewConcurrentMap[int, T](a)
			return opened{m, func(i int) error { return m.Put(i, contentOf[T](i)) }, func(i int) { m.Remove(i) }, func(i int) bool {
				v, ok := m.Get(i)
				return ok && number(v) == i && m.View(i, func(v *T) { ok = number(*v) == i }) && ok
			}, func(int) (sum int) {
				for _, v := range m.All() {
					sum += number(v)
				}
				for k := range m.Keys() {
					sum += k
				}
				for v := range m.Values() {
					sum += number(v)
				}
				return sum / 3
			}}
		}),
		of("StringHashMap", true, func(a mem.Allocator) opened {
			m := generic.NewStringHashMap[T](a)
			return opened{m, func(i int) error { _, err := m.Put(keyTexts[i], contentOf[T](i)); return err }, func(i int) { m.Remove(keyTexts[i]) }, func(i int) bool {
				v, ok := m.Get(keyTexts[i])
				k, _ := m.GetKey(keyTexts[i])
				return ok && number(v) == i && k == keyTexts[i]
			}, func(int) (sum int) {
				for _, v := range m.All() {
					sum += number(v)
				}
				for _, p := range m.AllPtr() {
					sum += number(*p)
				}
				for v := range m.Values() {
					sum += number(v)
				}
				return sum / 3
			}}
		}),
		of("StringConcurrentMap", true, func(a mem.Allocator) opened {
			m := generic.NewStringConcurrentMap[T](a)
			return opened{m, func(i int) error { return m.Put(keyTexts[i], contentOf[T](i)) }, func(i int) { m.Remove(keyTexts[i]) }, func(i int) bool {
				v, ok := m.Get(keyTexts[i])
				return ok && number(v) == i && m.View(keyTexts[i], func(v *T) { ok = number(*v) == i }) && ok
			}, func(int) (sum int) {
				for _, v := range m.All() {
					sum += number(v)
				}
				for v := range m.Values() {
					sum += number(v)
				}
				return sum / 2
			}}
		}),
		of("BTreeMap", true, func(a mem.Allocator) opened {
			m := generic.NewBTreeMap[int, T](a)
			return opened{m, func(i int) error { return m.Put(i, contentOf[T](i)) }, func(i int) { m.Remove(i) }, func(i int) bool {
				v, ok := m.Get(i)
				return ok && number(v) == i
			}, func(n int) (sum int) {
				for _, v := range m.All() {
					sum += number(v)
				}
				for _, v := range m.Backward() {
					sum += number(v)
				}
				for k := range m.Keys() {
					sum += k
				}
				for v := range m.Values() {
					sum += number(v)
				}
				for _, v := range m.Range(0, n/2) {
					sum += number(v)
				}
				for _, v := range m.From(n / 2) {
					sum += number(v)
				}
				return sum / 5
			}}
		}),
	}
}

// orderedByElement is a map whose keys are the elements, in an order of the test's
// own: that of what they point to.
var orderedByElement = subject{"BTreeMap of pointers to/pointers", true, true, func(a mem.Allocator) opened {
	m := generic.NewBTreeMapOrder[int](a, firstFirst[*box]{})
	return opened{m, func(i int) error { return m.Put(contentOf[*box](i), i) }, func(i int) { m.PopMax() }, func(i int) bool {
		for k, v := range m.All() {
			if v == i {
				return number(k) == i
			}
		}
		return false
	}, func(n int) (sum int) {
		for k := range m.Keys() {
			sum += number(k)
		}
		return sum
	}}
}}

// textSubjects are containers of strings, bytes and bits, which hold no pointers
// of their users'.
var textSubjects = []subject{
	{"HashMap of strings", true, false, func(a mem.Allocator) opened {
		m := generic.NewHashMap[string, string](a)
		return opened{m, func(i int) error { return m.Put(ownText(i), ownText(i)) }, func(i int) { m.Remove(keyTexts[i]) }, func(i int) bool {
			v, ok := m.Get(keyTexts[i])
			k, _ := m.GetKey(keyTexts[i])
			return ok && v == keyTexts[i] && k == v
		}, func(n int) (sum int) {
			for k, v := range m.All() {
				if k == v {
					sum++
				}
			}
			return sum * (n - 1) / 2
		}}
	}},
	{"StringHashSet", false, true, func(a mem.Allocator) opened {
		s := generic.NewStringHashSet(a)
		return opened{s, func(i int) error { _, _, err := s.Add(keyTexts[i]); return err }, func(i int) { s.Remove(keyTexts[i]) }, func(i int) bool {
			k, ok := s.Get(keyTexts[i])
			return ok && k == keyTexts[i]
		}, texts(s.All())}
	}},
	{"BufMap", false, true, func(a mem.Allocator) opened {
		m := generic.NewBufMap(a)
		return opened{m, func(i int) error { return m.Put(keyTexts[i], keyTexts[i]) }, func(i int) { m.Remove(keyTexts[i]) }, func(i int) bool {
			v, ok := m.Get(keyTexts[i])
			return ok && v == keyTexts[i]
		}, texts(m.Keys())}
	}},
	{"BufSet", false, true, func(a mem.Allocator) opened {
		s := generic.NewBufSet(a)
		return opened{s, func(i int) error { return s.Insert(keyTexts[i]) }, func(i int) { s.Remove(keyTexts[i]) }, func(i int) bool {
			k, ok := s.Get(keyTexts[i])
			return ok && k == keyTexts[i]
		}, texts(s.All())}
	}},
	{"ConcurrentBufMap", false, true, func(a mem.Allocator) opened {
		m := generic.NewConcurrentBufMap(a)
		buf := make([]byte, 0, 100)
		values := make([][]byte, len(keyTexts))
		for i := range values {
			values[i] = []byte(keyTexts[i])
		}
		return opened{m, func(i int) error { return m.Put(keyTexts[i], values[i]) }, func(i int) { m.Remove(keyTexts[i]) }, func(i int) bool {
			v, ok := m.AppendGet(buf, keyTexts[i])
			return ok && string(v) == keyTexts[i]
		}, texts(m.Keys())}
	}},
	{"Cache", false, true, func(a mem.Allocator) opened {
		c := generic.NewCache(a, 64<<20)
		buf := make([]byte, 0, 100)
		values := make([][]byte, len(keyTexts))
		for i := range values {
			values[i] = []byte(keyTexts[i])
		}
		return opened{c, func(i int) error { return c.Put(keyTexts[i], values[i]) }, func(i int) { c.Remove(keyTexts[i]) }, func(i int) bool {
			v, ok := c.AppendGet(buf, keyTexts[i])
			return ok && string(v) == keyTexts[i]
		}, texts(c.Keys())}
	}},
	{"StringPool", false, true, func(a mem.Allocator) opened {
		p := generic.NewStringPool(a)
		return opened{p, func(i int) error { _, err := p.Intern(keyTexts[i]); return err }, nil, func(i int) bool {
			h, ok := p.Lookup(keyTexts[i])
			return ok && int(h) == i+1 && p.Get(h) == keyTexts[i]
		}, func(n int) (sum int) {
			for h := range p.All() {
				sum += int(h) - 1
			}
			return sum
		}}
	}},
	{"Buffer", false, false, func(a mem.Allocator) opened {
		b := generic.NewBuffer(a)
		return opened{b, func(i int) error { return b.WriteByte(byte(i)) }, func(i int) { b.Truncate(i) }, func(i int) bool {
			return b.Bytes()[i] == byte(i)
		}, nil}
	}},
	{"StringBuilder", false, false, func(a mem.Allocator) opened {
		b := generic.NewStringBuilder(a)
		return opened{b, func(i int) error { return b.WriteByte(byte(i)) }, func(i int) { b.Truncate(i) }, func(i int) bool {
			return b.String()[i] == byte(i)
		}, nil}
	}},
	{"DynamicBitSet", false, false, func(a mem.Allocator) opened {
		s := generic.NewDynamicBitSet(a)
		return opened{s, func(i int) error { return s.Resize(i+1, i%3 == 0) }, func(i int) { s.Resize(i, false) }, func(i int) bool {
			return s.IsSet(i) == (i%3 == 0)
		}, func(int) (sum int) {
			for i := range s.All() {
				sum += i
			}
			for i := range s.AllUnset() {
				sum += i
			}
			for i := range s.Backward() {
				sum += i
			}
			for i := range s.BackwardUnset() {
				sum += i
			}
			return sum / 2
		}}
	}},
	{"BitStack", false, false, func(a mem.Allocator) opened {
		s := generic.NewBitStack(a)
		return opened{s, func(i int) error { return s.Push(i%3 == 0) }, func(i int) { s.Pop() }, func(i int) bool {
			return s.At(i) == (i%3 == 0)
		}, func(int) (sum int) {
			i := 0
			for bit := range s.Values() {
				if bit == (i%3 == 0) {
					sum += i
				}
				i++
			}
			for bit := range s.Backward() {
				if i--; bit == (i%3 == 0) {
					sum += i
				}
			}
			return sum / 2
		}}
	}},
}

// texts returns the walk of a container of keyTexts.
func texts(seq func(func(string) bool)) func(n int) int {
	return func(n int) int {
		found := 0
		for k := range seq {
			if len(k) > 11 && k[:11] == "key number " {
				found++
			}
		}
		return found * (n - 1) / 2
	}
}
