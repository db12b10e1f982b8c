package rt_test

import (
	"reflect"
	"runtime"
	"testing"
	"unsafe"
	"weak"

	"github.com/allod-dev/allod/internal/rt"
	"github.com/allod-dev/allod/internal/rtype"
)

// The collector must see what is stored in the array, and nothing else may keep
// the array alive.
func TestNewArray(t *testing.T) {
	type elem struct {
		n int
		p *[16]int
	}
	for _, n := range []int{1, 2, 100, 10000} {
		s := unsafe.Slice((*elem)(rt.NewArray(rtype.For[elem](), n)), n)
		watch := make([]weak.Pointer[[16]int], n)
		for i := range s {
			if s[i] != (elem{}) {
				t.Fatalf("NewArray(elem, %d): element %d is %v, want zero", n, i, s[i])
			}
			s[i].p = &[16]int{i}
			watch[i] = weak.Make(s[i].p)
		}
		runtime.GC()
		runtime.GC()
		for i := range s {
			if s[i].p[0] != i || watch[i].Value() != s[i].p {
				t.Fatalf("NewArray(elem, %d): what element %d pointed to was collected", n, i)
			}
		}
		runtime.KeepAlive(s)
		s = nil
		runtime.GC()
		runtime.GC()
		for i := range watch {
			if watch[i].Value() != nil {
				t.Fatalf("NewArray(elem, %d): target %d outlived the array", n, i)
			}
		}
	}
}

func BenchmarkNewArray(b *testing.B) {
	t := reflect.TypeFor[*int]()
	for _, n := range []int{1, 512} {
		name := map[int]string{1: "n=1", 512: "n=512"}[n]
		b.Run("impl=rt/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rt.NewArray(rtype.Of(t), n)
			}
		})
		b.Run("impl=reflect/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if n == 1 {
					_ = reflect.New(t).UnsafePointer()
				} else {
					_ = reflect.MakeSlice(reflect.SliceOf(t), n, n).UnsafePointer()
				}
			}
		})
	}
}
