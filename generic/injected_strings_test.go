package generic_test

import (
	"maps"
	"slices"
	"strings"
	"testing/iotest"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

var stringInjections = []injection{
	inject(none, false, []int{0, 7, 12, 14, -7, -25}, func(a mem.Allocator, n int) (*generic.StringHashMap[int], error) {
		m := generic.NewStringHashMap[int](a)
		for i := range n {
			if _, err := m.Put(stringKey(i), i); err != nil {
				return nil, err
			}
		}
		return m, nil
	}, func(m *generic.StringHashMap[int]) any {
		entries := map[string]int{}
		for k, v := range m.All() {
			entries[strings.Clone(k)] = v
		}
		return []any{entries, m.Cap()}
	}, operations[*generic.StringHashMap[int]]{
		"Clone":                func(m *generic.StringHashMap[int], n int) error { return closing(m.Clone()) },
		"EnsureTotalCapacity":  func(m *generic.StringHashMap[int], n int) error { return m.EnsureTotalCapacity(100) },
		"EnsureUnusedCapacity": func(m *generic.StringHashMap[int], n int) error { return m.EnsureUnusedCapacity(100) },
		"FetchPut":             func(m *generic.StringHashMap[int], n int) error { _, _, err := m.FetchPut("new", 1); return err },
		"GetOrPut":             func(m *generic.StringHashMap[int], n int) error { _, err := m.GetOrPut("new"); return err },
		"GetOrPutAdapted": func(m *generic.StringHashMap[int], n int) error {
			c := generic.NewStringHashMap[int](m.Allocator()) // with a Context
			defer c.Close()
			c.SetContext(&hashed)
			_, err := c.GetOrPutAdapted(is(&hashed, "new"))
			return err
		},
		"GetOrPutValue": func(m *generic.StringHashMap[int], n int) error { _, err := m.GetOrPutValue("new", 1); return err },
		"Put":           func(m *generic.StringHashMap[int], n int) error { _, err := m.Put("new", 1); return err },
		"Put: no bytes": func(m *generic.StringHashMap[int], n int) error { _, err := m.Put("", 1); return err },
		"PutBytes":      func(m *generic.StringHashMap[int], n int) error { _, err := m.PutBytes([]byte("new"), 1); return err },
		"ShrinkAndFree": func(m *generic.StringHashMap[int], n int) error {
			m.DeleteFunc(func(_ string, v int) bool { return v >= 2 })
			m.ShrinkAndFree()
			return nil
		},
	}),
	inject(none, false, []int{0, 7, 14, -7, -25}, func(a mem.Allocator, n int) (*generic.StringHashSet, error) {
		s := generic.NewStringHashSet(a)
		for i := range n {
			if _, _, err := s.Add(stringKey(i)); err != nil {
				return nil, err
			}
		}
		return s, nil
	}, func(s *generic.StringHashSet) any { return []any{cloned(s.All()), s.Cap()} }, operations[*generic.StringHashSet]{
		"AddAdapted": func(s *generic.StringHashSet, n int) error {
			c := generic.NewStringHashSet(s.Allocator()) // with a Context
			defer c.Close()
			c.SetContext(&hashed)
			_, _, err := c.AddAdapted(is(&hashed, "new"))
			return err
		},
		"Add":                  func(s *generic.StringHashSet, n int) error { _, _, err := s.Add("new"); return err },
		"Clone":                func(s *generic.StringHashSet, n int) error { return closing(s.Clone()) },
		"EnsureTotalCapacity":  func(s *generic.StringHashSet, n int) error { return s.EnsureTotalCapacity(100) },
		"EnsureUnusedCapacity": func(s *generic.StringHashSet, n int) error { return s.EnsureUnusedCapacity(90) },
		"ShrinkAndFree": func(s *generic.StringHashSet, n int) error {
			s.DeleteFunc(func(k string) bool { return k > stringKey(1) })
			s.ShrinkAndFree()
			return nil
		},
	}),
	inject(none, false, []int{1, 4, 6}, func(a mem.Allocator, n int) (*generic.BufMap, error) { // 4 rows and 6 slots fill their blocks
		m := generic.NewBufMap(a)
		for i := range n {
			if err := m.Put(stringKey(i), "value"); err != nil {
				return m, err
			}
		}
		return m, nil
	}, func(m *generic.BufMap) any { return clones(m.All()) }, operations[*generic.BufMap]{
		"Clone":                       func(m *generic.BufMap, n int) error { return closing(m.Clone()) },
		"EnsureUnusedCapacity":        func(m *generic.BufMap, n int) error { return m.EnsureUnusedCapacity(100) },
		"Put":                         func(m *generic.BufMap, n int) error { return m.Put("new", "value") },
		"Put: of a key that is there": func(m *generic.BufMap, n int) error { return m.Put(stringKey(0), "another value") },
		"PutMove":                     putMove,
	}),
	inject(none, false, []int{1, 4, 6}, func(a mem.Allocator, n int) (*generic.BufSet, error) {
		s := generic.NewBufSet(a)
		for i := range n {
			if err := s.Insert(stringKey(i)); err != nil {
				return s, err
			}
		}
		return s, nil
	}, func(s *generic.BufSet) any { return cloned(s.All()) }, operations[*generic.BufSet]{
		"Clone":                func(s *generic.BufSet, n int) error { return closing(s.Clone()) },
		"EnsureUnusedCapacity": func(s *generic.BufSet, n int) error { return s.EnsureUnusedCapacity(100) },
		"Insert":               func(s *generic.BufSet, n int) error { return s.Insert("new") },
	}),
	inject(none, false, []int{0, 6}, func(a mem.Allocator, n int) (*generic.StringPool, error) {
		p := generic.NewStringPool(a)
		for i := range n {
			if _, err := p.Intern(stringKey(i) + strings.Repeat(".", 160)); err != nil {
				return p, err
			}
		}
		return p, nil
	}, func(p *generic.StringPool) any { return maps.Collect(p.All()) }, operations[*generic.StringPool]{
		"Clone":                func(p *generic.StringPool, n int) error { return closing(p.Clone()) },
		"EnsureUnusedCapacity": func(p *generic.StringPool, n int) error { return p.EnsureUnusedCapacity(100, 10_000) },
		"Intern":               func(p *generic.StringPool, n int) error { _, err := p.Intern("longer than what is left"); return err },
		"InternBytes": func(p *generic.StringPool, n int) error {
			_, err := p.InternBytes([]byte("longer than what is left"))
			return err
		},
	}),
	inject(none, false, []int{3, full}, func(a mem.Allocator, n int) (*generic.StringBuilder, error) {
		b := generic.NewStringBuilder(a)
		if err := b.EnsureUnusedCapacity(5); err != nil {
			return b, err
		}
		_, err := b.WriteString(strings.Repeat("x", min(n, b.Cap())))
		return b, err
	}, func(b *generic.StringBuilder) any { return []any{strings.Clone(b.String()), b.Cap()} }, operations[*generic.StringBuilder]{
		"Clone":                func(b *generic.StringBuilder, n int) error { return closing(b.Clone()) },
		"EnsureUnusedCapacity": func(b *generic.StringBuilder, n int) error { return b.EnsureUnusedCapacity(100) },
		"ToOwnedString": func(b *generic.StringBuilder, n int) error {
			s, err := b.ToOwnedString()
			if err == nil {
				mem.FreeString(b.Allocator(), s)
			}
			return err
		},
		"Write":     func(b *generic.StringBuilder, n int) error { _, err := b.Write([]byte(b.String())); return err },
		"WriteByte": func(b *generic.StringBuilder, n int) error { return b.WriteByte('x') },
		"WriteRune": func(b *generic.StringBuilder, n int) error { _, err := b.WriteRune('€'); return err },
		"WriteString": func(b *generic.StringBuilder, n int) error {
			_, err := b.WriteString("more than there is room for")
			return err
		},
	}),
	inject(none, false, []int{full}, func(a mem.Allocator, n int) (*generic.Buffer, error) {
		b := generic.NewBuffer(a)
		if err := b.EnsureUnusedCapacity(1); err != nil {
			return b, err
		}
		_, err := b.WriteString(strings.Repeat("x", min(n, b.Cap())))
		return b, err
	}, func(b *generic.Buffer) any { return []any{b.String(), b.Cap()} }, operations[*generic.Buffer]{
		"Clone":                func(b *generic.Buffer, n int) error { return closing(b.Clone()) },
		"EnsureUnusedCapacity": func(b *generic.Buffer, n int) error { return b.EnsureUnusedCapacity(100) },
		"ReadFrom": func(b *generic.Buffer, n int) error {
			_, err := b.ReadFrom(iotest.DataErrReader(strings.NewReader("text")))
			return err
		},
		"Write: of itself": func(b *generic.Buffer, n int) error { _, err := b.Write(b.Bytes()); return err },
		"WriteByte":        func(b *generic.Buffer, n int) error { return b.WriteByte(1) },
		"WriteRune":        func(b *generic.Buffer, n int) error { _, err := b.WriteRune('€'); return err },
		"WriteString": func(b *generic.Buffer, n int) error {
			_, err := b.WriteString("more than there is room for")
			return err
		},
	}),
}

// many puts entries one after the other, so that some of the shards of a
// container grow, and removes them if one fails.
func many(put func(k int) error, remove func(k int) bool) error {
	for k := range 24 {
		if err := put(1000 + k); err != nil {
			for i := range k {
				remove(1000 + i)
			}
			return err
		}
	}
	return nil
}

type (
	sharedMap     = *generic.ConcurrentMap[int, link]
	sharedStrings = *generic.StringConcurrentMap[link]
)

var sharedInjections = []injection{
	inject(none, true, []int{0, 100}, func(a mem.Allocator, n int) (sharedMap, error) {
		m := generic.NewConcurrentMap[int, link](a)
		for i := range n {
			if err := m.Put(i, links[i]); err != nil {
				return nil, err
			}
		}
		return m, nil
	}, func(m sharedMap) any { return maps.Collect(m.All()) }, operations[sharedMap]{
		"Clone":    func(m sharedMap, n int) error { return closing(m.Clone()) },
		"FetchPut": func(m sharedMap, n int) error { _, _, err := m.FetchPut(n, links[1]); return err },
		"GetOrPut": func(m sharedMap, n int) error { _, _, err := m.GetOrPut(n, links[1]); return err },
		"Put":      func(m sharedMap, n int) error { return m.Put(n, links[1]) },
		"Put: many": func(m sharedMap, n int) error {
			return many(func(k int) error { return m.Put(k, links[1]) }, m.Remove)
		},
		"Update": func(m sharedMap, n int) error {
			return m.Update(n, func(*link, bool) bool { return true })
		},
		"Update: many": func(m sharedMap, n int) error {
			return many(func(k int) error { return m.Update(k, func(*link, bool) bool { return true }) }, m.Remove)
		},
	}),
	inject(none, true, []int{0, 100}, func(a mem.Allocator, n int) (sharedStrings, error) {
		m := generic.NewStringConcurrentMap[link](a)
		for i := range n {
			if err := m.Put(stringKey(i), links[i]); err != nil {
				return nil, err
			}
		}
		return m, nil
	}, func(m sharedStrings) any {
		entries := map[string]link{}
		for k, v := range m.All() {
			entries[strings.Clone(k)] = v
		}
		return entries
	}, operations[sharedStrings]{
		"Clone":    func(m sharedStrings, n int) error { return closing(m.Clone()) },
		"FetchPut": func(m sharedStrings, n int) error { _, _, err := m.FetchPut("new", links[1]); return err },
		"GetOrPut": func(m sharedStrings, n int) error { _, _, err := m.GetOrPut("new", links[1]); return err },
		"Put":      func(m sharedStrings, n int) error { return m.Put("new", links[1]) },
		"PutBytes": func(m sharedStrings, n int) error { return m.PutBytes([]byte("new"), links[1]) },
		"Put: many": func(m sharedStrings, n int) error {
			return many(func(k int) error { return m.Put(stringKey(k), links[1]) }, func(k int) bool { return m.Remove(stringKey(k)) })
		},
		"Update": func(m sharedStrings, n int) error {
			return m.Update("new", func(*link, bool) bool { return true })
		},
	}),
	inject(none, false, []int{0, 100}, func(a mem.Allocator, n int) (*generic.ConcurrentBufMap, error) {
		m := generic.NewConcurrentBufMap(a)
		for i := range n {
			if err := m.Put(stringKey(i), []byte("value")); err != nil {
				return nil, err
			}
		}
		return m, nil
	}, func(m *generic.ConcurrentBufMap) any {
		entries := map[string]string{}
		for k, v := range m.All() {
			entries[strings.Clone(k)] = string(v)
		}
		return entries
	}, operations[*generic.ConcurrentBufMap]{
		"Clone": func(m *generic.ConcurrentBufMap, n int) error { return closing(m.Clone()) },
		"Put":   func(m *generic.ConcurrentBufMap, n int) error { return m.Put("new", []byte("value")) },
		"Put: of a key that may be there": func(m *generic.ConcurrentBufMap, n int) error {
			return m.Put(stringKey(0), []byte("another value"))
		},
		"Put: many": func(m *generic.ConcurrentBufMap, n int) error {
			return many(func(k int) error { return m.Put(stringKey(k), []byte("value")) }, func(k int) bool { return m.Remove(stringKey(k)) })
		},
	}),
	// A cache gives up what it has before it fails, but not what it is to replace.
	inject(allocatortest.FailureOptions{MaySwallow: true}, false, []int{0, 5, 16, 24}, func(a mem.Allocator, n int) (*generic.Cache, error) {
		c := generic.NewCache(a, 1<<20)
		for i := range n {
			if err := c.Put(stringKey(i), []byte("value")); err != nil {
				return nil, err
			}
		}
		return c, nil
	}, func(c *generic.Cache) any { return c.Contains("new") }, operations[*generic.Cache]{
		"Put": func(c *generic.Cache, n int) error { return c.Put("new", []byte("value")) },
		"Put: of a key that may be there": func(c *generic.Cache, n int) error {
			had := c.Contains(stringKey(0))
			err := c.Put(stringKey(0), []byte("another value"))
			if v, ok := c.AppendGet(nil, stringKey(0)); err != nil && had && (!ok || string(v) != "value") {
				panic("a Put that failed gave up what it was to replace")
			}
			return err
		},
	}),
}

// cloned returns strings of their own.
func cloned(seq func(func(string) bool)) (s []string) {
	for k := range seq {
		s = append(s, strings.Clone(k))
	}
	slices.Sort(s)
	return s
}

// putMove has the map take over a key and a value, which are the caller's where
// it fails.
func putMove(m *generic.BufMap, _ int) error {
	a := m.Allocator()
	k, err := mem.DupeString(a, "new")
	if err != nil {
		return err
	}
	v, err := mem.DupeString(a, "value")
	if err != nil {
		mem.FreeString(a, k)
		return err
	}
	if err = m.PutMove(k, v); err != nil {
		mem.FreeString(a, k)
		mem.FreeString(a, v)
	}
	return err
}
