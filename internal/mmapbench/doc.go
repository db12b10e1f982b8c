// Package mmapbench maps and unmaps memory from C, for benchmarks to compare
// with: cgo is not allowed in tests. Only tests may import it.
package mmapbench
