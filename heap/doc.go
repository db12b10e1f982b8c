// Package heap provides allocators. Each stands on the ones below it.
//
//	4  Debug                                    finds misuse and leaks, and who did it
//	3  ThreadSafe, Counting, Named, Profile,    add one property to a child
//	   Limit, Logging, Validation, Failing,
//	   BufferFirst, Hybrid
//	2  Pool                                     objects of one type
//	1  Arena, ConcurrentArena                   phases: everything freed at once
//	0  SMP, Page, Reserved, GC, FixedBuffer,    sources of memory
//	   C, RawC
//
// Which one to want:
//
//   - Everything ends at one time (a request, a frame, a parse): an [Arena].
//   - Many objects of one type come and go: a [Pool].
//   - The types hold Go pointers: the same over [GC], or [Hybrid] for both kinds.
//   - A few large blocks: [Page]. A buffer that is there already: [FixedBuffer].
//   - None of these, or unsure: [Default], which is an [SMP].
//
// Around it: a limit, a count, a log, a fault to test with are the wrappers of
// level 3; who looks for a bug takes [Debug], and who wonders where memory went a
// [Profile], or the page that package heaphttp serves of all that is [Named]. A
// [Budget] shares the memory limit of a process between the Go heap and all of
// this. While testing, take the allocator of testing/allocatortest.
//
// # What they have in common
//
// Constructors take nothing from the child yet. Allocators that own memory have
// Close, which gives all of it back to the child and never closes the child.
// Those for one goroutine at a time say so; in builds with the tag invariants or
// under the race detector they report a second one inside.
//
// A call that no correct program makes (a block freed twice, a block of somebody
// else, a mark that is out of date) is a [Misuse]. What is found is found before
// anything is damaged, and goes to the handler set with [OnMisuse], which panics
// unless told otherwise. In every build an allocator that reuses or unmaps
// memory tells blocks of its own from foreign ones; what else it can tell, its
// documentation says.
//
// With the build tag invariants every allocator checks its own bookkeeping after
// each change, and fills memory that is given back with 0xAA where it may. The
// tag allod_nolinkname leaves out the few symbols of the Go runtime that are
// used otherwise, and purego also the type descriptors.
package heap
