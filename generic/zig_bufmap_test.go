package generic_test

import (
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

func TestZigBufMap(t *testing.T) {
	set := func(t *testing.T, a mem.Allocator, v ...string) *generic.BufSet {
		s := generic.NewBufSet(a)
		t.Cleanup(func() { s.Close() })
		for _, v := range v {
			noError(t, s.Insert(v))
		}
		return s
	}
	runZig(t, []zigTest{
		{"BufMap", func(t *testing.T, a mem.Allocator) {
			m := generic.NewBufMap(a)
			defer m.Close()
			for _, v := range []string{"1", "2", "3"} {
				noError(t, m.Put("x", v))
				got, ok := m.Get("x")
				mustEqual(t, "Get", got, v)
				mustEqual(t, "Get", ok, true)
				mustEqual(t, "length", m.Len(), 1)
			}
			mustEqual(t, "Remove", m.Remove("x"), true)
			mustEqual(t, "length", m.Len(), 0)
			for _, v := range []string{"v1", "v2"} {
				noError(t, m.PutMove(mem.Must(mem.DupeString(a, "k")), mem.Must(mem.DupeString(a, v))))
				got, _ := m.Get("k")
				mustEqual(t, "Get", got, v)
			}
		}},
		{"BufSet", func(t *testing.T, a mem.Allocator) {
			s := set(t, a, "x")
			mustEqual(t, "length", s.Len(), 1)
			mustEqual(t, "Remove", s.Remove("x"), true)
			mustEqual(t, "length", s.Len(), 0)
			noError(t, s.Insert("x"), s.Insert("y"), s.Insert("z"))
			mustEqual(t, "strings", slices.Collect(s.All()), []string{"x", "y", "z"})
		}},
		{"clone", func(t *testing.T, a mem.Allocator) {
			s := set(t, a, "x")
			c, err := s.Clone()
			noError(t, err)
			defer c.Close()
			c.Remove("x")
			mustEqual(t, "lengths", []int{s.Len(), c.Len()}, []int{1, 0})
			u := set(t, a, "x").ToUnmanaged()
			defer u.Close(a)
			_, err = u.Clone(&refuser{})
			noRoom(t, "Clone", err)
		}},
		{"clone with arena", func(t *testing.T, a mem.Allocator) {
			u := set(t, a, "member1", "member2").ToUnmanaged()
			defer u.Close(a)
			arena := &bump{buf: make([]uint64, 1<<10)}
			c, err := u.Clone(arena) // and it is not closed
			noError(t, err)
			mustEqual(t, "strings", slices.Collect(c.All()), []string{"member1", "member2"})
		}},
	})
}
