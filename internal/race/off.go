//go:build !race

package race

// Enabled tells whether the race detector is part of this build.
const Enabled = false

// Alloc does nothing without the race detector.
func Alloc([]byte) {}

// Free does nothing without the race detector.
func Free([]byte) {}

// Disable does nothing without the race detector.
func Disable() {}

// Enable does nothing without the race detector.
func Enable() {}

// Acquire does nothing without the race detector.
func Acquire(*byte) {}

// Release does nothing without the race detector.
func Release(*byte) {}
