package heap_test

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// By default misuse is a panic, which tells who allocated the block, and who freed
// it first.
func ExampleMisuse_Error() {
	d := heap.NewDebug(heap.GC{}, heap.DebugOptions{})
	defer d.Close()
	defer func() {
		m := recover().(*heap.Misuse)
		first, rest, _ := strings.Cut(m.Error(), "\n")
		fmt.Println(strings.HasPrefix(first, "heap: Debug.Free: double free: 24 bytes at 0x"))
		fmt.Println(strings.Count(rest, "allocated by\n"), strings.Count(rest, "freed by\n"))
		fmt.Println(strings.Contains(m.Alloc.Program().String(), "ExampleMisuse_Error"))
	}()
	s := mem.Must(mem.Alloc[int64](d, 3))
	mem.Free(d, s)
	mem.Free(d, s)
	// Output:
	// true
	// 1 1
	// true
}

// Reports are values: a program that is not Go reads them as JSON.
func ExampleMisuseKind() {
	d := heap.NewDebug(heap.GC{}, heap.DebugOptions{StackDepth: -1, OnMisuse: func(m *heap.Misuse) {
		m.Addr, m.Here = 0x1000, nil // so that the output is the same every time
		text, err := json.Marshal(m)
		fmt.Println(string(text), err)
	}})
	defer d.Close()
	s := mem.Must(mem.Alloc[int64](d, 3))
	mem.Free(d, s[:2:2])
	mem.Free(d, s)
	// Output:
	// {"kind":"size mismatch","op":"heap: Debug.Free","addr":"0x1000","size":16,"hint":"the block has 24 bytes"} <nil>
}

// Blocks that leaked come by the stack that allocated them, most bytes first.
func ExampleLeakError() {
	d := heap.NewDebug(heap.GC{}, heap.DebugOptions{OnLeak: func(*heap.LeakError) {}})
	for range 3 {
		mem.Must(mem.Alloc[int64](d, 10))
	}
	mem.Must(mem.Create[bool](d))

	leak := d.Close().(*heap.LeakError)
	fmt.Println(leak.Blocks, "blocks of", leak.Bytes, "bytes")
	for _, g := range leak.Groups {
		fmt.Println(g.Blocks, "of", g.Type, "from a known place:", len(g.Stack) > 0)
	}
	// Output:
	// 4 blocks of 241 bytes
	// 3 of int64 from a known place: true
	// 1 of bool from a known place: true
}

// What a piece of work leaves behind is what was allocated since it began, and is
// live.
func ExampleDebugSnapshot() {
	d := heap.NewDebug(heap.GC{}, heap.DebugOptions{OnLeak: func(*heap.LeakError) {}})
	defer d.Close()
	mem.Must(mem.Create[int64](d)) // from before, and meant to stay

	start := d.Snapshot()
	kept := mem.Must(mem.Alloc[byte](d, 100))
	mem.Free(d, mem.Must(mem.Alloc[byte](d, 200)))
	fmt.Println(d.LeaksSince(start).Bytes)

	mem.Free(d, kept)
	fmt.Println(d.LeaksSince(start) == nil)
	// Output:
	// 100
	// true
}

// The profile is one of live blocks, as that of Go's heap is:
//
//	go tool pprof -top leaks.pb.gz
func ExampleDebug_WriteProfile() {
	d := heap.NewDebug(heap.GC{}, heap.DebugOptions{})
	defer d.Close()
	b := mem.Must(mem.Alloc[byte](d, 100))
	defer mem.Free(d, b)

	fmt.Println(d.WriteProfile(io.Discard)) // a file, as a rule
	// Output:
	// <nil>
}

// A guarded Debug makes a wrong access a fault, which Catch turns into an error
// that tells all.
func ExampleFault() {
	d := heap.NewDebug(heap.Page{}, heap.DebugOptions{Guard: heap.GuardEnd})
	defer d.Close()
	s := mem.Must(mem.Alloc[int64](d, 10))
	mem.Free(d, s)

	fault := heap.Catch(func() { s[3]++ }).(*heap.Fault)
	fmt.Println(fault.Kind, "at byte", fault.Addr-fault.Block, "of", fault.Size)
	for _, stack := range []heap.Stack{fault.Here, fault.Alloc, fault.Free} {
		fmt.Println(strings.Contains(stack.String(), "ExampleFault"))
	}
	// Output:
	// use after free at byte 24 of 80
	// true
	// true
	// true
}
