// Package hiddenpointer is an analyzer, as go vet runs them: it finds Go pointers
// that are stored with unsafe where the collector does not look.
//
// A Go object lives as long as the collector sees a pointer to it. In memory that
// was asked for without pointers, which is all that allod's allocators off the Go
// heap serve, and any []byte on it, a pointer keeps nothing alive, and neither does
// an address that is stored as a number. What is behind it is freed and used
// again, silently; no tool can tell at run time. mem and heap refuse types with
// pointers in such memory, but not what a program does with unsafe:
//
//	b, _ := a.Alloc(64, mem.Layout{})
//	*(**T)(unsafe.Pointer(&b[0])) = new(T)                   // reported
//	n.next = uintptr(unsafe.Pointer(new(T)))                 // reported: n is of mem.Create
//	binary.NativeEndian.PutUint64(b, uint64(uintptr(unsafe.Pointer(new(T))))) // reported
//	copy(b, unsafe.Slice((*byte)(unsafe.Pointer(&p)), 8))    // reported: p is a *T
//
// What leads to memory of an allocator may be stored there: an index, a mem.Ptr,
// or the address of another block. It looks into packages that import allod, at one
// function at a time, and says nothing of what it cannot follow.
package hiddenpointer

import (
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/buildssa"
	"golang.org/x/tools/go/ssa"
)

// Analyzer is the analyzer.
var Analyzer = &analysis.Analyzer{
	Name:     "hiddenpointer",
	Doc:      "report Go pointers stored with unsafe where the collector does not look",
	URL:      "https://pkg.go.dev/github.com/allod-dev/allod/contrib/hiddenpointer",
	Requires: []*analysis.Analyzer{buildssa.Analyzer},
	Run:      run,
}

const allod = "github.com/allod-dev/allod"

func run(pass *analysis.Pass) (any, error) {
	if !importsAllod(pass.Pkg) {
		return nil, nil
	}
	c := &checker{pass: pass, served: served(pass)}
	for _, f := range pass.ResultOf[buildssa.Analyzer].(*buildssa.SSA).SrcFuncs {
		for _, b := range f.Blocks {
			for _, i := range b.Instrs {
				c.check(i)
			}
		}
	}
	return nil, nil
}

func importsAllod(p *types.Package) bool {
	for _, i := range p.Imports() {
		if ofAllod(i) {
			return true
		}
	}
	return false
}

func ofAllod(p *types.Package) bool {
	return p != nil && (p.Path() == allod || strings.HasPrefix(p.Path(), allod+"/"))
}

// served returns the types of this package's objects that allod is asked for: the
// type arguments of its functions and types.
func served(pass *analysis.Pass) map[types.Type]bool {
	all := map[types.Type]bool{}
	for id, i := range pass.TypesInfo.Instances {
		if o := pass.TypesInfo.Uses[id]; o == nil || !ofAllod(o.Pkg()) {
			continue
		}
		for t := range i.TypeArgs.Types() {
			if n, ok := types.Unalias(t).(*types.Named); ok && n.Obj().Pkg() == pass.Pkg {
				all[n.Origin()] = true
			}
		}
	}
	return all
}

type checker struct {
	pass   *analysis.Pass
	served map[types.Type]bool
}

// check reports what one instruction hides.
func (c *checker) check(i ssa.Instruction) {
	switch i := i.(type) {
	case *ssa.Store:
		switch {
		case isNil(i.Val) || c.offHeap(i.Val):
		case pointers(i.Val.Type()) && isRaw(origin(i.Addr)):
			c.report(i.Pos(), "a value of type %s, which holds Go pointers, is stored in memory without pointers, where the collector does not look", i.Val.Type())
		case c.isAddress(i.Val) && (isRaw(origin(i.Addr)) || c.isServed(i.Addr)):
			c.report(i.Pos(), "the address of a Go object is stored as a number in memory of an allocator, where it keeps nothing alive")
		}
	case *ssa.Call:
		c.call(i)
	}
}

func (c *checker) report(pos token.Pos, format string, args ...any) {
	for i, a := range args {
		if t, ok := a.(types.Type); ok {
			args[i] = types.TypeString(t, types.RelativeTo(c.pass.Pkg))
		}
	}
	c.pass.Reportf(pos, format, args...)
}

// call reports what a call stores.
func (c *checker) call(i *ssa.Call) {
	args := i.Call.Args
	if b, ok := i.Call.Value.(*ssa.Builtin); ok {
		if name := b.Name(); (name == "copy" || name == "append") && len(args) == 2 {
			if t := seenAsBytes(args[1]); t != nil {
				c.report(i.Pos(), "bytes of %s, which holds Go pointers, are copied to where the collector does not look", t)
			}
		}
		return
	}
	f := i.Call.StaticCallee()
	if f == nil || f.Pkg == nil && f.Object() == nil {
		return
	}
	o := f.Object()
	if o == nil || o.Pkg() == nil {
		return
	}
	switch o.Pkg().Path() {
	case "sync/atomic":
		if !strings.HasSuffix(o.Name(), "Pointer") || len(args) < 2 || !isRaw(origin(args[0])) {
			return
		}
		if v := args[len(args)-1]; !isNil(v) && !c.offHeap(v) {
			c.report(i.Pos(), "a Go pointer is stored in memory without pointers, where the collector does not look")
		}
	case "encoding/binary":
		if !strings.HasPrefix(o.Name(), "Put") && !strings.HasPrefix(o.Name(), "Append") {
			return
		}
		for _, v := range args {
			if c.isAddress(v) {
				c.report(i.Pos(), "the address of a Go object is stored as a number, which keeps nothing alive")
			}
		}
	}
}

// isNil tells whether v is a constant, as nil is.
func isNil(v ssa.Value) bool { _, ok := v.(*ssa.Const); return ok }

// pointers tells whether values of type t hold pointers that the collector sees.
// Of a type parameter that is not known.
func pointers(t types.Type) bool {
	if _, ok := types.Unalias(t).(*types.TypeParam); ok {
		return false
	}
	switch t := t.Underlying().(type) {
	case *types.Basic:
		return t.Kind() == types.String || t.Kind() == types.UnsafePointer
	case *types.Struct:
		for f := range t.Fields() {
			if pointers(f.Type()) {
				return true
			}
		}
		return false
	case *types.Array:
		return t.Len() > 0 && pointers(t.Elem())
	case *types.Interface, *types.Pointer, *types.Slice, *types.Map, *types.Chan, *types.Signature:
		return true
	}
	return false
}
