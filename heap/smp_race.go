package heap

import "github.com/allod-dev/allod/internal/race"

// What the race detector is told of SMP, beside the life of every block: memory
// that changes from one use to another. Everything else stands between
// race.Disable and race.Enable, or is not instrumented.
//
// Who frees a block comes before who gets the slot next: the detector knows both
// by the address of the slot. When a slab goes, or comes, slots begin elsewhere.
// Who ends it thus comes after those who freed its slots and, with each page,
// before whoever takes the page; who makes a slab comes before those who get its
// slots. That orders no more goroutines than have that page in common.

// acquire orders the caller after those who let the pages go.
func (g *smpSegment) acquire(first, n int) {
	if race.Enabled {
		for i := range n {
			race.Acquire(g.at(uintptr(first+i) * smpPageSize))
		}
	}
}

// release orders the caller before those who will acquire the pages.
func (g *smpSegment) release(first, n int) {
	if race.Enabled {
		for i := range n {
			race.Release(g.at(uintptr(first+i) * smpPageSize))
		}
	}
}

// acquired orders the caller after those who freed the slots of a slab.
func (sl *smpSlab) acquired() {
	for i := range uintptr(sl.slots) {
		race.Acquire(sl.seg.at(uintptr(sl.first)*smpPageSize + i*smpClassTable[sl.class&127].size))
	}
}

// released orders the caller before those who will get the slots of a slab.
func (sl *smpSlab) released() {
	for i := range uintptr(sl.slots) {
		race.Release(sl.seg.at(uintptr(sl.first)*smpPageSize + i*smpClassTable[sl.class&127].size))
	}
}

// at returns the byte at an offset of the segment.
func (g *smpSegment) at(offset uintptr) *byte { return &slotBytes(g.base, offset, 1)[0] }
