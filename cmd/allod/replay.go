package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/allod-dev/allod/cmd/allod/internal/exit"
	"github.com/allod-dev/allod/cmd/allod/internal/replay"
	"github.com/allod-dev/allod/cmd/allod/internal/workload"
	"github.com/allod-dev/allod/testing/alloctrace"
)

func replayCommand() *cobra.Command {
	var o replay.Options
	cmd := &cobra.Command{
		Use:   "replay trace",
		Short: "replay a recorded program over allocators",
		Long: `Performs what a program asked of its allocator over other allocators, each in a
process of its own, and compares time and memory. A trace is a file that allod
record writes; its format is described in the package testing/alloctrace. It may
also be ` + workload.Prefix + `NAME, where allod bench --list tells the names.

The allocators:

` + allocators(),
		Example: `  allod replay server.mtrace.gz
  allod replay --allocator gc,smp --threads server.mtrace.gz
  allod replay --check --allocator smp-hardened server.mtrace.gz
      whether the allocator keeps what is written to its blocks`,
		Annotations: map[string]string{
			statusNote: status(statusOK, "1    the trace cannot be read, a check failed or an allocator did", statusUsage, statusMemory, statusCtrlC),
			environ:    "GOMAXPROCS  how many processors the collector and threads may use",
			seeAlso:    "allod record, which makes traces; allod bench, which compares in several processes",
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"gz"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return exit.UsageError(fmt.Errorf("one trace, not %d", len(args)))
			}
			o.Trace = args[0]
			if len(o.Allocators) == 0 {
				o.Allocators = replay.Allocators()
			}
			if err := knownAllocators(o.Allocators); err != nil {
				return err
			}
			if o.Passes < 1 {
				return exit.UsageError(fmt.Errorf("--passes: %d is less than 1", o.Passes))
			}
			if o.For < 0 {
				return exit.UsageError(fmt.Errorf("--for: %v is less than nothing", o.For))
			}
			return replay.Run(cmd.Context(), o, cmd.OutOrStdout(), os.Stderr)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&o.Allocators, "allocator", nil, "`names` of allocators, with commas in between; all of them if left out")
	flags.IntVar(&o.Passes, "passes", 3, "`number` of timed passes with and without touching, at least; the best of each count")
	flags.DurationVar(&o.For, "for", 0, "`time` for which timed passes go on")
	flags.BoolVar(&o.Check, "check", false, "verify contents, alignment and zeroes in a pass of its own")
	flags.BoolVar(&o.Threads, "threads", false, "a goroutine for each recorded thread")
	flags.StringVar(&o.HTML, "html", "", "write a page with charts to this `file`, too")
	flags.BoolVar(&o.JSON, "json", false, "print the figures as JSON")
	completeWords(cmd, "allocator", replay.Allocators())
	completeFiles(cmd, "html", "html")
	return cmd
}

func recordCommand() *cobra.Command {
	var out string
	var force bool
	cmd := &cobra.Command{
		Use:   "record -o trace -- program [argument ...]",
		Short: "record what a program asks of its allocator",
		Long: `Runs a program and writes what it asks of its allocator to a file, for allod
replay and allod bench. A Go program is recorded where it says so, with the
package github.com/allod-dev/allod/testing/alloctrace:

	a, stop, err := alloctrace.FromEnv(heap.Default())
	if err != nil {
		log.Fatal(err)
	}
	defer stop()

The program then uses a, which is heap.Default() itself whenever the program does
not run under allod record. What is allocated elsewhere is not in the trace. If
the program ends without calling stop, since it was killed or called os.Exit, the
trace ends a tenth of a second before, at most.

The program has the standard input, output and error of this command. Ctrl-C
goes to it.`,
		Example: `  allod record -o server.mtrace.gz -- go run ./cmd/server
  allod replay server.mtrace.gz`,
		Annotations: map[string]string{
			statusNote: status(statusOK, "1    there is no trace, or its end is missing", statusUsage, statusCtrlC,
				"     otherwise that of the program, if it is not 0"),
			environ: alloctrace.EnvVar + "  tells the program where to write the trace; this command sets it",
			seeAlso: "allod replay, allod bench",
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return exit.UsageError(errors.New("no program to run"))
			}
			if out == "" {
				return exit.UsageError(errors.New("--output: where to write the trace?"))
			}
			return replay.Record(replay.RecordOptions{File: out, Force: force, Program: args}, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().SetInterspersed(false) // options after the program are the program's
	cmd.Flags().StringVarP(&out, "output", "o", "", "`file` to write; its name should end in "+traceEnding)
	cmd.Flags().BoolVarP(&force, "force", "f", false, "replace the file if it exists")
	completeFiles(cmd, "output", "mtrace.gz")
	return cmd
}
