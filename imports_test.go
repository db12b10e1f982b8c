package allod_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/allod-dev/allod"

// arrows says which rooms a room may import; see the package documentation. A
// room is a folder and all below it, except for the rooms that are listed
// themselves. What is not listed may not be imported, and a folder that is not
// listed may not exist. Tests are free.
var arrows = map[string][]string{
	".":             {},
	"internal":      {"internal"},
	"mem":           {"internal"},
	"heap":          {"mem", "internal"},
	"heap/heaphttp": {"heap", "mem", "internal"},
	"generic":       {"mem", "internal"},
	"testing":       {"heap", "generic", "mem", "internal"},
	"examples":      {"testing", "heap", "heap/heaphttp", "generic", "mem"},
}

// foreign lists the modules beside the standard library that a room may import.
var foreign = map[string][]string{
	"internal": {"golang.org/x/sys/unix", "golang.org/x/sys/windows"},
	"mem":      {"golang.org/x/exp/constraints"},
}

// heavy are packages of the standard library that would triple a small binary,
// and light are the rooms that every user links, which may not import them.
var (
	heavy = []string{"net/http", "expvar", "testing"}
	light = []string{".", "internal", "mem", "heap", "generic"}
)

// roomOf returns the room that a folder is in, or "" if there is none.
func roomOf(folder string) string {
	for ; folder != "."; folder = path.Dir(folder) {
		if _, known := arrows[folder]; known {
			return folder
		}
	}
	return ""
}

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
		room := "."
		if folder := path.Dir(filepath.ToSlash(file)); folder != "." {
			room = roomOf(folder)
		}
		allowed, known := arrows[room]
		if !known {
			t.Errorf("%s: its room is not on the map in this test", file)
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
		to := roomOf(inner)
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
	if !slices.Contains(light, room) {
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
