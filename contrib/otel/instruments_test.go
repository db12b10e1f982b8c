package otel_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/allod-dev/allod/contrib/otel"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// collect returns what a reader sees, as "instrument allocator result": value.
func collect(t *testing.T, reader metric.Reader) map[string]int64 {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &data); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int64)
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			var points []metricdata.DataPoint[int64]
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				points = d.DataPoints
			case metricdata.Gauge[int64]:
				points = d.DataPoints
			case metricdata.Gauge[float64]: // shares, as percentages
				for _, p := range d.DataPoints {
					points = append(points, metricdata.DataPoint[int64]{Attributes: p.Attributes, Value: int64(100 * p.Value)})
				}
			default:
				t.Fatalf("%s is a %T", m.Name, d)
			}
			for _, p := range points {
				key := m.Name
				for _, a := range p.Attributes.ToSlice() {
					key += " " + a.Value.String()
				}
				got[key] = p.Value
			}
		}
	}
	return got
}

func TestRegister(t *testing.T) {
	var r heap.Registry
	pages := allocatortest.Child(heap.NewPages(heap.PageOptions{}))
	a := r.Named(heap.NewLimit(allocatortest.New(t, pages, allocatortest.Exact()), 1<<20), "cache/index")
	b := mem.Must(mem.Alloc[byte](a, 1000))
	mem.Free(a, mem.Must(mem.Alloc[byte](a, 24)))
	if _, err := mem.Alloc[byte](a, 2<<20); err == nil {
		t.Fatal("the limit was passed")
	}
	b, _ = mem.Resize(a, b, 500)
	defer mem.Free(a, b)

	reader := metric.NewManualReader()
	meter := metric.NewMeterProvider(metric.WithReader(reader)).Meter("test")
	registration, err := otel.Register(meter, &r)
	if err != nil {
		t.Fatal(err)
	}
	page := int64(os.Getpagesize())
	want := map[string]int64{
		"allod.blocks cache/index":           1,
		"allod.bytes cache/index":            500,
		"allod.peak cache/index":             1024,
		"allod.allocated.blocks cache/index": 2,
		"allod.allocated.bytes cache/index":  1024,
		"allod.failures cache/index":         1,
		"allod.resizes cache/index in_place": 1,
		"allod.resizes cache/index moved":    0,
		"allod.resizes cache/index refused":  0,

		"allod.allocated.sizes cache/index 32":   1,
		"allod.allocated.sizes cache/index 512":  1,
		"allod.allocated.sizes cache/index 1024": 1,

		"allod.committed cache/index *heap.Pages":        page,
		"allod.committed.live cache/index *heap.Pages":   page,
		"allod.committed.cached cache/index *heap.Pages": 0,
		"allod.fragmentation cache/index *heap.Pages":    0,
		"allod.reserved cache/index *heap.Pages":         page,
		"allod.returned cache/index *heap.Pages":         0,
	}
	if diff := cmp.Diff(want, collect(t, reader)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := registration.Unregister(); err != nil {
		t.Fatal(err)
	}
	if got := collect(t, reader); len(got) != 0 {
		t.Errorf("after Unregister: %v", got)
	}
}

func TestFragmentation(t *testing.T) {
	var r heap.Registry
	a := r.Named(heap.NewFixedBuffer(make([]byte, 1000)).ThreadSafe(), "scratch")
	mem.Must(mem.Alloc[byte](a, 250))
	reader := metric.NewManualReader()
	registration, err := otel.Register(metric.NewMeterProvider(metric.WithReader(reader)).Meter("test"), &r)
	if err != nil {
		t.Fatal(err)
	}
	defer registration.Unregister()
	if got := collect(t, reader)["allod.fragmentation scratch *heap.SharedBuffer"]; got != 75 {
		t.Errorf("%d %%, want 75", got)
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
	reader := metric.NewManualReader()
	registration, err := otel.Register(metric.NewMeterProvider(metric.WithReader(reader)).Meter("test"), &r)
	if err != nil {
		t.Fatal(err)
	}
	defer registration.Unregister()
	got, c := collect(t, reader), smp.Stats().Classes[0]
	for state, want := range map[string]int{"live": 3, "cached": c.Cached, "free": c.Slots - c.Cached - 3} {
		key := fmt.Sprintf("allod.class.slots queue %d %s *heap.SMP", c.Size, state)
		if n, ok := got[key]; !ok || n != int64(want) {
			t.Errorf("%s: %d, want %d; there are %v", key, n, want, got)
		}
	}
}

func ExampleRegister() {
	index := heap.Named(heap.Page{}, "index")
	defer index.Close()
	b := mem.Must(mem.Alloc[byte](index, 1<<20))
	defer mem.Free(index, b)

	reader := metric.NewManualReader() // a program has a periodic reader, or an exporter
	meter := metric.NewMeterProvider(metric.WithReader(reader)).Meter("allod")
	registration, err := otel.Register(meter, nil)
	if err != nil {
		panic(err)
	}
	defer registration.Unregister()

	var data metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &data); err != nil {
		panic(err)
	}
	for _, m := range data.ScopeMetrics[0].Metrics {
		if m.Name == "allod.bytes" {
			fmt.Println(m.Name, m.Data.(metricdata.Sum[int64]).DataPoints[0].Value)
		}
	}
	// Output: allod.bytes 1048576
}
