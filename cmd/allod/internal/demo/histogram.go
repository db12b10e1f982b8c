package demo

import (
	"math/bits"
	"slices"
	"time"
)

// A histogram counts durations in buckets that are exact to 1/64 of their
// value. Adding to it allocates nothing.
type histogram struct {
	counts [buckets]uint32
	total  int
	max    time.Duration
}

const (
	subBits = 6 // 64 buckets for each power of two
	buckets = (64 - subBits) << subBits
)

func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	shift := max(bits.Len64(v)-subBits-1, 0)
	return shift<<subBits + int(v>>shift)
}

// bottom returns the least duration of a bucket.
func bottom(b int) time.Duration {
	if b < 2<<subBits {
		return time.Duration(b)
	}
	shift := b>>subBits - 1
	return time.Duration(b-shift<<subBits) << shift
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucket(d)]++
	h.total++
	h.max = max(h.max, d)
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
	h.max = max(h.max, o.max)
}

// quantile returns a duration that a share q of all are no longer than, to
// within a bucket.
func (h *histogram) quantile(q float64) time.Duration {
	left := int(q*float64(h.total) + 0.5)
	for b, n := range h.counts {
		if left -= int(n); left <= 0 && n > 0 {
			return min(bottom(b+1), h.max)
		}
	}
	return h.max
}

// spans are the histograms of equal spans of time, one after the other.
type spans []histogram

// spansFor returns spans for so much time: an odd number, each a second or
// longer if there is as much time. A second is enough for the slowest 1 in 1,000
// to be some requests, and for the collector of plain Go to run.
func spansFor(d time.Duration) spans {
	n := max(int(d/time.Second), 1)
	return make(spans, n-(n+1)%2)
}

// add counts the latency of request i of count.
func (w spans) add(i, count int, latency time.Duration) { w[i*len(w)/count].add(latency) }

func (w spans) merge(o spans) {
	for i := range w {
		w[i].merge(&o[i])
	}
}

// quantile returns the median of what the windows have for q. What stops the
// machine now and then, which no program has a part in, is in some windows, and
// would be in the quantile of them all together; what a program does to its own
// requests all the time is in the median. The last quantile is the maximum of
// all.
func (w spans) quantile(q float64) time.Duration {
	all := make([]time.Duration, len(w))
	for i := range w {
		all[i] = w[i].quantile(q)
	}
	slices.Sort(all)
	if q == 1 {
		return all[len(all)-1]
	}
	return all[len(all)/2]
}
