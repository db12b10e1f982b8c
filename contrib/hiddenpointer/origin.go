package hiddenpointer

import (
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// A place is where an address comes from.
type place struct {
	base ssa.Value
	// what is the type of the memory there, which may be seen as another one by
	// now; nil if it was never seen as another.
	what types.Type
}

// origin follows an address, or a number made of one, back to where it comes from.
func origin(v ssa.Value) place {
	var p place
	p.follow(v, map[ssa.Value]bool{})
	return p
}

func (p *place) follow(v ssa.Value, seen map[ssa.Value]bool) {
	for !seen[v] {
		seen[v] = true
		p.base = v
		switch x := v.(type) {
		case *ssa.FieldAddr:
			v = x.X
		case *ssa.IndexAddr:
			v = x.X
		case *ssa.Slice:
			v = x.X
		case *ssa.ChangeType:
			v = x.X
		case *ssa.Extract:
			v = x.Tuple
		case *ssa.Convert:
			if !isAddressType(x.X.Type()) || !isAddressType(x.Type()) {
				return // a string of bytes, or the other way round: a copy
			}
			if e := elem(x.X.Type()); e != nil && isUnsafe(x.Type()) {
				p.what = e
			}
			v = x.X
		case *ssa.BinOp: // arithmetic with addresses
			switch x.Op {
			case token.ADD, token.SUB, token.OR, token.XOR, token.AND, token.AND_NOT:
			default:
				return
			}
			if v = x.X; isNil(v) || !fromPointer(v, map[ssa.Value]bool{}) {
				v = x.Y
			}
		case *ssa.Phi:
			for _, e := range x.Edges {
				if !isNil(e) && !seen[e] {
					p.follow(e, seen)
					return
				}
			}
			return
		case *ssa.Call:
			b, ok := x.Call.Value.(*ssa.Builtin)
			if !ok || len(x.Call.Args) == 0 {
				return
			}
			switch b.Name() {
			case "SliceData":
				p.what = elem(x.Call.Args[0].Type())
			case "StringData":
				p.what = types.Typ[types.Byte]
			case "Add", "Slice", "String":
			default:
				return
			}
			v = x.Call.Args[0]
		default:
			return
		}
	}
}

// fromPointer tells whether a number is an address.
func fromPointer(v ssa.Value, seen map[ssa.Value]bool) bool {
	if seen[v] {
		return false
	}
	seen[v] = true
	switch x := v.(type) {
	case *ssa.Convert:
		return isUnsafe(x.X.Type()) || fromPointer(x.X, seen)
	case *ssa.ChangeType:
		return fromPointer(x.X, seen)
	case *ssa.BinOp:
		switch x.Op {
		case token.ADD, token.SUB, token.OR, token.XOR, token.AND, token.AND_NOT, token.SHL, token.SHR:
			return fromPointer(x.X, seen) || fromPointer(x.Y, seen)
		}
	case *ssa.Phi:
		for _, e := range x.Edges {
			if fromPointer(e, seen) {
				return true
			}
		}
	}
	return false
}

// isAddressType tells whether a value of type t may be an address.
func isAddressType(t types.Type) bool {
	switch t := t.Underlying().(type) {
	case *types.Pointer:
		return true
	case *types.Basic:
		return t.Kind() == types.UnsafePointer || t.Info()&types.IsInteger != 0
	}
	return false
}

func isUnsafe(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Kind() == types.UnsafePointer
}

// elem returns what a pointer or slice of type t leads to, or nil.
func elem(t types.Type) types.Type {
	switch t := t.Underlying().(type) {
	case *types.Pointer:
		return t.Elem()
	case *types.Slice:
		return t.Elem()
	}
	return nil
}

// isRaw tells whether there are no pointers in the memory, as it was asked for,
// although it is seen as something else by now.
func isRaw(p place) bool {
	if p.what == nil {
		return false
	}
	_, unknown := types.Unalias(p.what).(*types.TypeParam)
	return !unknown && !pointers(p.what)
}

// seenAsBytes returns the type with pointers of memory that v, a slice without
// them, shows, or nil.
func seenAsBytes(v ssa.Value) types.Type {
	if e := elem(v.Type()); e == nil || pointers(e) {
		return nil
	}
	if p := origin(v); p.what != nil && pointers(p.what) {
		return p.what
	}
	return nil
}

// isAddress tells whether v is a number made of the address of a Go object.
func (c *checker) isAddress(v ssa.Value) bool {
	b, ok := v.Type().Underlying().(*types.Basic)
	return ok && b.Info()&types.IsInteger != 0 && fromPointer(v, map[ssa.Value]bool{}) && !c.offHeap(v)
}

// offHeap tells whether v leads to what an allocator has served, as far as can be
// seen here, or to what lives as long as the program.
func (c *checker) offHeap(v ssa.Value) bool {
	p := origin(v)
	switch x := p.base.(type) {
	case *ssa.Global, *ssa.Function, *ssa.Const:
		return true
	case *ssa.Call:
		return servedBy(&x.Call)
	case *ssa.MakeSlice, *ssa.Alloc:
		return false
	}
	return p.what != nil && isNumbers(p.what) || c.isServed(p.base)
}

// isNumbers tells whether memory of type t is what blocks are made of, before they
// are seen as something.
func isNumbers(t types.Type) bool {
	if a, ok := t.Underlying().(*types.Array); ok {
		t = a.Elem()
	}
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsNumeric != 0
}

// isServed tells whether an address is in an object that allod was asked for.
func (c *checker) isServed(v ssa.Value) bool {
	for {
		if e := elem(v.Type()); e != nil {
			if n, ok := types.Unalias(e).(*types.Named); ok && c.served[n.Origin()] {
				return true
			}
		}
		switch x := v.(type) {
		case *ssa.FieldAddr:
			v = x.X
		case *ssa.IndexAddr:
			v = x.X
		case *ssa.Slice:
			v = x.X
		case *ssa.Extract:
			v = x.Tuple
		case *ssa.Call:
			return servedBy(&x.Call)
		default:
			return false
		}
	}
}

// servedBy tells whether a call is one of allod's, which return blocks.
func servedBy(call *ssa.CallCommon) bool {
	if call.IsInvoke() {
		return ofAllod(call.Method.Pkg())
	}
	f := call.StaticCallee()
	return f != nil && f.Object() != nil && ofAllod(f.Object().Pkg())
}
