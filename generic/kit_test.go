package generic_test

import (
	"io"
	"reflect"
	"runtime"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/asan"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// checked is an allocator over the Go heap that keeps a table of its blocks. It
// fails the test on leaks, on blocks given back that are not its own, and on
// calls that break the contract. It can be told to fail, and to resize in place.
type checked struct {
	t        testing.TB
	answer   mem.Pointers
	inPlace  bool // Resize and Remap succeed within slack
	slack    int  // bytes behind every block
	moves    bool // Remap moves plain and unscanned blocks
	failAt   int  // the request that fails, from 1; 0: none
	onwards  bool // all later ones fail as well
	requests int
	failed   int
	live     map[*byte]*block
	peak     int
	bytes    int
}

type block struct {
	all  []byte
	size int
	l    mem.Layout
}

func newChecked(t testing.TB, answer mem.Pointers) *checked {
	c := &checked{t: t, answer: answer, live: map[*byte]*block{}}
	t.Cleanup(func() {
		if len(c.live) > 0 {
			t.Errorf("%d blocks of %d bytes leaked", len(c.live), c.bytes)
		}
	})
	return c
}

func (c *checked) refuses() bool {
	c.requests++
	if c.failAt != 0 && (c.requests == c.failAt || c.onwards && c.requests > c.failAt) {
		c.failed++
		return true
	}
	return false
}

func (c *checked) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("checked.Alloc", size)
	if c.answer != mem.Scanned {
		if err := mem.Refuse(l); err != nil {
			return nil, err
		}
	}
	if l.Kind != mem.Plain && (l.Type.Size() == 0 || size%l.Type.Size() != 0) {
		c.t.Errorf("Alloc(%d): not a multiple of %v", size, l.Type)
	}
	if c.refuses() {
		return nil, mem.ErrOutOfMemory
	}
	if size > 1<<31-1-c.slack {
		return nil, mem.ErrTooLarge
	}
	var all []byte
	if c.answer == mem.Scanned && l.Type.HasPointers() {
		n := (size + c.slack) / l.Type.Size()
		v := reflect.MakeSlice(reflect.SliceOf(l.Type.Reflect()), n, n)
		all = bytesAt(v.UnsafePointer(), n*l.Type.Size())
	} else {
		all = bytesAt(reflect.ValueOf(make([]uint64, (size+c.slack)/8+1)).UnsafePointer(), size+c.slack)
		if !l.Zero && l.Kind == mem.Plain {
			for i := range all {
				all[i] = 0xaa
			}
		}
	}
	c.live[&all[0]] = &block{all, size, l}
	c.bytes += size
	c.peak = max(c.peak, c.bytes)
	return all[:size:size], nil
}

func (c *checked) find(op string, b []byte, l mem.Layout) *block {
	c.t.Helper()
	k := c.live[&b[0]]
	switch {
	case k == nil:
		c.t.Errorf("%s: foreign block of %d bytes", op, len(b))
		return nil
	case k.size != len(b) || cap(b) != len(b):
		c.t.Errorf("%s: block of %d bytes, cap %d, want %d", op, len(b), cap(b), k.size)
	case k.l.Align != l.Align || k.l.Type != l.Type:
		c.t.Errorf("%s: align %v, type %v; want %v, %v", op, l.Align, l.Type, k.l.Align, k.l.Type)
	}
	return k
}

func (c *checked) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("checked.Resize", size)
	k := c.find("Resize", b, l)
	if k == nil || !c.inPlace || size > len(k.all) || c.refuses() {
		return b, false
	}
	for i := k.size; i < size; i++ {
		if l.Kind != mem.Plain {
			if k.all[i] != 0 {
				l.Type.Clear(k.all[k.size:size])
				break
			}
		} else if k.all[i] = 0; !l.Zero {
			k.all[i] = 0xaa
		}
	}
	c.bytes += size - k.size
	c.peak = max(c.peak, c.bytes)
	k.size = size
	return k.all[:size:size], true
}

func (c *checked) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	if r, ok := c.Resize(b, l, size); ok {
		return r, true
	}
	if !c.moves || l.Type.HasPointers() && c.answer == mem.Scanned {
		return b, false
	}
	r, err := c.Alloc(size, l)
	if err != nil {
		return b, false
	}
	copy(r, b)
	c.Free(b, l)
	return r, true
}

func (c *checked) Free(b []byte, l mem.Layout) {
	if k := c.find("Free", b, l); k != nil {
		if !l.Type.HasPointers() {
			for i := range b {
				b[i] = 0xdd // whoever looks again will notice
			}
		}
		delete(c.live, &b[0])
		c.bytes -= k.size
	}
}

func (c *checked) Pointers() mem.Pointers { return c.answer }

// variants calls f with allocators of every answer and ability.
func variants(t *testing.T, f func(t *testing.T, a *checked)) {
	for _, answer := range []mem.Pointers{mem.PlainOnly, mem.Promised, mem.Scanned} {
		for _, ability := range []string{"none", "resizes", "moves"} {
			t.Run(answer.String()+"/"+ability, func(t *testing.T) {
				a := newChecked(t, answer)
				if ability == "resizes" {
					a.inPlace, a.slack = true, 4096
				}
				a.moves = ability == "moves"
				f(t, a)
			})
		}
	}
}

// failures has every request of an operation fail in turn, over memory that is
// scanned and memory that is not, and returns how often. If promise is set, the
// latter comes with the promise.
func failures[S any](t *testing.T, o allocatortest.FailureOptions, promise bool, op allocatortest.Operation[S]) int {
	t.Helper()
	points := 0
	for _, child := range []mem.Allocator{heap.GC{}, heap.Page{}} {
		if promise {
			child = mem.NoGoPointers(child)
		}
		o.Child = child
		op.Options = o
		points += allocatortest.CheckUnchanged(t, op)
	}
	return points
}

// allocsPerRun is [testing.AllocsPerRun]. With the address sanitizer more is on the
// heap than without, so that nothing is said of it.
func allocsPerRun(runs int, f func()) float64 {
	n := testing.AllocsPerRun(runs, f)
	if asan.Enabled {
		return 0
	}
	return n
}

// closing closes c, unless there is an error, which it returns.
func closing[C io.Closer](c C, err error) error {
	if err == nil {
		err = c.Close()
	}
	return err
}

// collecting has collections run one after the other until the function that it
// returns is called.
func collecting() (stop func()) {
	quit, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			default:
				runtime.GC()
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}
