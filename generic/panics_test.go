package generic_test

import (
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// Close of the managed forms is what io.Closer asks for.
var (
	_ io.Closer = (*generic.ArrayList[int])(nil)
	_ io.Closer = (*generic.HashMap[int, int])(nil)
	_ io.Closer = (*generic.StringHashMap[int])(nil)
)

// A container that no constructor made says which one to call. What needs no
// allocator works, Close among it.
func TestZeroManaged(t *testing.T) {
	var l generic.ArrayList[int]
	var m generic.HashMap[int, int]
	var s generic.StringHashMap[int]
	const list = " (the zero ArrayList has no allocator; call NewArrayList)"
	const hash = " (the zero HashMap has no allocator; call NewHashMap)"
	const str = " (the zero StringHashMap has no allocator; call NewStringHashMap)"
	for want, f := range map[string]func(){
		"generic: ArrayList.Append: nil Allocator" + list:                  func() { l.Append(1) },
		"generic: ArrayList.AppendSlice: nil Allocator" + list:             func() { l.AppendSlice([]int{1}) },
		"generic: ArrayList.AppendN: nil Allocator" + list:                 func() { l.AppendN(1, 1) },
		"generic: ArrayList.AddOne: nil Allocator" + list:                  func() { l.AddOne() },
		"generic: ArrayList.AddMany: nil Allocator" + list:                 func() { l.AddMany(1) },
		"generic: ArrayList.Insert: nil Allocator" + list:                  func() { l.Insert(0, 1) },
		"generic: ArrayList.InsertSlice: nil Allocator" + list:             func() { l.InsertSlice(0, []int{1}) },
		"generic: ArrayList.ReplaceRange: nil Allocator" + list:            func() { l.ReplaceRange(0, 0, []int{1}) },
		"generic: ArrayList.Resize: nil Allocator" + list:                  func() { l.Resize(1) },
		"generic: ArrayList.EnsureTotalCapacity: nil Allocator" + list:     func() { l.EnsureTotalCapacity(1) },
		"generic: ArrayList.EnsureUnusedCapacity: nil Allocator" + list:    func() { l.EnsureUnusedCapacity(1) },
		"generic: ArrayList.Clone: nil Allocator" + list:                   func() { l.Clone() },
		"generic: ArrayList.ToOwnedSlice: nil Allocator" + list:            func() { l.ToOwnedSlice() },
		"generic: HashMap.Put: nil Allocator" + hash:                       func() { m.Put(1, 1) },
		"generic: HashMap.FetchPut: nil Allocator" + hash:                  func() { m.FetchPut(1, 1) },
		"generic: HashMap.GetOrPut: nil Allocator" + hash:                  func() { m.GetOrPut(1) },
		"generic: HashMap.EnsureTotalCapacity: nil Allocator" + hash:       func() { m.EnsureTotalCapacity(1) },
		"generic: HashMap.EnsureUnusedCapacity: nil Allocator" + hash:      func() { m.EnsureUnusedCapacity(1) },
		"generic: HashMap.Clone: nil Allocator" + hash:                     func() { m.Clone() },
		"generic: StringHashMap.Put: nil Allocator" + str:                  func() { s.Put("", 1) },
		"generic: StringHashMap.FetchPut: nil Allocator" + str:             func() { s.FetchPut("x", 1) },
		"generic: StringHashMap.GetOrPut: nil Allocator" + str:             func() { s.GetOrPut("x") },
		"generic: StringHashMap.EnsureTotalCapacity: nil Allocator" + str:  func() { s.EnsureTotalCapacity(1) },
		"generic: StringHashMap.EnsureUnusedCapacity: nil Allocator" + str: func() { s.EnsureUnusedCapacity(1) },
		"generic: StringHashMap.Clone: nil Allocator" + str:                func() { s.Clone() },
	} {
		mustPanic(t, want, f, want)
	}
	if m.Remove(1) || s.Remove("x") || l.Len()+m.Len()+s.Len() != 0 {
		t.Error("the zero containers hold something")
	}
	m.ShrinkAndFree()
	s.ShrinkAndFree()
	l.ClearAndFree()
	if err := errors.Join(l.Close(), m.Close(), s.Close()); err != nil {
		t.Error(err)
	}

	l.FromBuffer(make([]int, 1)) // whose memory is there already
	if err := l.Append(1); err != nil {
		t.Error(err)
	}
	mustPanic(t, "of a buffer", func() { l.ToOwnedSlice() }, "generic: ArrayList.ToOwnedSlice: nil Allocator"+list)
	mustPanic(t, "constructor", func() { generic.NewHashMap[int, int](nil) }, "generic: NewHashMap: nil Allocator")
}

// A negative number of elements is a mistake and never a request for nothing.
func TestNegativeNumbers(t *testing.T) {
	a := allocatortest.New(t)
	l := generic.NewArrayList[int](a)
	defer l.Close()
	m := generic.NewHashMap[int, int](a)
	defer m.Close()
	s := generic.NewStringHashMap[int](a)
	defer s.Close()
	try := func() {
		for _, n := range []int{-1, -5, math.MinInt} {
			for want, f := range map[string]func(){
				"generic: ArrayList.EnsureTotalCapacity: negative capacity":        func() { l.EnsureTotalCapacity(n) },
				"generic: ArrayList.EnsureTotalCapacityPrecise: negative capacity": func() { l.EnsureTotalCapacityPrecise(n) },
				"generic: ArrayList.EnsureUnusedCapacity: negative count":          func() { l.EnsureUnusedCapacity(n) },
				"generic: ArrayList.Resize: negative length":                       func() { l.Resize(n) },
				"generic: ArrayList.AppendN: negative count":                       func() { l.AppendN(1, n) },
				"generic: ArrayList.AddMany: negative count":                       func() { l.AddManyUninit(n) },
				"generic: ArrayList: negative count":                               func() { l.AddManyBounded(n) },
				"generic: HashMap.EnsureTotalCapacity: negative capacity":          func() { m.EnsureTotalCapacity(n) },
				"generic: HashMap.EnsureUnusedCapacity: negative count":            func() { m.EnsureUnusedCapacity(n) },
				"generic: StringHashMap.EnsureTotalCapacity: negative capacity":    func() { s.EnsureTotalCapacity(n) },
				"generic: StringHashMap.EnsureUnusedCapacity: negative count":      func() { s.EnsureUnusedCapacity(n) },
			} {
				mustPanic(t, want, f, want)
			}
			mustPanic(t, "AddManyAssumeCapacity", func() { l.AddManyAssumeCapacity(n) }, "negative count")
			mustPanic(t, "ShrinkAndFree", func() { l.ShrinkAndFree(n) })
			mustPanic(t, "ShrinkRetainingCapacity", func() { l.ShrinkRetainingCapacity(n) })
		}
	}
	try()
	_, err := s.Put("one", 1)
	if err := errors.Join(err, l.AppendN(1, 3), m.Put(1, 1)); err != nil {
		t.Fatal(err)
	}
	try()
	if l.Len() != 3 || m.Len() != 1 || s.Len() != 1 {
		t.Error(l.Len(), m.Len(), s.Len())
	}

	// The good twin: nothing is asked for, nothing happens.
	if err := errors.Join(l.EnsureTotalCapacity(0), l.EnsureTotalCapacityPrecise(0), l.EnsureUnusedCapacity(0),
		m.EnsureTotalCapacity(0), s.EnsureTotalCapacity(0)); err != nil {
		t.Error(err)
	}
}

// Off the Go heap, strings are keys of a StringHashMap only.
func TestStringKeysOffTheHeap(t *testing.T) {
	var pe *mem.PointerError
	m := generic.NewHashMap[string, int](heap.Page{})
	defer m.Close()
	if err := m.Put("one", 1); !errors.As(err, &pe) || m.Len() != 0 {
		t.Error(err)
	}
	s := generic.NewStringHashMap[int](heap.Page{})
	defer s.Close()
	if _, err := s.Put("one", 1); err != nil || s.Len() != 1 {
		t.Error(err)
	}
}

// A function that panics half way leaves an ArrayHashMap with every entry that
// was not removed, once, and each is found.
func TestArrayHashMapPanicInFunc(t *testing.T) {
	for _, n := range []int{6, 60} { // without an index, and with one
		for at := range n {
			for name, f := range map[string]func(m *generic.ArrayHashMap[int, string], tick func()){
				"DeleteFunc": func(m *generic.ArrayHashMap[int, string], tick func()) {
					m.DeleteFunc(func(k int, _ string) bool { tick(); return k%3 == 0 })
				},
				"SortFunc": func(m *generic.ArrayHashMap[int, string], tick func()) {
					m.SortFunc(func(i, j int) int { tick(); return m.Keys()[j] - m.Keys()[i] })
				},
				"SortStableFunc": func(m *generic.ArrayHashMap[int, string], tick func()) {
					m.SortStableFunc(func(i, j int) int { tick(); return m.Keys()[j] - m.Keys()[i] })
				},
			} {
				m := generic.NewArrayHashMap[int, string](heap.GC{})
				for k := range n {
					noError(t, m.Put(k, strconv.Itoa(k)))
				}
				calls := 0
				mustPanic(t, name, func() {
					f(m, func() {
						if calls++; calls > at {
							panic("half way")
						}
					})
				}, "half way")
				want := n
				if name == "DeleteFunc" {
					want -= (at + 2) / 3
				}
				if m.Len() != want || len(m.Values()) != want {
					t.Errorf("%s of %d, panic at %d: %d keys, %d values, want %d", name, n, at, m.Len(), len(m.Values()), want)
				}
				for k := range n {
					v, ok := m.Get(k)
					removed := name == "DeleteFunc" && k < at && k%3 == 0
					if ok == removed || ok && v != strconv.Itoa(k) {
						t.Errorf("%s of %d, panic at %d: Get(%d) = %q, %t", name, n, at, k, v, ok)
					}
				}
				noError(t, m.Close())
			}
		}
	}
}

// A key that cannot be hashed replaces none.
func TestArrayHashMapSetKeyUnhashable(t *testing.T) {
	m := generic.NewArrayHashMap[any, int](heap.GC{})
	defer m.Close()
	for k := range 20 {
		noError(t, m.Put(k, k))
	}
	mustPanic(t, "SetKey", func() { m.SetKey(3, []int{}) })
	for k := range 20 {
		if v, ok := m.Get(k); !ok || v != k {
			t.Errorf("Get(%d) = %d, %t", k, v, ok)
		}
	}
}

// A container that has its elements in another one names itself.
func TestZeroManagedNested(t *testing.T) {
	var q generic.PriorityQueue[int, generic.Ascending[int]]
	var d generic.PriorityDequeue[int, generic.Ascending[int]]
	var b generic.StringBuilder
	var s generic.BitStack
	var n generic.DynamicBitSet
	var set generic.BufSet
	for method, f := range map[string]func(){
		"PriorityQueue.Push":                         func() { q.Push(1) },
		"PriorityQueue.PushSlice":                    func() { q.PushSlice([]int{1}) },
		"PriorityQueue.ToOwnedSlice":                 func() { q.ToOwnedSlice() },
		"PriorityQueue.EnsureTotalCapacity":          func() { q.EnsureTotalCapacity(1) },
		"PriorityQueue.EnsureTotalCapacityPrecise":   func() { q.EnsureTotalCapacityPrecise(1) },
		"PriorityQueue.EnsureUnusedCapacity":         func() { q.EnsureUnusedCapacity(1) },
		"PriorityQueue.Clone":                        func() { q.Clone() },
		"PriorityDequeue.Push":                       func() { d.Push(1) },
		"PriorityDequeue.PushSlice":                  func() { d.PushSlice([]int{1}) },
		"PriorityDequeue.ToOwnedSlice":               func() { d.ToOwnedSlice() },
		"PriorityDequeue.EnsureTotalCapacity":        func() { d.EnsureTotalCapacity(1) },
		"PriorityDequeue.EnsureTotalCapacityPrecise": func() { d.EnsureTotalCapacityPrecise(1) },
		"PriorityDequeue.EnsureUnusedCapacity":       func() { d.EnsureUnusedCapacity(1) },
		"PriorityDequeue.Clone":                      func() { d.Clone() },
		"StringBuilder.Append":                       func() { b.Write([]byte{1}) },
		"StringBuilder.AppendString":                 func() { b.WriteString("x") },
		"StringBuilder.AppendByte":                   func() { b.WriteByte(1) },
		"StringBuilder.AppendRune":                   func() { b.WriteRune('x') },
		"StringBuilder.ToOwnedString":                func() { b.ToOwnedString() },
		"StringBuilder.EnsureUnusedCapacity":         func() { b.EnsureUnusedCapacity(1) },
		"StringBuilder.Clone":                        func() { b.Clone() },
		"BitStack.Push":                              func() { s.Push(true) },
		"BitStack.EnsureTotalCapacity":               func() { s.EnsureTotalCapacity(1) },
		"BitStack.EnsureUnusedCapacity":              func() { s.EnsureUnusedCapacity(1) },
		"BitStack.Clone":                             func() { s.Clone() },
		"DynamicBitSet.Resize":                       func() { n.Resize(1, true) },
		"DynamicBitSet.Clone":                        func() { n.Clone() },
		"BufSet.Insert":                              func() { set.Insert("x") },
		"BufSet.EnsureUnusedCapacity":                func() { set.EnsureUnusedCapacity(1) },
		"BufSet.Clone":                               func() { set.Clone() },
	} {
		c, _, _ := strings.Cut(method, ".")
		want := "generic: " + method + ": nil Allocator (the zero " + c + " has no allocator; call New" + c + ")"
		mustPanic(t, want, f, want)
	}
}
