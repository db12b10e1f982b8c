package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/allod-dev/allod/cmd/allod/internal/demo"
	"github.com/allod-dev/allod/cmd/allod/internal/replay"
)

func replayCommand() *cobra.Command {
	var o replay.Options
	cmd := &cobra.Command{
		Use:   "replay trace",
		Short: "Replay a recorded program over allocators",
		Long: fmt.Sprintf(`Replay performs what a program asked of its allocator over other allocators,
each in a process of its own, and compares time and memory. A trace is what
allod record writes; its format is described in the package alloctrace.

The allocators are %s.

Exit codes: 0 all is well, 1 the trace cannot be read or an allocator failed, 2
usage, 3 out of memory.`, strings.Join(replay.Allocators(), ", ")),
		Example: `  allod replay server.mtrace.gz
  allod replay --allocator gc,page --check server.mtrace.gz`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return demo.UsageError(fmt.Errorf("one trace, not %d", len(args)))
			}
			o.Trace = args[0]
			if len(o.Allocators) == 0 {
				o.Allocators = replay.Allocators()
			}
			for _, name := range o.Allocators {
				if !slices.Contains(replay.Allocators(), name) {
					return demo.UsageError(fmt.Errorf("--allocator: no %q, but %s", name, strings.Join(replay.Allocators(), ", ")))
				}
			}
			if o.Passes < 1 {
				return demo.UsageError(fmt.Errorf("--passes: %d is less than 1", o.Passes))
			}
			return replay.Run(cmd.Context(), o, cmd.OutOrStdout())
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return demo.UsageError(err) })
	flags := cmd.Flags()
	flags.StringSliceVar(&o.Allocators, "allocator", nil, "`names` of the allocators; all of them if left out")
	flags.IntVar(&o.Passes, "passes", 3, "timed passes with and without touching, the best of which count")
	flags.BoolVar(&o.Check, "check", false, "verify contents, alignment and zeroes in a pass of its own")
	flags.BoolVar(&o.Threads, "threads", false, "a goroutine for each recorded thread")
	flags.BoolVar(&o.JSON, "json", false, "print the figures as JSON")
	return cmd
}

func recordCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "record -o trace -- program [arguments]",
		Short: "Record what a program asks of its allocator",
		Long: `Record runs a program and writes what it asks of its allocator to a file, for
allod replay. A Go program is recorded where it says so:

	a, stop, err := alloctrace.FromEnv(heap.Page{})
	...
	defer stop()

which costs nothing when it runs by itself.

Exit codes: that of the program if it fails, 1 if it recorded nothing, 2 usage.`,
		Example: `  allod record -o server.mtrace.gz -- go run ./cmd/server`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return demo.UsageError(errors.New("no program to run"))
			}
			if out == "" {
				return demo.UsageError(errors.New("--output: where to write the trace?"))
			}
			return replay.Record(cmd.Context(), out, args, cmd.ErrOrStderr())
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return demo.UsageError(err) })
	cmd.Flags().StringVarP(&out, "output", "o", "", "`file` to write, which must not exist; the name of a trace ends in .mtrace.gz")
	return cmd
}
