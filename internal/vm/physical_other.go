//go:build !linux && !darwin && !freebsd

package vm

func physicalOS() uint64 { return 0 }
