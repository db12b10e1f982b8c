package rt_test

import (
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/internal/asan"
	"github.com/allod-dev/allod/internal/rt"
	"github.com/allod-dev/allod/internal/rtype"
)

var global int

func TestGoMemory(t *testing.T) {
	if _, known := rt.GoMemory(0); known != rt.Linked {
		t.Fatalf("GoMemory: known %t, Linked %t", known, rt.Linked)
	}
	if !rt.Linked {
		t.Skip("the hooks are not compiled into this build")
	}
	onStack := 0
	onHeap := new([100]int)
	inside := uintptr(unsafe.Pointer(&onHeap[50]))
	for _, c := range []struct {
		name string
		addr uintptr
		want bool
	}{
		{"heap", uintptr(unsafe.Pointer(onHeap)), true},
		{"heap, interior", inside, true},
		{"stack", uintptr(unsafe.Pointer(&onStack)), true},
		{"global", uintptr(unsafe.Pointer(&global)), false},
		{"nil", 0, false},
		{"small", 42, false},
		{"all ones", ^uintptr(0), false},
		{"poison", 0xAAAAAAAA << (unsafe.Sizeof(uintptr(0))*8 - 32), false},
	} {
		if is, _ := rt.GoMemory(c.addr); is != c.want {
			t.Errorf("GoMemory(%s at %#x) = %t, want %t", c.name, c.addr, is, c.want)
		}
	}
	sink = onHeap
}

var sink any

func TestClearArray(t *testing.T) {
	type pair struct {
		s string
		p *int
	}
	for _, n := range []int{0, 1, 2, 63, 64, 65, 127, 128, 1000} {
		s := make([]pair, n+2)
		for i := range s {
			s[i] = pair{"x", new(int)}
		}
		rt.ClearArray(rtype.For[pair](), unsafe.Pointer(&s[1]), n)
		for i := range s {
			cleared := s[i] == pair{}
			if want := i >= 1 && i <= n; cleared != want {
				t.Fatalf("n %d: element %d cleared: %t, want %t", n, i, cleared, want)
			}
		}
	}
	s := make([]pair, 1000)
	if n := testing.AllocsPerRun(100, func() {
		rt.ClearArray(rtype.For[pair](), unsafe.Pointer(&s[0]), len(s))
	}); n != 0 && !asan.Enabled { // whose builds allocate more
		t.Errorf("ClearArray allocates %v times", n)
	}
}
