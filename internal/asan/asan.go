// Package asan tells the address sanitizer of memory that nobody may touch. In
// builds without -asan every function is empty and [Enabled] is the constant
// false.
//
// Poisoned memory must be unpoisoned before it changes hands, and before the
// allocator itself looks at it: all of Go outside of the runtime is watched.
package asan
