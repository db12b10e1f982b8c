package vm_test

import (
	"sync"
	"syscall"
	"testing"

	"github.com/allod-dev/allod/internal/vm"
)

// Small ranges are cut from what was mapped ahead, and each is unmapped alone.
func TestStock(t *testing.T) {
	if !vm.Stocked {
		t.Skip("nothing is mapped ahead")
	}
	page := vm.PageSize()
	vm.Trim()
	var calls [vm.Calls]int
	fail := 0
	undo := vm.Inject(func(c vm.Call) error {
		if calls[c]++; c == vm.CallMap && calls[c] <= fail {
			return syscall.ENOMEM
		}
		return nil
	})
	seen := map[uintptr]bool{}
	var parts [][]byte
	for i := range 100 {
		b, err := vm.MapReal(page<<(i%3), 1)
		if err != nil {
			t.Fatal(err)
		}
		for p := range len(b) / page {
			if at := vm.Address(b) + uintptr(p*page); seen[at] {
				t.Fatalf("page %#x is served twice", at)
			} else {
				seen[at] = true
			}
		}
		if not(b, 0) >= 0 {
			t.Fatal("a range is not zero")
		}
		fill(b, byte(i)+1)
		parts = append(parts, b)
	}
	if n := calls[vm.CallMap]; n < 3 || n > 30 {
		t.Errorf("%d ranges took %d calls", len(parts), n)
	}
	unmapped := calls[vm.CallUnmap]
	for i, b := range parts {
		if not(b, byte(i)+1) >= 0 {
			t.Errorf("range %d changed", i)
		}
		vm.Unmap(b)
	}
	if n := calls[vm.CallUnmap] - unmapped; n != len(parts) {
		t.Errorf("%d ranges were unmapped by %d calls", len(parts), n)
	}

	// The next pages of the stock follow the range that was cut from it last.
	vm.Trim()
	b, err := vm.MapReal(page, 1)
	if err != nil {
		t.Fatal(err)
	}
	fill(b, 1)
	r, ok := vm.Grow(b, 10*page)
	if !ok || vm.Address(r) != vm.Address(b) || not(r[:page], 1) >= 0 || not(r[page:], 0) >= 0 || calls[vm.CallGrow] != 0 {
		t.Errorf("Grow: %v, by %d calls", ok, calls[vm.CallGrow])
	}
	if s := vm.ReadStats(); s.Mapped != len(r) {
		t.Errorf("%d bytes mapped, want %d", s.Mapped, len(r))
	}
	fill(r, 1)
	c, err := vm.MapReal(page, 1)
	if err != nil || not(c, 0) >= 0 || vm.Address(c)-vm.Address(r) < uintptr(len(r)) {
		t.Errorf("the next range lies in the one that grew, or is not zero: %v", err)
	}
	vm.Unmap(c)
	vm.Unmap(r)

	// What cannot be mapped ahead is mapped alone.
	vm.Trim()
	calls, fail = [vm.Calls]int{}, 1
	if b, err = vm.MapReal(page, 1); err != nil || calls[vm.CallMap] != 2 {
		t.Fatalf("after one failure: %v, %d calls", err, calls[vm.CallMap])
	}
	vm.Unmap(b)
	calls, fail = [vm.Calls]int{}, 2
	if b, err = vm.MapReal(page, 1); err != syscall.ENOMEM {
		t.Fatalf("after two failures: %v, %v", b != nil, err)
	}
	calls, fail = [vm.Calls]int{}, 0
	if b, err = vm.MapReal(page, 1); err != nil {
		t.Fatal(err)
	}
	vm.Unmap(b)
	vm.Trim()
	if n := calls[vm.CallUnmap]; n != 2 {
		t.Errorf("a range and the rest of the stock were given back by %d calls", n)
	}
	undo()
	settle(t)
}

func TestStockConcurrent(t *testing.T) {
	if !vm.Stocked {
		t.Skip("nothing is mapped ahead")
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			var held [8][]byte
			for i := range 400 {
				b, err := vm.MapReal((1+i%5)*vm.PageSize(), 1)
				if err != nil {
					t.Error(err)
					return
				}
				if not(b, 0) >= 0 {
					t.Error("a range is not zero")
				}
				fill(b, byte(g+1))
				old := &held[i%len(held)]
				if *old != nil {
					if not(*old, byte(g+1)) >= 0 {
						t.Error("a range changed")
					}
					vm.Unmap(*old)
				}
				*old = b
			}
			for _, b := range held {
				vm.Unmap(b)
			}
		})
	}
	wg.Wait()
	settle(t)
}
