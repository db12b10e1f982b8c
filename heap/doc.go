// Package heap provides allocators. Each stands on the ones below it.
//
//	3  ThreadSafe, Logging, Counting, Limit,    add one property to a child
//	   Validation, Failing, BufferFirst, Hybrid
//	2  Pool                                     objects of one type
//	1  Arena, ConcurrentArena                   phases: everything freed at once
//	0  Page, GC, C, FixedBuffer                 sources of memory
//
// To free everything at once, want an [Arena].
package heap
