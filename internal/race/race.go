// Package race tells the race detector what it cannot see for itself: that a
// block changes hands inside an allocator. In builds without the detector
// every function is empty and [Enabled] is the constant false.
//
// Two rules keep the detector honest. A block that is freed is written by the
// one who frees it, and its next owner comes after: Free calls [Free] and Alloc
// calls [Alloc] on the block. Nothing else that an allocator does may order two
// goroutines in the detector's eyes, or a race of the program's is hidden by
// the allocator: its own synchronisation stands between [Disable] and [Enable].
package race
