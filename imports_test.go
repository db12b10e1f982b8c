package allod_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/allod-dev/allod"

// arrows says which rooms a room may import; see the package documentation. A
// room is a folder and all below it. What is not listed may not be imported,
// and a folder that is not listed may not exist. Tests are free.
var arrows = map[string][]string{
	".":        {},
	"internal": {"internal"},
	"mem":      {"internal"},
	"heap":     {"mem", "internal"},
	"generic":  {"mem", "internal"},
	"testing":  {"heap", "generic", "mem", "internal"},
	"examples": {"testing", "heap", "generic", "mem"},
}

// foreign lists the modules beside the standard library that a room may import.
var foreign = map[string][]string{
	"internal": {"golang.org/x/sys/unix", "golang.org/x/sys/windows"},
	"mem":      {"golang.org/x/exp/constraints"},
}

// heavy are packages of the standard library that would triple a small binary.
var heavy = []string{"net/http", "expvar", "testing"}

func TestImports(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); file != "." && (strings.HasPrefix(name, ".") || name == "testdata") {
				return fs.SkipDir
			}
			if file != "." && fileExists(filepath.Join(file, "go.mod")) {
				return fs.SkipDir // a module of its own
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		files++
		room, _, nested := strings.Cut(filepath.ToSlash(file), "/")
		if !nested {
			room = "."
		}
		allowed, known := arrows[room]
		if !known {
			t.Errorf("%s: room %q is not on the map in this test", file, room)
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			checkArrow(t, file, room, allowed, strings.Trim(spec.Path.Value, `"`))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Fatalf("looked at %d files: the walk has lost its way", files)
	}
}

func checkArrow(t *testing.T, file, room string, allowed []string, imported string) {
	t.Helper()
	if inner, ours := strings.CutPrefix(imported, module+"/"); ours {
		to, _, _ := strings.Cut(inner, "/")
		for _, ok := range append(allowed, room) {
			if to == ok && ok != "." {
				return
			}
		}
		t.Errorf("%s imports %s: no arrow leads from %s to %s", file, imported, room, to)
		return
	}
	if first, _, _ := strings.Cut(imported, "/"); strings.Contains(first, ".") {
		for _, ok := range foreign[room] {
			if imported == ok {
				return
			}
		}
		t.Errorf("%s imports %s: %s may not depend on it", file, imported, room)
		return
	}
	if room == "testing" || room == "examples" {
		return
	}
	for _, h := range heavy {
		if imported == h || strings.HasPrefix(imported, h+"/") {
			t.Errorf("%s imports %s, which every user would link", file, path.Base(imported))
		}
	}
}

func fileExists(name string) bool {
	matches, _ := filepath.Glob(name)
	return len(matches) == 1
}
