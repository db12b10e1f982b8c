// Package impls lists what is measured in Go: our own allocators, and the ways
// in which programs get memory otherwise.
package impls

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/allod-dev/allod/bench/internal/load"
	"github.com/allod-dev/allod/bench/internal/load/arena"
	"github.com/allod-dev/allod/bench/internal/load/arrow"
	"github.com/allod-dev/allod/bench/internal/load/floor"
	"github.com/allod-dev/allod/bench/internal/load/gonew"
	"github.com/allod-dev/allod/bench/internal/load/mcache"
	"github.com/allod-dev/allod/bench/internal/load/ours"
	"github.com/allod-dev/allod/bench/internal/load/pool"
	"github.com/allod-dev/allod/bench/internal/load/ristretto"
	"github.com/allod-dev/allod/bench/internal/load/syncpool"
	"github.com/allod-dev/allod/bench/internal/load/zarena"
	"github.com/allod-dev/allod/bench/internal/spec"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// An Impl is one way to get memory.
type Impl struct {
	Name  string
	Group spec.Group
	About string
	Kinds []spec.Kind
	Open  func(*load.Job) load.Rig
	// Ours, if set, makes the allocator alone.
	Ours ours.Open
}

var (
	threads = []spec.Kind{spec.Threads, spec.Windows, spec.Handover, spec.Pipeline}
	nodes   = []spec.Kind{spec.List, spec.Tree}
	objects = []spec.Kind{spec.Pair, spec.Random}
	sizes   = []spec.Kind{spec.Mixed, spec.Vector, spec.Block, spec.Touched, spec.Trace}
	all     = slices.Concat(objects, nodes, sizes, threads)
	checked = []spec.Kind{spec.Pair, spec.Deep, spec.Mixed}
	// unlinked is what memory is good for that the collector manages, but does
	// not look into.
	unlinked = slices.Concat(objects, sizes, threads)
)

// Find returns the named one.
func Find(name string) (Impl, bool) {
	if name == GoArena.Name {
		return GoArena, GoArena.Open != nil
	}
	i := slices.IndexFunc(All, func(i Impl) bool { return i.Name == name })
	if i < 0 {
		return Impl{}, false
	}
	return All[i], true
}

// All is all that every binary has, and what needs cgo where there is cgo.
var All = slices.Concat(own, peers, mmapped, cgo)

// GoArena can be measured by a binary that is built with GOEXPERIMENT=arenas.
var GoArena = Impl{Name: "go-arena", Group: spec.Go, About: "the package arena of GOEXPERIMENT=arenas",
	Kinds: slices.Concat(nodes, []spec.Kind{spec.Phase}), Open: openArena}

// one makes an Impl of an adapter that has nothing to choose.
func one[O any](name string, group spec.Group, about string, open func(*load.Job, O) load.Rig, kinds ...[]spec.Kind) Impl {
	return Impl{Name: name, Group: group, About: about, Kinds: slices.Concat(kinds...), Open: func(j *load.Job) load.Rig {
		var o O
		return open(j, o)
	}}
}

var peers = []Impl{
	one("floor", spec.Floor, "no allocator: what the loop costs by itself", floor.New, []spec.Kind{spec.Pair, spec.Threads}),
	one("new", spec.Go, "new, make and append, with the collector", gonew.New, all, []spec.Kind{spec.Phase, spec.Deep}),
	one("sync.Pool", spec.Go, "a sync.Pool for each type", syncpool.New, objects, nodes, []spec.Kind{spec.Threads, spec.Pipeline}),
	one("ristretto", spec.Go, "z.Calloc of dgraph-io/ristretto, without jemalloc", ristretto.New, unlinked),
	one("z.Allocator", spec.Go, "z.Allocator of dgraph-io/ristretto", zarena.New, []spec.Kind{spec.Phase}),
	one("mcache", spec.Go, "bytedance/gopkg/lang/mcache", mcache.New, unlinked),
	plainArrow("arrow", "memory.GoAllocator of apache/arrow-go", arrow.Plain),
	plainArrow("arrow-checked", "memory.CheckedAllocator of apache/arrow-go", arrow.Checked, spec.Deep),
}

func plainArrow(name, about string, open func() memory.Allocator, more ...spec.Kind) Impl {
	return Impl{Name: name, Group: spec.Go, About: about, Kinds: slices.Concat(unlinked, more), Open: func(j *load.Job) load.Rig { return arrow.New(j, open) }}
}

// through makes an Impl of one of our allocators.
func through(name, about string, open func() ours.Allocator, kinds ...[]spec.Kind) Impl {
	return Impl{name, spec.Ours, about, slices.Concat(kinds...), func(j *load.Job) load.Rig { return ours.New(j, open) }, open}
}

// plain is an allocator that needs nothing but the interface.
func plain(a func() mem.Allocator) func() ours.Allocator {
	return func() ours.Allocator { return ours.Allocator{Allocator: a()} }
}

var own = []Impl{
	through("smp", "heap.SMP", plain(func() mem.Allocator { return heap.NewSMP(heap.SMPOptions{}) }), all),
	through("smp-cache", "heap.SMPCache, one for each goroutine", func() ours.Allocator {
		a := heap.NewSMP(heap.SMPOptions{})
		return ours.Allocator{Allocator: a, Handle: func() mem.Allocator { return a.Cache() }}
	}, all),
	through("smp-hardened", "heap.SMP with SMPOptions.Hardened", plain(func() mem.Allocator {
		return heap.NewSMP(heap.SMPOptions{Hardened: true})
	}), objects, nodes, []spec.Kind{spec.Mixed, spec.Threads, spec.Trace}),
	one("pool", spec.Ours, "heap.Pool, one for each type and goroutine", pool.New,
		objects, nodes, []spec.Kind{spec.Phase, spec.Threads}),
	one("arena", spec.Ours, "heap.Arena by its own methods", arena.New, []spec.Kind{spec.Phase}),
	through("arena-mem", "heap.Arena through mem.Allocator", func() ours.Allocator {
		a := heap.NewArena(heap.Page{})
		return ours.Allocator{Allocator: a, Reset: a.Reset}
	}, []spec.Kind{spec.Phase, spec.Vector}, nodes),
	through("concurrent-arena", "heap.ConcurrentArena", func() ours.Allocator {
		a := heap.NewConcurrentArena(heap.Page{})
		return ours.Allocator{Allocator: a, Reset: a.Reset}
	}, []spec.Kind{spec.Phase}, nodes),
	through("fixed-buffer", "heap.FixedBuffer of 128 MiB", func() ours.Allocator {
		a := heap.NewFixedBuffer(mem.Must(mem.AllocUninit[byte](heap.Page{}, 128<<20)))
		return ours.Allocator{Allocator: a, Reset: a.Reset}
	}, []spec.Kind{spec.Phase}, nodes),
	through("page", "heap.Page: a mapping for each block", plain(func() mem.Allocator { return heap.Page{} }),
		[]spec.Kind{spec.Vector, spec.Block, spec.Touched}),
	through("gc", "heap.GC: Go's heap as an allocator", plain(func() mem.Allocator { return heap.GC{} }), all),
	through("counting", "heap.Counting over heap.SMP", plain(func() mem.Allocator {
		return heap.NewCounting(heap.NewSMP(heap.SMPOptions{}))
	}), objects, []spec.Kind{spec.Mixed, spec.Threads}),
	through("smp-profile", "heap.SMP with SMPOptions.ProfileRate of 512 KiB", plain(func() mem.Allocator {
		return heap.NewSMP(heap.SMPOptions{ProfileRate: 512 << 10})
	}), objects, sizes, threads),
	through("profile", "heap.Profile over heap.SMP", plain(func() mem.Allocator {
		return heap.NewProfile(heap.NewSMP(heap.SMPOptions{}))
	}), objects, sizes, threads),
	through("debug", "heap.Debug over heap.SMP: 16 frames", plain(func() mem.Allocator {
		return heap.NewDebug(heap.NewSMP(heap.SMPOptions{}), heap.DebugOptions{})
	}), checked, []spec.Kind{spec.Random, spec.Trace}),
	through("debug-no-stacks", "heap.Debug over heap.SMP, with StackDepth off", plain(func() mem.Allocator {
		return heap.NewDebug(heap.NewSMP(heap.SMPOptions{}), heap.DebugOptions{StackDepth: -1})
	}), checked),
	through("debug-guarded", "heap.Debug with GuardEnd", plain(func() mem.Allocator {
		return heap.NewDebug(heap.NewSMP(heap.SMPOptions{}), heap.DebugOptions{Guard: heap.GuardEnd})
	}), []spec.Kind{spec.Pair, spec.Deep}),
}
