package allod_test

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rooms are the packages whose exported names are what users program against.
var rooms = []string{"mem", "heap", "heap/heaphttp", "generic", "testing/allocatortest", "testing/alloctrace"}

// shownBy names, for exported types that no example names, the example in which
// a value of the type is used.
var shownBy = map[string]string{
	"allocatortest.Option": "Child",
	"allocatortest.TB":     "New",
	"generic.DoublyLinked": "IntrusiveDoublyLinkedList",
	"generic.DoublyLinks":  "IntrusiveDoublyLinkedList",
	"generic.DoublyNode":   "DoublyLinkedList",
	"generic.MultiArray":   "Column",
	"generic.SinglyLinked": "IntrusiveSinglyLinkedList",
	"generic.SinglyLinks":  "IntrusiveSinglyLinkedList",
	"generic.SinglyNode":   "SinglyLinkedList",
	"generic.Slot":         "HashMap",
	"heap.ArenaStats":      "Arena",
	"heap.BufferMark":      "FixedBuffer",
	"heap.CappedGC":        "NewGC",
	"heap.CountingStats":   "Counting",
	"heap.DebugGuard":      "Catch",
	"heap.FailingCount":    "Failing",
	"heap.FailingStats":    "Failing",
	"heap.LoggingStats":    "Logging",
	"heap.NamedFootprint":  "Footprints",
	"heap.PageStats":       "NewPages",
	"heap.Pages":           "NewPages",
	"heap.PoolStats":       "Pool",
	"heap.PromotedArena":   "ArenaState",
	"heap.ReservedStats":   "Reserved",
	"heap.SharedBuffer":    "FixedBuffer",
	"heaphttp.Budget":      "Monitor",
	"heaphttp.Class":       "Monitor",
	"heaphttp.Debug":       "Monitor",
	"heaphttp.Footprint":   "Monitor",
	"heaphttp.Frame":       "Leaks",
	"heaphttp.History":     "Monitor",
	"heaphttp.Memory":      "Monitor",
	"heaphttp.Process":     "Monitor",
	"heaphttp.Profiler":    "Leaks",
	"heaphttp.Site":        "Leaks",
	"heaphttp.Size":        "Monitor",
	"mem.FootprintClass":   "Footprinter",
	"mem.GoodSizer":        "As",
	"mem.Trimmer":          "As",
	"mem.Unwrapper":        "As",
	"mem.UsableSizer":      "As",
}

// TestDocs wants a comment on every exported name, and for every exported type
// an example that is about it or names it.
func TestDocs(t *testing.T) {
	names := 0
	for _, room := range rooms {
		files, err := filepath.Glob(filepath.Join(room, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", room, len(files), err)
		}
		examples := map[string]bool{}
		types := map[string]bool{}
		for _, file := range files {
			if strings.Contains(file, "_go127") && !slices.Contains(build.Default.ReleaseTags, "go1.27") {
				continue // this parser cannot read methods with type parameters
			}
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, file, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, decl := range f.Decls {
				if strings.HasSuffix(file, "_test.go") {
					exemplified(decl, examples)
				} else {
					names += documented(t, fset, f.Name.Name, file, decl, types)
				}
			}
		}
		short := room[strings.LastIndex(room, "/")+1:]
		for typ := range types {
			by, listed := shownBy[short+"."+typ]
			switch {
			case examples[typ] && listed:
				t.Errorf("%s.%s has an example and need not be listed here", short, typ)
			case !examples[typ] && !examples[by]:
				t.Errorf("%s.%s has no example", short, typ)
			}
		}
	}
	if names < 100 {
		t.Fatalf("found %d exported names: the walk has lost its way", names)
	}
}

// TestReadme wants the code in the README and the guides to be code that is
// tested: each block of Go stands in an example, to the letter.
func TestReadme(t *testing.T) {
	glob := func(pattern string) []string {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		return files
	}
	var tested strings.Builder
	for _, pattern := range []string{"heap/example*_test.go", "examples/*/*.go", "docs/*_test.go"} {
		for _, file := range glob(pattern) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			tested.WriteString(flat(string(b)))
		}
	}
	texts := append(glob("docs/*.md"), "README.md")
	blocks := 0
	for _, file := range texts {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range strings.Split(string(text), "```go\n")[1:] {
			blocks++
			code, _, closed := strings.Cut(block, "```")
			if !closed || !strings.Contains(tested.String(), flat(code)) {
				t.Errorf("%s: this code is in no example:\n%s", file, code)
			}
		}
	}
	if blocks < 5 {
		t.Fatalf("found %d blocks of Go", blocks)
	}
}

// flat returns code without what depends on where it stands: white space.
func flat(code string) string { return strings.Join(strings.Fields(code), " ") }

// exemplified adds what decl shows, if it is an example: what it is about, and
// whatever exported names it uses.
func exemplified(decl ast.Decl, examples map[string]bool) {
	fn, ok := decl.(*ast.FuncDecl)
	if !ok || !strings.HasPrefix(fn.Name.Name, "Example") {
		return
	}
	about, _, _ := strings.Cut(strings.TrimPrefix(fn.Name.Name, "Example"), "_")
	examples[about] = true
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			examples[sel.Sel.Name] = true
		}
		return true
	})
}

// documented reports what decl exports without a comment, adds the types to
// types, and returns how many names it exports.
func documented(t *testing.T, fset *token.FileSet, pkg, file string, decl ast.Decl, types map[string]bool) (names int) {
	t.Helper()
	want := func(name string, doc ...*ast.CommentGroup) {
		names++
		for _, d := range doc {
			if d != nil && strings.TrimSpace(d.Text()) != "" {
				return
			}
		}
		t.Errorf("%s: %s.%s has no comment", file, pkg, name)
	}
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d))) {
			want(receiver(d)+"."+d.Name.Name, d.Doc)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if !s.Name.IsExported() {
					continue
				}
				types[s.Name.Name] = true
				want(s.Name.Name, d.Doc, s.Doc)
				if st, ok := s.Type.(*ast.StructType); ok {
					for i, f := range st.Fields.List {
						for _, n := range f.Names {
							if n.IsExported() {
								want(s.Name.Name+"."+n.Name, f.Doc, f.Comment, above(fset, st.Fields.List, i))
							}
						}
					}
				}
				if it, ok := s.Type.(*ast.InterfaceType); ok {
					for _, m := range it.Methods.List {
						for _, n := range m.Names {
							want(s.Name.Name+"."+n.Name, m.Doc, m.Comment)
						}
					}
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if n.IsExported() {
						want(n.Name, d.Doc, s.Doc, s.Comment)
					}
				}
			}
		}
	}
	return names
}

// above returns the comment of the paragraph that fields[i] stands in, which
// speaks for all of its fields.
func above(fset *token.FileSet, fields []*ast.Field, i int) *ast.CommentGroup {
	for ; i > 0 && fields[i].Doc == nil; i-- {
		if fset.Position(fields[i].Pos()).Line > fset.Position(fields[i-1].End()).Line+1 {
			return nil
		}
	}
	return fields[i].Doc
}

func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	e := d.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}
