package generic_test

import (
	"io"
	"reflect"
	"testing"

	"github.com/allod-dev/allod/mem"
)

// unmanagedOf returns a pointer to the unmanaged form of a container, or false if
// it has one form.
func unmanagedOf(managed reflect.Type) (reflect.Type, bool) {
	u, ok := managed.Elem().FieldByName("u")
	if !ok {
		return nil, false
	}
	return reflect.PointerTo(u.Type), true
}

// oneForm are containers for many goroutines, which store the allocator that must
// suit that.
var oneForm = map[string]bool{"Cache": true, "ConcurrentMap": true, "StringConcurrentMap": true, "ConcurrentBufMap": true}

// Both forms offer the same methods, save for the allocator, and become one
// another. Those of the managed form that package io names are called otherwise.
func TestFormsAgree(t *testing.T) {
	for _, in := range injections {
		name := nameOf(in.of)
		unmanaged, ok := unmanagedOf(in.of)
		if ok == oneForm[name] {
			t.Errorf("%s: unmanaged form: %v", name, ok)
		}
		if !ok {
			continue
		}
		both := map[string]int{"Allocator": 2, "ToUnmanaged": 2, "ToManaged": 1}
		for i := range unmanaged.NumMethod() {
			n := unmanaged.Method(i).Name
			if _, ok := in.of.MethodByName(n); !ok && otherName[n] != "" {
				n = otherName[n]
			}
			both[n] |= 1
		}
		for i := range in.of.NumMethod() {
			both[in.of.Method(i).Name] |= 2
		}
		for n, forms := range both {
			if want := map[string]int{"Allocator": 2, "ToUnmanaged": 2, "ToManaged": 1}[n]; forms != 3 && forms != want {
				t.Errorf("%s.%s: in one form only", name, n)
			}
		}
	}
}

// A container moves to its other form and back with all that it has, and what is
// left behind is empty and fit for use.
func TestFormsConvert(t *testing.T) {
	for _, in := range injections {
		unmanaged, ok := unmanagedOf(in.of)
		if !ok {
			continue
		}
		name := nameOf(in.of)
		t.Run(name, func(t *testing.T) {
			a := newChecked(t, mem.Scanned)
			c, err := in.setups[len(in.setups)-1](a)
			if err != nil {
				t.Fatal(err)
			}
			want, least := in.snapshot(c), lenOf(c)
			if least == 0 {
				t.Fatal("the container is empty, which shows nothing")
			}
			u := reflect.New(unmanaged.Elem())
			u.Elem().Set(reflect.ValueOf(c).MethodByName("ToUnmanaged").Call(nil)[0])
			requests := a.requests
			if lenOf(c) != 0 || lenOf(u.Interface()) != least {
				t.Errorf("ToUnmanaged: %d and %d elements of %d", lenOf(u.Interface()), lenOf(c), least)
			}
			manage := u.MethodByName("ToManaged")
			to := func(a mem.Allocator) any {
				return manage.Call([]reflect.Value{reflect.ValueOf(&a).Elem()})[0].Interface()
			}
			mustPanic(t, "nil", func() { to(nil) }, name+".ToManaged: nil Allocator")
			mustPanic(t, "other", func() { to(newChecked(t, mem.PlainOnly)) }, name+".ToManaged: handed an allocator that answers")
			d := to(a)
			if lenOf(u.Interface()) != 0 || a.requests != requests {
				t.Errorf("ToManaged: %d elements left behind, %d requests", lenOf(u.Interface()), a.requests-requests)
			}
			if got := in.snapshot(d); !reflect.DeepEqual(got, want) {
				t.Errorf("there and back: %v, want %v", got, want)
			}
			// What was left behind is as good as new, twice over.
			for _, c := range []any{to(a), c, d} {
				if err := c.(io.Closer).Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// lenOf returns how many elements a container has.
func lenOf(c any) int { return c.(interface{ Len() int }).Len() }
