//go:build !asan || !cgo

package asan

// Enabled tells whether the address sanitizer is part of this build.
const Enabled = false

// Poison does nothing without the address sanitizer.
func Poison([]byte) {}

// Unpoison does nothing without the address sanitizer.
func Unpoison([]byte) {}

// Lenient does nothing without the address sanitizer.
func Lenient() {}
