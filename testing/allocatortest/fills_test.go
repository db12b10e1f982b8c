package allocatortest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// sumOf adds up n numbers of which it wrote only some.
func sumOf(a mem.Allocator, n, written int) (int, error) {
	s, err := mem.AllocUninit[byte](a, n)
	if err != nil {
		return 0, err
	}
	defer mem.Free(a, s)
	for i := range written {
		s[i] = byte(i)
	}
	sum := 0
	for _, v := range s {
		sum += int(v)
	}
	return sum, nil
}

func TestCheckFills(t *testing.T) {
	for _, tt := range []struct {
		name string
		fn   func(a mem.Allocator) (int, error)
		says []string // nothing: all is well
	}{
		{"Right", func(a mem.Allocator) (int, error) { return sumOf(a, 100, 100) }, nil},
		{"Zeroed", func(a mem.Allocator) (int, error) {
			s, err := mem.Alloc[int](a, 100)
			defer mem.Free(a, s)
			return s[99], err
		}, nil},
		{"Bools", func(a mem.Allocator) (int, error) {
			s, err := mem.AllocUninit[bool](a, 100)
			defer mem.Free(a, s)
			if s[99] {
				return 1, err
			}
			return 0, err
		}, nil},
		{"OneShort", func(a mem.Allocator) (int, error) {
			if _, err := sumOf(a, 10, 10); err != nil {
				return 0, err
			}
			return sumOf(a, 100, 99)
		}, []string{"of zeros\n\t4851\nof ones\n\t5106", "it depends on the block allocated by", "sumOf", "TestCheckFills"}},
		{"Grown", func(a mem.Allocator) (int, error) {
			s, err := mem.AllocUninit[int32](a, 10)
			if err != nil {
				return 0, err
			}
			clear(s)
			if r, ok := mem.Remap(a, s, 20); ok {
				s = r // and what is new is not zero, since nobody asked for it
			}
			defer mem.Free(a, s)
			return int(s[len(s)-1]), nil
		}, nil}, // the typed layer asks for zeroes
		{"Freed", func(a mem.Allocator) (int, error) {
			s, err := mem.Alloc[byte](a, 100)
			mem.Free(a, s)
			return int(s[7]), err
		}, []string{"it depends on memory that was freed"}},
		{"Crash", func(a mem.Allocator) (int, error) {
			s, err := mem.AllocUninit[int16](a, 10)
			defer mem.Free(a, s)
			var table [1]int
			return table[s[3]], err
		}, []string{"of zeros\n\t0\nof ones\n\tpanic: runtime error: index out of range", "TestCheckFills"}},
		{"Error", func(a mem.Allocator) (int, error) {
			s, err := mem.AllocUninit[byte](a, 10)
			defer mem.Free(a, s)
			if s[0] == 0xFF {
				err = errors.New("bad magic")
			}
			return 0, err
		}, []string{"of ones\n\terror bad magic"}},
		{"Leak", func(a mem.Allocator) (int, error) {
			_, err := mem.Alloc[byte](a, 10)
			return 0, err
		}, []string{"leaked 1 block of 10 bytes"}},
		{"Fails", func(a mem.Allocator) (int, error) { return 0, errors.New("no") }, []string{"error no, want success"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := allocatortest.NewRecorder()
			allocatortest.CheckFills(r, tt.fn)
			if tt.says == nil {
				if f := r.Failures(); len(f) != 0 {
					t.Errorf("found %q", f)
				}
				return
			}
			want(t, r, tt.says...)
			if all := r.Failures()[0]; tt.name == "OneShort" && strings.Count(all, "sumOf") != 1 {
				t.Errorf("%s\nnames more than the block", all)
			}
		})
	}
}
