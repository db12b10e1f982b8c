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
//
// And what is held for that, with the labels "allocator" and "type" as in
// [heap.NamedFootprint]: an allocator that several names share counts for what
// they have in common, and one of the whole process for the name of its type:
//
//	allod_committed_bytes            bytes that may have memory behind them
//	allod_committed_live_bytes       those in live blocks, sizes rounded up
//	allod_committed_cached_bytes     those that are free and set aside
//	allod_fragmentation_ratio        share of the committed bytes that is not live
//	allod_reserved_bytes             bytes of addresses
//	allod_returned_bytes_total       bytes that went back to the operating system
//	allod_class_slots                slots of the size classes, by "size" and by
//	                                 "state": live, cached, free
//
// When an allocator is closed, its share of allod_returned_bytes_total goes with
// it, which Prometheus takes for a restart.
package prometheus

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// A Collector collects the statistics of a registry when it is asked to. It is
// safe for concurrent use.
type Collector struct {
	registry *heap.Registry
	numbers  []number
	resizes  *prometheus.Desc
	sizes    *prometheus.Desc
	held     []held
	classes  *prometheus.Desc
}

var _ prometheus.Collector = (*Collector)(nil)

// A number is a metric that is one number of an allocator's statistics.
type number struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	get  func(s *heap.NamedStats) int64
}

// A held is a metric that is one number of a footprint.
type held struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	get  func(f *mem.Footprint) float64
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
		classes: prometheus.NewDesc("allod_class_slots", "Slots of the size classes by size and state.",
			[]string{"allocator", "type", "size", "state"}, nil),
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
	hold := func(name, help string, kind prometheus.ValueType, get func(f *mem.Footprint) float64) {
		desc := prometheus.NewDesc("allod_"+name, help, []string{"allocator", "type"}, nil)
		c.held = append(c.held, held{desc, kind, get})
	}
	hold("committed_bytes", "Bytes that may have memory behind them.", gauge, func(f *mem.Footprint) float64 { return float64(f.Committed) })
	hold("committed_live_bytes", "Committed bytes in live blocks, sizes rounded up.", gauge, func(f *mem.Footprint) float64 { return float64(f.Live) })
	hold("committed_cached_bytes", "Committed bytes that are free and set aside.", gauge, func(f *mem.Footprint) float64 { return float64(f.Cached) })
	hold("fragmentation_ratio", "Share of the committed bytes that is not live.", gauge, (*mem.Footprint).Fragmentation)
	hold("reserved_bytes", "Bytes of addresses.", gauge, func(f *mem.Footprint) float64 { return float64(f.Reserved) })
	hold("returned_bytes_total", "Bytes that went back to the operating system.", counter, func(f *mem.Footprint) float64 { return float64(f.Returned) })
	return c
}

// Describe implements [prometheus.Collector].
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, n := range c.numbers {
		ch <- n.desc
	}
	ch <- c.resizes
	ch <- c.sizes
	for _, h := range c.held {
		ch <- h.desc
	}
	ch <- c.classes
}

// Collect implements [prometheus.Collector].
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	for _, f := range c.registry.Footprints() {
		name := f.Name
		for _, h := range c.held {
			ch <- prometheus.MustNewConstMetric(h.desc, h.kind, h.get(&f.Footprint), name, f.Type)
		}
		for _, class := range f.Classes {
			size := strconv.Itoa(class.Size)
			for _, n := range []struct {
				state string
				slots int64
			}{{"live", class.Live}, {"cached", class.Cached}, {"free", max(class.Slots-class.Live-class.Cached, 0)}} {
				ch <- prometheus.MustNewConstMetric(c.classes, prometheus.GaugeValue, float64(n.slots), name, f.Type, size, n.state)
			}
		}
	}
	for _, s := range c.registry.Own() {
		name := s.Name
		for _, n := range c.numbers {
			ch <- prometheus.MustNewConstMetric(n.desc, n.kind, float64(n.get(&s)), name)
		}
		for _, r := range []struct {
			result string
			count  int64
		}{{"in_place", s.InPlace}, {"moved", s.Moved}, {"refused", s.Refused}} {
			ch <- prometheus.MustNewConstMetric(c.resizes, prometheus.CounterValue, float64(r.count), name, r.result)
		}
		buckets, blocks := cumulative(s.Sizes)
		ch <- prometheus.MustNewConstHistogram(c.sizes, blocks, float64(s.TotalBytes), buckets, name)
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
