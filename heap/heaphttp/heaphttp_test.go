package heaphttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/heap/heaphttp"
	"github.com/allod-dev/allod/mem"
)

// get asks h and wants the status.
func get(t *testing.T, h http.Handler, target string, status int) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	if w.Code != status {
		t.Errorf("%s: %d, want %d: %s", target, w.Code, status, w.Body)
	}
	return w
}

// decode asks h for JSON of which T knows every field.
func decode[T any](t *testing.T, h http.Handler, target string) (v T) {
	t.Helper()
	w := get(t, h, target, http.StatusOK)
	if c := w.Header().Get("Content-Type"); c != "application/json" {
		t.Errorf("%s: %s", target, c)
	}
	d := json.NewDecoder(w.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	return v
}

func TestMethods(t *testing.T) {
	m := heaphttp.NewMonitor(heaphttp.Options{Registry: new(heap.Registry)})
	for _, page := range []string{"", "page.js", "page.css", "icon.svg", "stats", "history", "leaks", "heap", "heap?debug=1"} {
		target := "/debug/allod/" + page
		if w := get(t, m, target, http.StatusOK); w.Body.Len() == 0 {
			t.Errorf("GET %q: nothing", page)
		}
		for method, status := range map[string]int{"POST": 405, "PUT": 405, "DELETE": 405, "OPTIONS": 405, "HEAD": 200} {
			w := httptest.NewRecorder()
			m.ServeHTTP(w, httptest.NewRequest(method, target, nil))
			if w.Code != status || status == 405 && w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %q: %d, %v", method, page, w.Code, w.Header())
			}
		}
	}
	get(t, m, "/debug/allod/nothing", http.StatusNotFound)
	get(t, m, "/debug/allod/page/", http.StatusOK) // wherever it is mounted
	get(t, m, "/debug/allod/handler.go", http.StatusNotFound)
}

// What HEAD answers over a connection has no body, and the headers of GET.
func TestHead(t *testing.T) {
	server := httptest.NewServer(heaphttp.Handler())
	defer server.Close()
	for _, page := range []string{"", "stats", "heap"} {
		r, err := server.Client().Head(server.URL + "/" + page)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") == "" {
			t.Errorf("%q: %s, %v", page, r.Status, r.Header)
		}
	}
}

// Nothing is served that another site could read, frame or feed with scripts.
func TestHeaders(t *testing.T) {
	m := heaphttp.NewMonitor(heaphttp.Options{})
	for _, page := range []string{"", "stats", "heap", "nothing"} {
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+page, nil))
		h := w.Header()
		policy := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self';") ||
			strings.Contains(policy, "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" ||
			h.Get("Access-Control-Allow-Origin") != "" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%q: %v", page, h)
		}
	}
}

// onDefault registers once, however often the tests run.
var onDefault = sync.OnceFunc(func() { heaphttp.NewMonitor(heaphttp.Options{}).Register(nil) })

// As a program has it: on a mux, beside net/http/pprof.
func TestRegister(t *testing.T) {
	mux := http.NewServeMux()
	heaphttp.Register(mux)
	get(t, mux, "/debug/allod", http.StatusTemporaryRedirect)
	get(t, mux, "/debug/allod/", http.StatusOK)
	decode[heaphttp.Stats](t, mux, "/debug/allod/stats")
	onDefault()
	get(t, http.DefaultServeMux, "/debug/allod/", http.StatusOK)
	get(t, http.HandlerFunc(heaphttp.Index), "/any/where/", http.StatusOK)
	get(t, http.HandlerFunc(heaphttp.Heap), "/any/where", http.StatusOK)
}

func TestStats(t *testing.T) {
	var r heap.Registry
	m := heaphttp.NewMonitor(heaphttp.Options{Registry: &r})
	if s := decode[heaphttp.Stats](t, m, "/stats"); s.Allocators == nil || s.Footprints == nil || s.Debugs == nil {
		t.Errorf("what is empty is null: %+v", s)
	}
	smp := heap.NewSMP(heap.SMPOptions{})
	defer smp.Close()
	d := heap.NewDebug(smp, heap.DebugOptions{})
	defer d.Close()
	n := r.Named(d, "cache/index")
	defer n.Close()
	a := mem.Must(n.Alloc(100, mem.Layout{}))
	b := mem.Must(n.Alloc(5000, mem.Layout{}))
	n.Free(a, mem.Layout{})

	s := decode[heaphttp.Stats](t, m, "/debug/allod/stats")
	if len(s.Allocators) != 2 || s.Allocators[0].Name != "cache" {
		t.Fatalf("%+v", s.Allocators)
	}
	x := s.Allocators[1]
	if x.Committed < 5000 || x.Reserved < x.Committed || x.Fragmentation <= 0 || x.Fragmentation >= 1 {
		t.Errorf("%+v", x)
	}
	x.Committed, x.Reserved, x.Returned, x.Fragmentation = 0, 0, 0, 0
	if diff := cmp.Diff(heaphttp.Allocator{
		Name: "cache/index", Allocators: 1, Blocks: 1, Bytes: 5000, PeakBlocks: 2, PeakBytes: 5100,
		TotalBlocks: 2, TotalBytes: 5100, Sizes: []heaphttp.Size{{128, 0, 1}, {8192, 1, 1}},
	}, x); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(s.Footprints) != 1 || s.Footprints[0].Type != "*heap.SMP" || s.Footprints[0].Name != "cache/index" ||
		s.Footprints[0].Live < 5000 || len(s.Footprints[0].Classes) == 0 {
		t.Errorf("%+v", s.Footprints)
	}
	found := false
	for _, d := range s.Debugs {
		found = found || d.Name == "cache/index" && d.Bytes == 5000 && d.Blocks == 1 && d.Quarantined == 1
	}
	if !found {
		t.Errorf("no Debug in %+v", s.Debugs)
	}
	if s.Process.PID == 0 || s.Process.Go == "" || s.Memory.GoTotal <= 0 || s.Memory.Budget != nil || time.Since(s.Time) > time.Hour {
		t.Errorf("%+v %+v", s.Process, s.Memory)
	}
	n.Free(b, mem.Layout{})
}

// Debugs of one name are told in the same order every time.
func TestStatsDebugs(t *testing.T) {
	var r heap.Registry
	m := heaphttp.NewMonitor(heaphttp.Options{Registry: &r})
	for i := range 8 {
		d := heap.NewDebug(heap.Page{}, heap.DebugOptions{})
		a := r.Named(d, "connection")
		b := mem.Must(a.Alloc(100+i, mem.Layout{}))
		defer func() { a.Free(b, mem.Layout{}); d.Close() }()
	}
	first := decode[heaphttp.Stats](t, m, "/stats").Debugs
	for range 5 {
		if diff := cmp.Diff(first, decode[heaphttp.Stats](t, m, "/stats").Debugs); diff != "" {
			t.Fatalf("(-first +then):\n%s", diff)
		}
	}
}

func TestStatsBudget(t *testing.T) {
	b, err := heap.NewBudget(1<<30, heap.BudgetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Reserve(5 << 20); err != nil {
		t.Fatal(err)
	}
	x := decode[heaphttp.Stats](t, heaphttp.NewMonitor(heaphttp.Options{}), "/stats").Memory
	if x.Budget == nil || x.Budget.Total != 1<<30 || x.Budget.Reserved != 5<<20 || x.OffHeap < 5<<20 || x.GoLimit != x.Budget.GoLimit {
		t.Errorf("%+v, %+v", x, x.Budget)
	}
	b.Close()
	if x := decode[heaphttp.Stats](t, heaphttp.NewMonitor(heaphttp.Options{}), "/stats").Memory; x.Budget != nil {
		t.Errorf("after Close: %+v", x.Budget)
	}
}

// Names are the program's, and may be any UTF-8.
const hostile = `<script>alert(1)</script>"'&</pre>` + "\u2028\x00"

func TestHostileNames(t *testing.T) {
	var r heap.Registry
	m := heaphttp.NewMonitor(heaphttp.Options{Registry: &r})
	n := r.Named(heap.NewProfileWith(heap.Page{}, heap.ProfileOptions{Rate: 1}), hostile)
	defer n.Close()
	b := mem.Must(n.Alloc(100, mem.Layout{}))
	defer n.Free(b, mem.Layout{})
	for _, page := range []string{"/stats", "/history", "/leaks", "/heap?debug=1"} {
		body := get(t, m, page, http.StatusOK).Body.String()
		if strings.ContainsAny(body, "\x00\u2028") || page != "/heap?debug=1" && strings.ContainsAny(body, "<>&") {
			t.Errorf("%s: %q", page, body)
		}
	}
	s := decode[heaphttp.Stats](t, m, "/stats")
	// It has slashes in it, so that two names stand above it.
	if len(s.Allocators) != 3 || s.Allocators[2].Name != hostile {
		t.Errorf("%+v", s.Allocators)
	}
}

func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r heap.Registry
		m := heaphttp.NewMonitor(heaphttp.Options{Registry: &r, Interval: time.Second, Points: 5})
		n := r.Named(heap.Page{}, "a/b")
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error)
		go func() { ended <- m.Record(ctx) }()
		var want []int64
		for i := range 8 {
			time.Sleep(500 * time.Millisecond) // between two points
			mem.Must(n.Alloc(100, mem.Layout{}))
			if i >= 3 {
				want = append(want, int64(i+1)*100)
			}
			time.Sleep(500 * time.Millisecond)
			synctest.Wait()
		}
		h := decode[heaphttp.History](t, m, "/history")
		if diff := cmp.Diff(map[string][]int64{"a": want, "a/b": want}, h.Bytes); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if len(h.Time) != 5 || len(h.OffHeap) != 5 || len(h.GoTotal) != 5 || h.Time[4]-h.Time[0] != 4000 {
			t.Errorf("%+v", h)
		}
		since := decode[heaphttp.History](t, m, fmt.Sprintf("/history?since=%d", h.Time[2]))
		if diff := cmp.Diff(map[string][]int64{"a": want[3:], "a/b": want[3:]}, since.Bytes); diff != "" || len(since.Time) != 2 {
			t.Errorf("since (-want +got):\n%s", diff)
		}
		if none := decode[heaphttp.History](t, m, fmt.Sprintf("/history?since=%d", h.Time[4])); none.Time == nil || len(none.Time) != 0 {
			t.Errorf("%+v", none)
		}
		get(t, m, "/history?since=x", http.StatusBadRequest)
		why := errors.New("why")
		cancel(why)
		if err := <-ended; err != why {
			t.Errorf("Record returned %v", err)
		}
	})
}

// However many names there are, a point has the largest.
func TestHistoryManyNames(t *testing.T) {
	var r heap.Registry
	m := heaphttp.NewMonitor(heaphttp.Options{Registry: &r})
	for i := range 300 {
		n := r.Named(heap.Page{}, fmt.Sprint("n", i))
		b := mem.Must(n.Alloc(1000-i, mem.Layout{}))
		defer n.Free(b, mem.Layout{})
	}
	h := decode[heaphttp.History](t, m, "/history")
	if len(h.Bytes) != 100 || h.Bytes["n0"] == nil || h.Bytes["n100"] != nil {
		t.Errorf("%d names", len(h.Bytes))
	}
}

func TestLeaks(t *testing.T) {
	var r heap.Registry
	m := heaphttp.NewMonitor(heaphttp.Options{Registry: &r})
	named := func(name string) *heap.NamedAllocator {
		return r.Named(heap.NewProfileWith(heap.Page{}, heap.ProfileOptions{Rate: 1}), name)
	}
	a, b := named("cache/index"), named("queue")
	x := mem.Must(a.Alloc(1000, mem.Layout{}))
	own := func(l heaphttp.Leaks) (sites []heaphttp.Site) { // without what other tests have left open
		for _, s := range l.Sites {
			if s.Allocator != "heap.SMP" && !strings.HasPrefix(s.Allocator, "debug ") {
				sites = append(sites, s)
			}
		}
		return sites
	}
	first := decode[heaphttp.Leaks](t, m, "/leaks")
	if s := own(first); len(s) != 1 || s[0].Grown != 0 || s[0].Bytes != 1000 || s[0].Blocks != 1 || s[0].Allocator != "cache/index" {
		t.Errorf("%+v", s)
	}
	if f := first.Sites[0].Stack[0]; !strings.Contains(f.Function, "TestLeaks") || !strings.HasSuffix(f.File, "heaphttp_test.go") || f.Line == 0 {
		t.Errorf("%+v", f)
	}
	for range 3 {
		mem.Must(b.Alloc(2000, mem.Layout{}))
	}
	b.Free(mem.Must(b.Alloc(50, mem.Layout{})), mem.Layout{})
	l := decode[heaphttp.Leaks](t, m, "/leaks")
	if s := own(l); len(s) != 2 || s[0].Bytes != 6000 || s[0].Grown != 6000 || s[0].Blocks != 3 || s[1].Grown != 0 {
		t.Errorf("%+v", s)
	}
	if !l.Since.Equal(first.Since) {
		t.Errorf("since %v, then %v", first.Since, l.Since)
	}
	l = decode[heaphttp.Leaks](t, m, "/leaks?allocator=cache&n=1")
	if len(l.Sites) != 1 || l.Sites[0].Allocator != "cache/index" || l.MoreSites != 0 || len(l.Sources) != 1 {
		t.Errorf("%+v", l)
	}
	l = decode[heaphttp.Leaks](t, m, "/leaks?n=1")
	if len(l.Sites) != 1 || l.MoreSites < 1 || l.MoreBytes < 1000 {
		t.Errorf("%+v", l)
	}
	a.Free(x, mem.Layout{})
	for _, bad := range []string{"by=size", "n=0", "n=-1", "n=1001", "n=x", "n=" + fmt.Sprint(uint64(math.MaxUint64))} {
		get(t, m, "/leaks?"+bad, http.StatusBadRequest)
	}
	for _, unknown := range []string{"cach", "cache/", "cache/index/x", "no"} {
		get(t, m, "/leaks?allocator="+unknown, http.StatusNotFound)
	}
}

// A stack is there once, whichever of the Profiles of a name knows it, and
// whatever is between.
func TestLeaksOneName(t *testing.T) {
	var r heap.Registry
	m := heaphttp.NewMonitor(heaphttp.Options{Registry: &r})
	var shards [3]mem.Allocator
	for i := range shards {
		shards[i] = r.Named(heap.NewProfileWith(heap.Page{}, heap.ProfileOptions{Rate: 1}), "cache")
	}
	shards[2] = heap.NewCounting(shards[2])
	get(t, m, "/leaks", http.StatusOK)
	for i, a := range shards {
		b := mem.Must(a.Alloc(1000<<i, mem.Layout{}))
		defer a.Free(b, mem.Layout{})
	}
	l := decode[heaphttp.Leaks](t, m, "/leaks?allocator=cache")
	if len(l.Sites) != 1 || l.Sites[0].Bytes != 7000 || l.Sites[0].Blocks != 3 || l.Sites[0].Grown != 7000 || len(l.Sources) != 1 {
		t.Errorf("%+v", l)
	}
}

// An allocator may have the name that the one of the process is shown under.
func TestLeaksNameOfType(t *testing.T) {
	var r heap.Registry
	m := heaphttp.NewMonitor(heaphttp.Options{Registry: &r})
	n := r.Named(heap.NewProfileWith(heap.Page{}, heap.ProfileOptions{Rate: 1}), "heap.SMP")
	const size = 32 << 20 // in the sample for sure
	for _, a := range []mem.Allocator{n, heap.Default()} {
		b := mem.Must(a.Alloc(size, mem.Layout{}))
		defer a.Free(b, mem.Layout{})
	}
	sites := decode[heaphttp.Leaks](t, m, "/leaks?allocator=heap.SMP").Sites
	if len(sites) < 2 || sites[0].Blocks != 1 || sites[1].Blocks != 1 {
		t.Errorf("%+v", sites)
	}
}

// What is large and does not grow is no leak.
func TestLeaksGrown(t *testing.T) {
	m, index, _ := profiled()
	large := mem.Must(index.Alloc(10_000, mem.Layout{}))
	get(t, m, "/leaks", http.StatusOK)
	small := mem.Must(index.Alloc(2000, mem.Layout{}))
	for order, want := range map[string]int64{"": 10_000, "live": 10_000, "grown": 2000} {
		if l := decode[heaphttp.Leaks](t, m, "/leaks?allocator=cache&by="+order); len(l.Sites) != 2 || l.Sites[0].Bytes != want {
			t.Errorf("by %q: %+v", order, l)
		}
	}
	index.Free(large, mem.Layout{})
	index.Free(small, mem.Layout{})
}

// A Profile that no name stands on is told of, and one that stands on a Debug
// does not count the same blocks again.
func TestSources(t *testing.T) {
	var r heap.Registry
	m := heaphttp.NewMonitor(heaphttp.Options{Registry: &r})
	p := heap.NewProfileWith(heap.Page{}, heap.ProfileOptions{Rate: 1})
	b := mem.Must(p.Alloc(1000, mem.Layout{}))
	get(t, m, "/leaks?allocator=alone", http.StatusNotFound)
	remove := m.AddProfile(p, "alone")
	if l := decode[heaphttp.Leaks](t, m, "/leaks?allocator=alone"); len(l.Sites) != 1 || l.Sites[0].Bytes != 1000 {
		t.Errorf("%+v", l)
	}
	p.Free(b, mem.Layout{})
	remove()
	remove()
	get(t, m, "/leaks?allocator=alone", http.StatusNotFound)

	d := heap.NewDebug(heap.Page{}, heap.DebugOptions{})
	defer d.Close()
	n := r.Named(heap.NewProfileWith(d, heap.ProfileOptions{Rate: 1}), "both")
	b = mem.Must(n.Alloc(500, mem.Layout{}))
	if l := decode[heaphttp.Leaks](t, m, "/leaks?allocator=both"); len(l.Sites) != 1 || l.Sites[0].Bytes != 500 {
		t.Errorf("%+v", l)
	}
	n.Free(b, mem.Layout{})
}

// A block counts once, though a Profile and the SMP that it stands on both know
// it, and each of them knows others.
func TestSourcesShared(t *testing.T) {
	var r heap.Registry
	m := heaphttp.NewMonitor(heaphttp.Options{Registry: &r})
	smp := heap.NewSMP(heap.SMPOptions{ProfileRate: 1})
	defer smp.Close()
	plain := r.Named(smp, "all/plain")
	profiled := r.Named(heap.NewProfileWith(heap.NewCounting(smp), heap.ProfileOptions{Rate: 1}), "all/profiled")
	blind := r.Named(heap.NewSMP(heap.SMPOptions{}), "all/blind")
	var blocks [3][]byte
	for i, a := range []mem.Allocator{plain, profiled, blind} {
		blocks[i] = mem.Must(a.Alloc(100<<i, mem.Layout{}))
	}
	got := map[string]int64{}
	for _, s := range decode[heaphttp.Leaks](t, m, "/leaks?allocator=all").Sites {
		got[s.Allocator] += s.Bytes
	}
	slots := int64(smp.Stats().Live) - 200 // of the blocks: 104 and 208 bytes, say
	if len(got) != 2 || got["all/profiled"] != 200 || got["all/plain"] < 100 || got["all/plain"] > slots {
		t.Errorf("%v, and the slots have %d", got, slots)
	}
	get(t, m, "/leaks?allocator=all/blind", http.StatusNotFound)
	for i, a := range []mem.Allocator{plain, profiled, blind} {
		a.Free(blocks[i], mem.Layout{})
	}
}

// So it is without anything between the two, of whatever size the block is and
// however it became so.
func TestSourcesDirect(t *testing.T) {
	var r heap.Registry
	m := heaphttp.NewMonitor(heaphttp.Options{Registry: &r})
	smp := heap.NewSMP(heap.SMPOptions{ProfileRate: 1})
	defer smp.Close()
	plain := r.Named(smp, "all/plain")
	profiled := r.Named(heap.NewProfileWith(smp, heap.ProfileOptions{Rate: 1}), "all/profiled")
	for _, size := range []int{64, 5000, 50_000, 3 << 20} {
		b := mem.Must(profiled.Alloc(size, mem.Layout{}))
		b, ok := profiled.Resize(b, mem.Layout{}, size-1)
		c := mem.Must(plain.Alloc(size, mem.Layout{}))
		got := map[string]int64{}
		for _, s := range decode[heaphttp.Leaks](t, m, "/leaks?allocator=all").Sites {
			got[s.Allocator] += s.Blocks
		}
		if got["all/profiled"] != 1 || got["all/plain"] != 1 {
			t.Errorf("of %d bytes, resized: %t: %v blocks", size, ok, got)
		}
		profiled.Free(b, mem.Layout{})
		plain.Free(c, mem.Layout{})
	}
}

// The default allocator profiles itself, and needs no name.
func TestSourcesDefault(t *testing.T) {
	m := heaphttp.NewMonitor(heaphttp.Options{Registry: new(heap.Registry)})
	b := mem.Must(heap.Default().Alloc(32<<20, mem.Layout{})) // in the sample for sure
	defer heap.Default().Free(b, mem.Layout{})
	l := decode[heaphttp.Leaks](t, m, "/leaks?allocator=heap.SMP&n=1")
	if len(l.Sites) != 1 || l.Sites[0].Bytes < 32<<20 || !strings.Contains(l.Sites[0].Stack[0].Function, "TestSourcesDefault") {
		t.Errorf("%+v", l)
	}
}

func TestPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"negative interval": func() { heaphttp.NewMonitor(heaphttp.Options{Interval: -1}) },
		"negative points":   func() { heaphttp.NewMonitor(heaphttp.Options{Points: -1}) },
		"nil profile":       func() { heaphttp.DefaultMonitor.AddProfile(nil, "x") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// Everything is asked for while allocators come, work and go.
func TestParallel(t *testing.T) {
	var r heap.Registry
	m := heaphttp.NewMonitor(heaphttp.Options{Registry: &r, Interval: 1, Points: 10})
	done := make(chan struct{})
	var work, look sync.WaitGroup
	for i := range 2 {
		work.Go(func() {
			for range 30 {
				n := r.Named(heap.NewProfileWith(heap.Default(), heap.ProfileOptions{Rate: 64}), fmt.Sprint("x/", i))
				a := heap.NewArena(n)
				stop := r.Watch(a, "arena")
				for range 50 {
					mem.Must(a.Alloc(1000, mem.Layout{}))
				}
				a.Close()
				stop()
				n.Close()
			}
		})
	}
	go func() {
		work.Wait()
		close(done)
	}()
	for _, page := range []string{"/stats", "/history", "/leaks", "/heap", "/heap?debug=1"} {
		look.Go(func() {
			for {
				get(t, m, page, http.StatusOK)
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	look.Wait()
}
