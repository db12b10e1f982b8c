// Package workload has programs that exist only as what they ask of their
// allocator, to measure allocators with where there is no trace of a real one.
package workload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/allod-dev/allod/testing/alloctrace"
)

// Prefix is what stands before the name of a workload where a trace is wanted.
const Prefix = "workload:"

// A Workload is such a program. It is the same in every process.
type Workload struct {
	Name  string
	About string
	write func(*writer)
}

// All are the workloads, in the order in which they are shown.
var All = []Workload{
	{"pairs", "an object of 64 bytes is made and freed", pairs},
	{"nested", "1,000 objects of 16 to 256 bytes, freed in reverse", nested},
	{"queue", "10,000 objects of 32 to 512 bytes, the oldest goes first", queue},
	{"mixed", "10,000 objects of 8 bytes to 4 KiB, a random one goes first", mixed},
	{"scattered", "100,000 objects of 8 to 64 bytes, freed in random order", scattered},
	{"vectors", "100 vectors, each grown by halves up to 64 KiB", vectors},
	{"large", "16 blocks of 64 KiB to 4 MiB, a random one goes first", large},
	{"handover", "one thread makes 64 objects, another frees them", handover},
}

// Names returns the names of all.
func Names() (names []string) {
	for _, w := range All {
		names = append(names, w.Name)
	}
	return names
}

// Find returns the workload of that name.
func Find(name string) (Workload, bool) {
	for _, w := range All {
		if w.Name == name {
			return w, true
		}
	}
	return Workload{}, false
}

// Open returns the trace that name stands for: a workload after [Prefix], or a
// file. A trace whose end is missing is good enough, and says so in its header.
func Open(name string) (*alloctrace.Trace, error) {
	short, ok := strings.CutPrefix(name, Prefix)
	if !ok {
		t, err := alloctrace.ReadFile(name)
		if t != nil && errors.Is(err, io.ErrUnexpectedEOF) {
			return t, nil
		}
		return t, err
	}
	w, ok := Find(short)
	if !ok {
		return nil, fmt.Errorf("no workload %q, but %s", short, strings.Join(Names(), ", "))
	}
	return w.Trace()
}

// Trace returns what the workload does. That it is written and read again checks
// every operation of it.
func (w Workload) Trace() (*alloctrace.Trace, error) {
	var file bytes.Buffer
	t := &writer{Writer: alloctrace.NewWriter(&file, alloctrace.Header{Name: w.Name, Workload: w.About}), dice: rand.New(rand.NewPCG(1, 2))}
	w.write(t)
	if err := t.Close(); err != nil {
		return nil, err
	}
	return alloctrace.Read(&file)
}

// writer writes a trace and rolls the dice.
type writer struct {
	*alloctrace.Writer
	dice *rand.Rand
}

// object is one that is live.
type object struct {
	number uint32
	size   int
}

// make makes an object of at least least and at most most bytes. All orders of
// magnitude are equally likely.
func (t *writer) make(least, most int) object {
	size := int(float64(least) * math.Pow(float64(most)/float64(least), t.dice.Float64()))
	return object{t.Alloc(size, 0, false), size}
}

func (t *writer) free(o object) { t.Free(o.number, o.size) }

func pairs(t *writer) {
	for range 100_000 {
		t.free(t.make(64, 64))
	}
}

func nested(t *writer) {
	for range 100 {
		var live []object
		for range 1000 {
			live = append(live, t.make(16, 256))
		}
		for i := range live {
			t.free(live[len(live)-1-i])
		}
	}
}

func queue(t *writer) {
	window(t, 10_000, 100_000, 32, 512, func(turn int) int { return turn % 10_000 })
}

func mixed(t *writer) {
	window(t, 10_000, 100_000, 8, 4096, func(int) int { return t.dice.IntN(10_000) })
}

func large(t *writer) {
	window(t, 16, 5_000, 64<<10, 4<<20, func(int) int { return t.dice.IntN(16) })
}

// window keeps so many objects live, and replaces one at every turn.
func window(t *writer, live, turns, least, most int, next func(turn int) int) {
	all := make([]object, live)
	for i := range all {
		all[i] = t.make(least, most)
	}
	for turn := range turns {
		o := &all[next(turn)]
		t.free(*o)
		*o = t.make(least, most)
	}
	for _, o := range all {
		t.free(o)
	}
}

func scattered(t *writer) {
	all := make([]object, 100_000)
	for i := range all {
		all[i] = t.make(8, 64)
	}
	t.dice.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	for _, o := range all {
		t.free(o)
	}
}

func vectors(t *writer) {
	for range 20 {
		all := make([]object, 100)
		for i := range all {
			all[i] = t.make(16, 16)
		}
		for grown := true; grown; {
			grown = false
			for i := range all {
				if o := &all[i]; o.size < 64<<10 {
					size := min(o.size+o.size/2, 64<<10)
					t.Realloc(o.number, o.size, size)
					o.size, grown = size, true
				}
			}
		}
		for _, o := range all {
			t.free(o)
		}
	}
}

func handover(t *writer) {
	for range 2000 {
		t.Thread(0)
		var live []object
		for range 64 {
			live = append(live, t.make(64, 512))
		}
		t.Thread(1)
		for _, o := range live {
			t.free(o)
		}
	}
}
