package generic_test

import (
	"math/rand/v2"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

// A tape is a program of operations, read byte by byte. Past its end there are
// zeroes.
type tape struct{ ops []byte }

func (p *tape) more() bool { return len(p.ops) > 0 }

func (p *tape) next() byte {
	if len(p.ops) == 0 {
		return 0
	}
	b := p.ops[0]
	p.ops = p.ops[1:]
	return b
}

// index returns a number below n, which is positive.
func (p *tape) index(n int) int {
	i := int(p.next())
	if n > 256 {
		i = i<<8 | int(p.next())
	}
	return i % n
}

// span returns two numbers up to n in order.
func (p *tape) span(n int) (i, j int) {
	i, j = p.index(n+1), p.index(n+1)
	return min(i, j), max(i, j)
}

// slice returns up to n values.
func slice[T any](p *tape, n int, value func(byte) T) []T {
	b := p.next()
	v := make([]T, int(b)%(n+1))
	for i := range v {
		v[i] = value(b + byte(i))
	}
	return v
}

// A modelProgram runs a tape on a container in memory of a and on a model of it
// made of Go's own types, and compares the two after each step. A step that
// fails, because a was told to, must leave the container as it was.
type modelProgram func(t *testing.T, a *checked, p *tape)

func program(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	ops := make([]byte, n)
	for i := range ops {
		ops[i] = byte(r.Uint32())
	}
	return ops
}

// testModel runs the programs on tapes by chance, over every kind of memory.
func testModel(t *testing.T, programs ...modelProgram) {
	t.Helper()
	variants(t, func(t *testing.T, a *checked) {
		for seed := range uint64(generic.Rounds(3)) {
			for _, run := range programs {
				run(t, a, &tape{program(seed, 1500)})
			}
		}
		a.failAt, a.onwards = a.requests+3, a.moves
		for _, run := range programs {
			run(t, a, &tape{program(9, 600)})
		}
	})
}

// fuzzModel makes a fuzz target of the programs: over memory of every kind, with
// a request that fails, and all later ones with it or not.
func fuzzModel(f *testing.F, programs ...modelProgram) {
	for seed := range uint64(3) {
		f.Add(byte(seed), byte(seed*7), program(seed+100, 300))
	}
	f.Fuzz(func(t *testing.T, mode, fail byte, ops []byte) {
		if len(ops) > 3000 {
			return
		}
		a := newChecked(t, mem.Pointers(mode%3))
		if mode&4 != 0 {
			a.inPlace, a.slack = true, 100
		}
		a.moves = mode&8 != 0
		a.failAt, a.onwards = int(fail), mode&16 != 0
		for _, run := range programs {
			run(t, a, &tape{ops})
		}
	})
}

// modelOf returns the programs of a container for elements of several types:
// small, padded, of no size, and with pointers where memory may hold them.
func modelOf(
	small func(*testing.T, *checked, *tape, func(byte) byte),
	padded func(*testing.T, *checked, *tape, func(byte) wide),
	empty func(*testing.T, *checked, *tape, func(byte) struct{}),
	pointers func(*testing.T, *checked, *tape, func(byte) link),
) []modelProgram {
	return []modelProgram{
		func(t *testing.T, a *checked, p *tape) { small(t, a, p, func(b byte) byte { return b }) },
		func(t *testing.T, a *checked, p *tape) {
			padded(t, a, p, func(b byte) wide { return wide{a: uint64(b), c: 1, ok: b%2 == 0} })
		},
		func(t *testing.T, a *checked, p *tape) { empty(t, a, p, func(byte) struct{} { return struct{}{} }) },
		func(t *testing.T, a *checked, p *tape) {
			if a.answer != mem.PlainOnly {
				pointers(t, a, p, func(b byte) link { return links[b] })
			}
		},
	}
}

// mustSucceed fails the test if err is not nil although no request failed.
func mustSucceed(t *testing.T, a *checked, op any, err error) {
	t.Helper()
	if err != nil && a.failed == 0 {
		t.Fatalf("operation %v: %v", op, err)
	}
}
