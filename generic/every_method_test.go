package generic_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/allod-dev/allod/mem"
)

// lacks says why a container has not what all others have.
var lacks = map[string]string{
	"Cache.Clone":          "what is in a cache can be had again from where it came",
	"Buffer.Drain":         "Read and WriteTo",
	"StringBuilder.Drain":  "ToOwnedString",
	"StringPool.Drain":     "strings are not removed one by one",
	"Buffer.Values":        "Bytes",
	"StringBuilder.Values": "String",
	"StringPool.Values":    "All",
	"DynamicBitSet.Values": "All",
	"HashSet.Values":       "All",
	"StringHashSet.Values": "All",
	"BufSet.Values":        "All",
	"BitStack.All":         "Values",
	"PriorityQueue.All":    "Values",
	"PriorityDequeue.All":  "Values",
	"Buffer.All":           "Bytes",
	"StringBuilder.All":    "String",
}

// Every container has what the documentation of the package says of all of them.
func TestEveryMethods(t *testing.T) {
	for _, in := range injections {
		for _, method := range []string{"Allocator", "Len", "Clear", "Clone", "Close", "All", "Values", "Drain"} {
			name := nameOf(in.of) + "." + method
			_, has := in.of.MethodByName(method)
			if reason := lacks[name]; has == (reason != "") {
				t.Errorf("%s: is there: %v; reason not to be: %q", name, has, reason)
			}
		}
	}
}

// A refuser has no memory, and notes whether it was asked for some, or given any
// back.
type refuser struct {
	asked int
}

func (a *refuser) Alloc(int, mem.Layout) ([]byte, error) { a.asked++; return nil, mem.ErrOutOfMemory }
func (a *refuser) Resize(b []byte, _ mem.Layout, _ int) ([]byte, bool) {
	a.asked++
	return b, false
}
func (a *refuser) Remap(b []byte, l mem.Layout, n int) ([]byte, bool) { return a.Resize(b, l, n) }
func (a *refuser) Free([]byte, mem.Layout)                            { a.asked++ }
func (a *refuser) Pointers() mem.Pointers                             { return mem.PlainOnly }

// argument returns what to pass for parameter i of a method of u, so that it has
// to ask for memory, or to give some back.
func argument(u reflect.Value, method string, typ reflect.Type, i int) reflect.Value {
	v := reflect.New(typ).Elem()
	switch typ.Kind() {
	case reflect.Int, reflect.Uint64:
		n := 1001
		switch {
		case i == 2 && slices.Contains([]string{"Insert", "InsertSlice", "InsertMany", "ReplaceRange", "Remove", "FetchRemove"}, method):
			n = 0
		case method == "ReplaceRange", method == "ShrinkAndFree":
			n = 1
		}
		v.Set(reflect.ValueOf(n).Convert(typ))
	case reflect.String:
		v.SetString("new")
		if method == "Remove" || method == "FetchRemove" {
			v.SetString(stringKey(0))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(typ, 1001, 1001))
	case reflect.Func:
		v.Set(reflect.MakeFunc(typ, func([]reflect.Value) (out []reflect.Value) {
			for k := range typ.NumOut() {
				r := argument(u, method, typ.Out(k), 0)
				if r.Kind() == reflect.Bool {
					r.SetBool(method == "DeleteFunc")
				}
				out = append(out, r)
			}
			return out
		}))
	case reflect.Pointer:
		if first := u.MethodByName("First"); first.IsValid() && first.Type().Out(0) == typ { // a node
			v.Set(first.Call(nil)[0])
		}
	case reflect.Interface:
		if typ == reflect.TypeFor[io.Reader]() {
			v.Set(reflect.ValueOf(strings.NewReader(strings.Repeat("text", 1000))))
		}
	}
	return v
}

// runThrough runs an iterator that a method returned.
func runThrough(out []reflect.Value) {
	if len(out) == 1 && out[0].Kind() == reflect.Func {
		if out[0].Type().CanSeq2() {
			for range out[0].Seq2() {
			}
		} else {
			for range out[0].Seq() {
			}
		}
	}
}

// Every method of an unmanaged container that takes an allocator notices one of
// another kind than the first, before it changes anything, whenever it would take
// memory from it or give some back.
func TestEveryOtherAllocator(t *testing.T) {
	for _, in := range injections {
		unmanaged, ok := unmanagedOf(in.of)
		if !ok {
			continue
		}
		for i := range unmanaged.NumMethod() {
			m := unmanaged.Method(i)
			if m.Type.NumIn() < 2 || m.Type.In(1) != reflect.TypeFor[mem.Allocator]() ||
				// These make a container, and have no first allocator.
				slices.Contains([]string{"Clone", "FromOwnedSlice", "Load", "ToManaged"}, m.Name) {
				continue
			}
			noticed := false
			for _, setup := range in.setups {
				a := newChecked(t, mem.Scanned)
				c, err := setup(a)
				if err != nil {
					t.Fatal(err)
				}
				want := in.snapshot(c)
				if lenOf(c) == 0 {
					c.(io.Closer).Close()
					continue
				}
				u := reflect.New(unmanaged.Elem())
				u.Elem().Set(reflect.ValueOf(c).MethodByName("ToUnmanaged").Call(nil)[0])
				other := &refuser{}
				args := []reflect.Value{u, reflect.ValueOf(other)}
				for k := 2; k < m.Type.NumIn(); k++ {
					args = append(args, argument(u, m.Name, m.Type.In(k), k))
				}
				panicked := func() (panicked bool) {
					defer func() {
						switch r := recover(); {
						case r == nil:
						case strings.Contains(fmt.Sprint(r), "handed an allocator that answers"):
							panicked = true
						case strings.Contains(fmt.Sprint(r), "has no Context"):
							noticed = true // and the container need not be tried
						default:
							t.Errorf("%s.%s: %v", nameOf(in.of), m.Name, r)
						}
					}()
					runThrough(m.Func.Call(args))
					return false
				}()
				if other.asked > 0 {
					t.Errorf("%s.%s asks the other allocator", nameOf(in.of), m.Name)
				}
				noticed = noticed || panicked
				d := u.MethodByName("ToManaged").Call([]reflect.Value{reflect.ValueOf(a)})[0].Interface()
				if got := in.snapshot(d); panicked && !reflect.DeepEqual(got, want) {
					t.Errorf("%s.%s changes the container before it panics: %v, want %v", nameOf(in.of), m.Name, got, want)
				}
				d.(io.Closer).Close()
			}
			if !noticed {
				t.Errorf("%s.%s takes any allocator", nameOf(in.of), m.Name)
			}
		}
	}
}

// Numbers of elements that no memory holds are refused by every method that takes
// one, and none overflows.
func TestEveryOverflow(t *testing.T) {
	methods := 0
	for _, in := range injections {
		a := newChecked(t, mem.Scanned)
		c, err := in.setups[len(in.setups)-1](a)
		if err != nil {
			t.Fatal(err)
		}
		want := in.snapshot(c)
		a.failAt, a.onwards = 1, true
		for _, method := range []string{"EnsureTotalCapacity", "EnsureTotalCapacityPrecise", "EnsureUnusedCapacity", "AddMany", "AddManyUninit", "AppendN", "InsertMany", "Resize", "SetCapacity"} {
			m, ok := in.of.MethodByName(method)
			if !ok {
				continue
			}
			methods++
			for _, n := range []int{math.MaxInt, math.MaxInt - 1, math.MaxInt - lenOf(c) + 1, math.MaxInt / 2, math.MaxInt/8 + 1} {
				args := []reflect.Value{reflect.ValueOf(c)}
				for k := 1; k < m.Type.NumIn(); k++ {
					v := reflect.New(m.Type.In(k)).Elem()
					if v.Kind() == reflect.Int && (method != "InsertMany" || k == 2) {
						v.SetInt(int64(n))
					}
					args = append(args, v)
				}
				out := m.Func.Call(args)
				if err, _ := out[len(out)-1].Interface().(error); !errors.Is(err, mem.ErrOutOfMemory) {
					t.Errorf("%s.%s(%d): %v", nameOf(in.of), method, n, err)
				}
				if got := in.snapshot(c); !reflect.DeepEqual(got, want) {
					t.Fatalf("%s.%s(%d): %v, want %v", nameOf(in.of), method, n, got, want)
				}
			}
		}
		a.failAt = 0
		c.(io.Closer).Close()
	}
	if methods < 40 {
		t.Errorf("%d methods", methods)
	}
}

// Every iterator yields as many elements as there are, and ends when the loop
// does; what Drain did not get to stays, and what it got to is gone.
func TestEveryIterator(t *testing.T) {
	iterators := 0
	for _, in := range injections {
		name := nameOf(in.of)
		for i := range in.of.NumMethod() {
			m := in.of.Method(i)
			if m.Type.NumIn() != 1 || m.Type.NumOut() != 1 || m.Type.Out(0).Kind() != reflect.Func {
				continue
			}
			iterators++
			a := newChecked(t, mem.Scanned)
			c, err := in.setups[len(in.setups)-1](a)
			if err != nil {
				t.Fatal(err)
			}
			run := func(most int) (n int) {
				it := m.Func.Call([]reflect.Value{reflect.ValueOf(c)})[0]
				if it.Type().CanSeq2() {
					for range it.Seq2() {
						if n++; n == most {
							break
						}
					}
					return n
				}
				for range it.Seq() {
					if n++; n == most {
						break
					}
				}
				return n
			}
			all := lenOf(c)
			if name == "DynamicBitSet" { // whose length is not that of what is yielded
				if run(2) != 2 && !strings.HasSuffix(m.Name, "Unset") {
					t.Errorf("%s.%s yields next to nothing", name, m.Name)
				}
				all = 0
			}
			switch {
			case all == 0:
			case m.Name == "Drain":
				if n := run(1); n != 1 || lenOf(c) != all-1 {
					t.Errorf("%s.Drain, ended: %d elements, %d of %d left", name, n, lenOf(c), all)
				}
				if n := run(-1); n != all-1 || lenOf(c) != 0 {
					t.Errorf("%s.Drain: %d elements, %d of %d left", name, n, lenOf(c), all)
				}
			case m.Name == "Segments":
				if n := run(2); n > 2 {
					t.Errorf("%s.Segments goes on", name)
				}
			default:
				if n := run(1); n != 1 || lenOf(c) != all {
					t.Errorf("%s.%s, ended: %d elements", name, m.Name, n)
				}
				if n := run(-1); n != all || lenOf(c) != all {
					t.Errorf("%s.%s: %d elements of %d, %d are left", name, m.Name, n, all, lenOf(c))
				}
			}
			c.(io.Closer).Close()
		}
	}
	if iterators < 60 {
		t.Errorf("%d iterators", iterators)
	}
}

// mayChange says what the documentation of an iterator allows a loop over it to
// do: to add elements at the end, and to drop the last one.
var mayChange = map[string]string{
	"ArrayList.All": "add drop", "ArrayList.Values": "add drop", "ArrayList.Backward": "drop", "ArrayList.Drain": "add",
	"SegmentedList.All": "add drop", "SegmentedList.AllPtr": "add drop", "SegmentedList.Values": "add drop", "SegmentedList.Backward": "drop",
	"Deque.All": "add drop", "Deque.Values": "add drop", "Deque.Backward": "drop", "Deque.Drain": "add",
	"RingBuffer.All": "add", "RingBuffer.Values": "add", "RingBuffer.Backward": "drop",
	"PriorityQueue.Drain": "add", "PriorityDequeue.Drain": "add",
	"SinglyLinkedList.Drain": "add", "DoublyLinkedList.Drain": "add",
	"HashMap.All": "drop", "HashMap.AllPtr": "drop", "HashMap.Keys": "drop", "HashMap.Values": "drop",
	"HashSet.All": "drop", "StringHashMap.All": "drop", "StringHashMap.AllPtr": "drop", "StringHashMap.Values": "drop",
	"ArrayHashMap.All": "add drop", "ArrayHashMap.Backward": "drop",
	"BTreeMap.All": "add drop", "BTreeMap.AllPtr": "add drop", "BTreeMap.Keys": "add drop", "BTreeMap.Values": "add drop",
	"BTreeMap.Backward": "add drop", "BTreeMap.Drain": "add",
}

// A loop may change what it is over as far as the documentation says: it ends, and
// yields nothing that is not there when it comes to it.
func TestEveryIterationWhileChanging(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range subjects {
		name, plain := strings.CutSuffix(s.name, "/plain")
		if !plain {
			continue
		}
		typ := reflect.TypeOf(s.open(newChecked(t, mem.PlainOnly)).c)
		for i := range typ.NumMethod() {
			m := typ.Method(i)
			may := mayChange[name+"."+m.Name]
			if may == "" {
				continue
			}
			seen[name+"."+m.Name] = true
			b := s.open(newChecked(t, mem.PlainOnly))
			next := 0
			for ; next < 100; next++ {
				if err := b.add(next); err != nil {
					t.Fatal(err)
				}
			}
			steps := 0
			step := func(v reflect.Value) bool {
				if v.Kind() == reflect.Pointer {
					v = v.Elem()
				}
				if n := int(v.Int()); n < 0 || n >= next {
					t.Errorf("%s.%s: %d of %d", name, m.Name, n, next)
				}
				drops := 0
				if steps++; strings.Contains(may, "drop") && steps%3 == 0 {
					drops = 1
					if steps == 3 { // more than the loop has seen
						drops = 8
					}
				}
				for ; drops > 0 && b.c.Len() > 0; drops-- {
					next--
					b.drop(next)
				}
				if strings.Contains(may, "add") && steps%3 == 1 && steps < 100 {
					if err := b.add(next); err != nil {
						t.Fatal(err)
					}
					next++
				}
				return steps < 1000
			}
			it := m.Func.Call([]reflect.Value{reflect.ValueOf(b.c)})[0]
			if it.Type().CanSeq2() {
				for _, v := range it.Seq2() {
					if !step(v) {
						break
					}
				}
			} else {
				for v := range it.Seq() {
					if !step(v) {
						break
					}
				}
			}
			if steps < 40 || steps >= 1000 {
				t.Errorf("%s.%s: %d steps", name, m.Name, steps)
			}
			b.c.Close()
		}
	}
	for name := range mayChange {
		if !seen[name] {
			t.Errorf("%s was not tried", name)
		}
	}
}
