//go:build js || wasip1

// Package modernc is empty in this build.
package modernc
