package replay

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/term"

	"github.com/allod-dev/allod/cmd/allod/internal/exit"
	"github.com/allod-dev/allod/cmd/allod/internal/outfile"
	"github.com/allod-dev/allod/testing/alloctrace"
)

// RecordOptions are the settings of allod record.
type RecordOptions struct {
	File    string // to write
	Force   bool   // even if there is one
	Program []string
}

// Record is allod record: it runs the program with its trace going to the file,
// and says on w what was recorded. The trace of a program that fails is kept; the
// error is then the program's.
func Record(o RecordOptions, w io.Writer) error {
	file, err := filepath.Abs(o.File) // as it is from every folder
	if err != nil {
		return exit.UsageError(err)
	}
	if err := place(file, o.Force); err != nil {
		return err
	}
	name := o.Program[0]
	cmd := exec.Command(name, o.Program[1:]...)
	cmd.Env = append(os.Environ(), alloctrace.EnvVar+"="+file)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	failed := runForwarding(cmd)
	if failed != nil {
		if missing := (*exec.Error)(nil); !errors.As(failed, &missing) { // which has the name
			failed = fmt.Errorf("%s: %w", name, failed)
		}
		failed = programError(cmd, failed)
	}
	trace, err := alloctrace.ReadFile(file)
	if trace != nil { // all of it, or up to where it is cut
		fmt.Fprintf(w, "%s: %s\n", o.File, Describe(trace.Header, trace.Summary))
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		err = nothingRecorded(name, failed)
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("the end is missing: %s ended before it called the function that alloctrace.FromEnv returns", name)
		if trace != nil {
			err = errors.Join(err, rewrite(file, trace))
		}
	}
	return errors.Join(failed, err)
}

// rewrite makes the file a whole trace, which says of itself that it was cut.
func rewrite(file string, t *alloctrace.Trace) error {
	f, err := outfile.Create(file)
	if err != nil {
		return err
	}
	defer f.Discard()
	return errors.Join(t.Write(f), f.Keep())
}

// nothingRecorded says why there is no trace, unless that the program failed says
// enough.
func nothingRecorded(name string, failed error) error {
	var missing *exec.Error
	var program *os.PathError
	if errors.As(failed, &missing) || errors.As(failed, &program) {
		return nil // it did not even start
	}
	return fmt.Errorf("%s recorded nothing: a program is recorded where it calls alloctrace.FromEnv", name)
}

// place makes sure that a trace can be written to the file.
func place(file string, force bool) error {
	if info, err := os.Stat(filepath.Dir(file)); err != nil {
		return exit.UsageError(fmt.Errorf("--output: %w", err))
	} else if !info.IsDir() {
		return exit.UsageError(fmt.Errorf("--output: %s is not a folder", filepath.Dir(file)))
	}
	info, err := os.Lstat(file)
	switch {
	case err != nil:
		return nil
	case info.IsDir():
		return exit.UsageError(fmt.Errorf("--output: %s is a folder", file))
	case !force:
		return exit.UsageError(fmt.Errorf("--output: %s exists; --force replaces it", file))
	}
	return os.Remove(file)
}

// runForwarding runs cmd, which alone decides what signals mean: what is asked of
// this process is asked of it. A terminal sends Ctrl-C to both.
func runForwarding(cmd *exec.Cmd) error {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			return err
		case s := <-signals:
			if s != os.Interrupt || !term.IsTerminal(int(os.Stdin.Fd())) {
				_ = cmd.Process.Signal(s) // it may have ended meanwhile
			}
		}
	}
}

// A ProgramError is the failure of a program that was run.
type ProgramError struct {
	Code int // as a shell would say
	err  error
}

func (e *ProgramError) Error() string { return e.err.Error() }
func (e *ProgramError) Unwrap() error { return e.err }

// programError returns err, which running cmd gave, with what is known beside.
func programError(cmd *exec.Cmd, err error) error {
	code := exit.Failed
	if state := cmd.ProcessState; state != nil {
		code = max(code, state.ExitCode())
		if state.ExitCode() < 0 && state.String() == "signal: interrupt" {
			code = exit.Interrupted
		}
	}
	return &ProgramError{code, err}
}
