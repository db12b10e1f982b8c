//go:build !(race || js || wasip1 || plan9 || 386 || arm || mips || mipsle)

package heap

// With segments of 4 MiB the table of all segments in 32 GiB of addresses is as
// large as a page of SMP's, and a block of 2 MiB fits twice.
const smpSegShift = 22
