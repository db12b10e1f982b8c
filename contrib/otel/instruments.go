// Package otel exports what the allocators of a [heap.Registry] hold to
// OpenTelemetry.
//
// The instruments, each with the attribute "allod.allocator", which is the name:
//
//	allod.blocks              {block}    blocks outstanding
//	allod.bytes               By         bytes outstanding
//	allod.peak                By         most bytes that were outstanding at a time
//	allod.allocated.blocks    {block}    blocks ever handed out
//	allod.allocated.bytes     By         bytes ever handed out
//	allod.failures            {request}  requests that failed
//	allod.resizes             {call}     Resize and Remap, by "allod.result": in_place, moved, refused
//
// Names are paths, and every allocator counts for itself: the counts of
// "cache/index" are not in those of "cache", so that sums are right.
package otel

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/allod-dev/allod/heap"
)

const (
	// AllocatorKey is the attribute with the name of the allocator.
	AllocatorKey = attribute.Key("allod.allocator")
	// ResultKey is the attribute with the result of a resize.
	ResultKey = attribute.Key("allod.result")
)

// A number is an instrument that observes one number of an allocator.
type number struct {
	instrument metric.Int64Observable
	get        func(s *heap.NamedStats) int64
}

// Register makes the instruments on meter, and observes r's allocators whenever
// metrics are collected, until the result is unregistered. A nil r stands for
// [heap.DefaultRegistry].
func Register(meter metric.Meter, r *heap.Registry) (metric.Registration, error) {
	if r == nil {
		r = heap.DefaultRegistry
	}
	numbers, resizes, err := instruments(meter)
	if err != nil {
		return nil, err
	}
	all := []metric.Observable{resizes}
	for _, n := range numbers {
		all = append(all, n.instrument)
	}
	return meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, s := range r.Own() {
			name := AllocatorKey.String(s.Name)
			for _, n := range numbers {
				o.ObserveInt64(n.instrument, n.get(&s), metric.WithAttributes(name))
			}
			o.ObserveInt64(resizes, s.InPlace, metric.WithAttributes(name, ResultKey.String("in_place")))
			o.ObserveInt64(resizes, s.Moved, metric.WithAttributes(name, ResultKey.String("moved")))
			o.ObserveInt64(resizes, s.Refused, metric.WithAttributes(name, ResultKey.String("refused")))
		}
		return nil
	}, all...)
}

func instruments(meter metric.Meter) (numbers []number, resizes metric.Int64Observable, err error) {
	add := func(i metric.Int64Observable, e error, get func(s *heap.NamedStats) int64) {
		numbers = append(numbers, number{i, get})
		err = errors.Join(err, e)
	}
	blocks, e := meter.Int64ObservableUpDownCounter("allod.blocks",
		metric.WithUnit("{block}"), metric.WithDescription("Blocks outstanding."))
	add(blocks, e, func(s *heap.NamedStats) int64 { return s.Blocks })
	bytes, e := meter.Int64ObservableUpDownCounter("allod.bytes",
		metric.WithUnit("By"), metric.WithDescription("Bytes outstanding."))
	add(bytes, e, func(s *heap.NamedStats) int64 { return s.Bytes })
	peak, e := meter.Int64ObservableGauge("allod.peak",
		metric.WithUnit("By"), metric.WithDescription("Most bytes that were outstanding at a time."))
	add(peak, e, func(s *heap.NamedStats) int64 { return s.PeakBytes })
	totalBlocks, e := meter.Int64ObservableCounter("allod.allocated.blocks",
		metric.WithUnit("{block}"), metric.WithDescription("Blocks ever handed out."))
	add(totalBlocks, e, func(s *heap.NamedStats) int64 { return s.TotalBlocks })
	totalBytes, e := meter.Int64ObservableCounter("allod.allocated.bytes",
		metric.WithUnit("By"), metric.WithDescription("Bytes ever handed out."))
	add(totalBytes, e, func(s *heap.NamedStats) int64 { return s.TotalBytes })
	failures, e := meter.Int64ObservableCounter("allod.failures",
		metric.WithUnit("{request}"), metric.WithDescription("Requests that failed."))
	add(failures, e, func(s *heap.NamedStats) int64 { return s.Failures })
	resizes, e = meter.Int64ObservableCounter("allod.resizes",
		metric.WithUnit("{call}"), metric.WithDescription("Resize and Remap calls by result."))
	return numbers, resizes, errors.Join(err, e)
}
