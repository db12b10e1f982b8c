// Package usage tells what this process has used.
package usage

import "runtime/metrics"

// Cycles returns how many times the collector ran.
func Cycles() uint64 {
	s := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
