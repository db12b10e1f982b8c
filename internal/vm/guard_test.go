package vm_test

import (
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/internal/vm"
)

// faults tells whether an access to *p faults, at p.
func faults(p *byte) (is bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		e, ok := recover().(interface{ Addr() uintptr })
		is = ok && e.Addr() == vm.Address(unsafe.Slice(p, 1))
	}()
	*p++
	return false
}

// eachGuarding runs f for the ways that work here.
func eachGuarding(t *testing.T, f func(t *testing.T, by vm.Guarding)) {
	names := map[vm.Guarding]string{vm.Markers: "markers", vm.Protection: "protection"}
	if len(vm.Guardings()) == 0 {
		b, by := make([]byte, vm.PageSize()), vm.Protection
		if vm.Guard(b, by) == nil || vm.Unguard(b, by) == nil {
			t.Error("guards where there are none")
		}
		t.Skip("no operating system")
	}
	for _, by := range vm.Guardings() {
		t.Run(names[by], func(t *testing.T) {
			if err := tryGuard(by); err != nil {
				t.Skipf("not in this kernel: %v", err)
			}
			f(t, by)
		})
	}
}

// tryGuard tells what this system says of the way. Whoever knows protection
// must be able to use it.
func tryGuard(by vm.Guarding) error {
	b, err := vm.MapReal(vm.PageSize(), 1)
	if err != nil {
		panic(err)
	}
	defer vm.Unmap(b)
	err = vm.Guard(b, by)
	if err == nil {
		err = vm.Unguard(b, by)
	}
	if err != nil && by == vm.Protection {
		panic(err)
	}
	return err
}

func TestGuard(t *testing.T) {
	eachGuarding(t, func(t *testing.T, by vm.Guarding) {
		page := vm.PageSize()
		for _, pages := range []int{1, 3, 100} {
			b, err := vm.MapReal((pages+2)*page, 1)
			if err != nil {
				t.Fatal(err)
			}
			fill(b, 1)
			mid := b[page : (pages+1)*page]
			for range 3 {
				before, _ := vm.Committed()
				if err := vm.Guard(mid, by); err != nil {
					t.Fatal(err)
				}
				if now, _ := vm.Committed(); before-now != len(mid) {
					t.Errorf("%d bytes less are committed, want %d", before-now, len(mid))
				}
				for i := 0; i < len(mid); i += page {
					if !faults(&mid[i]) || !faults(&mid[i+page-1]) {
						t.Fatalf("%d pages: no fault in page %d", pages, i/page)
					}
				}
				if faults(&b[page-1]) || faults(&b[(pages+1)*page]) {
					t.Fatalf("%d pages: their neighbours fault", pages)
				}
				if err := vm.Unguard(mid, by); err != nil {
					t.Fatal(err)
				}
				if i := not(mid, 0); i >= 0 {
					t.Fatalf("%d pages: byte %d is not zero afterwards", pages, i)
				}
				fill(mid, 2)
			}
			vm.Unmap(b)
		}
		settle(t)
	})
}

// Pages may be guarded together and unguarded alone, and the other way round.
func TestGuardParts(t *testing.T) {
	eachGuarding(t, func(t *testing.T, by vm.Guarding) {
		page := vm.PageSize()
		b, err := vm.MapReal(5*page, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := vm.Guard(b, by); err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			if err := vm.Unguard(b[i*page:(i+1)*page], by); err != nil {
				t.Fatal(err)
			}
			for j := range 5 {
				if faults(&b[j*page]) != (j > i) {
					t.Fatalf("%d pages are accessible again, page %d is wrong", i+1, j)
				}
			}
		}
		vm.Unmap(b)
		settle(t)
	})
}

// Markers are outside of what the system counts as mappings.
func TestGuardMarkersCostNoMapping(t *testing.T) {
	lines := func() int {
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Skip(err)
		}
		return strings.Count(string(maps), "\n")
	}
	eachGuarding(t, func(t *testing.T, by vm.Guarding) {
		const pairs = 500
		page := vm.PageSize()
		b, err := vm.MapReal(2*pairs*page, 1)
		if err != nil {
			t.Fatal(err)
		}
		before := lines()
		for i := range pairs {
			if err := vm.Guard(b[2*i*page:][:page], by); err != nil {
				t.Fatal(err)
			}
		}
		if more := lines() - before; by == vm.Markers && more > pairs/2 {
			t.Errorf("%d guards are %d mappings", pairs, more)
		}
		for i := range pairs {
			if err := vm.Unguard(b[2*i*page:][:page], by); err != nil {
				t.Fatal(err)
			}
		}
		vm.Unmap(b)
		settle(t)
	})
}

// Pages that are kept are as inaccessible as others, and what is in them stays.
func TestKeeping(t *testing.T) {
	if !vm.CanKeep {
		b := make([]byte, vm.PageSize())
		if vm.Separate(b) == nil {
			t.Error("separates where that cannot be")
		}
		t.Skip("not on this system")
	}
	for _, by := range vm.Guardings() {
		if tryGuard(by) != nil {
			continue
		}
		page := vm.PageSize()
		b, err := vm.MapReal(3*page, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := vm.Guard(b, by); err != nil {
			t.Fatal(err)
		}
		mid := b[page : 2*page]
		for _, beside := range [][]byte{b[:page], b[2*page:]} {
			if err := vm.Separate(beside); err != nil {
				t.Fatal(err)
			}
		}
		if err := vm.Unguard(mid, by); err != nil {
			t.Fatal(err)
		}
		fill(mid, 7)
		before, _ := vm.Committed()
		for range 3 {
			if err := vm.Guard(mid, vm.Keeping); err != nil {
				t.Fatal(err)
			}
			if !faults(&mid[0]) || !faults(&mid[page-1]) {
				t.Error("kept pages can be accessed")
			}
			if err := vm.Unguard(mid, vm.Keeping); err != nil {
				t.Fatal(err)
			}
			if i := not(mid, 7); i >= 0 {
				t.Errorf("byte %d was not kept", i)
			}
			if !faults(&b[0]) || !faults(&b[2*page]) {
				t.Error("the pages beside can be accessed")
			}
		}
		if now, _ := vm.Committed(); now != before {
			t.Errorf("%d bytes are committed, want %d", now, before)
		}
		if err := vm.Unguard(b[:page], by); err != nil {
			t.Fatal(err)
		}
		if err := vm.Unguard(b[2*page:], by); err != nil {
			t.Fatal(err)
		}
		vm.Unmap(b)
		settle(t)
	}
}

// A call that fails leaves the pages as they were.
func TestGuardFails(t *testing.T) {
	eachGuarding(t, func(t *testing.T, by vm.Guarding) {
		b, err := vm.MapReal(2*vm.PageSize(), 1)
		if err != nil {
			t.Fatal(err)
		}
		failing := func(calls ...vm.Call) func() {
			return vm.Inject(func(c vm.Call) error {
				for _, x := range calls {
					if x == c {
						return syscall.ENOMEM
					}
				}
				return nil
			})
		}
		undo := failing(vm.CallMark, vm.CallProtect)
		if err := vm.Guard(b, by); err != syscall.ENOMEM || faults(&b[0]) {
			t.Errorf("Guard: %v", err)
		}
		undo()
		if err := vm.Guard(b, by); err != nil {
			t.Fatal(err)
		}
		undo = failing(vm.CallUnmark, vm.CallUnprotect)
		if err := vm.Unguard(b, by); err != syscall.ENOMEM || !faults(&b[0]) {
			t.Errorf("Unguard: %v", err)
		}
		undo()
		if err := vm.Unguard(b, by); err != nil {
			t.Fatal(err)
		}
		vm.Unmap(b)
		settle(t)
	})
}

func BenchmarkGuard(b *testing.B) {
	for _, by := range vm.Guardings() {
		b.Run(map[vm.Guarding]string{vm.Markers: "impl=markers", vm.Protection: "impl=protection"}[by], func(b *testing.B) {
			page, err := vm.MapReal(3*vm.PageSize(), 1)
			if err != nil {
				b.Fatal(err)
			}
			defer vm.Unmap(page)
			mid := page[vm.PageSize():][:vm.PageSize()]
			for b.Loop() {
				if vm.Guard(mid, by) != nil || vm.Unguard(mid, by) != nil {
					b.Skip("not in this kernel")
				}
				mid[0] = 1
			}
		})
	}
}
