//go:build !cgo

package impls

// HaveCgo says whether cgo is in this build.
const HaveCgo = false

var cgo []Impl
