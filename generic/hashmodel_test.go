package generic_test

import (
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

// An anyMap is what the maps of package generic have in common.
type anyMap[K comparable, V any] interface {
	Put(k K, v V) error
	FetchPut(k K, v V) (V, bool, error)
	GetOrPut(k K) (generic.Slot[K, V], error)
	Get(k K) (V, bool)
	GetPtr(k K) *V
	Contains(k K) bool
	Remove(k K) bool
	FetchRemove(k K) (V, bool)
	DeleteFunc(del func(K, V) bool)
	EnsureTotalCapacity(n int) error
	EnsureUnusedCapacity(n int) error
	Len() int
	Cap() int
	Clear()
	ClearAndFree()
	ShrinkAndFree()
	All() iter.Seq2[K, V]
	Drain() iter.Seq2[K, V]
	Close() error
}

// A clonable is an anyMap that closes itself and returns a clone.
type clonable[K comparable, V any] interface {
	clone() (anyMap[K, V], error)
}

func cloneMap[K comparable, V any](m anyMap[K, V]) (anyMap[K, V], error) {
	return m.(clonable[K, V]).clone()
}

// A HashMap is an anyMap as it is. What embeds one has all its methods compiled
// twice more, for every type.
func cloneHashMap[K comparable, V any](am anyMap[K, V]) (anyMap[K, V], error) {
	m := am.(*generic.HashMap[K, V])
	c, err := m.Clone()
	if err != nil {
		return m, err
	}
	m.Rehash()
	m.Close()
	return c, nil
}

type stringMap[V any] struct{ *generic.StringHashMap[V] }

func (stringMap[V]) ownsKeys() bool { return true }

func (m stringMap[V]) Put(k string, v V) error {
	own, err := m.StringHashMap.Put(k, v)
	if got, ok := m.GetKey(k); err == nil && (!ok || got != own || own != k) {
		return fmt.Errorf("the map's copy of %q is %q", k, own)
	}
	return err
}

func (m stringMap[V]) clone() (anyMap[string, V], error) {
	c, err := m.Clone()
	if err != nil {
		return m, err
	}
	m.Rehash()
	m.Close()
	return stringMap[V]{c}, nil
}

// arrayMap compares the order of the entries as well.
type arrayMap[K comparable, V any] struct {
	*generic.ArrayHashMap[K, V]
	t     *testing.T
	order *[]K
}

func newArrayMap[K comparable, V any](t *testing.T, a mem.Allocator) anyMap[K, V] {
	return arrayMap[K, V]{generic.NewArrayHashMap[K, V](a), t, new([]K)}
}

func (m arrayMap[K, V]) noted(k K, err error) {
	if err == nil && !slices.Contains(*m.order, k) {
		*m.order = append(*m.order, k)
	}
	if !slices.Equal(m.Keys(), *m.order) || len(m.Values()) != len(*m.order) {
		m.t.Fatalf("keys %v, want %v", m.Keys(), *m.order)
	}
}

func (m arrayMap[K, V]) Put(k K, v V) error {
	err := m.ArrayHashMap.Put(k, v)
	m.noted(k, err)
	return err
}

func (m arrayMap[K, V]) FetchPut(k K, v V) (V, bool, error) {
	old, had, err := m.ArrayHashMap.FetchPut(k, v)
	m.noted(k, err)
	return old, had, err
}

func (m arrayMap[K, V]) GetOrPut(k K) (generic.Slot[K, V], error) {
	s, err := m.ArrayHashMap.GetOrPut(k)
	m.noted(k, err)
	return s, err
}

func (m arrayMap[K, V]) Remove(k K) bool {
	i := m.Index(k)
	ok := m.OrderedRemove(k)
	if ok {
		*m.order = slices.Delete(*m.order, i, i+1)
		m.noted(k, mem.ErrLimit)
	}
	return ok
}

func (m arrayMap[K, V]) FetchRemove(k K) (V, bool) {
	i := m.Index(k)
	v, ok := m.FetchSwapRemove(k)
	if ok {
		last := len(*m.order) - 1
		(*m.order)[i] = (*m.order)[last]
		*m.order = (*m.order)[:last]
		m.noted(k, mem.ErrLimit)
	}
	return v, ok
}

func (m arrayMap[K, V]) DeleteFunc(del func(K, V) bool) {
	m.ArrayHashMap.DeleteFunc(del)
	*m.order = slices.DeleteFunc(*m.order, func(k K) bool { return !m.Contains(k) })
	m.noted(*new(K), mem.ErrLimit)
}

// All allows to remove the entry just yielded.
func (m arrayMap[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for k, v := range maps.Collect(m.ArrayHashMap.All()) {
			if m.Contains(k) && !yield(k, v) {
				return
			}
		}
	}
}

func (m arrayMap[K, V]) Drain() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for k, v := range m.ArrayHashMap.Drain() {
			*m.order = (*m.order)[:m.Len()]
			if !yield(k, v) {
				return
			}
		}
	}
}

func (m arrayMap[K, V]) Clear()        { m.ArrayHashMap.Clear(); *m.order = nil }
func (m arrayMap[K, V]) ClearAndFree() { m.ArrayHashMap.ClearAndFree(); *m.order = nil }

func (m arrayMap[K, V]) clone() (anyMap[K, V], error) {
	c, err := m.Clone()
	if err != nil {
		return m, err
	}
	m.Close()
	return arrayMap[K, V]{c, m.t, m.order}, nil
}

// An anySet is what the sets have in common, which a map without values is.
type anySet[K comparable] interface {
	Get(k K) (K, bool)
	Contains(k K) bool
	Remove(k K) bool
	DeleteFunc(del func(K) bool)
	EnsureTotalCapacity(n int) error
	EnsureUnusedCapacity(n int) error
	Len() int
	Cap() int
	Clear()
	ClearAndFree()
	ShrinkAndFree()
	Rehash()
	All() iter.Seq[K]
	Drain() iter.Seq[K]
	Close() error
}

type setMap[K comparable] struct {
	anySet[K]
	add    func(k K) (added bool, err error)
	cloned func() (setMap[K], error)
}

func hashSetMap[K comparable](s *generic.HashSet[K]) setMap[K] {
	return setMap[K]{s, s.Add, func() (setMap[K], error) {
		c, err := s.Clone()
		return hashSetMap(c), err
	}}
}

func stringSetMap(s *generic.StringHashSet) setMap[string] {
	add := func(k string) (bool, error) {
		own, added, err := s.Add(k)
		if got, ok := s.Get(k); err == nil && (!ok || got != own || own != k) {
			return false, fmt.Errorf("the set's copy of %q is %q", k, own)
		}
		return added, err
	}
	return setMap[string]{s, add, func() (setMap[string], error) {
		c, err := s.Clone()
		return stringSetMap(c), err
	}}
}

func (s setMap[K]) Put(k K, _ struct{}) error {
	_, err := s.add(k)
	return err
}

func (s setMap[K]) FetchPut(k K, _ struct{}) (_ struct{}, had bool, err error) {
	added, err := s.add(k)
	return struct{}{}, err == nil && !added, err
}

func (s setMap[K]) GetOrPut(k K) (generic.Slot[K, struct{}], error) {
	added, err := s.add(k)
	own, _ := s.anySet.Get(k)
	return generic.Slot[K, struct{}]{Key: own, Value: new(struct{}), Found: !added}, err
}

func (s setMap[K]) Get(k K) (_ struct{}, ok bool) {
	_, ok = s.anySet.Get(k)
	return struct{}{}, ok
}

func (s setMap[K]) GetPtr(k K) *struct{} {
	if s.Contains(k) {
		return new(struct{})
	}
	return nil
}

func (s setMap[K]) FetchRemove(k K) (_ struct{}, ok bool) { return struct{}{}, s.Remove(k) }

func (s setMap[K]) DeleteFunc(del func(K, struct{}) bool) {
	s.anySet.DeleteFunc(func(k K) bool { return del(k, struct{}{}) })
}

func (s setMap[K]) All() iter.Seq2[K, struct{}]   { return paired(s.anySet.All()) }
func (s setMap[K]) Drain() iter.Seq2[K, struct{}] { return paired(s.anySet.Drain()) }

func paired[K any](seq iter.Seq[K]) iter.Seq2[K, struct{}] {
	return func(yield func(K, struct{}) bool) { seq(func(k K) bool { return yield(k, struct{}{}) }) }
}

func (s setMap[K]) ownsKeys() bool {
	_, owns := any(s.anySet).(*generic.StringHashSet)
	return owns
}

func (s setMap[K]) clone() (anyMap[K, struct{}], error) {
	c, err := s.cloned()
	if err != nil {
		return s, err
	}
	s.Rehash()
	s.Close()
	return c, nil
}

// mapModel returns a program that runs on the map that make returns and on a Go
// map. Of the former, clone returns a clone, and closes it.
func mapModel[K, V comparable](make func(t *testing.T, a mem.Allocator) anyMap[K, V], clone func(anyMap[K, V]) (anyMap[K, V], error), key func(byte) K, value func(byte) V) modelProgram {
	return func(t *testing.T, a *checked, p *tape) {
		r := &mapRun[K, V]{t: t, p: p, m: make(t, a), clone: clone, model: map[K]V{}, key: key, value: value}
		defer func() { r.m.Close() }()
		for p.more() {
			op := p.next() % 20
			err := r.step(op)
			if err != nil && a.failed == 0 {
				t.Fatalf("operation %d: %v", op, err)
			}
			if r.m.Len() != len(r.model) || r.m.Cap() < r.m.Len() {
				t.Fatalf("operation %d: len %d, cap %d; want %d", op, r.m.Len(), r.m.Cap(), len(r.model))
			}
			k := r.key(p.next())
			want, ok := r.model[k]
			if got, had := r.m.Get(k); got != want || had != ok || r.m.Contains(k) != ok || (r.m.GetPtr(k) != nil) != ok {
				t.Fatalf("operation %d: Get(%v): %v, %v; want %v, %v", op, k, got, had, want, ok)
			}
		}
		if got := maps.Collect(r.m.All()); !maps.Equal(got, r.model) {
			t.Fatalf("%v, want %v", got, r.model)
		}
	}
}

type mapRun[K, V comparable] struct {
	t     *testing.T
	p     *tape
	m     anyMap[K, V]
	clone func(anyMap[K, V]) (anyMap[K, V], error)
	model map[K]V
	key   func(byte) K
	value func(byte) V
	buf   []byte
}

// pass returns a key and what is passed to the map for it: of a string, bytes
// that are overwritten when the next one is passed.
func (r *mapRun[K, V]) pass() (passed, k K) {
	k = r.key(r.p.next())
	if s, ok := any(k).(string); ok {
		for i := range r.buf {
			r.buf[i] = '!'
		}
		r.buf = append(r.buf[:0], s...)
		if m, ok := r.m.(interface{ ownsKeys() bool }); ok && m.ownsKeys() {
			return any(stringOf(r.buf)).(K), k
		}
	}
	return k, k
}

func (r *mapRun[K, V]) step(op byte) (err error) {
	t, m, p, model := r.t, r.m, r.p, r.model
	switch op {
	case 0, 1, 2, 3:
		pass, k := r.pass()
		v := r.value(p.next())
		if err = m.Put(pass, v); err == nil {
			model[k] = v
		}
	case 4, 5:
		pass, k := r.pass()
		v := r.value(p.next())
		var old V
		var had bool
		if old, had, err = m.FetchPut(pass, v); err == nil {
			if want, ok := model[k]; had != ok || old != want {
				t.Fatalf("FetchPut(%v): %v, %v; want %v, %v", k, old, had, want, ok)
			}
			model[k] = v
		}
	case 6, 7, 8:
		pass, k := r.pass()
		v := r.value(p.next())
		var s generic.Slot[K, V]
		s, err = m.GetOrPut(pass)
		want, ok := model[k]
		if err == nil {
			if s.Found != ok || *s.Value != want || s.Key != k {
				t.Fatalf("GetOrPut(%v): %v, %v; want %v, %v", k, *s.Value, s.Found, want, ok)
			}
			*s.Value = v
			model[k] = v
		} else if ok {
			t.Fatalf("GetOrPut of a key that is there: %v", err)
		}
	case 9, 10, 11:
		pass, k := r.pass()
		_, ok := model[k]
		if got := m.Remove(pass); got != ok {
			t.Fatalf("Remove(%v): %v, want %v", k, got, ok)
		}
		delete(model, k)
	case 12:
		pass, k := r.pass()
		want, ok := model[k]
		if got, had := m.FetchRemove(pass); got != want || had != ok {
			t.Fatalf("FetchRemove(%v): %v, %v; want %v, %v", k, got, had, want, ok)
		}
		delete(model, k)
	case 13:
		n := int(p.next())
		if err = m.EnsureUnusedCapacity(n); err == nil && m.Cap() < m.Len()+n {
			t.Fatalf("capacity %d, want %d", m.Cap(), m.Len()+n)
		}
	case 14:
		n := int(p.next())
		if err = m.EnsureTotalCapacity(n); err == nil && m.Cap() < n {
			t.Fatalf("capacity %d, want %d", m.Cap(), n)
		}
	case 15:
		r.m, err = r.clone(m)
	case 16:
		switch p.next() % 8 {
		case 0:
			m.Clear()
			clear(model)
		case 1:
			m.ClearAndFree()
			clear(model)
		default:
			m.ShrinkAndFree()
		}
	case 17:
		r.removing()
	case 18:
		b := p.next()
		m.DeleteFunc(func(k K, v V) bool {
			if b += 7; b%3 == 0 {
				delete(model, k)
			}
			return b%3 == 0
		})
	case 19:
		n := int(p.next()) % 8
		for k, v := range m.Drain() {
			if want, ok := model[k]; !ok || want != v {
				t.Fatalf("Drain: %v, %v; want %v, %v", k, v, want, ok)
			}
			delete(model, k)
			if n--; n < 0 {
				break
			}
		}
	}
	return err
}

// removing removes entries while it iterates.
func (r *mapRun[K, V]) removing() {
	b, i := r.p.next(), byte(0)
	seen := map[K]bool{}
	for k, v := range r.m.All() {
		if want, ok := r.model[k]; !ok || v != want || seen[k] {
			r.t.Fatalf("All: %v, %v; want %v, %v", k, v, want, ok)
		}
		if s, ok := any(k).(string); ok {
			k = any(strings.Clone(s)).(K)
		}
		seen[k] = true
		*r.m.GetPtr(k) = r.value(b)
		r.model[k] = r.value(b)
		if i++; i%4 == b%4 {
			r.m.Remove(k)
			delete(r.model, k)
		}
		if i%8 == b%8 { // another one, maybe yet to come
			k := r.key(i * b)
			r.m.Remove(k)
			delete(r.model, k)
		}
	}
	for k := range r.model {
		if !seen[k] {
			r.t.Fatalf("All did not yield %v", k)
		}
	}
}

type padded struct {
	a byte
	b uint32
}

type triple [3]uint16

func id(b byte) byte { return b }

func intOf(b byte) int { return int(b) }

func boxed(b byte) *box { return &boxes[b] }

var boxes [256]box

func words(b byte) string { return strings.Repeat(string('a'+rune(b%7)), int(b)%23) }

func newHashMap[K comparable, V any](_ *testing.T, a mem.Allocator) anyMap[K, V] {
	return generic.NewHashMap[K, V](a)
}

func newStringMap[V any](_ *testing.T, a mem.Allocator) anyMap[string, V] {
	return stringMap[V]{generic.NewStringHashMap[V](a)}
}

func newHashSet[K comparable](_ *testing.T, a mem.Allocator) anyMap[K, struct{}] {
	return hashSetMap(generic.NewHashSet[K](a))
}

func newStringSet(_ *testing.T, a mem.Allocator) anyMap[string, struct{}] {
	return stringSetMap(generic.NewStringHashSet(a))
}

// mapModels are maps of every kind, for memory that holds no pointers. Each pair
// of types is a map to compile: where types do not matter, they are those that
// other tests have.
var mapModels = []modelProgram{
	mapModel(newHashMap, cloneHashMap, func(b byte) uint64 { return uint64(b) << 32 }, func(b byte) uint32 { return uint32(b) }),
	mapModel(newHashMap, cloneHashMap, id, func(byte) struct{} { return struct{}{} }),
	mapModel(newHashMap, cloneHashMap, func(b byte) triple { return triple{uint16(b), 1, uint16(b % 3)} }, id),
	mapModel(newHashMap, cloneHashMap, func(b byte) padded { return padded{b, uint32(b) * 7} }, func(b byte) wide { return wide{c: uint64(b)} }),
	mapModel(newHashMap, cloneHashMap, func(b byte) float64 {
		if b == 0 {
			return math.Copysign(0, -1)
		}
		return float64(b - b%2)
	}, intOf),
	mapModel(newHashMap, cloneHashMap, func(b byte) struct{} { return struct{}{} }, id),
	mapModel(newHashSet, cloneMap, intOf, func(byte) struct{} { return struct{}{} }),
	mapModel(newStringSet, cloneMap, words, func(byte) struct{} { return struct{}{} }),
	mapModel(newStringMap, cloneMap, words, id),
	mapModel(newStringMap, cloneMap, words, func(byte) struct{} { return struct{}{} }),
	mapModel(newArrayMap, cloneMap, intOf, intOf),
	mapModel(newArrayMap, cloneMap, id, func(byte) struct{} { return struct{}{} }),
	mapModel(newArrayMap, cloneMap, func(b byte) padded { return padded{b, uint32(b) * 7} }, func(b byte) wide { return wide{c: uint64(b)} }),
}

// pointerMapModels are for memory that holds pointers, or for which the promise
// is given.
var pointerMapModels = []modelProgram{
	mapModel(newHashMap, cloneHashMap, func(b byte) string { return links[b].name }, func(b byte) *link { return &links[b] }),
	mapModel(newHashMap, cloneHashMap, boxed, boxed),
	mapModel(newHashSet, cloneMap, boxed, func(byte) struct{} { return struct{}{} }),
	mapModel(newStringMap, cloneMap, words, func(b byte) link { return links[b] }),
	mapModel(newArrayMap, cloneMap, func(b byte) string { return links[b].name }, func(b byte) *link { return &links[b] }),
}

func playMaps(t *testing.T, a *checked, ops []byte) {
	run := mapModels
	if a.answer != mem.PlainOnly {
		run = append(slices.Clip(run), pointerMapModels...)
	}
	for _, f := range run {
		f(t, a, &tape{ops})
	}
	if a.answer == mem.Scanned {
		mapModel(newHashMap, cloneHashMap, func(b byte) any {
			if b%2 == 0 {
				return b
			}
			return links[b].name
		}, intOf)(t, a, &tape{ops})
	}
}

func TestMapModels(t *testing.T) {
	variants(t, func(t *testing.T, a *checked) {
		for seed := range uint64(generic.Rounds(2)) {
			playMaps(t, a, program(seed, 1500))
		}
	})
}

// The same with a directory, which else only maps of many entries have.
func TestMapModelsParts(t *testing.T) {
	for _, groups := range []int{1, 2, 8} {
		t.Run(fmt.Sprint(groups), func(t *testing.T) {
			defer generic.SmallParts(groups)()
			variants(t, func(t *testing.T, a *checked) { playMaps(t, a, program(uint64(groups), 1200)) })
		})
	}
}

func FuzzMaps(f *testing.F) {
	for seed := range uint64(3) {
		f.Add(byte(seed), byte(seed*7), program(seed+100, 300))
	}
	f.Fuzz(func(t *testing.T, mode, fail byte, ops []byte) {
		if len(ops) > 3000 {
			return
		}
		a := newChecked(t, mem.Pointers(mode%3))
		a.failAt, a.onwards = int(fail), mode&16 != 0
		if mode&32 != 0 {
			defer generic.SmallParts(1 << (mode >> 6))()
		}
		playMaps(t, a, ops)
	})
}
