//go:build !unix && !windows

package vm

func reserveAligned(int, int) ([]byte, error) { return nil, ErrUnsupported }

func commitOS([]byte) error { return ErrUnsupported }

func accessOS([]byte) error { return ErrUnsupported }

func uncommitOS([]byte) error { return ErrUnsupported }
