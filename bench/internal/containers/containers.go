// Package containers measures the containers of package generic beside Go's own
// and those of other libraries, each doing the same work.
package containers

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/allod-dev/allod/bench/internal/measure"
	"github.com/allod-dev/allod/bench/internal/spec"
)

// A Task is work that several implementations do.
type Task struct {
	Name, About string
	// Figures are what is measured, in order.
	Figures []string
	impls   []impl
}

// An impl is one way to do the work of a task.
type impl struct {
	name  string
	group spec.Group
	about string
	run   func(*meter)
}

// Tasks is what there is to measure.
var Tasks = slices.Concat(mapTasks, stringTasks, orderedTasks, sequenceTasks, sharedTasks)

func findTask(name string) (Task, bool) {
	i := slices.IndexFunc(Tasks, func(t Task) bool { return t.Name == name })
	if i < 0 {
		return Task{}, false
	}
	return Tasks[i], true
}

// A Figure is one thing that was measured.
type Figure struct {
	// Value is nanoseconds for an operation if Unit is "ns", otherwise what Unit
	// says: "MiB", "µs", "ms" or "%".
	Value float64 `json:"value"`
	// CPU is the processor time for it, of all threads together, in the same
	// unit; 0 where it says nothing.
	CPU  float64 `json:"cpu,omitempty"`
	Unit string  `json:"unit"`
}

// A Sample is what one process measured.
type Sample struct {
	Task    string            `json:"task"`
	Impl    string            `json:"impl"`
	Figures map[string]Figure `json:"figures"`
}

// An Order is what a process is told to do.
type Order struct {
	Task, Impl string
	// Short makes everything small, for tests.
	Short bool
}

// String returns the order as JSON.
func (o Order) String() string {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err) // it has texts only
	}
	return string(b)
}

// Work does what the order, in JSON, says and writes a sample.
func Work(order string, w io.Writer) error {
	var o Order
	if err := json.Unmarshal([]byte(order), &o); err != nil {
		return err
	}
	t, _ := findTask(o.Task)
	i := slices.IndexFunc(t.impls, func(i impl) bool { return i.name == o.Impl })
	if i < 0 {
		return fmt.Errorf("no implementation %q of a task %q", o.Impl, o.Task)
	}
	m := &meter{figures: map[string]Figure{}, short: o.Short}
	t.impls[i].run(m)
	return json.NewEncoder(w).Encode(Sample{o.Task, o.Impl, m.figures})
}

// A meter collects figures.
type meter struct {
	figures map[string]Figure
	short   bool
	base    int64
	sum     uint64 // of what was found, so that nothing is left out
}

// n returns how many elements to work with: n, or less if time is short.
func (m *meter) n(n int) int {
	if m.short {
		return min(n, 2000)
	}
	return n
}

// time measures f, which performs n operations. Of several calls with one name,
// the one that took least counts.
func (m *meter) time(name string, n int, f func()) time.Duration {
	cpu, start := measure.CPU(), time.Now()
	f()
	wall := time.Since(start)
	m.least(name, Figure{float64(wall) / float64(n), float64(measure.CPU()-cpu) / float64(n), "ns"})
	return wall
}

// least keeps the smaller values of f and what there was.
func (m *meter) least(name string, f Figure) {
	if old, ok := m.figures[name]; ok {
		f.Value, f.CPU = min(f.Value, old.Value), min(f.CPU, old.CPU)
	}
	m.figures[name] = f
}

// repeat is time for what is short and can be done again and again.
func (m *meter) repeat(name string, n int, f func()) {
	rounds, budget := 3, 300*time.Millisecond
	if m.short {
		rounds, budget = 1, 0
	}
	calls := 1
	for { // until a round is long enough for the clock of the processor
		start := time.Now()
		for range calls {
			f()
		}
		if m.short || time.Since(start) > 40*time.Millisecond {
			break
		}
		calls *= 2
	}
	for start := time.Now(); rounds > 0 || time.Since(start) < budget; rounds-- {
		m.time(name, n*calls, func() {
			for range calls {
				f()
			}
		})
	}
}

// settle gets rid of garbage, and takes the memory of now as that of no
// container.
func (m *meter) settle() {
	runtime.GC()
	debug.FreeOSMemory()
	measure.ResetPeak()
	m.base = measure.RSS()
}

// memory records by how much the memory of the process has grown since settle:
// the first time, since what is free then may be in use by a later round.
func (m *meter) memory(name string) { m.grown(name, measure.RSS()) }

// peak records by how much the memory of the process had grown at most since
// settle, when it is called first.
func (m *meter) peak(name string) { m.grown(name, measure.PeakRSS()) }

func (m *meter) grown(name string, bytes int64) {
	if _, ok := m.figures[name]; !ok {
		m.figures[name] = Figure{Value: float64(max(bytes-m.base, 0)) / (1 << 20), Unit: "MiB"}
	}
}

// rounds returns how often to repeat what starts with an empty container.
func (m *meter) rounds(n int) int {
	if m.short {
		return 1
	}
	return n
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// has panics unless a container gave what was put into it.
func has(ok bool) {
	if !ok {
		panic("a container does not hold what was put into it")
	}
}
