//go:build !linux && !netbsd && !windows

package vm

const canMove = false

func moveOS([]byte, int) ([]byte, error) { return nil, ErrUnsupported }

func growOS([]byte, int) error { return ErrUnsupported }
