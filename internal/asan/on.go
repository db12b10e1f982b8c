//go:build asan && cgo

package asan

// #include <stddef.h>
// void __asan_poison_memory_region(void const volatile *addr, size_t size);
// void __asan_unpoison_memory_region(void const volatile *addr, size_t size);
import "C"

import (
	"os"
	"strings"
	"syscall"
	"unsafe"
)

// Enabled tells whether the address sanitizer is part of this build.
const Enabled = true

// Poison makes every access to b that is compiled from Go, or from C with the
// sanitizer, end the process with a report. The last few bytes of b are left out
// where they share eight with what follows.
func Poison(b []byte) {
	if len(b) > 0 {
		C.__asan_poison_memory_region(unsafe.Pointer(unsafe.SliceData(b)), C.size_t(len(b)))
	}
}

// Unpoison undoes [Poison].
func Unpoison(b []byte) {
	if len(b) > 0 {
		C.__asan_unpoison_memory_region(unsafe.Pointer(unsafe.SliceData(b)), C.size_t(len(b)))
	}
}

// Lenient starts the program again, if need be, in a way that the sanitizer knows
// of no poison, and lets malloc fail: for TestMain of packages whose tests do
// what it would end them for.
func Lenient() {
	const key, options = "ASAN_OPTIONS", "allow_user_poisoning=0:allocator_may_return_null=1"
	given := os.Getenv(key)
	if strings.HasSuffix(given, options) {
		return
	}
	program, err := os.Executable()
	if err != nil {
		panic(err)
	}
	if given != "" {
		given += ":"
	}
	os.Setenv(key, given+options)
	panic(syscall.Exec(program, os.Args, os.Environ()))
}
