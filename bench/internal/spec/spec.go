// Package spec says what is measured: the workloads, their data, and what a
// measurement is. It is what the parent process and all others agree on.
package spec

import (
	"encoding/json"
	"fmt"
)

// A Kind is a way of using an allocator; allocators serve some of them. Their
// names are what programs in other languages are told on the command line.
type Kind string

const (
	Pair     Kind = "pair"     // one object is made and given up, again and again
	Deep     Kind = "deep"     // Pair, with DeepCalls functions on the stack
	Random   Kind = "random"   // many objects are made, then given up in random order
	Mixed    Kind = "mixed"    // objects of all sizes, random ones replaced
	Phase    Kind = "phase"    // many objects are made, then all given up at once
	List     Kind = "list"     // a linked list is built, walked and given up
	Tree     Kind = "tree"     // a binary tree is built, walked and given up
	Threads  Kind = "threads"  // Pair on each thread, objects of its own
	Windows  Kind = "windows"  // Mixed on each thread, objects of its own
	Handover Kind = "handover" // Mixed on each thread, sets of objects passed on
	Pipeline Kind = "pipeline" // one thread makes objects, another gives them up
	Vector   Kind = "vector"   // a vector grows by appending
	Block    Kind = "block"    // one block is made and given up, untouched
	Touched  Kind = "touched"  // the same, each page written to
	Trace    Kind = "trace"    // what a recorded program asked for
)

// Shares returns how many threads perform the operations, each as many as are
// counted.
func (k Kind) Shares(threads int) int {
	switch k {
	case Threads, Windows, Handover:
		return threads
	}
	return 1
}

// A Workload is one row of tables.
type Workload struct {
	Name string
	Kind Kind
	// Size is what an object has, in bytes, where that is fixed; of a tree, the
	// depth.
	Size int
	// N is how many operations one round has at least. Rounds of workloads that
	// may have any number are made longer until they take MinRound.
	N int
	// Fixed is set where a round has exactly N operations.
	Fixed bool
	// Live is the most bytes that are live at one time, 0 if that is next to
	// nothing.
	Live int
	// About says what an operation is.
	About string
	// File is the trace, of workloads that are one.
	File string
	// Untouched is set for a trace whose memory is not written to.
	Untouched bool
}

const (
	kib, mib = 1 << 10, 1 << 20

	// WindowObjects is how many objects are live in Mixed, and in Windows for
	// each thread.
	WindowObjects = 10_000
	// HandoverObjects is how many objects a set has that is passed on, and
	// HandoverTurns after how many replacements.
	HandoverObjects, HandoverTurns = 1000, 10_000
	// BatchObjects are passed at once in Pipeline, BatchesAhead at most wait.
	BatchObjects, BatchesAhead = 256, 16
	// DeepCalls is how many functions call one another in Deep.
	DeepCalls = 20
	// KeptEvery says which objects of a Phase are verified at its end.
	KeptEvery = 1024

	listNode, treeNode = 16, 24
)

// Workloads returns everything but traces, with threads threads where there are
// several.
func Workloads(threads int) []Workload {
	nodes := func(depth int) int { return 1<<(depth+1) - 1 }
	window := MeanSize(MixedSizes()) * WindowObjects
	handover := MeanSize(HandoverSizes()) * HandoverObjects * threads
	return []Workload{
		{Name: "pair-16", Kind: Pair, Size: 16, N: 100_000, About: "make 16 bytes, write, verify, free"},
		{Name: "pair-64", Kind: Pair, Size: 64, N: 100_000, About: "make 64 bytes, write, verify, free"},
		{Name: "deep-64", Kind: Deep, Size: 64, N: 1000,
			About: "make 64 bytes, write, verify, free, with 20 functions on the stack: for allocators that keep stacks"},
		{Name: "random-32", Kind: Random, Size: 32, N: RandomObjects, Fixed: true, Live: 32 * RandomObjects,
			About: "one of a million objects of 32 bytes, freed in random order"},
		{Name: "mixed", Kind: Mixed, N: 100_000, Live: window,
			About: "replace one of 10,000 objects of 8 to 4096 bytes"},
		{Name: "phase-64", Kind: Phase, Size: 64, N: 1_000_000, Fixed: true, Live: 64 * 1_000_000,
			About: "one of a million objects of 64 bytes, all freed at once"},
		{Name: "phase-hot-64", Kind: Phase, Size: 64, N: 1000, About: "one of a thousand objects of 64 bytes, all freed at once"},
		{Name: "list", Kind: List, N: 1_000_000, Fixed: true, Live: listNode * 1_000_000,
			About: "one node of a linked list of a million: made, walked, freed"},
		{Name: "tree-16", Kind: Tree, Size: 16, N: nodes(16), Fixed: true, Live: treeNode * nodes(16),
			About: "one node of a binary tree of depth 16: made, walked, freed"},
		{Name: "tree-20", Kind: Tree, Size: 20, N: nodes(20), Fixed: true, Live: treeNode * nodes(20),
			About: "one node of a binary tree of depth 20: made, walked, freed"},
		{Name: "threads-16", Kind: Threads, Size: 16, N: 100_000, About: "pair-16 on every processor at once; time of one thread"},
		{Name: "threads-mixed", Kind: Windows, N: 100_000, Live: window * threads,
			About: "mixed on every processor at once; time of one thread"},
		{Name: "handover", Kind: Handover, N: 10 * HandoverTurns, Live: handover,
			About: "replace one of 1,000 objects of 16 to 512 bytes; every 10,000 the set goes to another thread; time of one thread"},
		{Name: "pipeline", Kind: Pipeline, Size: 64, N: 100 * BatchObjects, Live: 64 * BatchObjects * (BatchesAhead + 2),
			About: "64 bytes, made by one thread and freed by another"},
		{Name: "vector", Kind: Vector, Size: 8, N: 10_000_000, Fixed: true, Live: 8 * 10_000_000,
			About: "append 8 bytes to a vector that grows to ten million"},
		{Name: "block-4K", Kind: Block, Size: 4 * kib, N: 1000, About: "make and free a block of 4 KiB"},
		{Name: "block-1M", Kind: Block, Size: mib, N: 100, About: "make and free a block of 1 MiB"},
		{Name: "block-64M", Kind: Block, Size: 64 * mib, N: 10, About: "make and free a block of 64 MiB"},
		{Name: "touched-4K", Kind: Touched, Size: 4 * kib, N: 1000, About: "make, write to each page of, and free 4 KiB"},
		{Name: "touched-1M", Kind: Touched, Size: mib, N: 20, Live: mib, About: "make, write to each page of, and free 1 MiB"},
		{Name: "touched-64M", Kind: Touched, Size: 64 * mib, N: 2, Live: 64 * mib, About: "make, write to each page of, and free 64 MiB"},
	}
}

// String returns the name.
func (w Workload) String() string { return w.Name }

// An Order is what a process is told to do.
type Order struct {
	Impl     string
	Workload Workload
	Data     string // folder with the files of data.go
	Threads  int
	Budget   int // milliseconds that the timed rounds together should take
}

// String returns the order as JSON.
func (o Order) String() string {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err) // it has numbers and texts only
	}
	return string(b)
}

// A Sample is what one process measured.
type Sample struct {
	Impl     string  `json:"impl"`
	Workload string  `json:"workload"`
	NsPerOp  float64 `json:"ns_per_op"` // of all timed rounds together
	Ops      int     `json:"ops"`       // in all of them, on each thread
	// CPUPerOp is the processor time for an operation, the collector's included.
	// It does not count the time for which others had the processor.
	CPUPerOp float64 `json:"cpu_per_op"`
	Rounds   int     `json:"rounds"`
	// PeakRSS is the most physical memory that the process had, BaseRSS what it
	// had before the workload began, both in bytes; 0 if that is not known.
	PeakRSS int64 `json:"peak_rss"`
	BaseRSS int64 `json:"base_rss"`
	// GCCPU is the share of the processor time of the timed rounds that Go's
	// collector took, and Cycles how many times it ran.
	GCCPU  float64 `json:"gc_cpu"`
	Cycles uint64  `json:"gc_cycles"`
	// Library says what was measured, where the program can tell.
	Library string `json:"library,omitempty"`
	// OtherCPU is the processor time that the rest of the machine took
	// meanwhile, in processors. The parent fills it in.
	OtherCPU float64 `json:"other_cpu"`
}

// Growth returns the memory that the workload took.
func (s Sample) Growth() int64 { return max(s.PeakRSS-s.BaseRSS, 0) }

// An Error says that a process did not measure anything.
type Error struct {
	Impl, Workload, Text string
}

func (e *Error) Error() string { return fmt.Sprintf("%s over %s: %s", e.Workload, e.Impl, e.Text) }

// A Group says whose an implementation is.
type Group string

const (
	Ours  Group = "allod"
	Go    Group = "Go"
	C     Group = "C"
	Zig   Group = "Zig"
	Floor Group = "floor"
)
