package grpcmem_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/mem"

	"github.com/allod-dev/allod/contrib/grpcmem"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/testing/allocatortest"
)

var (
	_ mem.BufferPool      = (*grpcmem.Pool)(nil)
	_ httputil.BufferPool = (*grpcmem.Proxy)(nil)
)

func TestGet(t *testing.T) {
	for _, o := range []grpcmem.Options{{}, {Zero: true}, {Retain: -1}, {Retain: 10_000, Zero: true}} {
		p := grpcmem.NewWith(allocatortest.New(t), o)
		retain := max(o.Retain, 0)
		if o.Retain == 0 {
			retain = 8 << 20
		}
		for range 2 {
			for _, n := range []int{0, 1, 256, 257, 1024, 1025, 4096, 33 << 10, 1 << 20, 5 << 20} {
				b := p.Get(n)
				if len(*b) != n {
					t.Errorf("Get(%d): %d bytes", n, len(*b))
				}
				for i, v := range *b {
					if o.Zero && v != 0 {
						t.Fatalf("Get(%d): byte %d is %#x", n, i, v)
					}
					(*b)[i] = 1
				}
				*b = (*b)[:n/2] // a prefix will do
				p.Put(b)
				if n := p.Stats().Kept; n > retain {
					t.Errorf("%d bytes are kept, more than %d", n, retain)
				}
			}
		}
		if kept, n := p.Stats().Kept, p.Trim(); n != kept || p.Stats().Kept != 0 || (n > 0) != (retain > 4096) {
			t.Errorf("%+v: Trim gave back %d of %d bytes", o, n, kept)
		}
	}
}

// The last buffer that was put is the next one, whatever its length is.
func TestLastIsFirst(t *testing.T) {
	p := grpcmem.New(allocatortest.New(t))
	a, b := p.Get(5000), p.Get(8192)
	first, last := &(*a)[0], &(*b)[0]
	p.Put(a)
	p.Put(b)
	p.Put(b) // has nothing in it any more
	c, d := p.Get(6000), p.Get(7000)
	if &(*c)[0] != last || &(*d)[0] != first || cap(*c) != 8192 {
		t.Error("not in the order that was to be expected")
	}
	p.Put(c)
	p.Put(d)
	p.Trim()
}

// What gRPC forgets is no leak: it drops the pool of small buffers.
func TestNewBufferForgets(t *testing.T) {
	p := grpcmem.New(allocatortest.New(t))
	for _, n := range []int{0, 100, 256, 257, 1024, 1025, 100_000} {
		mem.NewBuffer(p.Get(n), p).Free()
		b := mem.Copy(make([]byte, n), p)
		b.Ref()
		b.Free()
		b.Free()
	}
	p.Trim()
}

// Beyond a limit buffers come from the Go heap, and Put knows them.
func TestLimit(t *testing.T) {
	limit := heap.NewLimit(allocatortest.New(t), 100_000)
	p := grpcmem.New(limit)
	var all []*[]byte
	for range 10 {
		all = append(all, p.Get(30_000))
	}
	if s := p.Stats(); s.Refused == 0 || s.Strays != int(s.Refused) || limit.Used() > 100_000 {
		t.Errorf("%+v; %d bytes are used", s, limit.Used())
	}
	for _, b := range all {
		p.Put(b)
	}
	if s := p.Stats(); s.Strays != 0 || s.Kept != limit.Used() {
		t.Errorf("%+v; %d bytes are used", s, limit.Used())
	}
	p.Put(p.Get(90_000)) // for which others must go
	if s := p.Stats(); s.Strays != 0 || s.Kept != 0 {
		t.Errorf("%+v", s)
	}
}

func TestMisuse(t *testing.T) {
	d := heap.NewDebug(heap.Default(), heap.DebugOptions{})
	defer d.Close()
	p := grpcmem.NewWith(d, grpcmem.Options{Retain: -1})
	foreign := make([]byte, 5000)
	allocatortest.ExpectMisuse(t, heap.ForeignFree, func() { p.Put(&foreign) })
	b := p.Get(5000)
	twice := (*b)[:]
	p.Put(b)
	allocatortest.ExpectMisuse(t, heap.DoubleFree, func() { p.Put(&twice) })
	small := make([]byte, 10)
	p.Put(&small) // nobody's, and harmless
	for name, f := range map[string]func(){
		"New":   func() { grpcmem.New(nil) },
		"Proxy": func() { p.Proxy(-1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s did not panic", name)
				}
			}()
			f()
		}()
	}
}

func TestConcurrent(t *testing.T) {
	p := grpcmem.New(heap.NewLimit(allocatortest.New(t), 300_000))
	defer p.Trim()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				b := p.Get(1 + i*37%60_000)
				(*b)[0], (*b)[len(*b)-1] = byte(g), byte(g)
				if (*b)[0] != byte(g) {
					t.Error("two have the same buffer")
				}
				p.Put(b)
			}
		})
	}
	wg.Wait()
}

func TestNoGarbage(t *testing.T) {
	p := grpcmem.New(heap.Default())
	if n := testing.AllocsPerRun(1000, func() {
		p.Put(p.Get(100))
		p.Put(p.Get(20_000))
	}); n > 0.5 { // the collector empties a sync.Pool now and then
		t.Errorf("%v allocations", n)
	}
}

func TestProxy(t *testing.T) {
	text := strings.Repeat("all that is sent through a proxy comes out of it, ", 10_000)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, text)
	}))
	defer backend.Close()
	target, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 100, 5000} {
		p := grpcmem.New(allocatortest.New(t))
		proxy := httputil.NewSingleHostReverseProxy(target)
		proxy.BufferPool = p.Proxy(size)
		front := httptest.NewServer(proxy)
		res, err := front.Client().Get(front.URL)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || string(got) != text {
			t.Errorf("size %d: %d bytes, %v", size, len(got), err)
		}
		front.Close()
		p.Trim()
	}
}
