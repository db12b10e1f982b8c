//go:build !unix

package vm

func mapFile(uintptr, int) ([]byte, error) { return nil, ErrUnsupported }

func unmapFile([]byte) error { return ErrUnsupported }
