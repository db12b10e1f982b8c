package heap_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A function that changes a processor's cache without being pinned is marked so
// that it cannot be preempted there, nor be made part of one that can: a build with
// a profile inlines what is large. The same goes for the methods that it calls,
// whose frames would have to fit into what a nosplit function has of the stack.
func TestSMPUnpinned(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Skip("the sources are not here: ", err)
	}
	marks := make(map[string][]string) // of the methods of SMP
	called := make(map[string][]string)
	for _, name := range files {
		// Older releases cannot read generic methods.
		if strings.HasSuffix(name, "_test.go") || strings.Contains(name, "_go127") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil || !isMethod(f, "SMP") {
				continue
			}
			name := f.Name.Name
			marks[name] = []string{}
			if f.Doc != nil {
				for _, c := range f.Doc.List {
					if mark, ok := strings.CutPrefix(c.Text, "//go:"); ok {
						marks[name] = append(marks[name], mark)
					}
				}
			}
			unpinned, calls := false, []string{}
			ast.Inspect(f.Body, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if s, ok := call.Fun.(*ast.SelectorExpr); ok {
						unpinned = unpinned || s.Sel.Name == "ThisM"
						if x, ok := s.X.(*ast.Ident); ok && x.Name == "s" {
							calls = append(calls, s.Sel.Name)
						}
					}
				}
				return true
			})
			if unpinned {
				called[name] = calls
			}
		}
	}
	if len(called) < 2 {
		t.Errorf("found %d functions that are not pinned, want Alloc and Free at least", len(called))
	}
	for name, calls := range called {
		for _, mark := range []string{"norace", "nosplit", "noinline"} {
			if !slices.Contains(marks[name], mark) {
				t.Errorf("SMP.%s is not marked go:%s", name, mark)
			}
		}
		for _, callee := range calls {
			if !slices.Contains(marks[callee], "noinline") {
				t.Errorf("SMP.%s, which SMP.%s calls, is not marked go:noinline", callee, name)
			}
		}
	}
}

// isMethod tells whether f is a method of *name.
func isMethod(f *ast.FuncDecl, name string) bool {
	if f.Recv == nil || len(f.Recv.List) != 1 {
		return false
	}
	star, ok := f.Recv.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	id, ok := star.X.(*ast.Ident)
	return ok && id.Name == name
}
