package demo

import (
	"math/bits"
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
