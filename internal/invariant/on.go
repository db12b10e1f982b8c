//go:build invariants || race

package invariant

// Enabled tells whether invariants are checked in this build.
const Enabled = true
