package heap_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// FuzzPool plays a program of operations on a pool and on a model of it.
func FuzzPool(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01\x00\x01\x01\x02\x05\x03\x00\x04"))
	f.Add([]byte{0x40, 0x00, 0xFF, 0x41, 0x00, 0x06, 0x07, 0x40, 0xFF, 0x01, 0x05, 0x06})
	f.Add([]byte{0x00, 0x00, 0x02, 0x00, 0x01, 0x02, 0x00, 0x03, 0x00, 0x08, 0x09, 0x0A})
	rng := rand.New(rand.NewPCG(5, 6))
	for range 4 {
		program := make([]byte, 200)
		for i := range program {
			program[i] = byte(rng.Uint32())
		}
		f.Add(program)
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 300 {
			return
		}
		gc := mem.NoGoPointers(heap.GC{})
		node := func(v *poolNode, n int) poolNode { return poolNode{v, n} }
		playPool(t, program, heap.NewPool[poolNode](allocatortest.New(t)), 0, node)
		playPool(t, program, heap.NewPoolWith[poolNode](allocatortest.New(t, allocatortest.Child(gc)), heap.PoolOptions{Max: 300, Align: mem.Align(32)}), 300, node)
		plain := func(v *poolPlain16, n int) poolPlain16 {
			return poolPlain16{uint64(uintptr(unsafe.Pointer(v))), uint64(n)}
		}
		playPool(t, program, heap.NewPool[poolPlain16](unscanned(t)), 0, plain)
		playPool(t, program, heap.NewPoolWith[poolPlain16](unscanned(t), heap.PoolOptions{Max: 300, Align: mem.Align(32)}), 300, plain)
	})
}

// playPool plays a program on p, which has room for most objects, or for any
// number if that is 0. The object v that is the nth to be created holds mark(v, n).
func playPool[T comparable](t *testing.T, program []byte, p *heap.Pool[T], most int, mark func(v *T, n int) T) {
	var live []*T
	values := map[*T]int{}
	serial := 0
	next := func() int {
		if len(program) == 0 {
			return 0
		}
		b := program[0]
		program = program[1:]
		return int(b)
	}
	create := func() {
		var v *T
		var err error
		fresh := serial%3 == 2
		if fresh {
			v, err = p.New(mark(nil, serial))
		} else {
			v, err = p.Create()
		}
		if most != 0 && len(live) == most {
			if err != mem.ErrLimit {
				t.Fatalf("Create of a full pool: %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := values[v]; twice || !fresh && *v != *new(T) || fresh && *v != mark(nil, serial) {
			t.Fatalf("Create: %p is live or not as asked: %v", v, *v)
		}
		serial++
		*v = mark(v, serial)
		values[v] = serial
		live = append(live, v)
	}
	destroy := func(k int) {
		v := live[k]
		if *v != mark(v, values[v]) {
			t.Fatalf("object holds %v, want %d", *v, values[v])
		}
		p.Destroy(v)
		delete(values, v)
		live[k] = live[len(live)-1]
		live = live[:len(live)-1]
		if serial%2 == 0 && p.Owns(v) {
			t.Fatal("a dead object is owned")
		}
		if len(live)%32 == 0 { // reports are slow
			expectMisuse(t, heap.DoubleFree, func() { p.Destroy(v) })
		}
	}
	for len(program) > 0 {
		op := next()
		switch op % 16 {
		case 0, 1, 2:
			create()
		case 3, 4:
			for range next() {
				create()
			}
		case 5, 6:
			if len(live) > 0 {
				destroy(next() * len(live) / 256)
			}
		case 7, 8:
			for range min(next(), len(live)) {
				destroy((op * 7) % len(live))
			}
			for range op / 16 { // the last one, again and again
				if n := len(live); n < most || most == 0 {
					create()
					destroy(n)
				}
			}
		case 9:
			p.Reset()
			live, values = live[:0], map[*T]int{}
		case 10:
			p.ResetTo(next() * 100)
			live, values = live[:0], map[*T]int{}
		case 11:
			before := p.Stats()
			if freed := p.Trim(); before.Bytes-freed != p.Stats().Bytes {
				t.Fatalf("Trim: %d freed, %+v then %+v", freed, before, p.Stats())
			}
		case 12:
			n := next()
			if err := p.Preheat(n); err != nil && (most == 0 || n <= most-len(live)) {
				t.Fatal(err)
			}
			if s := p.Stats(); s.Slots-s.Live < n && (most == 0 || n <= most-len(live)) {
				t.Fatalf("Preheat(%d): %+v", n, s)
			}
		case 13:
			seen := 0
			for v := range p.All() {
				if _, ok := values[v]; !ok {
					t.Fatalf("All: %p is not live", v)
				}
				seen++
			}
			if seen != len(live) {
				t.Fatalf("All: %d, want %d", seen, len(live))
			}
		case 14:
			if len(live) > 0 {
				inside := (*T)(unsafe.Add(unsafe.Pointer(live[0]), unsafe.Sizeof(uintptr(0))))
				expectMisuse(t, heap.InteriorFree, func() { p.Destroy(inside) })
			}
			expectMisuse(t, heap.ForeignFree, func() { p.Destroy(new(T)) })
		case 15:
			p.Release()
			live, values = live[:0], map[*T]int{}
		}
		if op < 128 && p.Len() != len(live) {
			t.Fatalf("Len %d, want %d", p.Len(), len(live))
		}
	}
	for _, v := range live {
		if *v != mark(v, values[v]) || !p.Owns(v) {
			t.Fatalf("object holds %v, want %d", *v, values[v])
		}
	}
	err := p.Close()
	var leak *heap.LeakError
	if (err != nil) != (len(live) > 0) || err != nil && (!errors.As(err, &leak) || leak.Blocks != len(live)) {
		t.Fatalf("Close with %d live: %v", len(live), err)
	}
}
