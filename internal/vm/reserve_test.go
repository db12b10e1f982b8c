package vm_test

import (
	"errors"
	"math"
	"math/bits"
	"testing"

	"github.com/allod-dev/allod/internal/vm"
)

func TestReserve(t *testing.T) {
	if !vm.HasOS {
		if _, err := vm.Reserve(vm.PageSize(), 1); !errors.Is(err, vm.ErrUnsupported) {
			t.Errorf("Reserve: %v", err)
		}
		t.Skip("no operating system")
	}
	page := vm.PageSize()
	for _, n := range []int{1<<30 + page, math.MaxInt &^ (1<<20 - 1)} {
		b, err := vm.Reserve(n, 1)
		if err == nil {
			vm.Unreserve(b, 0)
		}
		if bits.UintSize == 32 && err != vm.ErrTooLarge {
			t.Errorf("Reserve(%d): %v: addresses for nobody else", n, err)
		}
	}
	for _, align := range []int{1, page, 16 * page, 1 << 20} {
		b, err := vm.Reserve(1000*page, align)
		if err != nil {
			t.Fatal(err)
		}
		if vm.Address(b)%uintptr(align) != 0 {
			t.Errorf("not aligned to %d", align)
		}
		if s := vm.ReadStats(); s.Mapped != 0 || s.Committed != 0 {
			t.Errorf("addresses count as memory: %+v", s)
		}
		if err := vm.Commit(b[:2*page]); err != nil {
			t.Fatal(err)
		}
		fill(b[:2*page], 1)
		if err := vm.Commit(b[2*page : 5*page]); err != nil {
			t.Fatal(err)
		}
		if not(b[:2*page], 1) >= 0 || not(b[2*page:5*page], 0) >= 0 {
			t.Error("committed pages are not as they should be")
		}
		fill(b[:5*page], 2)
		if err := vm.Uncommit(b[page : 5*page]); err != nil {
			t.Fatal(err)
		}
		if err := vm.Commit(b[page : 3*page]); err != nil {
			t.Fatal(err)
		}
		if not(b[:page], 2) >= 0 || not(b[page:3*page], 0) >= 0 {
			t.Error("pages committed again are not zero")
		}
		if s := vm.ReadStats(); s.Committed != 3*page {
			t.Errorf("%d bytes are committed, want %d", s.Committed, 3*page)
		}
		vm.Unreserve(b, 3*page)
		settle(t)
	}
}

// What is discarded can be read, and is zero; it is not committed until it is
// charged.
func TestDiscard(t *testing.T) {
	if !vm.HasOS {
		t.Skip("no operating system")
	}
	page := vm.PageSize()
	b, err := vm.Reserve(8*page, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := vm.Commit(b[:4*page]); err != nil {
		t.Fatal(err)
	}
	fill(b[:4*page], 1)
	switch err := vm.Discard(b[page : 3*page]); {
	case errors.Is(err, vm.ErrUnsupported):
		if not(b[:4*page], 1) >= 0 {
			t.Error("contents are lost")
		}
		vm.Unreserve(b, 4*page)
	case err != nil:
		t.Fatal(err)
	default:
		if not(b[:page], 1) >= 0 || not(b[page:3*page], 0) >= 0 || not(b[3*page:4*page], 1) >= 0 {
			t.Error("not what was discarded is zero")
		}
		if got := vm.ReadStats().Committed; got != 2*page {
			t.Errorf("%d bytes are committed, want %d", got, 2*page)
		}
		if err := vm.Charge(2 * page); err != nil {
			t.Fatal(err)
		}
		fill(b[page:2*page], 2)
		vm.Unreserve(b, 4*page)
	}
	settle(t)
}

// Whatever call fails, nothing is lost, and what was kept is zero when it is
// served again.
func TestReserveFails(t *testing.T) {
	if !vm.HasOS {
		t.Skip("no operating system")
	}
	page := vm.PageSize()
	program := func() {
		b, err := vm.Reserve(50*page, 1)
		if err != nil {
			return
		}
		n := 0
		if vm.Commit(b[:10*page]) == nil {
			n = 10 * page
			fill(b[:n], 1)
			if vm.Uncommit(b[5*page:10*page]) == nil {
				n = 5 * page
			}
			if not(b[:n], 1) >= 0 {
				t.Error("contents are lost")
			}
		}
		vm.Unreserve(b, n)
		if b, err := vm.MapReal(50*page, 1); err == nil {
			if not(b, 0) >= 0 {
				t.Error("a range is not zero")
			}
			vm.Unmap(b)
		}
	}
	if n := everyCallFails(t, program); n < 4 {
		t.Errorf("only %d calls", n)
	}
}
