package heaphttp_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/heap/heaphttp"
	"github.com/allod-dev/allod/internal/tools/pprof"
	"github.com/allod-dev/allod/mem"
)

// keeps and drops are on the stacks of the profiles.
//
//go:noinline
func keeps(a mem.Allocator, size int) []byte { return mem.Must(a.Alloc(size, mem.Layout{})) }

//go:noinline
func drops(a mem.Allocator, size int) { a.Free(mem.Must(a.Alloc(size, mem.Layout{})), mem.Layout{}) }

// profiled returns a Monitor, and two allocators that it knows stacks of.
func profiled() (m *heaphttp.Monitor, index, queue mem.Allocator) {
	var r heap.Registry
	m = heaphttp.NewMonitor(heaphttp.Options{Registry: &r})
	p := func() mem.Allocator { return heap.NewProfileWith(heap.Page{}, heap.ProfileOptions{Rate: 1}) }
	return m, r.Named(p(), "cache/index"), r.Named(p(), "queue")
}

func TestHeap(t *testing.T) {
	m, index, queue := profiled()
	for range 2 {
		defer index.Free(keeps(index, 1000), mem.Layout{})
	}
	drops(index, 1000)
	defer queue.Free(keeps(queue, 64), mem.Layout{})

	w := get(t, m, "/debug/allod/heap", http.StatusOK)
	if h := w.Header(); h.Get("Content-Type") != "application/octet-stream" || h.Get("Content-Disposition") != `attachment; filename="heap"` {
		t.Errorf("%v", h)
	}
	raw := pprof.Text(t, w.Body.Bytes(), "-raw")
	for _, want := range []string{
		"alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes[dflt]",
		"2       2000          2       2000:", "1       1000          0          0:", "1         64          1         64:",
		"allocator:[cache/index]", "allocator:[queue]", "bytes:[1000 bytes]", "heaphttp_test.keeps", "profile_test.go",
	} {
		if !strings.Contains(raw, want) {
			t.Errorf("no %q in\n%s", want, raw)
		}
	}
	if strings.Contains(raw, "Duration:") {
		t.Errorf("a profile of one moment has a duration:\n%s", raw)
	}
	one := pprof.Text(t, get(t, m, "/heap?allocator=queue", http.StatusOK).Body.Bytes(), "-raw")
	if !strings.Contains(one, "[queue]") || strings.Contains(one, "cache") {
		t.Errorf("of the queue:\n%s", one)
	}
	get(t, m, "/heap?allocator=no", http.StatusNotFound)
}

// Text is for people, and for the tool as well.
func TestHeapText(t *testing.T) {
	m, index, queue := profiled()
	defer index.Free(keeps(index, 1000), mem.Layout{})
	drops(queue, 300)
	w := get(t, m, "/heap?debug=1", http.StatusOK)
	if c := w.Header().Get("Content-Type"); c != "text/plain; charset=utf-8" {
		t.Error(c)
	}
	text := get(t, m, "/heap?debug=1&allocator=cache", http.StatusOK).Body.String()
	if want := "heap profile: 1: 1000 [1: 1000] @ heapprofile\n1: 1000 [1: 1000] @ 0x"; !strings.HasPrefix(text, want) {
		t.Errorf("no %q in\n%s", want, text)
	}
	text = w.Body.String()
	for _, want := range []string{
		"@ heapprofile\n", "1: 1000 [1: 1000] @ 0x", "#\tallocator \"cache/index\"\n", "0: 0 [1: 300] @ 0x", "heaphttp_test.drops\t",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	raw := pprof.Text(t, []byte(text), "-raw", "-symbolize=none")
	if !strings.Contains(raw, "1       1000          1       1000") {
		t.Errorf("the tool reads\n%s", raw)
	}
}

// With seconds, it is what has changed meanwhile.
func TestHeapDelta(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, index, queue := profiled()
		old, gone := keeps(index, 5000), keeps(queue, 700)
		go func() {
			time.Sleep(10 * time.Second)
			queue.Free(gone, mem.Layout{})
			for range 3 {
				keeps(index, 1000)
			}
			drops(queue, 40)
		}()
		start := time.Now()
		w := get(t, m, "/heap?seconds=30", http.StatusOK)
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("it took %v", took)
		}
		if d := w.Header().Get("Content-Disposition"); d != `attachment; filename="heap-delta"` {
			t.Error(d)
		}
		raw := pprof.Text(t, w.Body.Bytes(), "-raw")
		for _, want := range []string{
			"3       3000          3       3000:", "0          0         -1       -700:", "1         40          0          0:", "Duration: 30",
		} {
			if !strings.Contains(raw, want) {
				t.Errorf("no %q in\n%s", want, raw)
			}
		}
		if strings.Contains(raw, "5000") {
			t.Errorf("what has not changed is in\n%s", raw)
		}
		index.Free(old, mem.Layout{})
	})
}

// Nobody waits for a client that is gone, nor longer than the server would.
func TestHeapEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, _ := profiled()
		ask := func(ctx context.Context, method, target string) (status int, took time.Duration) {
			w, start := httptest.NewRecorder(), time.Now()
			m.ServeHTTP(w, httptest.NewRequestWithContext(ctx, method, target, nil))
			return w.Code, time.Since(start)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if status, took := ask(ctx, "GET", "/heap?seconds=60"); status != http.StatusServiceUnavailable || took != 3*time.Second {
			t.Errorf("a client that is gone: %d after %v", status, took)
		}
		if status, took := ask(t.Context(), "HEAD", "/heap?seconds=60"); status != http.StatusOK || took != 0 {
			t.Errorf("HEAD: %d after %v", status, took)
		}
		server := context.WithValue(t.Context(), http.ServerContextKey, &http.Server{WriteTimeout: 10 * time.Second})
		for target, want := range map[string]int{"/heap?seconds=9": http.StatusOK, "/heap?seconds=10": http.StatusBadRequest} {
			if status, _ := ask(server, "GET", target); status != want {
				t.Errorf("%s with a server that gives up, and does not hear otherwise: %d, want %d", target, status, want)
			}
		}
		for _, bad := range []string{"seconds=-1", "seconds=601", "seconds=1e1", "seconds=x", "debug=-1", "debug=x", "debug=1&seconds=1"} {
			if status, took := ask(t.Context(), "GET", "/heap?"+bad); status != http.StatusBadRequest || took != 0 {
				t.Errorf("%s: %d after %v", bad, status, took)
			}
		}
	})
}

// A server waits longer than for other answers.
func TestHeapWriteTimeout(t *testing.T) {
	m, index, _ := profiled()
	server := httptest.NewUnstartedServer(m)
	server.Config.WriteTimeout = 500 * time.Millisecond
	server.Start()
	defer server.Close()
	go keeps(index, 1000)
	answer, err := server.Client().Get(server.URL + "/heap?seconds=1")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusOK || len(body) == 0 {
		t.Errorf("%s, %d bytes, %v", answer.Status, len(body), err)
	}
}

// Stacks are known again when their source has got another name meanwhile, and
// when others have the same. Of one that was closed, the blocks are gone, and what
// was ever allocated is not less.
func TestHeapDeltaNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r heap.Registry
		m := heaphttp.NewMonitor(heaphttp.Options{Registry: &r})
		exact := func(name string) *heap.NamedAllocator {
			return r.Named(heap.NewProfileWith(heap.Page{}, heap.ProfileOptions{Rate: 1}), name)
		}
		shared := heap.NewProfileWith(heap.Page{}, heap.ProfileOptions{Rate: 1})
		one, gone, twins := r.Named(shared, "one"), exact("gone"), [2]*heap.NamedAllocator{exact("twin"), exact("twin")}
		keeps(one, 1000)
		keeps(gone, 2000)
		for _, twin := range twins {
			keeps(twin, 3000)
		}
		get(t, m, "/leaks", http.StatusOK)
		go func() {
			time.Sleep(time.Second)
			r.Named(shared, "other")
			gone.Close()
		}()
		raw := pprof.Text(t, get(t, m, "/heap?seconds=2", http.StatusOK).Body.Bytes(), "-raw")
		if !strings.Contains(raw, "0          0         -1      -2000:") {
			t.Errorf("no blocks went in\n%s", raw)
		}
		if strings.Contains(raw, "allocator:[one") || strings.Contains(raw, "allocator:[twin") {
			t.Errorf("what has not changed is in\n%s", raw)
		}
		for _, name := range []string{"one", "other", "twin"} {
			for _, s := range decode[heaphttp.Leaks](t, m, "/leaks?allocator="+name).Sites {
				if s.Grown != 0 {
					t.Errorf("%s: %+v", name, s)
				}
			}
		}
	})
}

// As in a profile of Go's heap, bytes are in who asked for them.
func TestHeapProgram(t *testing.T) {
	m, index, _ := profiled()
	keeps(index, 1000)
	for _, query := range []string{"", "&debug=1"} {
		top := pprof.Text(t, get(t, m, "/heap?allocator=cache"+query, http.StatusOK).Body.Bytes(), "-raw")
		if !strings.Contains(top, "keeps") && query == "" || strings.Contains(top, "allod/mem.") || strings.Contains(top, "allod/heap.(") {
			t.Errorf("with %q:\n%s", query, top)
		}
	}
	if text := get(t, m, "/heap?debug=1&allocator=cache", http.StatusOK).Body.String(); strings.Contains(text, "allod/heap.(") {
		t.Errorf("as text:\n%s", text)
	}
}

// What comes in a body is not read.
func TestBody(t *testing.T) {
	m, index, _ := profiled()
	keeps(index, 1000)
	const form = "--x\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\nnone\r\n--x--\r\n"
	body := strings.NewReader(form)
	r := httptest.NewRequest("GET", "/leaks", body)
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	if w.Code != http.StatusOK || body.Len() != len(form) {
		t.Errorf("%d %s, with %d of %d bytes left", w.Code, w.Body, body.Len(), len(form))
	}
}
