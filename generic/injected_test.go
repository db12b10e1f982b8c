package generic_test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// An injection has every request of the operations of one container fail.
type injection struct {
	of  reflect.Type // the pointer to the managed form
	ops []string     // methods, "Put" or "Put: of a key that is there"
	run func(t *testing.T) int

	setups   []func(a mem.Allocator) (any, error) // of the sizes that are tried, in one part
	snapshot func(c any) any
}

// operations are those of a container S, which is made for a number n, by name.
type operations[S any] map[string]func(s S, n int) error

// inject returns the injection for containers that setup makes, one for each of
// sizes. Over memory that is not scanned, they get the promise if promise is set.
// A size below 0 stands for hash tables of many parts, which may do without
// memory for a Put where there is room in another part.
func inject[S any](o allocatortest.FailureOptions, promise bool, sizes []int, setup func(a mem.Allocator, n int) (S, error), snapshot func(S) any, ops operations[S]) injection {
	in := injection{
		of:       reflect.TypeFor[S](),
		snapshot: func(c any) any { return snapshot(c.(S)) },
	}
	for _, n := range slices.Sorted(slices.Values(sizes)) {
		if n >= 0 {
			in.setups = append(in.setups, func(a mem.Allocator) (any, error) { return setup(a, n) })
		}
	}
	for name := range ops {
		in.ops = append(in.ops, name)
	}
	in.run = func(t *testing.T) (points int) {
		for name, op := range ops {
			asked := 0
			for _, n := range sizes {
				o, restore := o, func() {}
				o.MaxPoints = generic.Rounds(20)
				if name == "ShrinkAndFree" { // does without the memory it asks for
					o.MaySwallow = true
				}
				if n < 0 {
					n, o.MaySwallow, restore = -n, true, generic.SmallParts(1)
				}
				asked += failures(t, o, promise, allocatortest.Operation[S]{
					Setup:    func(a mem.Allocator) (S, error) { return setup(a, n) },
					Run:      func(s S) error { return op(s, n) },
					Snapshot: snapshot,
					Teardown: func(s S) { any(s).(interface{ Close() error }).Close() },
				})
				restore()
			}
			if asked == 0 && !rerunning() {
				t.Errorf("%v.%s asks for no memory: nothing could fail", in.of, name)
			}
			points += asked
		}
		return points
	}
	return in
}

// rerunning tells whether one case is run, by the flag that a failure names.
func rerunning() bool {
	f := flag.Lookup("allod.fail")
	return f != nil && f.Value.String() != ""
}

// noMemory names methods that return errors, but never for want of memory, and
// those that shrink without a smaller block.
var noMemory = map[string]bool{
	"Buffer.Read": true, "Buffer.ReadByte": true, "Buffer.ReadRune": true,
	"Buffer.UnreadByte": true, "Buffer.UnreadRune": true, "Buffer.WriteTo": true,
	"RingBuffer.Push": true, "RingBuffer.PushSlice": true, "RingBuffer.Unread": true,
	"SegmentedList.ShrinkAndFree": true, "SinglyLinkedList.ShrinkAndFree": true, "DoublyLinkedList.ShrinkAndFree": true,
}

// otherName is what a method of an unmanaged form is called in the managed form,
// where that differs.
var otherName = map[string]string{
	"Append": "Write", "AppendByte": "WriteByte", "AppendRune": "WriteRune", "AppendString": "WriteString",
	"AppendFrom": "ReadFrom",
}

// nameOf returns the name of a container without type arguments.
func nameOf(pointer reflect.Type) string {
	name, _, _ := strings.Cut(pointer.Elem().Name(), "[")
	return strings.TrimSuffix(name, "Unmanaged")
}

// allocating returns the methods of a container that may ask for memory: those
// that return an error, and those that shrink.
func allocating(pointer reflect.Type) (names []string) {
	failing := reflect.TypeFor[error]()
	for i := range pointer.NumMethod() {
		m := pointer.Method(i)
		last := m.Type.NumOut() - 1
		switch {
		case m.Name == "Close", strings.HasSuffix(m.Name, "Bounded"), noMemory[nameOf(pointer)+"."+m.Name]:
			continue
		case m.Name == "ShrinkAndFree":
		case last < 0 || m.Type.Out(last) != failing:
			continue
		}
		names = append(names, m.Name)
	}
	return names
}

// allocatingUnmanaged returns the methods of the unmanaged form of a container
// that take an allocator and may fail, by the names of the managed form.
func allocatingUnmanaged(pointer reflect.Type) (names []string) {
	u, ok := pointer.Elem().FieldByName("u")
	if !ok {
		return nil // Cache and ConcurrentMap have one form
	}
	for _, name := range allocating(reflect.PointerTo(u.Type)) {
		m, _ := reflect.PointerTo(u.Type).MethodByName(name)
		takes := m.Type.NumIn() > 1 && m.Type.In(1) == reflect.TypeFor[mem.Allocator]()
		other, renamed := otherName[name]
		if _, same := pointer.MethodByName(name); !same && renamed {
			name = other
		}
		if takes {
			names = append(names, name)
		}
	}
	return names
}

// containers returns the types that the package has a constructor for that takes
// an allocator.
func containers(t *testing.T) map[string]bool {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "New") {
				found[strings.TrimSuffix(strings.TrimPrefix(fn.Name.Name, "New"), "Order")] = true
			}
		}
	}
	return found
}

// Every operation that may ask for memory, of every container, leaves everything
// as it was when it fails, loses no memory, and succeeds when it is tried again.
// A container, or a method, without a case in injections fails the test.
func TestInjectedPoints(t *testing.T) {
	defer generic.SteadyHashes()() // a failure can be seen again
	total, missing := 0, containers(t)
	for _, in := range injections {
		name := nameOf(in.of)
		delete(missing, name)
		t.Run(name, func(t *testing.T) {
			has := map[string]bool{}
			for _, op := range in.ops {
				method, _, _ := strings.Cut(op, ":")
				if _, ok := in.of.MethodByName(method); !ok {
					t.Errorf("%s has no method %s", name, method)
				}
				has[method] = true
			}
			for _, method := range append(allocating(in.of), allocatingUnmanaged(in.of)...) {
				if !has[method] {
					t.Errorf("%s.%s may ask for memory and has no case", name, method)
				}
			}
			total += in.run(t)
		})
	}
	for name := range missing {
		t.Errorf("%s has no cases", name)
	}
	t.Logf("%d failures injected", total)
	if total < 2000 && !t.Failed() && !rerunning() {
		t.Errorf("%d failures injected, want 2000 at least", total)
	}
}
