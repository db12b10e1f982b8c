package vm_test

import (
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"github.com/allod-dev/allod/internal/vm"
)

// A range that cannot be unmapped is served again, zero.
func TestKept(t *testing.T) {
	if !vm.HasOS {
		t.Skip("no operating system")
	}
	page := vm.PageSize()
	b, err := vm.MapReal(100*page, 1)
	if err != nil {
		t.Fatal(err)
	}
	fill(b, 1)
	undo := vm.Inject(func(c vm.Call) error {
		if c == vm.CallUnmap {
			return syscall.ENOMEM
		}
		return nil
	})
	before := vm.ReadStats()
	vm.Unmap(b)
	if s := vm.ReadStats(); s.Kept-before.Kept != int64(100*page) || s.Mapped != 0 {
		t.Errorf("after Unmap: %+v", s)
	}
	if n := vm.Trim(); n != 0 {
		t.Errorf("Trim gave %d bytes back, which the system refuses", n)
	}
	var parts [][]byte
	for range 100 {
		c, err := vm.MapReal(page, 1)
		if err != nil {
			t.Fatal(err)
		}
		if i := not(c, 0); i >= 0 {
			t.Fatalf("byte %d is not zero", i)
		}
		fill(c, 2)
		parts = append(parts, c)
	}
	if vm.CanSplit {
		if s := vm.ReadStats(); s.Kept != before.Kept {
			t.Errorf("after 100 pages: %+v", s)
		}
	}
	for _, i := range rand.New(rand.NewPCG(1, 1)).Perm(len(parts)) {
		vm.Unmap(parts[i])
	}
	if s := vm.ReadStats(); vm.CanSplit && s.KeptRanges > before.KeptRanges+1 {
		t.Errorf("neighbours were not joined: %+v", s)
	}
	undo()
	// The next range that goes back takes a kept one along.
	c, err := vm.MapReal(200*page, 1)
	if err != nil {
		t.Fatal(err)
	}
	vm.Unmap(c)
	settle(t)
}

// Kept ranges that lie side by side are together longer than an int tells, on
// 32-bit systems, and none of them is lost.
func TestKeepsMoreThanInt(t *testing.T) {
	if !vm.HasOS || !vm.CanSplit {
		t.Skip("no neighbours are joined")
	}
	undo := vm.Inject(func(c vm.Call) error {
		if c == vm.CallUnmap {
			return syscall.ENOMEM
		}
		return nil
	})
	before := vm.ReadStats().Kept
	const size = 256 << 20
	take := func(most int) (parts [][]byte) {
		for len(parts) < most {
			b, err := vm.MapReal(size, 1)
			if err != nil {
				break
			}
			parts = append(parts, b)
		}
		return parts
	}
	parts := take(12)
	n := len(parts)
	fresh := vm.ReadStats().Kept == before
	for _, b := range parts {
		vm.Unmap(b)
	}
	if got := vm.ReadStats().Kept - before; fresh && got != int64(n)*size {
		t.Errorf("%d bytes kept of %d ranges of %d", got, n, size)
	}
	kept := vm.ReadStats()
	parts = take(n)
	if len(parts) != n || vm.ReadStats().Kept != kept.Kept-int64(n)*size {
		t.Errorf("of %d ranges, %d are served again: %+v, then %+v", n, len(parts), kept, vm.ReadStats())
	}
	for _, b := range parts {
		vm.Unmap(b)
	}
	t.Logf("%d ranges, %+v", n, kept)
	undo()
	settle(t)
}

// What is mapped for the sake of alignment and cannot be unmapped is kept as well.
func TestKeepsTrimmings(t *testing.T) {
	if !vm.CanSplit {
		t.Skip("nothing is trimmed")
	}
	if vm.ReadStats().Kept > 0 {
		t.Skip("ranges are kept already, as on 32-bit systems")
	}
	page, align := vm.PageSize(), 64*vm.PageSize()
	undo := vm.Inject(func(c vm.Call) error {
		if c == vm.CallUnmap {
			return syscall.ENOMEM
		}
		return nil
	})
	b, err := vm.MapReal(3*page, align)
	if err != nil {
		t.Fatal(err)
	}
	if s := vm.ReadStats(); s.Kept != int64(align-page) {
		t.Errorf("%d bytes kept, want %d", s.Kept, align-page)
	}
	vm.Unmap(b)
	undo()
	settle(t)
}

// keep plays a program with a system that takes nothing back. If dirty is set it
// does not decommit either.
func keep(t *testing.T, program []byte, dirty bool) {
	if !vm.HasOS {
		t.Skip("no operating system")
	}
	page := vm.PageSize()
	defer vm.Inject(func(c vm.Call) error {
		if c == vm.CallUnmap || dirty && c == vm.CallDecommit {
			return syscall.ENOMEM
		}
		return nil
	})()
	type block struct {
		b    []byte
		mark byte
	}
	var live []block
	total := 0
	check := func(x block) {
		if i := not(x.b, x.mark); i >= 0 {
			t.Fatalf("a range changed at byte %d", i)
		}
	}
	for len(program) >= 3 {
		op, x, y := program[0], int(program[1]), int(program[2])
		program = program[3:]
		switch op % 4 {
		case 0, 1:
			n := (x%40 + 1) * page
			if total > 4000*page {
				continue
			}
			align := 1 << (y % 20)
			b, err := vm.MapReal(n, align)
			if err != nil {
				t.Fatal(err)
			}
			if vm.Address(b)&uintptr(align-1) != 0 {
				t.Fatalf("MapReal(%d, %d): at %#x", n, align, vm.Address(b))
			}
			if i := not(b, 0); i >= 0 {
				t.Fatalf("MapReal(%d, %d): byte %d is not zero", n, align, i)
			}
			z := block{b, op | 1}
			fill(b, z.mark)
			live = append(live, z)
			total += n
		case 2:
			if len(live) > 0 {
				i := x % len(live)
				check(live[i])
				total -= len(live[i].b)
				vm.Unmap(live[i].b)
				live = slices.Delete(live, i, i+1)
			}
		case 3:
			if len(live) == 0 {
				continue
			}
			z := &live[x%len(live)]
			check(*z)
			n := (y%60 + 1) * page
			old := len(z.b)
			var ok bool
			switch {
			case n < old:
				z.b, ok = vm.Shrink(z.b, n)
			case n > old:
				z.b, ok = vm.Grow(z.b, n)
			}
			if ok && n > old {
				if i := not(z.b[old:], 0); i >= 0 {
					t.Fatalf("Grow: byte %d is not zero", i)
				}
				fill(z.b[old:], z.mark)
			}
			total += len(z.b) - old
		}
		if s := vm.ReadStats(); s.Mapped != total {
			t.Fatalf("%d bytes mapped, want %d", s.Mapped, total)
		}
	}
	for _, z := range live {
		check(z)
		vm.Unmap(z.b)
	}
}

func TestKeepModel(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 20 {
		program := make([]byte, 900)
		for i := range program {
			program[i] = byte(r.Uint32())
		}
		keep(t, program, i%4 == 3)
		settle(t)
	}
}

func FuzzKeep(f *testing.F) {
	f.Add([]byte{0, 9, 0, 0, 9, 0, 2, 0, 0, 0, 3, 14, 3, 0, 30}, false)
	f.Add([]byte{0, 9, 0, 2, 0, 0, 0, 9, 0, 0, 39, 19, 2, 1, 0}, true)
	f.Fuzz(func(t *testing.T, program []byte, dirty bool) {
		keep(t, program, dirty)
		settle(t)
	})
}
