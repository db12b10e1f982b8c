package prometheus_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/allod-dev/allod/contrib/prometheus"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

func TestCollector(t *testing.T) {
	var r heap.Registry
	index := r.Named(heap.NewLimit(heap.Page{}, 1<<20), "cache/index")
	data := r.Named(heap.Page{}, "cache")
	a := mem.Must(mem.Alloc[byte](index, 100))
	b := mem.Must(mem.Alloc[byte](index, 1000))
	c := mem.Must(mem.Alloc[byte](data, 60))
	mem.Free(index, b)
	if _, err := mem.Alloc[byte](index, 2<<20); err == nil {
		t.Fatal("the limit was passed")
	}
	c, _ = mem.Resize(data, c, 30)
	collector := prometheus.NewCollector(&r)
	want := `
# HELP allod_blocks Blocks outstanding.
# TYPE allod_blocks gauge
allod_blocks{allocator="cache"} 1
allod_blocks{allocator="cache/index"} 1
# HELP allod_bytes Bytes outstanding.
# TYPE allod_bytes gauge
allod_bytes{allocator="cache"} 30
allod_bytes{allocator="cache/index"} 100
# HELP allod_peak_bytes Most bytes that were outstanding at a time.
# TYPE allod_peak_bytes gauge
allod_peak_bytes{allocator="cache"} 60
allod_peak_bytes{allocator="cache/index"} 1100
# HELP allod_allocated_blocks_total Blocks ever handed out.
# TYPE allod_allocated_blocks_total counter
allod_allocated_blocks_total{allocator="cache"} 1
allod_allocated_blocks_total{allocator="cache/index"} 2
# HELP allod_allocated_bytes_total Bytes ever handed out.
# TYPE allod_allocated_bytes_total counter
allod_allocated_bytes_total{allocator="cache"} 60
allod_allocated_bytes_total{allocator="cache/index"} 1100
# HELP allod_failures_total Requests that failed.
# TYPE allod_failures_total counter
allod_failures_total{allocator="cache"} 0
allod_failures_total{allocator="cache/index"} 1
# HELP allod_resizes_total Resize and Remap calls by result.
# TYPE allod_resizes_total counter
allod_resizes_total{allocator="cache",result="in_place"} 1
allod_resizes_total{allocator="cache",result="moved"} 0
allod_resizes_total{allocator="cache",result="refused"} 0
allod_resizes_total{allocator="cache/index",result="in_place"} 0
allod_resizes_total{allocator="cache/index",result="moved"} 0
allod_resizes_total{allocator="cache/index",result="refused"} 0
# HELP allod_block_size_bytes Sizes of the blocks ever handed out.
# TYPE allod_block_size_bytes histogram
allod_block_size_bytes_bucket{allocator="cache",le="32"} 1
allod_block_size_bytes_bucket{allocator="cache",le="64"} 2
allod_block_size_bytes_bucket{allocator="cache",le="+Inf"} 2
allod_block_size_bytes_sum{allocator="cache"} 60
allod_block_size_bytes_count{allocator="cache"} 2
allod_block_size_bytes_bucket{allocator="cache/index",le="128"} 1
allod_block_size_bytes_bucket{allocator="cache/index",le="1024"} 2
allod_block_size_bytes_bucket{allocator="cache/index",le="+Inf"} 2
allod_block_size_bytes_sum{allocator="cache/index"} 1100
allod_block_size_bytes_count{allocator="cache/index"} 2
`
	if err := testutil.CollectAndCompare(collector, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(collector); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	mem.Free(index, a)
	mem.Free(data, c)
	// What a closed allocator has counted stays.
	index.Close()
	data.Close()
	if n := testutil.CollectAndCount(collector, "allod_bytes"); n != 2 {
		t.Errorf("%d allocators after Close, want 2", n)
	}
}

// As a program has it: scraped over HTTP, on the default registry.
func TestScrape(t *testing.T) {
	n := heap.Named(heap.Page{}, "scraped")
	defer n.Close()
	b := mem.Must(mem.Alloc[byte](n, 12345))
	defer mem.Free(n, b)
	registry := prom.NewPedanticRegistry()
	registry.MustRegister(prometheus.NewCollector(nil))
	server := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if want := `allod_bytes{allocator="scraped"} 12345`; err != nil || !strings.Contains(string(text), want) {
		t.Errorf("no %q in\n%s\n%v", want, text, err)
	}
}

func ExampleNewCollector() {
	index := heap.Named(heap.Page{}, "index")
	defer index.Close()
	b := mem.Must(mem.Alloc[byte](index, 1<<20))
	defer mem.Free(index, b)

	registry := prom.NewRegistry()
	registry.MustRegister(prometheus.NewCollector(nil))

	families, err := registry.Gather()
	if err != nil {
		panic(err)
	}
	for _, f := range families {
		if f.GetName() == "allod_bytes" {
			fmt.Println(f.GetName(), f.GetMetric()[0].GetGauge().GetValue())
		}
	}
	// Output: allod_bytes 1.048576e+06
}
