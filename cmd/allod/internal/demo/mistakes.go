package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"strings"

	"github.com/allod-dev/allod/cmd/allod/internal/say"
	"github.com/allod-dev/allod/examples/forgotten"
	"github.com/allod-dev/allod/examples/tooearly"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// HiddenMistake is the name under which this program starts itself for one of
// the programs with a mistake.
const HiddenMistake = "demo-mistake"

// A Mistake is a small program that does something wrong, and what it is told.
type Mistake struct {
	Name     string `json:"name"`   // the folder in examples
	Source   string `json:"source"` // its Go text
	Found    bool   `json:"found"`
	Able     bool   `json:"able"` // it can be found on this system
	Report   string `json:"report"`
	Sentence string `json:"sentence"`
}

// mistakes are the programs. Some systems cannot guard memory.
var mistakes = []struct {
	name, source string
	guarded      bool
	run          func() error
}{
	{"forgotten", forgotten.Source, false, func() error { return forgotten.Greet(io.Discard, "Ada", "Grace") }},
	{"tooearly", tooearly.Source, true, func() error { return tooearly.Greet(io.Discard, "Ada") }},
}

// RunMistake is the hidden command: it runs the program of that name and writes
// what it is told to w, as JSON. What the program prints itself goes to standard
// error.
func RunMistake(name string, w io.Writer) error {
	for _, m := range mistakes {
		if m.name == name {
			told := &Mistake{Name: name, Source: m.source, Able: !m.guarded || canGuard()}
			told.explain(m.run())
			return json.NewEncoder(w).Encode(told)
		}
	}
	return fmt.Errorf("%s: there is no program %q", HiddenMistake, name)
}

// canGuard tells whether this system can make memory inaccessible.
func canGuard() bool {
	d := heap.NewDebug(heap.GC{}, heap.DebugOptions{Guard: heap.GuardEnd})
	defer d.Close()
	p, err := mem.Create[int](d)
	defer mem.Destroy(d, p)
	return err == nil && d.Stats().Guarded > 0
}

// mistakes runs each program in a process of its own, which is free to die.
func (r *Report) mistakes(ctx context.Context) error {
	for _, m := range mistakes {
		cmd, err := ourselves(ctx, HiddenMistake, m.name)
		if err != nil {
			return err
		}
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		told := new(Mistake)
		if err := json.Unmarshal(out, told); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		r.Mistakes = append(r.Mistakes, told)
	}
	return nil
}

// explain puts err, which the program returned, into words.
func (m *Mistake) explain(err error) {
	var (
		leak  *heap.LeakError
		fault *heap.Fault
	)
	switch {
	case errors.As(err, &leak) && len(leak.Groups) > 0:
		g := leak.Groups[0]
		m.Found = true
		m.Sentence = fmt.Sprintf("One Free forgotten: a heap.Debug, as it is closed, tells of %s that leaked, of %s, allocated at %s.",
			say.Plural(leak.Blocks, "block"), say.Plural(leak.Bytes, "byte"), m.place(g.Stack))
		m.Report = fmt.Sprintf("leaked %s of %s\nallocated by\n%s",
			say.Plural(leak.Blocks, "block"), say.Plural(leak.Bytes, "byte"), m.stack(g.Stack))
	case errors.As(err, &fault):
		m.Found = true
		m.Sentence = fmt.Sprintf("One Free too early: in a guarded heap.Debug the block cannot be used any more, and heap.Catch "+
			"returns who tried: it was read at %s, freed at %s, and allocated at %s.",
			m.place(fault.Here), m.place(fault.Free), m.place(fault.Alloc))
		m.Report = fmt.Sprintf("%v at byte %d of a block of %s\nread by\n%sfreed by\n%sallocated by\n%s",
			fault.Kind, fault.Addr-fault.Block, say.Plural(fault.Size, "byte"),
			m.stack(fault.Here), m.stack(fault.Free), m.stack(fault.Alloc))
	default:
		m.Sentence = fmt.Sprintf("What examples/%s does wrong is not found on %s/%s.", m.Name, runtime.GOOS, runtime.GOARCH)
	}
}

// place is the line of the program that a stack begins in.
func (m *Mistake) place(s heap.Stack) string {
	file, line := "", 0
	m.frames(s, func(f runtime.Frame) {
		if file == "" {
			file, line = path.Base(f.File), f.Line
		}
	})
	return fmt.Sprintf("%s:%d", file, line)
}

// stack lists the part of a stack that is the program's.
func (m *Mistake) stack(s heap.Stack) string {
	var b strings.Builder
	m.frames(s, func(f runtime.Frame) {
		fmt.Fprintf(&b, "\t%s\n\t\texamples/%s/%s:%d\n", path.Base(f.Function), m.Name, path.Base(f.File), f.Line)
	})
	return b.String()
}

// frames calls f with the frames of s that are in the program's folder.
func (m *Mistake) frames(s heap.Stack, f func(runtime.Frame)) {
	if len(s) == 0 {
		return
	}
	frames := runtime.CallersFrames(s)
	for more := true; more; {
		var frame runtime.Frame
		if frame, more = frames.Next(); strings.Contains(frame.Function, "/examples/"+m.Name+".") {
			f(frame)
		}
	}
}

// Listing returns the program with the numbers of its lines, without what comes
// before its function.
func (m *Mistake) Listing() string {
	lines := strings.Split(strings.TrimSuffix(m.Source, "\n"), "\n")
	var b strings.Builder
	inside := false
	for i, line := range lines {
		if inside = inside || strings.HasPrefix(line, "func "); inside {
			fmt.Fprintf(&b, "%3d  %s\n", i+1, strings.ReplaceAll(line, "\t", "    "))
		}
	}
	return b.String()
}

// write writes the sentence, the program and the report, below one another.
func (m *Mistake) write(w io.Writer, columns int) error {
	_, err := fmt.Fprintf(w, "\n%s\n\n%s", say.Wrap(m.Sentence, columns), m.Listing())
	if err == nil && m.Report != "" {
		_, err = fmt.Fprintf(w, "\n%s", strings.ReplaceAll(indented(m.Report), "\t", "    "))
	}
	return err
}

// indented returns the lines of s a tab further right.
func indented(s string) string {
	return "\t" + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n\t") + "\n"
}
