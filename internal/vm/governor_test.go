package vm_test

import (
	"errors"
	"testing"

	"github.com/allod-dev/allod/internal/vm"
)

func TestGovernor(t *testing.T) {
	page := vm.PageSize()
	start, _ := vm.Committed()
	moved, refused := 0, 0
	g := &vm.Governor{Moved: func() { moved++ }, Refused: func() { refused++ }}
	g.Limit.Store(int64(start + 10*page))
	if !vm.Govern(g) {
		t.Fatal("there is a governor already")
	}
	defer vm.Ungovern(g)
	if vm.Govern(&vm.Governor{}) {
		t.Fatal("a second governor took over")
	}
	check := func(what string, pages, wantRefused int) {
		t.Helper()
		if all, _ := vm.Committed(); all != start+pages*page || refused != wantRefused {
			t.Fatalf("%s: %d bytes committed, want %d; refused %d, want %d", what, all-start, pages*page, refused, wantRefused)
		}
	}
	b, err := vm.Map(8*page, page)
	if err != nil {
		t.Fatal(err)
	}
	check("Map", 8, 0)
	if _, err := vm.Map(3*page, page); !errors.Is(err, vm.ErrLimit) {
		t.Fatalf("Map past the limit: %v", err)
	}
	if _, err := vm.MapReal(3*page, page); vm.HasOS && !errors.Is(err, vm.ErrLimit) {
		t.Fatalf("MapReal past the limit: %v", err)
	}
	check("Map past the limit", 8, 2)
	if _, ok := vm.Grow(b, 11*page); ok {
		t.Fatal("Grow past the limit succeeded")
	}
	if _, ok := vm.Move(b, 11*page, false); ok {
		t.Fatal("Move past the limit succeeded")
	}
	before := refused
	if vm.Charge(2*page) != nil || !errors.Is(vm.Charge(page), vm.ErrLimit) {
		t.Fatal("Charge does not keep to the limit")
	}
	check("Charge", 10, before+1)
	vm.Discharge(2 * page)
	if s, ok := vm.Shrink(b, 6*page); ok {
		b = s
		check("Shrink", 6, before+1)
	}
	undo := vm.Inject(func(c vm.Call) error {
		if c == vm.CallMap {
			return errors.New("injected")
		}
		return nil
	})
	g.Limit.Store(1 << 40)
	held, _ := vm.Committed()
	kept := vm.ReadStats().Kept
	switch c, err := vm.Map(16<<20, page); {
	case err == nil && kept < 16<<20:
		t.Fatal("Map succeeded")
	case err == nil:
		vm.Unmap(c) // it was kept from before
	}
	undo()
	if now, _ := vm.Committed(); now != held {
		t.Fatalf("a failed Map left %d bytes committed", now-held)
	}
	vm.Unmap(b)
	check("Unmap", 0, before+1)
	g.Limit.Store(int64(start))
	if moved == 0 {
		t.Error("Moved was never called")
	}
	vm.Ungovern(g)
	if b, err = vm.Map(11*page, page); err != nil {
		t.Fatal(err)
	}
	vm.Unmap(b)
}
