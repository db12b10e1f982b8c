package alloctrace_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/alloctrace"
)

// A program is recorded over one allocator, and replayed over another.
func ExampleRecorder() {
	var file bytes.Buffer
	a := alloctrace.NewRecorder(heap.GC{}, &file, alloctrace.Header{Name: "squares"})
	squares := mem.Must(mem.Alloc[int32](a, 100))
	mem.Free(a, squares)
	if err := a.Close(); err != nil {
		log.Fatal(err)
	}

	trace, err := alloctrace.Read(&file)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(trace.Header.Name, trace.Summary.PeakBytes)
	fmt.Println(trace.Ops[0].Kind, trace.Ops[0].Size)
	_, err = alloctrace.NewReplayer(trace).Run(heap.Page{}, alloctrace.ReplayOptions{Check: true})
	fmt.Println(err)
	// Output:
	// squares 400
	// zalloc 400
	// <nil>
}

// A recorded program checks an allocator: that blocks keep their contents, do
// not overlap, are aligned and, where asked for, zero.
func ExampleReplayer() {
	var t *alloctrace.Trace
	t, err := alloctrace.ReadFile("testdata/nginx.mtrace.gz")
	if err != nil {
		log.Fatal(err)
	}
	var r *alloctrace.Replayer = alloctrace.NewReplayer(t)
	_, err = r.Run(heap.GC{}, alloctrace.ReplayOptions{Check: true})
	fmt.Println(t.Summary.Ops, "operations:", err)
	// Output:
	// 79403 operations: <nil>
}

// A trace can be written by hand, for instance from the log of another program.
func ExampleWriter() {
	var file bytes.Buffer
	w := alloctrace.NewWriter(&file, alloctrace.Header{Name: "by hand"})
	object := w.Alloc(100, 0, false)
	w.Realloc(object, 100, 200)
	w.Free(object, 200)
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	trace, err := alloctrace.Read(&file)
	if err != nil {
		log.Fatal(err)
	}
	var ops []alloctrace.Op = trace.Ops
	var sum alloctrace.Summary = trace.Summary
	fmt.Println(len(ops), sum.PeakBytes)
	// Output:
	// 3 200
}

// FromEnv costs nothing when nobody records.
func ExampleFromEnv() {
	a, stop, err := alloctrace.FromEnv(heap.Page{})
	if err != nil {
		log.Fatal(err)
	}
	defer stop()
	fmt.Printf("%T\n", a)
	// Output:
	// heap.Page
}
