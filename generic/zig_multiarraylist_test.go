package generic_test

import (
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

func TestZigMultiArrayList(t *testing.T) {
	type foo struct {
		a uint32
		B mem.String // a string is for memory that is scanned
		c byte
	}
	var (
		colA = generic.ColumnOf(func(v *foo) *uint32 { return &v.a })
		colC = generic.ColumnOf(func(v *foo) *byte { return &v.c })
	)
	type pair struct {
		a uint8
		b uint32
	}
	pairA, pairB := generic.ColumnOf(func(v *pair) *uint8 { return &v.a }), generic.ColumnOf(func(v *pair) *uint32 { return &v.b })
	runZig(t, []zigTest{
		{"basic usage", func(t *testing.T, a mem.Allocator) {
			l := generic.NewMultiArrayList[foo](a)
			defer l.Close()
			mustEqual(t, "items", len(colA.Items(l)), 0)
			noError(t, l.EnsureTotalCapacity(2))
			l.AppendAssumeCapacity(foo{a: 1, c: 'a'})
			noError(t, l.AppendBounded(foo{a: 2, c: 'b'}), l.Append(foo{a: 3, c: 'c'}))
			for i := range 6 {
				noError(t, l.Append(foo{a: uint32(4 + i), c: byte('d' + i)}))
			}
			mustEqual(t, "a", colA.Items(l), []uint32{1, 2, 3, 4, 5, 6, 7, 8, 9})
			mustEqual(t, "c", string(colC.Items(l)), "abcdefghi")
			l.ShrinkAndFree(3)
			mustEqual(t, "a", colA.Items(l), []uint32{1, 2, 3})
			mustEqual(t, "c", string(colC.Items(l)), "abc")
			noRoom(t, "AppendBounded", l.AppendBounded(foo{}))
			noError(t, l.Resize(4))
			l.Set(3, foo{a: 4, c: 'd'})
			pops(t, l.Pop, foo{a: 4, c: 'd'}, foo{a: 3, c: 'c'}, foo{a: 2, c: 'b'}, foo{a: 1, c: 'a'})
			l.Clear()
			mustEqual(t, "capacity", l.Cap() > 0, true)
			l.ClearAndFree()
			mustEqual(t, "length, capacity", []int{l.Len(), l.Cap()}, []int{0, 0})
		}},
		{"regression test for @reduce bug", func(t *testing.T, a mem.Allocator) {
			l := generic.NewMultiArrayList[pair](a)
			defer l.Close()
			noError(t, l.EnsureTotalCapacity(20))
			for i := range 32 {
				noError(t, l.Append(pair{uint8(i), uint32(4 * i)}))
			}
			for i := range 32 {
				mustEqual(t, "row", pair{pairA.Items(l)[i], pairB.Items(l)[i]}, pair{uint8(i), uint32(4 * i)})
			}
		}},
		{"ensure capacity on empty list", func(t *testing.T, a mem.Allocator) {
			l := generic.NewMultiArrayList[pair](a)
			defer l.Close()
			for n, rows := range [][]pair{{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}, {{9, 10}, {11, 12}}} {
				l.Clear()
				noError(t, l.EnsureTotalCapacity([]int{2, 0, 16}[n]))
				l.AppendAssumeCapacity(rows[0])
				l.AppendAssumeCapacity(rows[1])
				mustEqual(t, "a", pairA.Items(l), []uint8{rows[0].a, rows[1].a})
				mustEqual(t, "b", pairB.Items(l), []uint32{rows[0].b, rows[1].b})
			}
		}},
		{"insert elements", func(t *testing.T, a mem.Allocator) {
			l := generic.NewMultiArrayList[pair](a)
			defer l.Close()
			noError(t, l.EnsureTotalCapacityPrecise(2), l.InsertBounded(0, pair{1, 2}))
			l.InsertAssumeCapacity(1, pair{2, 3})
			noError(t, l.Insert(0, pair{3, 4}))
			mustEqual(t, "a", pairA.Items(l), []uint8{3, 1, 2})
			mustEqual(t, "b", pairB.Items(l), []uint32{4, 2, 3})
		}},
		{"initCapacity", func(t *testing.T, a mem.Allocator) {
			l := generic.NewMultiArrayList[pair](a)
			defer l.Close()
			noError(t, l.EnsureTotalCapacityPrecise(404))
			mustEqual(t, "length, capacity", []int{l.Len(), l.Cap()}, []int{0, 404})
		}},
		{"union", nil}, // Go has none
		{"sorting a span", func(t *testing.T, a mem.Allocator) {
			l := generic.NewMultiArrayList[pair](a)
			defer l.Close()
			var next [256]uint32
			for _, c := range []byte("bacabcbcbababcbaaccacbacabbccbababcbaaccac") {
				next[c]++
				noError(t, l.Append(pair{c, next[c]}))
			}
			before := slices.Collect(l.Values())
			l.SortRangeStableFunc(6, 21, func(i, j int) int { return int(pairA.Items(l)[i]) - int(pairA.Items(l)[j]) })
			got := slices.Collect(l.Values())
			mustEqual(t, "before", got[:6], before[:6])
			mustEqual(t, "behind", got[21:], before[21:])
			for k := 6; k < 21; k++ {
				want := pair{"abc"[(k-6)/5], uint32(3 + (k-6)%5)}
				mustEqual(t, "row", got[k], want)
			}
		}},
		{"0 sized struct field", func(t *testing.T, a mem.Allocator) {
			type empty struct {
				a struct{}
				b float32
			}
			colA, colB := generic.ColumnOf(func(v *empty) *struct{} { return &v.a }), generic.ColumnOf(func(v *empty) *float32 { return &v.b })
			l := generic.NewMultiArrayList[empty](a)
			defer l.Close()
			mustEqual(t, "items", []int{len(colA.Items(l)), len(colB.Items(l))}, []int{0, 0})
			noError(t, l.Append(empty{b: 42}), l.Insert(0, empty{b: -1}))
			mustEqual(t, "a", len(colA.Items(l)), 2)
			mustEqual(t, "b", colB.Items(l), []float32{-1, 42})
			l.SwapRemove(l.Len() - 1)
			mustEqual(t, "a", len(colA.Items(l)), 1)
			mustEqual(t, "b", colB.Items(l), []float32{-1})
		}},
		{"0 sized struct", func(t *testing.T, _ mem.Allocator) {
			type empty struct{ a struct{} }
			col := generic.ColumnOf(func(v *empty) *struct{} { return &v.a })
			l := generic.NewMultiArrayList[empty](&refuser{})
			mustEqual(t, "items", len(col.Items(l)), 0)
			noError(t, l.Append(empty{}), l.Insert(0, empty{}))
			mustEqual(t, "items", len(col.Items(l)), 2)
			l.SwapRemove(1)
			mustEqual(t, "items", len(col.Items(l)), 1)
		}},
		{"struct with many fields", func(t *testing.T, a mem.Allocator) {
			l := generic.NewMultiArrayList[manyFields](a)
			defer l.Close()
			noError(t, l.Resize(1))
			generic.ColumnOf(func(v *manyFields) *uint32 { return &v.A0 }).Items(l)[0] = 42
			generic.ColumnOf(func(v *manyFields) *uint32 { return &v.T9 }).Items(l)[0] = 43
			v := l.Get(0)
			mustEqual(t, "fields", []uint32{v.A0, v.A1, v.T8, v.T9}, []uint32{42, 0, 0, 43})
		}},
		{"orderedRemoveMany", func(t *testing.T, a mem.Allocator) {
			l := generic.NewMultiArrayList[pair](a)
			defer l.Close()
			for i := range 10 {
				noError(t, l.Append(pair{b: uint32(i)}))
			}
			zigRemoveMany(t, l.OrderedRemoveMany, func() (got []int) {
				for _, v := range pairB.Items(l) {
					got = append(got, int(v))
				}
				return got
			})
		}},
	})
}

// manyFields has two hundred of them.
type manyFields struct {
	A0, A1, A2, A3, A4, A5, A6, A7, A8, A9 uint32
	B0, B1, B2, B3, B4, B5, B6, B7, B8, B9 uint32
	C0, C1, C2, C3, C4, C5, C6, C7, C8, C9 uint32
	D0, D1, D2, D3, D4, D5, D6, D7, D8, D9 uint32
	E0, E1, E2, E3, E4, E5, E6, E7, E8, E9 uint32
	F0, F1, F2, F3, F4, F5, F6, F7, F8, F9 uint32
	G0, G1, G2, G3, G4, G5, G6, G7, G8, G9 uint32
	H0, H1, H2, H3, H4, H5, H6, H7, H8, H9 uint32
	I0, I1, I2, I3, I4, I5, I6, I7, I8, I9 uint32
	J0, J1, J2, J3, J4, J5, J6, J7, J8, J9 uint32
	K0, K1, K2, K3, K4, K5, K6, K7, K8, K9 uint32
	L0, L1, L2, L3, L4, L5, L6, L7, L8, L9 uint32
	M0, M1, M2, M3, M4, M5, M6, M7, M8, M9 uint32
	N0, N1, N2, N3, N4, N5, N6, N7, N8, N9 uint32
	O0, O1, O2, O3, O4, O5, O6, O7, O8, O9 uint32
	P0, P1, P2, P3, P4, P5, P6, P7, P8, P9 uint32
	Q0, Q1, Q2, Q3, Q4, Q5, Q6, Q7, Q8, Q9 uint32
	R0, R1, R2, R3, R4, R5, R6, R7, R8, R9 uint32
	S0, S1, S2, S3, S4, S5, S6, S7, S8, S9 uint32
	T0, T1, T2, T3, T4, T5, T6, T7, T8, T9 uint32
}
