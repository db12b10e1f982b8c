package generic_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"sync"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

const cacheEntry = 48 // what an entry counts beside its bytes

// cacheModel puts, gets and removes, and compares with a Go map, of which the
// cache may hold less.
func cacheModel(t *testing.T, a *checked, p *tape) {
	const most = 1000
	c := generic.NewCache(a, most)
	defer c.Close()
	model := map[string][]byte{}
	buf := []byte("dst ")
	for p.more() {
		op, key := p.next(), fmt.Sprint(p.next()%32)
		switch op % 8 {
		case 0, 1, 2, 3:
			v := bytes.Repeat([]byte{p.next()}, int(op)*3)
			err := c.Put(key, v)
			if err == nil {
				model[key] = v
			} else if a.failed == 0 || errors.Is(err, mem.ErrLimit) {
				t.Fatal(err)
			}
		case 4:
			c.Remove(key)
			delete(model, key)
			if c.Contains(key) {
				t.Fatalf("%s is still there", key)
			}
		case 5:
			if op == 5 {
				c.Clear()
				clear(model)
			}
		case 6:
			c.View(key, func(v []byte) {
				if !bytes.Equal(v, model[key]) || cap(v) != len(v) {
					t.Fatalf("%s: %x, want %x", key, v, model[key])
				}
			})
		default:
			had := c.Contains(key)
			v, ok := c.AppendGet(buf, key)
			if ok != had || string(v[:4]) != "dst " || ok && !bytes.Equal(v[4:], model[key]) {
				t.Fatalf("%s: %x, want %x", key, v, model[key])
			}
		}
		if s := c.Stats(); s.Bytes > most || s.Entries > len(model) || s.Entries != c.Len() {
			t.Fatalf("%+v", s)
		}
	}
}

func TestCacheModel(t *testing.T) { testModel(t, cacheModel) }
func FuzzCache(f *testing.F)      { fuzzModel(f, cacheModel) }

// What was used is spared once, the rest leaves in the order of insertion.
func TestCacheOrder(t *testing.T) {
	c := generic.NewCache(allocatortest.New(t), 4*(cacheEntry+2))
	defer c.Close()
	put := func(key string) {
		t.Helper()
		if err := c.Put(key, []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	is := func(keys string) {
		t.Helper()
		got := ""
		for k := 'a'; k <= 'z'; k++ {
			if c.Contains(string(k)) {
				got += string(k)
			}
		}
		if got != keys {
			t.Errorf("keys %s, want %s", got, keys)
		}
	}
	for _, k := range []string{"a", "b", "c", "d"} {
		put(k)
	}
	is("abcd")
	c.AppendGet(nil, "a")
	c.AppendGet(nil, "c")
	put("e")
	is("acde") // a was spared, b was not
	put("f")
	is("acef") // the hand went on to spare c, and d
	c.Remove("e")
	put("g")
	is("acfg")
	if s := c.Stats(); s.Evictions != 2 || s.Hits != 2 || s.Misses != 0 || s.Bytes != 4*(cacheEntry+2) {
		t.Errorf("%+v", s)
	}
}

func TestCacheLimits(t *testing.T) {
	a := newChecked(t, mem.PlainOnly)
	c := generic.NewCache(a, 1000)
	defer c.Close()
	if err := c.Put("key", make([]byte, 1000-cacheEntry-3)); err != nil {
		t.Error(err)
	}
	if err := c.Put("key", make([]byte, 1000-cacheEntry-2)); err != mem.ErrLimit || !c.Contains("key") {
		t.Error(err)
	}
	if err := c.Put("", nil); err != nil || !c.Contains("") || c.Len() != 1 {
		t.Error(err, c.Len())
	}
	// Without memory, the others go; then the error comes.
	for i := range 10 {
		if err := c.Put(fmt.Sprint(i), []byte("value")); err != nil {
			t.Fatal(err)
		}
	}
	a.failAt, a.onwards = a.requests+1, true
	if err := c.Put("3", []byte("longer value")); !errors.Is(err, mem.ErrOutOfMemory) {
		t.Error(err)
	}
	if v, ok := c.AppendGet(nil, "3"); string(v) != "value" || !ok || c.Len() != 1 {
		t.Errorf("%q, %d entries", v, c.Len())
	}
	a.failAt = 0
	if err := c.Put("3", []byte("longer value")); err != nil {
		t.Error(err)
	}
	empty := generic.NewCache(a, 0)
	if err := empty.Put("", nil); err != mem.ErrLimit {
		t.Error(err)
	}
	mustPanic(t, "negative", func() { generic.NewCache(a, -1) }, "generic: NewCache: negative size")
	mustPanic(t, "nil", func() { generic.NewCache(nil, 1) }, "generic: NewCache: nil Allocator")
	mustPanic(t, "zero", func() { new(generic.Cache).Put("", nil) }, "call NewCache")
	if c.Allocator() != mem.Allocator(a) {
		t.Error("Allocator")
	}
}

// Many goroutines and the collector, over memory of every kind.
func TestCacheConcurrent(t *testing.T) {
	for name, child := range map[string]mem.Allocator{"GC": heap.GC{}, "Debug": heap.NewThreadSafe(allocatortest.New(t))} {
		t.Run(name, func(t *testing.T) {
			c := generic.NewCache(child, 4<<20)
			defer c.Close()
			rounds := 2000
			if testing.Short() {
				rounds = 300
			}
			var wg sync.WaitGroup
			for g := range 4 {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(uint64(g), 1))
					var buf []byte
					for i := range rounds {
						key := fmt.Sprint(r.IntN(200))
						switch i % 8 {
						case 0, 1, 2:
							if err := c.Put(key, bytes.Repeat([]byte(key), 1+r.IntN(50))); err != nil {
								t.Error(err)
							}
						case 3:
							c.Remove(key)
						case 4:
							c.View(key, func(v []byte) {
								if !bytes.HasPrefix(v, []byte(key)) {
									t.Errorf("%s: %q", key, v)
								}
							})
						default:
							var ok bool
							if buf, ok = c.AppendGet(buf[:0], key); ok && !bytes.HasPrefix(buf, []byte(key)) {
								t.Errorf("%s: %q", key, buf)
							}
						}
						if i%500 == 0 {
							runtime.GC()
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// A recycler serves blocks of up to a page out of those that were given back.
type recycler struct {
	mem.NoResize
	free [][]byte
	all  [][]byte // keeps them alive
}

func (r *recycler) Alloc(size int, l mem.Layout) ([]byte, error) {
	if n := len(r.free); n > 0 && size <= 4096 && l.Kind == mem.Plain {
		b := r.free[n-1]
		r.free = r.free[:n-1]
		clear(b)
		return b[:size:size], nil
	}
	b := bytesAt(reflect.ValueOf(make([]uint64, max(size, 4096)/8+1)).UnsafePointer(), max(size, 4096))
	r.all = append(r.all, b)
	return b[:size:size], nil
}

func (r *recycler) Free(b []byte, l mem.Layout) {
	if len(b) <= 4096 && l.Kind == mem.Plain {
		r.free = append(r.free, bytesAt(reflect.ValueOf(&b[0]).UnsafePointer(), 4096))
	}
}

func (*recycler) Pointers() mem.Pointers { return mem.PlainOnly }

func TestCacheAllocs(t *testing.T) {
	a := &recycler{free: make([][]byte, 0, 1000)}
	c := generic.NewCache(a, 1<<16)
	defer c.Close()
	value := make([]byte, 100)
	buf := make([]byte, 0, 200)
	for i := range 400 { // fills it
		if err := c.Put(stringKey(i), value); err != nil {
			t.Fatal(err)
		}
	}
	f := func([]byte) {}
	if n := allocsPerRun(100, func() {
		if c.Put("key 1", value) != nil {
			t.Error("Put")
		}
		c.AppendGet(buf, "key 1")
		c.View("key 1", f)
		c.Remove("key 1")
		c.AppendGet(buf, "miss")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
