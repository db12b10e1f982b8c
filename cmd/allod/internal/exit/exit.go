// Package exit knows how the command ends.
package exit

import (
	"context"
	"errors"

	"github.com/allod-dev/allod/mem"
)

// Exit codes of the command.
const (
	OK          = 0
	Failed      = 1 // a check, or whatever is none of the others
	Usage       = 2
	OutOfMemory = 3
	Interrupted = 130 // as a shell says of a program that Ctrl-C ended
)

// coded is an error that knows the exit code of the process.
type coded struct {
	code int
	err  error
}

func (e *coded) Error() string { return e.err.Error() }
func (e *coded) Unwrap() error { return e.err }

// Code returns the exit code that stands for err.
func Code(err error) int {
	var own *coded
	switch {
	case err == nil:
		return OK
	case errors.As(err, &own):
		return own.code
	case errors.Is(err, context.Canceled):
		return Interrupted
	case errors.Is(err, mem.ErrOutOfMemory):
		return OutOfMemory
	}
	return Failed
}

// Error returns err as one that stands for code.
func Error(code int, err error) error { return &coded{code, err} }

// UsageError returns err as one that is the fault of the command line.
func UsageError(err error) error { return Error(Usage, err) }
