package heap_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

func TestArenaRandom(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 1))
		a := heap.NewArena(heap.GC{})
		type block struct {
			b   []byte
			v   byte
			l   mem.Layout
			dep int
		}
		var live []block
		var marks []heap.Mark
		fill := func(b []byte, v byte) {
			for i := range b {
				b[i] = v
			}
		}
		verify := func() {
			for _, k := range live {
				if !bytes.Equal(k.b, bytes.Repeat([]byte{k.v}, len(k.b))) {
					t.Fatalf("seed %d: block %p len %d changed", seed, k.b, len(k.b))
				}
			}
		}
		for op := range 300 {
			switch r.IntN(12) {
			case 0, 1, 2, 3, 4:
				n := 1 + r.IntN(1<<r.IntN(16))
				l := mem.Layout{Align: mem.AlignLog2(r.IntN(8)), Zero: r.IntN(2) == 0}
				b, err := a.Alloc(n, l)
				if err != nil {
					t.Fatal(err)
				}
				if l.Zero && !bytes.Equal(b, make([]byte, n)) {
					t.Fatalf("seed %d op %d: not zero", seed, op)
				}
				v := byte(r.IntN(255) + 1)
				fill(b, v)
				live = append(live, block{b, v, l, len(marks)})
			case 5, 6:
				if len(live) > 0 {
					i := len(live) - 1
					if r.IntN(2) == 0 {
						i = r.IntN(len(live))
					}
					a.Free(live[i].b, live[i].l)
					live = append(live[:i], live[i+1:]...)
				}
			case 7, 8:
				if len(live) > 0 {
					i := len(live) - 1
					if r.IntN(2) == 0 {
						i = r.IntN(len(live))
					}
					k := &live[i]
					n := 1 + r.IntN(1<<r.IntN(16))
					f := a.Resize
					if r.IntN(2) == 0 {
						f = a.Remap
					}
					if b, ok := f(k.b, k.l, n); ok {
						m := min(n, len(k.b))
						if !bytes.Equal(b[:m], bytes.Repeat([]byte{k.v}, m)) {
							t.Fatal("resize lost")
						}
						if k.l.Zero && !bytes.Equal(b[m:], make([]byte, n-m)) {
							t.Fatalf("seed %d op %d: grown not zero", seed, op)
						}
						k.b = b
						fill(b, k.v)
					}
				}
			case 9:
				marks = append(marks, a.Mark())
			case 10:
				if n := len(marks); n > 0 {
					if r.IntN(4) == 0 {
						a.Keep(marks[n-1])
						for i := range live {
							live[i].dep = min(live[i].dep, n-1)
						}
					} else {
						a.Rewind(marks[n-1])
						k := live[:0]
						for _, x := range live {
							if x.dep < n {
								k = append(k, x)
							}
						}
						live = k
					}
					marks = marks[:n-1]
				}
			case 11:
				if len(marks) == 0 && r.IntN(3) == 0 {
					switch r.IntN(3) {
					case 0:
						a.Reset()
					case 1:
						a.ResetTo(r.IntN(100000))
					case 2:
						a.Release()
					}
					live = nil
				}
			}
			verify()
			st := a.Stats()
			if st.InUse > st.Capacity || st.Wasted > st.Capacity {
				t.Fatalf("%+v", st)
			}
		}
		for len(marks) > 0 {
			a.Rewind(marks[len(marks)-1])
			marks = marks[:len(marks)-1]
		}
		a.Close()
	}
}
