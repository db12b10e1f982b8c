//go:build js || wasip1

package impls

var mmapped []Impl
