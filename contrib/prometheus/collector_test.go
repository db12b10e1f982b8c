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
	"github.com/allod-dev/allod/testing/allocatortest"
)

func TestCollector(t *testing.T) {
	var r heap.Registry
	watched := allocatortest.New(t)
	index := r.Named(heap.NewLimit(watched, 1<<20), "cache/index")
	data := r.Named(watched, "cache")
	a := mem.Must(mem.Alloc[byte](index, 100))
	b := mem.Must(mem.Alloc[byte](index, 1000))
	c := mem.Must(mem.Alloc[byte](data, 60))
	mem.Free(index, b)
	if _, err := mem.Alloc[byte](index, 2<<20); err == nil {
		t.Fatal("the limit was passed")
	}
	c, _ = mem.Resize(data, c, 30)
	collector := prometheus.NewCollector(&r)
	counted := []string{"allod_blocks", "allod_bytes", "allod_peak_bytes", "allod_allocated_blocks_total",
		"allod_allocated_bytes_total", "allod_failures_total", "allod_resizes_total", "allod_block_size_bytes"}
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
	if err := testutil.CollectAndCompare(collector, strings.NewReader(want), counted...); err != nil {
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

// What is held counts once, for what its users have in common.
func TestFootprints(t *testing.T) {
	var r heap.Registry
	buffer := heap.NewFixedBuffer(make([]byte, 1000)).ThreadSafe()
	index, data := r.Named(buffer, "cache/index"), r.Named(buffer, "cache/data")
	mem.Must(mem.Alloc[byte](index, 150))
	mem.Must(mem.Alloc[byte](data, 100))
	const want = `
# HELP allod_committed_bytes Bytes that may have memory behind them.
# TYPE allod_committed_bytes gauge
allod_committed_bytes{allocator="cache",type="*heap.SharedBuffer"} 1000
# HELP allod_committed_cached_bytes Committed bytes that are free and set aside.
# TYPE allod_committed_cached_bytes gauge
allod_committed_cached_bytes{allocator="cache",type="*heap.SharedBuffer"} 0
# HELP allod_committed_live_bytes Committed bytes in live blocks, sizes rounded up.
# TYPE allod_committed_live_bytes gauge
allod_committed_live_bytes{allocator="cache",type="*heap.SharedBuffer"} 250
# HELP allod_fragmentation_ratio Share of the committed bytes that is not live.
# TYPE allod_fragmentation_ratio gauge
allod_fragmentation_ratio{allocator="cache",type="*heap.SharedBuffer"} 0.75
# HELP allod_reserved_bytes Bytes of addresses.
# TYPE allod_reserved_bytes gauge
allod_reserved_bytes{allocator="cache",type="*heap.SharedBuffer"} 1000
# HELP allod_returned_bytes_total Bytes that went back to the operating system.
# TYPE allod_returned_bytes_total counter
allod_returned_bytes_total{allocator="cache",type="*heap.SharedBuffer"} 0
`
	collector := prometheus.NewCollector(&r)
	if err := testutil.CollectAndCompare(collector, strings.NewReader(want), "allod_committed_bytes", "allod_committed_cached_bytes",
		"allod_committed_live_bytes", "allod_fragmentation_ratio", "allod_reserved_bytes", "allod_returned_bytes_total", "allod_class_slots"); err != nil {
		t.Error(err)
	}
}

func TestClasses(t *testing.T) {
	var r heap.Registry
	smp := heap.NewSMP(heap.SMPOptions{})
	defer smp.Close()
	a := r.Named(smp, "queue")
	for range 3 {
		b := mem.Must(mem.Alloc[byte](a, 64))
		defer mem.Free(a, b)
	}
	class := smp.Stats().Classes[0]
	want := fmt.Sprintf(`
# HELP allod_class_slots Slots of the size classes by size and state.
# TYPE allod_class_slots gauge
allod_class_slots{allocator="queue",size="%[1]d",state="cached",type="*heap.SMP"} %[2]d
allod_class_slots{allocator="queue",size="%[1]d",state="free",type="*heap.SMP"} %[3]d
allod_class_slots{allocator="queue",size="%[1]d",state="live",type="*heap.SMP"} 3
`, class.Size, class.Cached, class.Slots-class.Cached-3)
	if err := testutil.CollectAndCompare(prometheus.NewCollector(&r), strings.NewReader(want), "allod_class_slots"); err != nil {
		t.Error(err)
	}
}

// Names may be any UTF-8.
func TestName(t *testing.T) {
	var r heap.Registry
	r.Named(heap.NewFixedBuffer(make([]byte, 10)).ThreadSafe(), "a<\"\n")
	const want = `
# HELP allod_bytes Bytes outstanding.
# TYPE allod_bytes gauge
allod_bytes{allocator="a<\"\n"} 0
`
	if err := testutil.CollectAndCompare(prometheus.NewCollector(&r), strings.NewReader(want), "allod_bytes"); err != nil {
		t.Error(err)
	}
}

// As a program has it: scraped over HTTP, on the default registry.
func TestScrape(t *testing.T) {
	n := heap.Named(allocatortest.New(t), "scraped")
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
