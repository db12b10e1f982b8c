package demo

import "errors"

// Exit codes of the command.
const (
	ExitOK          = 0
	ExitCheckFailed = 1
	ExitUsage       = 2
	ExitOutOfMemory = 3
)

// exitError is an error that knows the exit code of the process.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// ExitCode returns the exit code that stands for err.
func ExitCode(err error) int {
	var exit *exitError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &exit):
		return exit.code
	case errors.Is(err, errNoCorpus):
		return ExitUsage
	case isOutOfMemory(err):
		return ExitOutOfMemory
	}
	return ExitCheckFailed
}

// UsageError returns err as one that is the fault of the command line.
func UsageError(err error) error { return &exitError{ExitUsage, err} }
