package mem

// Must returns v if err is nil. Otherwise it panics with a value that [Rescue]
// turns back into err: allocation-heavy code then checks errors in one place.
//
//	func build(a mem.Allocator) (t *Tree, err error) {
//		defer mem.Rescue(&err)
//		t = mem.Must(mem.Create[Tree](a))
//		t.names = mem.Must(mem.Alloc[byte](a, 100))
//		return t, nil
//	}
//
// What was allocated before the panic is still allocated: use it where an arena
// or a deferred call gives everything back.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(&failure{err})
	}
	return v
}

// Rescue, called by defer, ends a panic of [Must] and stores the error in *err.
// Any other panic goes on. Called otherwise than by defer it does nothing.
func Rescue(err *error) {
	switch r := recover().(type) {
	case nil:
	case *failure:
		*err = r.err
	default:
		panic(r)
	}
}

// failure is what Must panics with. It is an error, so that a panic that no
// Rescue catches prints the reason.
type failure struct{ err error }

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }
