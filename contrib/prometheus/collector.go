// Package prometheus exports what the allocators of a [heap.Registry] hold to
// Prometheus.
//
// The metrics, each with the label "allocator", which is the name:
//
//	allod_blocks                     blocks outstanding
//	allod_bytes                      bytes outstanding
//	allod_peak_bytes                 most bytes that were outstanding at a time
//	allod_allocated_blocks_total     blocks ever handed out
//	allod_allocated_bytes_total      bytes ever handed out
//	allod_failures_total             requests that failed
//	allod_resizes_total              Resize and Remap, by "result": in_place, moved, refused
//	allod_block_size_bytes           histogram of the blocks ever handed out, by size;
//	                                 one that was resized counts again
//
// Names are paths, and every allocator counts for itself: the counts of
// "cache/index" are not in those of "cache", so that sums are right.
package prometheus

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/allod-dev/allod/heap"
)

// A Collector collects the statistics of a registry when it is asked to. It is
// safe for concurrent use.
type Collector struct {
	registry *heap.Registry
	numbers  []number
	resizes  *prometheus.Desc
	sizes    *prometheus.Desc
}

var _ prometheus.Collector = (*Collector)(nil)

// A number is a metric that is one number of an allocator's statistics.
type number struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	get  func(s *heap.NamedStats) int64
}

// NewCollector returns a collector of r's statistics, to be registered with
// Prometheus. A nil r stands for [heap.DefaultRegistry].
func NewCollector(r *heap.Registry) *Collector {
	if r == nil {
		r = heap.DefaultRegistry
	}
	c := &Collector{
		registry: r,
		resizes: prometheus.NewDesc("allod_resizes_total", "Resize and Remap calls by result.",
			[]string{"allocator", "result"}, nil),
		sizes: prometheus.NewDesc("allod_block_size_bytes", "Sizes of the blocks ever handed out.",
			[]string{"allocator"}, nil),
	}
	add := func(name, help string, kind prometheus.ValueType, get func(s *heap.NamedStats) int64) {
		desc := prometheus.NewDesc("allod_"+name, help, []string{"allocator"}, nil)
		c.numbers = append(c.numbers, number{desc, kind, get})
	}
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	add("blocks", "Blocks outstanding.", gauge, func(s *heap.NamedStats) int64 { return s.Blocks })
	add("bytes", "Bytes outstanding.", gauge, func(s *heap.NamedStats) int64 { return s.Bytes })
	add("peak_bytes", "Most bytes that were outstanding at a time.", gauge, func(s *heap.NamedStats) int64 { return s.PeakBytes })
	add("allocated_blocks_total", "Blocks ever handed out.", counter, func(s *heap.NamedStats) int64 { return s.TotalBlocks })
	add("allocated_bytes_total", "Bytes ever handed out.", counter, func(s *heap.NamedStats) int64 { return s.TotalBytes })
	add("failures_total", "Requests that failed.", counter, func(s *heap.NamedStats) int64 { return s.Failures })
	return c
}

// Describe implements [prometheus.Collector].
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, n := range c.numbers {
		ch <- n.desc
	}
	ch <- c.resizes
	ch <- c.sizes
}

// Collect implements [prometheus.Collector].
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.registry.Own() {
		for _, n := range c.numbers {
			ch <- prometheus.MustNewConstMetric(n.desc, n.kind, float64(n.get(&s)), s.Name)
		}
		for _, r := range []struct {
			result string
			count  int64
		}{{"in_place", s.InPlace}, {"moved", s.Moved}, {"refused", s.Refused}} {
			ch <- prometheus.MustNewConstMetric(c.resizes, prometheus.CounterValue, float64(r.count), s.Name, r.result)
		}
		buckets, blocks := cumulative(s.Sizes)
		ch <- prometheus.MustNewConstHistogram(c.sizes, blocks, float64(s.TotalBytes), buckets, s.Name)
	}
}

// cumulative returns how many blocks there were up to each size, and in all.
func cumulative(sizes []heap.SizeStats) (buckets map[float64]uint64, blocks uint64) {
	buckets = make(map[float64]uint64, len(sizes))
	for _, s := range sizes {
		blocks += uint64(s.Total)
		buckets[float64(s.MaxSize)] = blocks
	}
	return buckets, blocks
}
