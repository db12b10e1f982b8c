package generic_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"regexp"
	"strings"
	"testing"
)

// Whoever is handed a place in a container, or a string or a slice that it owns, is
// told there how long that lives, or by which other method's documentation.
func TestLifetimes(t *testing.T) {
	var (
		place = regexp.MustCompile(`(^|[(\[, ])(\*[VT]|\[\]([TKVF]|byte)|string|\*(Singly|Doubly)Node\[T\])([\], )]|$)`)
		told  = regexp.MustCompile(`\b(dead|valid|lives?|life|lent|lends|freed|cop(y|ies)|caller frees|appends)\b`)
		terms = regexp.MustCompile(`(?s)(on the\s+terms\s+of\s+|\bis\s+|in the\s+order\s+of\s+)\[?[A-Z]\w+`)
	)
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	methods := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || !fn.Name.IsExported() || fn.Type.Results == nil {
				continue
			}
			recv := strings.TrimPrefix(types.ExprString(fn.Recv.List[0].Type), "*")
			if !ast.IsExported(recv) {
				continue
			}
			for _, r := range fn.Type.Results.List {
				if typ := types.ExprString(r.Type); place.MatchString(typ) && !strings.HasPrefix(typ, "Slot[") { // which says it itself
					methods++
					if doc := fn.Doc.Text(); !told.MatchString(doc) && !terms.MatchString(doc) {
						t.Errorf("%s.%s returns %s, and does not say for how long: %q", recv, fn.Name, typ, doc)
					}
				}
			}
		}
	}
	if methods < 100 {
		t.Errorf("%d methods", methods)
	}
}
