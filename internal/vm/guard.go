package vm

import "errors"

// A Guarding is a way to make pages inaccessible.
type Guarding uint8

const (
	// NoGuarding says that the system has none.
	NoGuarding Guarding = iota
	// Markers are entries of the page table that say so. They cost no mapping,
	// so that there may be any number of them. Linux has them since 6.13.
	Markers
	// Protection is that of a mapping: where it changes a mapping ends, and a
	// process may have only so many (vm.max_map_count on Linux).
	Protection
	// Keeping is Protection of pages that keep their memory and what is in it
	// meanwhile, so that no time is spent on finding new memory. It takes a third of
	// the time of Markers if the pages are a mapping of their own, which [Separate]
	// makes them. It is not among [Guardings], and is there if [CanKeep].
	Keeping
)

// ErrKept is the error of [Guard] for pages that it made inaccessible, but whose
// memory it could not give back: they are what they would be by [Keeping], and
// committed. [Drain] tries again, and Unguard by Keeping undoes it.
var ErrKept = errors.New("vm: inaccessible pages keep their memory")

// Guardings returns the ways that this system may know, the better first. What
// one says of a range is told by [Guard]: locked or huge pages, for one, have no
// markers on some systems.
func Guardings() []Guarding { return guardings }

// Guard makes b, whole pages from [MapReal] that are accessible, inaccessible:
// whoever reads or writes there gets a fault. It gives back the memory behind
// them, which is not committed any more, but by Keeping. On an error other than
// [ErrKept] b is as it was, but its contents may be lost.
func Guard(b []byte, by Guarding) error {
	checkLength("Guard", len(b))
	if err := fault(guardCall(by)); err != nil {
		return err
	}
	if err := guardOS(b, by); err != nil {
		return err
	}
	if by != Keeping {
		Discharge(len(b))
	}
	return nil
}

// Unguard makes b, pages that are inaccessible, accessible again, and zero, but by
// Keeping, which leaves their contents. It must be by what Guard was. No other
// function undoes [Guard]: markers survive [Decommit], and [Unmap] must not get
// pages that are guarded. It may be for fewer pages than Guard was. On an error b
// is inaccessible still.
func Unguard(b []byte, by Guarding) error {
	checkLength("Unguard", len(b))
	if err := fault(unguardCall(by)); err != nil {
		return err
	}
	if by == Keeping {
		return unguardOS(b, by)
	}
	return chargeAndUnguard(b, by)
}

// chargeAndUnguard makes b accessible, which was not committed.
func chargeAndUnguard(b []byte, by Guarding) error {
	if err := Charge(len(b)); err != nil {
		return err
	}
	if err := unguardOS(b, by); err != nil {
		Discharge(len(b))
		return err
	}
	return nil
}

// Drain gives back the memory behind b, pages that are inaccessible by [Keeping],
// and stay so. It is not committed any more.
func Drain(b []byte) error {
	checkLength("Drain", len(b))
	if err := decommitOS(b); err != nil {
		return err
	}
	Discharge(len(b))
	return nil
}

// Refill is [Unguard] of pages that were drained. They are zero.
func Refill(b []byte, by Guarding) error {
	checkLength("Refill", len(b))
	if err := fault(CallUnprotect); err != nil {
		return err
	}
	return chargeAndUnguard(b, by)
}

// Separate makes b, pages that are inaccessible for good, part of no mapping that
// has other pages. They are not in core dumps, which is what tells them from their
// neighbours.
func Separate(b []byte) error {
	checkLength("Separate", len(b))
	if err := fault(CallAdvise); err != nil {
		return err
	}
	return separateOS(b)
}

func guardCall(by Guarding) Call {
	if by == Markers {
		return CallMark
	}
	return CallProtect
}

func unguardCall(by Guarding) Call {
	if by == Markers {
		return CallUnmark
	}
	return CallUnprotect
}
