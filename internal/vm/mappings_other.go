//go:build !linux

package vm

func maxMappingsOS() int { return 0 }
