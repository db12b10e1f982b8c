//go:build purego

package generic_test

const maphashAllocates = true
