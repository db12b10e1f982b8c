//go:build !unix && !windows

package vm

var guardings []Guarding

func guardOS([]byte, Guarding) error { return ErrUnsupported }

func unguardOS([]byte, Guarding) error { return ErrUnsupported }
