//go:build !unix && !windows

package vm

import (
	"errors"
	"syscall"
)

const (
	hasOS      = false
	canSplit   = false
	canDiscard = false
)

var outOfMemory, otherErrors []error

// badAddress is an error that no call returns.
var badAddress = errors.New("vm: bad address")

func systemPageSize() int { return syscall.Getpagesize() }

func mapAligned(int, int) ([]byte, error) { return nil, ErrUnsupported }

func unmapOS([]byte) error { return ErrUnsupported }

func decommitOS([]byte) error { return ErrUnsupported }

func recommitOS([]byte) error { return ErrUnsupported }

func adviseHugeOS([]byte) error { return ErrUnsupported }

func makeHugeOS([]byte) error { return ErrUnsupported }

func lockOS([]byte) error { return ErrUnsupported }

func unlockOS([]byte) error { return ErrUnsupported }

func populateOS([]byte) error { return ErrUnsupported }

func nameOS(_, _ []byte) error { return ErrUnsupported }
