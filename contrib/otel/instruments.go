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
//
//	allod.allocated.sizes     {block}    blocks ever handed out, by the "allod.size" that
//	                                     they are at most, a power of two
//
// And what is held for that, with "allod.allocator" and "allod.type" as in
// [heap.NamedFootprint]: an allocator that several names share counts for what
// they have in common, and one of the whole process for the name of its type:
//
//	allod.committed           By         bytes that may have memory behind them
//	allod.committed.live      By         those in live blocks, sizes rounded up
//	allod.committed.cached    By         those that are free and set aside
//	allod.fragmentation       1          share of the committed bytes that is not live
//	allod.reserved            By         bytes of addresses
//	allod.returned            By         bytes that went back to the operating system
//	allod.class.slots         {slot}     slots of the size classes, by "allod.size" and by
//	                                     "allod.state": live, cached, free
//
// When an allocator is closed, its share of allod.returned goes with it, which
// readers of a counter take for a restart.
package otel

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

const (
	// AllocatorKey is the attribute with the name of the allocator.
	AllocatorKey = attribute.Key("allod.allocator")
	// ResultKey is the attribute with the result of a resize.
	ResultKey = attribute.Key("allod.result")
	// TypeKey is the attribute with the type of the allocator that holds memory.
	TypeKey = attribute.Key("allod.type")
	// SizeKey is the attribute with a size of blocks or slots, in bytes.
	SizeKey = attribute.Key("allod.size")
	// StateKey is the attribute with what slots are.
	StateKey = attribute.Key("allod.state")
)

// A number is an instrument that observes one number of an allocator.
type number struct {
	instrument metric.Int64Observable
	get        func(s *heap.NamedStats) int64
}

// A held is an instrument that observes one number of a footprint.
type held struct {
	instrument metric.Int64Observable
	get        func(f *mem.Footprint) int64
}

// all are the instruments.
type all struct {
	numbers        []number
	resizes, sizes metric.Int64Observable
	held           []held
	fragmentation  metric.Float64Observable
	classes        metric.Int64Observable
}

// observables returns them in one list.
func (a *all) observables() []metric.Observable {
	list := []metric.Observable{a.resizes, a.sizes, a.fragmentation, a.classes}
	for _, n := range a.numbers {
		list = append(list, n.instrument)
	}
	for _, h := range a.held {
		list = append(list, h.instrument)
	}
	return list
}

// Register makes the instruments on meter, and observes r's allocators whenever
// metrics are collected, until the result is unregistered. A nil r stands for
// [heap.DefaultRegistry].
func Register(meter metric.Meter, r *heap.Registry) (metric.Registration, error) {
	if r == nil {
		r = heap.DefaultRegistry
	}
	a, err := instruments(meter)
	if err != nil {
		return nil, err
	}
	return meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, s := range r.Own() {
			a.observe(o, &s)
		}
		for _, f := range r.Footprints() {
			a.observeHeld(o, &f)
		}
		return nil
	}, a.observables()...)
}

func (a *all) observe(o metric.Observer, s *heap.NamedStats) {
	name := AllocatorKey.String(s.Name)
	for _, n := range a.numbers {
		o.ObserveInt64(n.instrument, n.get(s), metric.WithAttributes(name))
	}
	o.ObserveInt64(a.resizes, s.InPlace, metric.WithAttributes(name, ResultKey.String("in_place")))
	o.ObserveInt64(a.resizes, s.Moved, metric.WithAttributes(name, ResultKey.String("moved")))
	o.ObserveInt64(a.resizes, s.Refused, metric.WithAttributes(name, ResultKey.String("refused")))
	for _, size := range s.Sizes {
		o.ObserveInt64(a.sizes, size.Total, metric.WithAttributes(name, SizeKey.Int(size.MaxSize)))
	}
}

func (a *all) observeHeld(o metric.Observer, f *heap.NamedFootprint) {
	name, typ := AllocatorKey.String(f.Name), TypeKey.String(f.Type)
	for _, h := range a.held {
		o.ObserveInt64(h.instrument, h.get(&f.Footprint), metric.WithAttributes(name, typ))
	}
	o.ObserveFloat64(a.fragmentation, f.Fragmentation(), metric.WithAttributes(name, typ))
	for _, c := range f.Classes {
		size := SizeKey.Int(c.Size)
		o.ObserveInt64(a.classes, c.Live, metric.WithAttributes(name, typ, size, StateKey.String("live")))
		o.ObserveInt64(a.classes, c.Cached, metric.WithAttributes(name, typ, size, StateKey.String("cached")))
		o.ObserveInt64(a.classes, max(c.Slots-c.Live-c.Cached, 0), metric.WithAttributes(name, typ, size, StateKey.String("free")))
	}
}

func instruments(meter metric.Meter) (a *all, err error) {
	a = new(all)
	add := func(i metric.Int64Observable, e error, get func(s *heap.NamedStats) int64) {
		a.numbers = append(a.numbers, number{i, get})
		err = errors.Join(err, e)
	}
	hold := func(i metric.Int64Observable, e error, get func(f *mem.Footprint) int64) {
		a.held = append(a.held, held{i, get})
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
	resizes, e1 := meter.Int64ObservableCounter("allod.resizes",
		metric.WithUnit("{call}"), metric.WithDescription("Resize and Remap calls by result."))
	sizes, e2 := meter.Int64ObservableCounter("allod.allocated.sizes",
		metric.WithUnit("{block}"), metric.WithDescription("Blocks ever handed out, by size."))

	committed, e := meter.Int64ObservableUpDownCounter("allod.committed",
		metric.WithUnit("By"), metric.WithDescription("Bytes that may have memory behind them."))
	hold(committed, e, func(f *mem.Footprint) int64 { return f.Committed })
	live, e := meter.Int64ObservableUpDownCounter("allod.committed.live",
		metric.WithUnit("By"), metric.WithDescription("Committed bytes in live blocks, sizes rounded up."))
	hold(live, e, func(f *mem.Footprint) int64 { return f.Live })
	cached, e := meter.Int64ObservableUpDownCounter("allod.committed.cached",
		metric.WithUnit("By"), metric.WithDescription("Committed bytes that are free and set aside."))
	hold(cached, e, func(f *mem.Footprint) int64 { return f.Cached })
	reserved, e := meter.Int64ObservableUpDownCounter("allod.reserved",
		metric.WithUnit("By"), metric.WithDescription("Bytes of addresses."))
	hold(reserved, e, func(f *mem.Footprint) int64 { return f.Reserved })
	returned, e := meter.Int64ObservableCounter("allod.returned",
		metric.WithUnit("By"), metric.WithDescription("Bytes that went back to the operating system."))
	hold(returned, e, func(f *mem.Footprint) int64 { return f.Returned })
	fragmentation, e3 := meter.Float64ObservableGauge("allod.fragmentation",
		metric.WithUnit("1"), metric.WithDescription("Share of the committed bytes that is not live."))
	classes, e4 := meter.Int64ObservableUpDownCounter("allod.class.slots",
		metric.WithUnit("{slot}"), metric.WithDescription("Slots of the size classes by size and state."))

	a.resizes, a.sizes, a.fragmentation, a.classes = resizes, sizes, fragmentation, classes
	return a, errors.Join(err, e1, e2, e3, e4)
}
