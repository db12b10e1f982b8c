package heap_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// With guarded blocks, a read of memory that was freed is an error that tells
// where it was freed.
func ExampleCatch() {
	d := heap.NewDebug(heap.Page{}, heap.DebugOptions{Guard: heap.GuardEnd})
	defer d.Close()
	p, err := mem.New(d, int64(42))
	if err != nil {
		fmt.Println(err)
		return
	}
	mem.Destroy(d, p)
	var fault *heap.Fault
	if err := heap.Catch(func() { fmt.Println(*p) }); errors.As(err, &fault) {
		fmt.Println(fault.Kind, "at offset", fault.Addr-fault.Block, "of", fault.Size, "bytes")
		fmt.Println("freed in the example:", len(fault.Free) > 0)
	}
	// Output:
	// use after free at offset 0 of 8 bytes
	// freed in the example: true
}

// A system call that is handed freed memory fails, and the error tells why.
func ExampleBadAddress() {
	d := heap.NewDebug(heap.Page{}, heap.DebugOptions{Guard: heap.GuardEnd})
	defer d.Close()
	b, err := mem.Alloc[byte](d, 100)
	if err != nil {
		fmt.Println(err)
		return
	}
	mem.Free(d, b)
	r, w, err := os.Pipe()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	defer w.Close()
	if _, err := w.Write(b); err != nil {
		var fault *heap.Fault
		if errors.As(heap.BadAddress(err, b), &fault) {
			fmt.Println(fault.Kind, "of", fault.Size, "bytes:", errors.Unwrap(fault) == err)
		}
	}
	// Output: use after free of 100 bytes: true
}

// A program that watches over itself: the first process starts a second one,
// which does the work, and tells what block it was that ended it.
func ExampleRecordGuarded() {
	const name = "guarded.record"
	if os.Getenv("WORKER") == "" {
		var output bytes.Buffer
		worker := exec.Command(os.Args[0], os.Args[1:]...)
		worker.Env = append(os.Environ(), "WORKER=1")
		worker.Stderr = io.MultiWriter(os.Stderr, &output)
		if worker.Run() != nil {
			if file, err := os.Open(name); err == nil {
				defer file.Close()
				if fault, err := heap.ReadCrash(file, output.String()); err == nil {
					fmt.Fprintln(os.Stderr, fault) // where it was allocated, and where freed
				}
			}
		}
		return
	}
	file, err := os.Create(name)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer file.Close()
	stop, err := heap.RecordGuarded(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, err) // not on this system
		return
	}
	defer stop()
	// The work, with guarded Debugs.
}
