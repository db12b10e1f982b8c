package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/allod-dev/allod/cmd/allod/internal/bench"
	"github.com/allod-dev/allod/cmd/allod/internal/exit"
	"github.com/allod-dev/allod/cmd/allod/internal/replay"
	"github.com/allod-dev/allod/cmd/allod/internal/workload"
)

// traceEnding is how names of traces end.
const traceEnding = ".mtrace.gz"

func benchCommand() *cobra.Command {
	var o bench.Options
	var list bool
	cmd := &cobra.Command{
		Use:   "bench [workload | trace ...]",
		Short: "measure allocators on this machine, side by side",
		Long: `Replays workloads over allocators of allod and over Go's own, which is make and
the collector, and prints a table for each: time, memory and collections. A
workload is one of those below, or a trace of a program of yours that allod
record wrote, in a file whose name ends in .mtrace.gz or has a slash in it.
Without arguments all workloads below are taken.

Each allocator is measured in processes of its own, one after the other. Nothing
else should run meanwhile. Progress is shown if standard error is a terminal.

The workloads:

` + workloads() + `
The allocators:

` + allocators() + `
Allocators of other libraries, of C and of Zig, and typed allocation, are
measured in the folder bench of the source, whose README says how.`,
		Example: `  allod bench
  allod bench --allocator gc,smp mixed queue
  allod bench --html bench.html server.mtrace.gz
      how a program of yours would fare
  allod bench --json | jq '.traces[].results[] | [.allocator, .ns_per_op]'`,
		Annotations: map[string]string{
			statusNote: status(statusOK, "1    a trace cannot be read, or an allocator failed", statusUsage, statusMemory, statusCtrlC),
			environ:    "GOMAXPROCS  how many processors the collector and threads may use\nGOGC, GOMEMLIMIT  are not heeded",
			seeAlso:    "allod record, which makes traces; allod replay, which checks what allocators do",
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, w := range workload.All {
				names = append(names, w.Name+"\t"+w.About)
			}
			return names, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if list {
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s", workloads(), allocators())
				return err
			}
			if o.Count < 1 {
				return exit.UsageError(fmt.Errorf("--count: %d is less than 1", o.Count))
			}
			if o.For < 0 {
				return exit.UsageError(fmt.Errorf("--for: %v is less than nothing", o.For))
			}
			if err := knownAllocators(o.Allocators); err != nil {
				return err
			}
			if len(args) == 0 {
				args = workload.Names()
			}
			for _, name := range args {
				trace, err := traceOf(name)
				if err != nil {
					return err
				}
				o.Traces = append(o.Traces, trace)
			}
			return bench.Run(cmd.Context(), o, cmd.OutOrStdout(), os.Stderr)
		},
	}
	usual := []string{"gc", "smp", "smp-profile", "smp-hardened"}
	if slices.Contains(replay.Allocators(), "c") {
		usual = append(usual, "c")
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&o.Allocators, "allocator", usual, "`names` of allocators, with commas in between")
	flags.IntVar(&o.Count, "count", 3, "`processes` for each allocator and workload")
	flags.DurationVar(&o.For, "for", 200*time.Millisecond, "`time` that each process measures, at least")
	flags.BoolVar(&o.Threads, "threads", false, "a goroutine for each thread of a workload")
	flags.BoolVar(&list, "list", false, "list workloads and allocators, and measure nothing")
	flags.StringVar(&o.HTML, "html", "", "write a page with charts to this `file`, too")
	flags.BoolVar(&o.JSON, "json", false, "print the figures as JSON, with those of each process")
	flags.Lookup("allocator").DefValue = strings.Join(usual, ",")
	completeWords(cmd, "allocator", replay.Allocators())
	completeFiles(cmd, "html", "html")
	return cmd
}

// workloads describes those that are built in.
func workloads() string {
	var b strings.Builder
	for _, w := range workload.All {
		fmt.Fprintf(&b, "  %-14s%s\n", w.Name, w.About)
	}
	return b.String()
}

// allocators describes those that can be measured.
func allocators() string {
	var b strings.Builder
	for _, name := range replay.Allocators() {
		fmt.Fprintf(&b, "  %-14s%s\n", name, replay.About(name))
	}
	return b.String()
}

// traceOf returns the trace that an argument stands for: a workload, or a file.
func traceOf(name string) (string, error) {
	if strings.HasSuffix(name, traceEnding) || strings.ContainsAny(name, "/\\") {
		if _, err := os.Stat(name); err != nil {
			return "", err
		}
		return name, nil
	}
	name = strings.TrimPrefix(name, workload.Prefix)
	if _, ok := workload.Find(name); !ok {
		return "", exit.UsageError(fmt.Errorf("no workload %q, but %s; the name of a trace ends in %s or has a slash in it",
			name, strings.Join(workload.Names(), ", "), traceEnding))
	}
	return workload.Prefix + name, nil
}

// knownAllocators returns an error unless there are allocators of these names.
func knownAllocators(names []string) error {
	for _, name := range names {
		if !slices.Contains(replay.Allocators(), name) {
			return exit.UsageError(fmt.Errorf("--allocator: no %q, but %s", name, strings.Join(replay.Allocators(), ", ")))
		}
	}
	return nil
}
