package vm

// CanSplit tells whether parts of a range can be unmapped.
const CanSplit = canSplit

// Address returns the address of b's first byte.
func Address(b []byte) uintptr { return address(b) }

// Stocked tells whether small ranges are cut from what was mapped ahead.
const Stocked = stocked
