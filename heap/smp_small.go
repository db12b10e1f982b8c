//go:build race || js || wasip1 || plan9 || 386 || arm || mips || mipsle

package heap

// Segments are small where address space is scarce, and where memory comes from
// the Go heap, whose collector they would keep busy.
const smpSegShift = 20
