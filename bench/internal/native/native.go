// Package native builds and starts the programs that measure allocators outside
// Go: those of C, one program for each library, and those of Zig.
package native

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/allod-dev/allod/bench/internal/spec"
)

//go:embed src
var sources embed.FS

const sourceDir = "src"

// A Program measures one allocator.
type Program struct {
	Name, About string
	Group       spec.Group
	Kinds       []spec.Kind

	file, variant string
}

// An Absent allocator cannot be measured here.
type Absent struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

var (
	cKinds = []spec.Kind{spec.Pair, spec.Deep, spec.Random, spec.Mixed, spec.List, spec.Tree, spec.Threads, spec.Windows,
		spec.Handover, spec.Pipeline, spec.Vector, spec.Block, spec.Touched, spec.Trace}
	phases  = []spec.Kind{spec.Phase, spec.List, spec.Tree}
	checked = []spec.Kind{spec.Pair, spec.Deep, spec.Mixed} // of what takes microseconds
)

// libraries are the allocators for C, with the ways to link them.
var libraries = []struct {
	name, about, object string // object is a part of the name of the file that malloc is then in
	flags               []string
}{
	{"glibc", "malloc of the GNU C library", "libc", []string{""}},
	{"mimalloc", "libmimalloc", "mimalloc", []string{"-lmimalloc"}},
	{"jemalloc", "libjemalloc", "jemalloc", []string{"-ljemalloc"}},
	{"tcmalloc", "libtcmalloc_minimal, of gperftools", "tcmalloc", []string{"-ltcmalloc_minimal", "-l:libtcmalloc_minimal.so.4"}},
}

// variants are the allocators of Zig, with the mode that the program is built in.
// DebugAllocator is what programs have that are built as zig builds them unless
// told otherwise, and as fast as it can be with stacks like ours.
var variants = []struct {
	name, variant, mode, about string
	kinds                      []spec.Kind
}{
	{"zig-smp", "smp", zigFast, "std.heap.smp_allocator", cKinds},
	{"zig-arena", "arena", zigFast, "std.heap.ArenaAllocator", phases},
	{"zig-pool", "pool", zigFast, "std.heap.MemoryPool", slices.Concat(phases, []spec.Kind{spec.Pair, spec.Random})},
	{"zig-page", "page", zigFast, "std.heap.page_allocator", []spec.Kind{spec.Vector, spec.Block, spec.Touched}},
	{"zig-debug", "debug", "Debug", "std.heap.DebugAllocator(.{}) in mode Debug: 6 frames", checked},
	{"zig-debug-16", "debug16", "ReleaseSafe", "std.heap.DebugAllocator with 16 frames, in mode ReleaseSafe", checked},
}

const zigFast = "ReleaseFast"

// Build builds in dir what is wanted and can be built here, and says what cannot.
func Build(ctx context.Context, dir string, wanted func(name string) bool) (programs []Program, absent []Absent, err error) {
	files, err := sources.ReadDir(sourceDir)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range files {
		text, err := sources.ReadFile(path.Join(sourceDir, f.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, f.Name()), text, 0o666)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	for _, l := range libraries {
		if !wanted(l.name) {
			continue
		}
		p := Program{Name: l.name, About: l.about, Group: spec.C, Kinds: cKinds, file: filepath.Join(dir, "c-"+l.name), variant: "-"}
		if err := buildC(ctx, dir, p, l.flags, l.object); err != nil {
			absent = append(absent, Absent{l.name, err.Error()})
			continue
		}
		programs = append(programs, p)
	}
	built := map[string]error{}
	for _, v := range variants {
		if !wanted(v.name) {
			continue
		}
		file := filepath.Join(dir, "zig-loops-"+v.mode)
		zigErr, tried := built[v.mode]
		if !tried {
			zigErr = buildZig(ctx, dir, file, v.mode)
			built[v.mode] = zigErr
		}
		if zigErr != nil {
			absent = append(absent, Absent{v.name, zigErr.Error()})
			continue
		}
		programs = append(programs, Program{Name: v.name, About: v.about, Group: spec.Zig, Kinds: v.kinds, file: file, variant: v.variant})
	}
	return programs, absent, ctx.Err()
}

// buildC builds the program for one library, and looks whether malloc is from
// there.
func buildC(ctx context.Context, dir string, p Program, ways []string, object string) error {
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	if _, err := exec.LookPath(cc); err != nil {
		return fmt.Errorf("there is no C compiler %s", cc)
	}
	var err error
	for _, flag := range ways {
		args := []string{"-O2", "-o", p.file, "harness.c", "loops.c", "-pthread", "-ldl"}
		if flag != "" {
			args = append(args, "-Wl,--no-as-needed", flag)
		}
		if err = command(ctx, dir, cc, args...); err == nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("it cannot be linked: %w", err)
	}
	s, err := p.try(ctx)
	if err == nil && !strings.Contains(filepath.Base(s.Library), object) {
		err = fmt.Errorf("malloc is in %s", s.Library)
	}
	return err
}

// zigs is where a Zig may be beside in PATH: npm install puts it there.
const zigs = "node_modules/.bin/zig"

func buildZig(ctx context.Context, dir, file, mode string) error {
	if err := zig(ctx, dir, file, mode, "-DMAIN_ELSEWHERE", "harness.c", "loops.zig"); err != nil {
		return err
	}
	_, err := Program{file: file, variant: "smp"}.try(ctx)
	return err
}

// zig builds file in dir in the mode, from the rest of args.
func zig(ctx context.Context, dir, file, mode string, args ...string) error {
	zig, err := exec.LookPath("zig")
	if err != nil {
		if zig, err = filepath.Abs(zigs); err == nil {
			_, err = os.Stat(zig)
		}
	}
	if err != nil {
		return errors.New("there is no zig")
	}
	err = command(ctx, dir, zig, append([]string{"build-exe", "-O" + mode, "-mcpu=native", "-lc", "-femit-bin=" + file,
		"--cache-dir", filepath.Join(dir, "zig-cache"), "--global-cache-dir", filepath.Join(dir, "zig-global")}, args...)...)
	if err != nil {
		return fmt.Errorf("zig is of another version than 0.16, or fails: %w", err)
	}
	return nil
}

// BuildContainers builds in dir the program that measures containers of Zig, and
// returns its file. It takes the name of a task and a number of entries.
func BuildContainers(ctx context.Context, dir string) (file string, err error) {
	const source = "containers.zig"
	text, err := sources.ReadFile(path.Join(sourceDir, source))
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, source), text, 0o666); err != nil {
		return "", err
	}
	file = filepath.Join(dir, "zig-containers")
	return file, zig(ctx, dir, file, zigFast, source)
}

// command runs a program in dir. Its error has the first line of what it said.
func command(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		said, _, _ := bytes.Cut(bytes.TrimSpace(out), []byte("\n"))
		return fmt.Errorf("%w: %s", err, said)
	}
	return nil
}

// try runs the program for an instant.
func (p Program) try(ctx context.Context) (s spec.Sample, err error) {
	out, err := p.Command(ctx, spec.Order{Threads: 1, Workload: spec.Workload{Kind: spec.Pair, Size: 16, N: 100, Fixed: true}}).Output()
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	return s, err
}

// Command returns what measures as the order says, and writes a sample to its
// standard output.
func (p Program) Command(ctx context.Context, o spec.Order) *exec.Cmd {
	w := o.Workload
	file := ""
	switch w.Kind {
	case spec.Mixed, spec.Windows:
		file = filepath.Join(o.Data, spec.SizesFile)
	case spec.Handover:
		file = filepath.Join(o.Data, spec.HandoverFile)
	case spec.Random:
		file = filepath.Join(o.Data, spec.OrderFile)
	case spec.Trace:
		file = spec.TraceFile(o.Data, w.File)
	}
	return exec.CommandContext(ctx, p.file, p.variant, string(w.Kind), strconv.Itoa(w.Size), strconv.Itoa(w.N), flag(w.Fixed),
		strconv.Itoa(o.Budget), strconv.Itoa(o.Threads), flag(w.Untouched), file)
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
