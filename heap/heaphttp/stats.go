package heaphttp

import (
	"math"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// Stats is what is served at stats: what is held now. Sizes are in bytes. What is
// there once keeps its name and meaning; more may come.
type Stats struct {
	// When and where that is.
	Time    time.Time `json:"time"`
	Process Process   `json:"process"`
	Memory  Memory    `json:"memory"`
	// Allocators are the names of the registry, sorted so that what is below a name
	// follows it, each with what is below it: those without a slash add up to all.
	Allocators []Allocator `json:"allocators"`
	// Footprints are the allocators that memory comes from, and those that are
	// watched; see [heap.Registry.Footprints].
	Footprints []Footprint `json:"footprints"`
	// Debugs are the Debugs that are open.
	Debugs []Debug `json:"debugs"`
}

// Process says whose memory it is.
type Process struct {
	// Program is the name of the file that runs, and Go the version of Go.
	Program string `json:"program"`
	PID     int    `json:"pid"`
	Go      string `json:"go"`
	// Started is when the Monitor was made.
	Started time.Time `json:"started"`
}

// Memory is the memory of the process.
type Memory struct {
	// OffHeap is [heap.OffHeap].
	OffHeap int64 `json:"off_heap"`
	// GoTotal is what Go's memory limit counts.
	GoTotal int64 `json:"go_total"`
	// GoHeap is what the Go heap has in objects, dead ones among them.
	GoHeap int64 `json:"go_heap"`
	// GoLimit is Go's memory limit as it is set now, or 0 if there is none.
	GoLimit int64 `json:"go_limit"`
	// Budget is that of the open [heap.Budget], or null.
	Budget *Budget `json:"budget"`
}

// Budget is a [heap.BudgetStats].
type Budget struct {
	// These are the fields of the same names.
	Total    int64 `json:"total"`
	OffHeap  int64 `json:"off_heap"`
	Reserved int64 `json:"reserved"`
	GoLimit  int64 `json:"go_limit"`
	Moves    int64 `json:"moves"`
	Refused  int64 `json:"refused"`
	Lost     bool  `json:"lost"`
}

// Allocator is a [heap.NamedStats].
type Allocator struct {
	// These are the fields of the same names, with what is counted below.
	Name        string `json:"name"`
	Allocators  int    `json:"allocators"`
	Blocks      int64  `json:"blocks"`
	Bytes       int64  `json:"bytes"`
	PeakBlocks  int64  `json:"peak_blocks"`
	PeakBytes   int64  `json:"peak_bytes"`
	TotalBlocks int64  `json:"total_blocks"`
	TotalBytes  int64  `json:"total_bytes"`
	Failures    int64  `json:"failures"`
	InPlace     int64  `json:"in_place"`
	Moved       int64  `json:"moved"`
	Refused     int64  `json:"refused"`
	// Committed, Reserved and Returned are those of the footprint, and
	// Fragmentation is [heap.NamedStats.Fragmentation]. All are 0 if nothing is
	// known to be committed.
	Committed     int64   `json:"committed"`
	Reserved      int64   `json:"reserved"`
	Returned      int64   `json:"returned"`
	Fragmentation float64 `json:"fragmentation"`
	// Sizes says how many blocks there are of which size.
	Sizes []Size `json:"sizes"`
}

// Size is a [heap.SizeStats].
type Size struct {
	// These are the fields of the same names.
	MaxSize int   `json:"max_size"`
	Blocks  int64 `json:"blocks"`
	Total   int64 `json:"total"`
}

// Footprint is a [heap.NamedFootprint].
type Footprint struct {
	// These are the fields of the same names.
	Name      string   `json:"name"`
	Type      string   `json:"type"`
	Users     []string `json:"users"`
	Process   bool     `json:"process"`
	Blocks    int64    `json:"blocks"`
	Live      int64    `json:"live"`
	Cached    int64    `json:"cached"`
	Committed int64    `json:"committed"`
	Reserved  int64    `json:"reserved"`
	Peak      int64    `json:"peak"`
	Returned  int64    `json:"returned"`
	Classes   []Class  `json:"classes"`
	// Fragmentation is [mem.Footprint.Fragmentation].
	Fragmentation float64 `json:"fragmentation"`
}

// Class is a [mem.FootprintClass].
type Class struct {
	// These are the fields of the same names.
	Size   int   `json:"size"`
	Slots  int64 `json:"slots"`
	Live   int64 `json:"live"`
	Cached int64 `json:"cached"`
}

// Debug is the [heap.DebugStats] of one that is open.
type Debug struct {
	// Name is that of the allocator which stands on it, or "debug 1" and so on.
	Name string `json:"name"`
	// These are the fields of the same names.
	Blocks           int64 `json:"blocks"`
	Bytes            int64 `json:"bytes"`
	PeakBytes        int64 `json:"peak_bytes"`
	Quarantined      int64 `json:"quarantined"`
	QuarantinedBytes int64 `json:"quarantined_bytes"`
	Failures         int64 `json:"failures"`
	Reports          int64 `json:"reports"`
}

// Stats returns what is held now, and adds it to the history.
func (m *Monitor) Stats() Stats {
	now := time.Now()
	named := m.registry.Stats()
	m.observe(now, named)
	program, _ := os.Executable() // nobody needs it
	s := Stats{
		Time:       now,
		Process:    Process{Program: filepath.Base(program), PID: os.Getpid(), Go: runtime.Version(), Started: m.started},
		Memory:     memory(),
		Allocators: make([]Allocator, len(named)),
		Footprints: []Footprint{},
		Debugs:     []Debug{},
	}
	for i := range named {
		s.Allocators[i] = allocatorOf(&named[i])
	}
	for _, f := range m.registry.Footprints() {
		s.Footprints = append(s.Footprints, footprintOf(&f))
	}
	for _, src := range m.sources() {
		if d, ok := src.of.(*heap.Debug); ok {
			s.Debugs = append(s.Debugs, debugOf(src.name, d.Stats()))
		}
	}
	return s
}

func allocatorOf(n *heap.NamedStats) Allocator {
	a := Allocator{
		Name: n.Name, Allocators: n.Allocators,
		Blocks: n.Blocks, Bytes: n.Bytes, PeakBlocks: n.PeakBlocks, PeakBytes: n.PeakBytes,
		TotalBlocks: n.TotalBlocks, TotalBytes: n.TotalBytes,
		Failures: n.Failures, InPlace: n.InPlace, Moved: n.Moved, Refused: n.Refused,
		Committed: n.Footprint.Committed, Reserved: n.Footprint.Reserved, Returned: n.Footprint.Returned,
		Fragmentation: n.Fragmentation(),
		Sizes:         make([]Size, len(n.Sizes)),
	}
	for i, s := range n.Sizes {
		a.Sizes[i] = Size(s)
	}
	return a
}

func footprintOf(n *heap.NamedFootprint) Footprint {
	f := Footprint{
		Name: n.Name, Type: n.Type, Users: n.Users, Process: n.Process,
		Blocks: n.Blocks, Live: n.Live, Cached: n.Cached, Committed: n.Committed,
		Reserved: n.Reserved, Peak: n.Peak, Returned: n.Returned,
		Fragmentation: n.Fragmentation(), Classes: make([]Class, len(n.Classes)),
	}
	for i, c := range n.Classes {
		f.Classes[i] = classOf(c)
	}
	return f
}

func classOf(c mem.FootprintClass) Class { return Class(c) }

func debugOf(name string, d heap.DebugStats) Debug {
	return Debug{
		Name: name, Blocks: int64(d.Blocks), Bytes: int64(d.Bytes), PeakBytes: int64(d.PeakBytes),
		Quarantined: int64(d.Quarantined), QuarantinedBytes: int64(d.QuarantinedBytes),
		Failures: int64(d.Failures), Reports: int64(d.Reports),
	}
}

func memory() Memory {
	x := Memory{OffHeap: int64(heap.OffHeap()), GoLimit: debug.SetMemoryLimit(-1)}
	if x.GoLimit == math.MaxInt64 {
		x.GoLimit = 0
	}
	x.GoTotal, x.GoHeap = goTotal(), read("/memory/classes/heap/objects:bytes")
	if b := heap.OpenBudget(); b != nil {
		s := b.Stats()
		x.Budget = &Budget{
			Total: int64(s.Total), OffHeap: int64(s.OffHeap), Reserved: int64(s.Reserved), GoLimit: int64(s.GoLimit),
			Moves: int64(s.Moves), Refused: int64(s.Refused), Lost: s.Lost,
		}
	}
	return x
}

// goTotal returns what Go's memory limit counts; see package runtime/debug.
func goTotal() int64 {
	return read("/memory/classes/total:bytes") - read("/memory/classes/heap/released:bytes")
}

func read(metric string) int64 {
	s := []metrics.Sample{{Name: metric}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		return 0 // a release that does not know it
	}
	return int64(s[0].Value.Uint64())
}

func (m *Monitor) serveStats(w http.ResponseWriter, _ *http.Request) { serveJSON(w, m.Stats()) }
