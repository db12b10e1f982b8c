package allod_test

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
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
	read := func(patterns ...string) string {
		var text strings.Builder
		for _, pattern := range patterns {
			for _, file := range glob(pattern) {
				b, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				text.WriteString(string(b))
			}
		}
		return flat(text.String())
	}
	blocks := 0
	check := func(file, tested string) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range strings.Split(string(text), "```go\n")[1:] {
			blocks++
			code, _, closed := strings.Cut(block, "```")
			if !closed || !strings.Contains(tested, flat(code)) {
				t.Errorf("%s: this code is in no example:\n%s", file, code)
			}
		}
	}
	tested := read("heap/example*_test.go", "examples/*/*.go", "docs/*_test.go")
	for _, file := range append(glob("docs/*.md"), "README.md") {
		check(file, tested)
	}
	for _, file := range glob("contrib/*/README.md") {
		check(file, read(filepath.Join(filepath.Dir(file), "*_test.go")))
	}
	if blocks < 15 {
		t.Fatalf("found %d blocks of Go", blocks)
	}
}

// TestLinks wants what texts point to in this repository to be there: files,
// targets of make, programs to run.
func TestLinks(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	var (
		code    = regexp.MustCompile("(?s)```.*?```|`[^`]*`")
		link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
		heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
		target  = regexp.MustCompile("(?m)(?:`|^    )make ([a-z0-9-]+)")
		program = regexp.MustCompile(`(?:go run|go test|go doc) (?:-[a-z]+ )?\.?/?((?:examples|cmd|bench|heap|contrib)[a-z/]*)`)
		found   = map[string]int{}
	)
	err = filepath.WalkDir(".", func(file string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(file) != ".md" {
			return err
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(string(b), ""), -1) {
			to, at, _ := strings.Cut(m[1], "#")
			if strings.Contains(to, "://") {
				continue
			}
			found["links"]++
			other := b
			if to != "" {
				name := filepath.Join(filepath.Dir(file), to)
				if info, err := os.Stat(name); err != nil || at != "" && info.IsDir() {
					t.Errorf("%s: there is no %s", file, m[1])
					continue
				} else if at != "" {
					if other, err = os.ReadFile(name); err != nil {
						return err
					}
				}
			}
			if at != "" && !slices.ContainsFunc(heading.FindAllStringSubmatch(string(other), -1), func(h []string) bool { return anchor(h[1]) == at }) {
				t.Errorf("%s: there is no heading for %s", file, m[1])
			}
		}
		for _, m := range target.FindAllStringSubmatch(string(b), -1) {
			found["targets"]++
			if !strings.Contains(string(makefile), "\n"+m[1]+":") {
				t.Errorf("%s: there is no target %s", file, m[1])
			}
		}
		for _, m := range program.FindAllStringSubmatch(string(b), -1) {
			found["programs"]++
			if info, err := os.Stat(strings.TrimSuffix(m[1], "/...")); err != nil || !info.IsDir() {
				t.Errorf("%s: there is no folder %s", file, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found["links"] < 20 || found["targets"] < 8 || found["programs"] < 2 {
		t.Errorf("found %v: the search has lost its way", found)
	}
}

// anchor returns what a heading is called in a link.
func anchor(heading string) string {
	keep := func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}
	return strings.Map(keep, strings.TrimSpace(heading))
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
