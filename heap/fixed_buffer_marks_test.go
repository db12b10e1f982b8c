package heap_test

import (
	"errors"
	"testing"

	"github.com/allod-dev/allod/heap"
)

func TestFixedBufferMark(t *testing.T) {
	f := heap.NewFixedBuffer(make([]byte, 256))
	old := take(t, f, 8, plainAt(1))
	copy(old, "contents")
	m1 := f.Mark()
	take(t, f, 8, plainAt(64))
	m2 := f.Mark()
	take(t, f, 100, plainAt(1))
	f.Rewind(m2)
	m3 := f.Mark()
	take(t, f, 50, plainAt(1))
	f.Keep(m3)
	f.Rewind(m1)
	if f.Used() != 8 || string(old) != "contents" {
		t.Errorf("Used %d, old block %q", f.Used(), old)
	}
	f.Reset()
}

// Deeper than the marks that have a place in the FixedBuffer itself.
func TestFixedBufferMarkNesting(t *testing.T) {
	f := heap.NewFixedBuffer(make([]byte, 256))
	var marks []heap.BufferMark
	for range 20 {
		marks = append(marks, f.Mark())
		take(t, f, 3, plainAt(1))
	}
	for i := len(marks) - 1; i >= 0; i-- {
		f.Rewind(marks[i])
		if f.Used() != 3*i {
			t.Fatalf("Used %d after rewinding mark %d", f.Used(), i)
		}
	}
}

// A block that is older than a mark must not reach beyond it: Rewind would give
// its end to somebody else.
func TestFixedBufferMarkFreezes(t *testing.T) {
	f := heap.NewFixedBuffer(make([]byte, 256))
	b := take(t, f, 16, plainAt(1))
	m := f.Mark()
	if _, ok := f.Resize(b, plainAt(1), 32); ok {
		t.Fatal("a block older than the mark grew beyond it")
	}
	b, ok := f.Resize(b, plainAt(1), 4)
	if !ok || f.Used() != 16 {
		t.Errorf("shrinking it: %v, Used %d, want 16", ok, f.Used())
	}
	c := take(t, f, 16, plainAt(1))
	f.Free(c, plainAt(1))
	wantNoReport(t, func() { f.Free(b, plainAt(1)) })
	if f.Used() != 16 {
		t.Errorf("Used %d, want 16: the mark stands there", f.Used())
	}
	f.Rewind(m)
	if f.Used() != 16 {
		t.Errorf("Used %d after Rewind, want 16", f.Used())
	}
}

// A frozen block that shrinks does not end where the last block ends.
func TestFixedBufferMarkFrozenShrink(t *testing.T) {
	f := heap.NewFixedBuffer(make([]byte, 256))
	b := take(t, f, 16, plainAt(1))
	m := f.Mark()
	b, _ = f.Resize(b, plainAt(1), 4)
	wantNoReport(t, func() {
		b, _ = f.Resize(b, plainAt(1), 3)
		f.Free(b, plainAt(1))
		f.Rewind(m)
	})
}

func TestFixedBufferScoped(t *testing.T) {
	f := heap.NewFixedBuffer(make([]byte, 256))
	take(t, f, 8, plainAt(1))
	failure := errors.New("failure")
	for _, want := range []error{nil, failure} {
		err := f.Scoped(func() error {
			take(t, f, 100, plainAt(1))
			return f.Scoped(func() error {
				take(t, f, 100, plainAt(1))
				return want
			})
		})
		if err != want || f.Used() != 8 {
			t.Errorf("Scoped: %v, Used %d, want %v, 8", err, f.Used(), want)
		}
	}
	func() {
		defer func() {
			if r := recover(); r != failure {
				t.Errorf("recovered %v, want the panic of fn", r)
			}
		}()
		f.Scoped(func() error {
			f.Mark() // left open by the panic
			take(t, f, 100, plainAt(1))
			panic(failure)
		})
	}()
	if f.Used() != 8 {
		t.Errorf("Used %d after a panic, want 8", f.Used())
	}
	wantNoReport(t, f.Reset)
}
