package measure

import (
	"runtime/metrics"
	"time"
)

// A Collector is what Go's collector had cost up to some moment.
type Collector struct {
	CPU    time.Duration // on processors that were not idle
	Cycles uint64
}

// ReadCollector returns what it has cost so far. The runtime adds up processor
// time at the end of each cycle.
func ReadCollector() Collector {
	s := []metrics.Sample{
		{Name: "/cpu/classes/gc/total:cpu-seconds"},
		{Name: "/cpu/classes/gc/mark/idle:cpu-seconds"},
		{Name: "/gc/cycles/total:gc-cycles"},
	}
	metrics.Read(s)
	cpu := s[0].Value.Float64() - s[1].Value.Float64()
	return Collector{time.Duration(cpu * float64(time.Second)), s[2].Value.Uint64()}
}
