package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/allod-dev/allod/cmd/allod/internal/exit"
	"github.com/allod-dev/allod/cmd/allod/internal/say"
)

// HiddenCommand is the name under which this program starts itself for one
// variant.
const HiddenCommand = "demo-variant"

// RunVariant is the hidden command: it does what the JSON in arg says and writes
// events to w, the last of which has the result or the error.
func RunVariant(arg string, w io.Writer) error {
	var s spec
	if err := json.Unmarshal([]byte(arg), &s); err != nil {
		return fmt.Errorf("%s: %w", HiddenCommand, err)
	}
	out := json.NewEncoder(w)
	r, err := runVariant(s, func(e event) { out.Encode(e) })
	last := event{Result: r}
	if err != nil {
		last = event{Error: err.Error(), Code: exit.Code(err)}
	}
	return out.Encode(last)
}

// inProcess runs s in a process of its own.
func inProcess(ctx context.Context, s spec, progress func(float64)) (*Result, error) {
	arg, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	cmd, err := ourselves(ctx, HiddenCommand, string(arg))
	if err != nil {
		return nil, err
	}
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var last event
	events := json.NewDecoder(out)
	for err == nil {
		var e event
		if err = events.Decode(&e); err == nil {
			last = e
			progress(e.Progress)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err = errors.Join(err, cmd.Wait(), ctx.Err()); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", s.Variant, err, complaints.Bytes())
	}
	switch {
	case last.Error != "":
		return nil, exit.Error(last.Code, errors.New(last.Error))
	case last.Result == nil:
		return nil, fmt.Errorf("%s: ended without a result", s.Variant)
	}
	return last.Result, nil
}

// limitInProcess runs this program with --limit, as a user would, and returns
// what it said and its exit code.
func limitInProcess(ctx context.Context, o Options, limit int64) (*LimitResult, error) {
	cmd, err := ourselves(ctx, "demo", "--json", "--limit="+say.FlagSize(limit),
		fmt.Sprintf("--scale=%g", o.Scale), "--", o.Root)
	if err != nil {
		return nil, err
	}
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	r := new(LimitResult)
	if err := json.Unmarshal(out, r); err != nil {
		return nil, fmt.Errorf("--limit: %w", err)
	}
	r.ExitCode = cmd.ProcessState.ExitCode()
	return r, nil
}

// ourselves returns a command that runs this program again.
func ourselves(ctx context.Context, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, args...)
	// Settings of the collector are the variants' own.
	cmd.Env = append(os.Environ(), "GOGC=100", "GOMEMLIMIT=off")
	return cmd, nil
}
