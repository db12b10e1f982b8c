package httparena_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/allod-dev/allod/contrib/httparena"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// reverse answers with the path, backwards, by way of the request's arena.
func reverse(w http.ResponseWriter, r *http.Request) {
	a := httparena.From(r.Context())
	b, err := mem.Dupe(a, []byte(r.URL.Path))
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	w.Write(b)
}

// ask sends a request to the handler and returns the answer.
func ask(h http.Handler, path string) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

func TestServer(t *testing.T) {
	for _, o := range []httparena.Options{{}, {Idle: -1}, {Retain: -1}, {Idle: 2, Retain: 1000}} {
		arenas := httparena.New(allocatortest.New(t), o)
		server := httptest.NewServer(arenas.Wrap(http.HandlerFunc(reverse)))
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 50 {
					path := fmt.Sprintf("/%d/%d/%s", g, i, strings.Repeat("x", i*10))
					res, err := server.Client().Get(server.URL + path)
					if err != nil {
						t.Error(err)
						return
					}
					got, err := io.ReadAll(res.Body)
					res.Body.Close()
					if len(got) != len(path) || got[len(got)-1] != '/' || err != nil {
						t.Errorf("%d bytes, want %d; %v", len(got), len(path), err)
					}
				}
			})
		}
		wg.Wait()
		server.Close()
		if s := arenas.Stats(); s.InUse != 0 || o.Idle != 0 && s.Idle > max(o.Idle, 0) {
			t.Errorf("%+v: %+v", o, s)
		}
		arenas.Close()
		if code, text := ask(arenas.Wrap(http.HandlerFunc(reverse)), "/ab"); code != 200 || text != "ba/" {
			t.Errorf("after Close: %d, %q", code, text)
		}
		if s := arenas.Stats(); s != (httparena.Stats{}) {
			t.Errorf("after Close: %+v", s)
		}
	}
}

// What one request used, the next one gets, up to what is retained.
func TestReuse(t *testing.T) {
	counting := heap.NewCounting(allocatortest.New(t))
	arenas := httparena.New(counting, httparena.Options{Retain: 1 << 20})
	defer arenas.Close()
	h := arenas.Wrap(http.HandlerFunc(reverse))
	ask(h, "/warm")
	before := counting.Stats().TotalBlocks
	for range 100 {
		ask(h, "/up")
	}
	if n := counting.Stats().TotalBlocks - before; n != 0 {
		t.Errorf("100 requests took %d blocks from the child", n)
	}
	large := arenas.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mem.Must(mem.Alloc[byte](httparena.From(r.Context()), 10<<20))
	}))
	ask(large, "/")
	if n := counting.Stats().Bytes; n > 1<<20 {
		t.Errorf("%d bytes are kept, want 1 MiB at most", n)
	}
}

// A handler that panics loses its arena no more than one that returns.
// What arenas hold is known while requests are served, and after.
func TestFootprint(t *testing.T) {
	arenas := httparena.New(allocatortest.New(t), httparena.Options{})
	defer arenas.Close()
	var during mem.Footprint
	h := arenas.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mem.Must(mem.Alloc[byte](httparena.From(r.Context()), 10_000))
		during = arenas.Footprint()
	}))
	if f := arenas.Footprint(); !f.IsZero() {
		t.Errorf("before the first request: %+v", f)
	}
	ask(h, "/")
	if during.Live < 10_000 || during.Committed < during.Live {
		t.Errorf("during a request: %+v", during)
	}
	if f := arenas.Footprint(); f.Live != 0 || f.Committed == 0 {
		t.Errorf("between two requests: %+v", f)
	}
}

func TestPanic(t *testing.T) {
	arenas := httparena.New(allocatortest.New(t), httparena.Options{})
	defer arenas.Close()
	h := arenas.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mem.Must(mem.Alloc[byte](httparena.From(r.Context()), 100))
		panic(http.ErrAbortHandler)
	}))
	func() {
		defer func() {
			if v := recover(); v != http.ErrAbortHandler {
				t.Errorf("panic with %v", v)
			}
		}()
		ask(h, "/")
	}()
	if s := arenas.Stats(); s != (httparena.Stats{Idle: 1}) {
		t.Errorf("%+v", s)
	}
}

// Want of memory is an error like any other, of one request.
func TestLimit(t *testing.T) {
	arenas := httparena.New(heap.NewLimit(allocatortest.New(t), 50_000), httparena.Options{Retain: -1})
	defer arenas.Close()
	h := arenas.Wrap(http.HandlerFunc(reverse))
	if code, _ := ask(h, "/"+strings.Repeat("x", 100_000)); code != http.StatusServiceUnavailable {
		t.Errorf("a large request: %d", code)
	}
	if code, text := ask(h, "/ok"); code != 200 || text != "ko/" {
		t.Errorf("a small request: %d, %q", code, text)
	}
}

// keeper is a handler that keeps a pointer, and uses it in the next request.
type keeper struct{ last []byte }

func (k *keeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if k.last != nil {
		fmt.Fprintf(w, "%x", k.last[0])
		k.last[0] = 'X'
	}
	k.last = mem.Must(mem.Dupe(httparena.From(r.Context()), []byte("kept")))
}

// A pointer that was kept reads as garbage, and a write by it is reported with
// the stacks of the allocation and the free.
func TestKeptPointerIsReported(t *testing.T) {
	debug := heap.NewDebug(heap.Default(), heap.DebugOptions{})
	arenas := httparena.New(debug, httparena.Options{Idle: -1})
	h := arenas.Wrap(new(keeper))
	ask(h, "/1")
	if found := debug.Check(); found != nil {
		t.Fatalf("found %v after one request", found)
	}
	if _, text := ask(h, "/2"); text != "dd" {
		t.Errorf("what was freed reads as %q, want dd", text)
	}
	found := debug.Check()
	if len(found) != 1 || found[0].Kind != heap.WriteAfterFree || !strings.Contains(found[0].Alloc.String(), "ServeHTTP") {
		t.Errorf("found %v, want one write after free", found)
	}
	if err := debug.Close(); err != nil {
		t.Error(err)
	}
}

// On guarded pages the use itself is caught.
func TestKeptPointerIsCaught(t *testing.T) {
	debug := heap.NewDebug(heap.Default(), heap.DebugOptions{Guard: heap.GuardEnd})
	defer debug.Close()
	arenas := httparena.New(debug, httparena.Options{Idle: -1})
	h := arenas.Wrap(new(keeper))
	ask(h, "/1")
	if debug.Stats().Guarding == "" {
		t.Skip("this system has no guard pages")
	}
	err := heap.Catch(func() { ask(h, "/2") })
	var fault *heap.Fault
	if !errors.As(err, &fault) {
		t.Errorf("the use of a kept pointer: %v, want a fault", err)
	}
}

func TestNonsense(t *testing.T) {
	for name, f := range map[string]func(){
		"New":  func() { httparena.New(nil, httparena.Options{}) },
		"From": func() { httparena.From(t.Context()) },
	} {
		func() {
			defer func() {
				if v, _ := recover().(string); !strings.HasPrefix(v, "httparena: "+name) {
					t.Errorf("%s: panic with %q", name, v)
				}
			}()
			f()
		}()
	}
}

func BenchmarkRequest(b *testing.B) {
	work := func(w http.ResponseWriter, r *http.Request, a mem.Allocator) {
		for range 200 {
			if a == nil {
				sink = make([]byte, 500)
			} else if _, err := mem.AllocUninit[byte](a, 500); err != nil {
				b.Error(err)
			}
		}
	}
	arenas := httparena.New(heap.Default(), httparena.Options{})
	defer arenas.Close()
	for name, h := range map[string]http.Handler{
		"make":  http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { work(w, r, nil) }),
		"arena": arenas.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { work(w, r, httparena.From(r.Context())) })),
	} {
		b.Run("impl="+name, func(b *testing.B) {
			b.ReportAllocs()
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}

var sink []byte
