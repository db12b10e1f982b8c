package mem

import (
	"cmp"
	"slices"
)

// Footprinter is implemented by allocators that hold memory for blocks to come,
// and know how much.
type Footprinter interface {
	// Footprint returns what the allocator holds. It may be called from any
	// goroutine at any time, whatever the allocator itself may not; the figures
	// may be of slightly different moments. The zero Footprint says that nothing
	// is known, or held.
	Footprint() Footprint
}

// A Footprint says what memory an allocator holds, in bytes unless it says
// otherwise, and how well it is used.
type Footprint struct {
	// Blocks is the number of live blocks.
	Blocks int64
	// Live is in live blocks, with what their sizes were rounded up by: at least
	// what was asked for.
	Live int64
	// Cached is free and set aside for one processor or goroutine.
	Cached int64
	// Committed may have memory behind it, whether it is live or free.
	Committed int64
	// Reserved is held as addresses, committed or not.
	Reserved int64
	// Peak is the most that Committed has been, or 0 if that is not known.
	Peak int64
	// Returned was given back to the operating system while the allocator was in
	// use, in all.
	Returned int64
	// Process tells that the figures are those of all users in the process, as for
	// an allocator that there is one of.
	Process bool
	// Classes says how the size classes are used, smallest first; nil for
	// allocators without any.
	Classes []FootprintClass
}

// A FootprintClass says what an allocator holds of one size class.
type FootprintClass struct {
	Size   int   // of a slot, in bytes
	Slots  int64 // that there are
	Live   int64 // slots of live blocks
	Cached int64 // free slots that are set aside for one processor or goroutine
}

// Fragmentation returns the share of Committed that is not Live, between 0 and
// 1: free slots and pages that are kept, and what blocks cannot be put into.
func (f *Footprint) Fragmentation() float64 {
	if f.Committed <= 0 {
		return 0
	}
	return min(max(1-float64(f.Live)/float64(f.Committed), 0), 1)
}

// IsZero tells whether f says nothing.
func (f *Footprint) IsZero() bool {
	return f.Blocks == 0 && f.Live == 0 && f.Committed == 0 && f.Reserved == 0 && f.Peak == 0 && f.Returned == 0
}

// Plus returns what f and g hold together, if they are of different allocators.
// The peaks are added up, and may be of different moments.
func (f Footprint) Plus(g Footprint) Footprint {
	f.Blocks += g.Blocks
	f.Live += g.Live
	f.Cached += g.Cached
	f.Committed += g.Committed
	f.Reserved += g.Reserved
	f.Peak += g.Peak
	f.Returned += g.Returned
	f.Process = f.Process || g.Process
	f.Classes = plusClasses(f.Classes, g.Classes)
	return f
}

// plusClasses returns the sums of a and b by size, in a slice of its own.
func plusClasses(a, b []FootprintClass) []FootprintClass {
	if len(a)+len(b) == 0 {
		return nil
	}
	sum := make([]FootprintClass, 0, max(len(a), len(b)))
	all := slices.Concat(a, b)
	slices.SortStableFunc(all, func(c, d FootprintClass) int { return cmp.Compare(c.Size, d.Size) })
	for _, c := range all {
		if n := len(sum); n > 0 && sum[n-1].Size == c.Size {
			last := &sum[n-1]
			last.Slots += c.Slots
			last.Live += c.Live
			last.Cached += c.Cached
		} else {
			sum = append(sum, c)
		}
	}
	return sum
}
