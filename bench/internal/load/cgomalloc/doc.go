//go:build !cgo

// Package cgomalloc is empty in this build.
package cgomalloc
