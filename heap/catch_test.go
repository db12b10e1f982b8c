package heap_test

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/vm"
)

// panics returns what f panics with.
func panics(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

// What is not a fault of a guarded block goes on as it is.
func TestCatchOthers(t *testing.T) {
	mine := errors.New("mine")
	var none *int
	var short []int
	for _, c := range []struct {
		name string
		f    func()
		same any
	}{
		{"error", func() { panic(mine) }, mine},
		{"value", func() { panic(7) }, 7},
		{"nil pointer", func() { *none = 1 }, nil},
		{"index", func() { _ = short[len(short)] }, nil},
		{"misuse", func() { heap.Page{}.Free(make([]byte, 8), word8) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := fmt.Sprint(panics(c.f))
			got := panics(func() { heap.Catch(c.f); t.Error("Catch returned") })
			if c.same != nil && got != c.same || c.name != "nil pointer" && c.name != "misuse" && fmt.Sprint(got) != want {
				t.Errorf("%v (%T), want %v", got, got, want)
			}
			if _, ok := got.(*heap.Fault); ok {
				t.Error("it is a Fault")
			}
		})
	}
	if err := heap.Catch(func() {}); err != nil {
		t.Error(err)
	}
}

// The very error of the runtime goes on, and it is one of the runtime's.
func TestCatchForeignFault(t *testing.T) {
	if !vm.HasOS || len(vm.Guardings()) == 0 {
		t.Skip("no operating system")
	}
	b, err := vm.MapReal(vm.PageSize(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := vm.Guard(b, vm.Protection); err != nil {
		t.Fatal(err)
	}
	v := panics(func() { heap.Catch(func() { b[3] = 1 }) })
	e, ok := v.(runtime.Error)
	if !ok || e.(interface{ Addr() uintptr }).Addr() != uintptr(unsafe.Pointer(&b[3])) {
		t.Errorf("%v (%T), want the runtime's error", v, v)
	}
	if err := vm.Unguard(b, vm.Protection); err != nil {
		t.Fatal(err)
	}
	vm.Unmap(b)
}

// The setting that makes faults panics is the goroutine's, and as it was before.
func TestCatchRestores(t *testing.T) {
	d := guardedDebug(t, heap.GuardEnd, heap.DebugOptions{})
	b := debugAlloc(d, 8, word8)
	debugFree(d, b, word8)
	setting := func() bool {
		is := debug.SetPanicOnFault(false)
		debug.SetPanicOnFault(is)
		return is
	}
	for _, before := range []bool{false, true} {
		old := debug.SetPanicOnFault(before)
		heap.Catch(func() {
			if !setting() {
				t.Error("faults are no panics in Catch")
			}
			heap.Catch(func() {})
			if err := heap.Catch(func() { b[0] = 1 }); err == nil {
				t.Error("no fault")
			}
			if !setting() {
				t.Error("faults are no panics after a Catch in Catch")
			}
		})
		if setting() != before {
			t.Errorf("after Catch: %t", !before)
		}
		panics(func() { heap.Catch(func() { panic(1) }) })
		if setting() != before {
			t.Errorf("after Catch of a panic: %t", !before)
		}
		done := make(chan bool)
		go func() {
			defer func() { done <- setting() }()
			heap.Catch(func() { runtime.Goexit() })
		}()
		if <-done {
			t.Error("after Goexit in Catch the setting is on")
		}
		debug.SetPanicOnFault(old)
	}
}

// Faults in code that was not compiled from Go are caught as well.
func TestCatchCopy(t *testing.T) {
	d := guardedDebug(t, heap.GuardEnd, heap.DebugOptions{})
	b := debugAlloc(d, 300, word1)
	debugFree(d, b, word1)
	to := make([]byte, 300)
	for name, f := range map[string]func(){
		"copy from": func() { copy(to, b) },
		"copy to":   func() { copy(b, to) },
		"clear":     func() { clear(b) },
		"string":    func() { to = append(to[:0], string(b)...) },
		"compare":   func() { _ = string(b) == string(to) },
	} {
		err := heap.Catch(f)
		var fault *heap.Fault
		if !errors.As(err, &fault) || fault.Block != addr(b) || len(fault.Here) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A panic that was under way is not forgotten for a fault in a deferred call.
func TestCatchInDefer(t *testing.T) {
	d := guardedDebug(t, heap.GuardEnd, heap.DebugOptions{})
	b := debugAlloc(d, 8, word8)
	debugFree(d, b, word8)
	v := panics(func() {
		defer func() {
			if err := heap.Catch(func() { b[1] = 1 }); err == nil {
				t.Error("no fault")
			}
		}()
		panic("first")
	})
	if v != "first" {
		t.Errorf("%v", v)
	}
}
