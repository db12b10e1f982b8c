// Package alloctrace records what a program asks of its allocator, and replays
// it over others.
//
// A [Recorder] is an allocator that writes every operation of its child to a
// file. [FromEnv] puts one in place when the program is run by allod record:
//
//	a, stop, err := alloctrace.FromEnv(heap.Page{})
//	...
//	defer stop()
//
// [Read] reads such a file, of a Go program or of any other, and a [Replayer]
// performs its operations on an allocator, to measure it or to check it.
//
// # The format
//
// A trace is one gzip stream; the name of the file ends in .mtrace.gz. In it
// are, one after the other:
//
//	magic   8 bytes, "MTRACE01"
//	hlen    uvarint
//	header  hlen bytes of JSON, see Header
//	ops     up to and including END
//	footer  four uvarints: the number of operations, of allocations, of objects
//	        live at the end, and of bytes live at the end
//
// A uvarint is that of [encoding/binary]. Each operation starts with a byte: its
// low three bits are the kind, the other five an argument.
//
//	0 END
//	1 ALLOC    argument log2 of the alignment, 0 if none was asked for; uvarint size
//	2 ZALLOC   the same; the memory must read as zero
//	3 FREE     uvarint distance
//	4 REALLOC  uvarint distance, uvarint new size
//	5 THREAD   uvarint number of the thread that performs what follows; 0 at first
//
// The n-th ALLOC or ZALLOC creates object n, counted from 0. FREE and REALLOC
// name a live object by its distance from the newest one. A size is what the
// program asked for, and may be 0, except that of a REALLOC. THREAD and END do
// not count as operations. Objects live at the end are freed by nothing.
package alloctrace
