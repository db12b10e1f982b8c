// Package heaphttp serves what a program's allocators hold over HTTP: a page for
// people, JSON for programs, and profiles for go tool pprof. It stands to memory
// off the Go heap as net/http/pprof does to the rest of a program.
//
// To have it below /debug/allod/ of a mux, beside net/http/pprof:
//
//	heaphttp.Register(mux)
//
// Importing the package registers nothing.
//
// What is below that path:
//
//	/debug/allod/         the page
//	/debug/allod/stats    what is held, as JSON: see [Stats]
//	/debug/allod/history  live bytes over time, as JSON: see [History]
//	/debug/allod/leaks    the stacks that hold the most, as JSON: see [Leaks]
//	/debug/allod/heap     a profile of the heap
//
// The page shows the allocators that have a name, so give them some, with
// [heap.Named]; arenas and pools with [heap.Watch]. Stacks are those that a
// [heap.Profile], a [heap.Debug], or an [heap.SMP] that profiles itself has
// recorded below a name. [heap.Default], which does, and open Debugs are found
// without, others are told of with [Monitor.AddProfile]. An allocator that several
// names share knows stacks, but not which of them they were for; a Profile for
// each name does:
//
//	a := heap.Named(heap.NewProfile(heap.Default()), "cache")
//
// The profile has the sample types of /debug/pprof/heap, and each sample the
// label "allocator", which is the name:
//
//	go tool pprof http://localhost:6060/debug/allod/heap
//	go tool pprof -tagfocus=allocator=cache http://localhost:6060/debug/allod/heap
//	go tool pprof 'http://localhost:6060/debug/allod/heap?seconds=30'
//
// The last shows what has changed in 30 seconds. With allocator=cache the profile
// is of that name and what is below it, and with debug=1 it is text.
//
// The page asks anew every two seconds; with ?every=500 it is every 500 ms.
//
// Live bytes over time are known from when somebody looked, unless the program
// has them recorded all the while:
//
//	go heaphttp.DefaultMonitor.Record(ctx)
//
// # Security
//
// As with net/http/pprof, whoever can ask learns names, stacks and sizes, and
// makes the program do some work. It is not for the open internet: serve it on
// an address or behind a handler that only those can reach who may know. Nothing
// that is asked changes anything, other methods than GET and HEAD are refused,
// and the page loads nothing from elsewhere.
package heaphttp
