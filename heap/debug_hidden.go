package heap

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"reflect"
	"sync"

	"github.com/allod-dev/allod/internal/rt"
	"github.com/allod-dev/allod/internal/rtype"
	"github.com/allod-dev/allod/mem"
)

// The promise behind local blocks is that no pointer in them is what keeps a Go
// object alive, since the collector does not look there. A pointer into the
// collected heap or a stack breaks it, unless it leads to memory that an
// allocator holds. Nothing is followed to find out: the runtime and our own
// tables are asked for the address.

// A pointerField is a pointer in values of some type.
type pointerField struct {
	offset int
	path   string
	typ    string
	sized  bool // a length follows; if that is 0, nothing is behind the pointer
}

// pointerFieldsMost bounds what is looked at of a type with a large array.
const pointerFieldsMost = 4096

var pointerFieldsOf sync.Map // reflect.Type -> []pointerField

// pointerFields returns the pointers in a t.
func pointerFields(t reflect.Type) []pointerField {
	if f, ok := pointerFieldsOf.Load(t); ok {
		return f.([]pointerField)
	}
	f, _ := pointerFieldsOf.LoadOrStore(t, appendPointers(nil, t, 0, t.String()))
	return f.([]pointerField)
}

// appendPointers appends the pointers in a t at the offset.
func appendPointers(to []pointerField, t reflect.Type, offset uintptr, path string) []pointerField {
	if len(to) >= pointerFieldsMost {
		return to
	}
	one := pointerField{offset: int(offset), path: path, typ: t.String()}
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			to = appendPointers(to, f.Type, offset+f.Offset, path+"."+f.Name)
		}
	case reflect.Array:
		if t.Len() == 0 || !rtype.FactsOf(t.Elem()).Pointers {
			return to
		}
		for i := range t.Len() {
			to = appendPointers(to, t.Elem(), offset+uintptr(i)*t.Elem().Size(), fmt.Sprintf("%s[%d]", path, i))
			if len(to) >= pointerFieldsMost {
				break
			}
		}
	case reflect.String, reflect.Slice:
		one.sized = true
		to = append(to, one)
	case reflect.Pointer, reflect.UnsafePointer, reflect.Map, reflect.Chan, reflect.Func:
		to = append(to, one)
	case reflect.Interface: // the type, which is no object as a rule, and the value
		one.offset += wordSize
		to = append(to, one)
	}
	return to
}

const wordSize = bits.UintSize / 8

// A hiddenPointer is a pointer of a local block that may keep something alive.
type hiddenPointer struct {
	to    uintptr
	field *pointerField // nil for none
	elem  int
}

// hidden returns the first few pointers in the block of k that lead into memory
// of the Go runtime, but not to a block of d or into the buffer that d's child
// has. The table is locked.
func (d *Debug) hidden(k *debugBlock, found []hiddenPointer) []hiddenPointer {
	fields := pointerFields(k.typ.Reflect())
	b, size := k.block(), k.typ.Size()
	for elem := 0; elem < len(b)/size; elem++ {
		for i := range fields {
			f := &fields[i]
			at := elem*size + f.offset
			to := word(b, at)
			if to == 0 || f.sized && word(b, at+wordSize) == 0 {
				continue
			}
			if is, _ := rt.GoMemory(to); !is || d.table.around(to) != 0 || holds(d.buffers, to) {
				continue
			}
			if found = append(found, hiddenPointer{to, f, elem}); len(found) == cap(found) {
				return found
			}
		}
	}
	return found
}

// word returns the word at an offset of b.
//
//go:norace
func word(b []byte, at int) uintptr {
	if wordSize == 4 {
		return uintptr(binary.NativeEndian.Uint32(b[at:]))
	}
	return uintptr(binary.NativeEndian.Uint64(b[at:]))
}

// mayHide tells whether the block of k is one that must not hold Go pointers.
//
//go:norace
func (d *Debug) mayHide(k *debugBlock) bool {
	return !k.flags.scans() && !k.flags.told() && !k.flags.opaque() && k.kind == mem.Local && rt.Linked && !d.o.NoHidden
}

// reveal returns a report of the first of the pointers that nobody else holds, or
// nil. It is called without locks.
func (d *Debug) reveal(op string, k *debugBlock, found []hiddenPointer) *Misuse {
	for _, h := range found {
		if debugs.holder(h.to, d) || d.o.Holds != nil && d.o.Holds(h.to) {
			continue
		}
		where := h.field.path
		if n := k.size / k.typ.Size(); n > 1 {
			where += fmt.Sprintf(" of element %d", h.elem)
		}
		return &Misuse{Kind: HiddenPointer, Op: op, Addr: k.addr(), Size: k.size, Alloc: debugStack(k.alloc),
			Hint: fmt.Sprintf("%s, of type %s, is %#x, which the Go runtime manages: the collector does not see that it is there", where, h.field.typ, h.to)}
	}
	return nil
}

// hiddenMost bounds how many pointers of a block are looked at further.
const hiddenMost = 8

// hiddenIn is hidden for a block that belongs to the call.
func (d *Debug) hiddenIn(k *debugBlock, found []hiddenPointer) []hiddenPointer {
	d.table.lock()
	defer d.table.unlock()
	return d.hidden(k, found)
}
