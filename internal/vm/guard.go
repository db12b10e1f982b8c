package vm

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
)

// Guardings returns the ways that this system may know, the better first. What
// one says of a range is told by [Guard]: locked or huge pages, for one, have no
// markers on some systems.
func Guardings() []Guarding { return guardings }

// Guard makes b, whole pages from [MapReal], inaccessible: whoever reads or
// writes there gets a fault. It gives back the memory behind them. On an error
// b is as it was, but its contents may be lost.
func Guard(b []byte, by Guarding) error {
	checkLength("Guard", len(b))
	if err := fault(guardCall(by)); err != nil {
		return err
	}
	return guardOS(b, by)
}

// Unguard undoes [Guard] of b or of more than b. Its pages are zero then. No
// other function undoes it: markers survive [Decommit], and [Unmap] must not
// get pages that are guarded. On an error b is inaccessible still.
func Unguard(b []byte, by Guarding) error {
	checkLength("Unguard", len(b))
	if err := fault(unguardCall(by)); err != nil {
		return err
	}
	return unguardOS(b, by)
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
