//go:build !linux

// Package measure reads what the system and the runtime know of a process.
package measure

// RSS does not know.
func RSS() int64 { return 0 }

// ResetPeak does nothing.
func ResetPeak() {}

// PeakRSS does not know.
func PeakRSS() int64 { return 0 }
