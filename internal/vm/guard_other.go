//go:build !unix && !windows

package vm

// CanKeep tells whether this system knows [Keeping].
const CanKeep = false

var guardings []Guarding

func guardOS([]byte, Guarding) error { return ErrUnsupported }

func unguardOS([]byte, Guarding) error { return ErrUnsupported }

func separateOS([]byte) error { return ErrUnsupported }
