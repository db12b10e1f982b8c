package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/allod-dev/allod/cmd/allod/internal/demo"
	"github.com/allod-dev/allod/cmd/allod/internal/exit"
	"github.com/allod-dev/allod/cmd/allod/internal/say"
)

func demoCommand() *cobra.Command {
	var o demo.Options
	var limit string
	cmd := &cobra.Command{
		Use:   "demo [folder]",
		Short: "show what leaving the Go heap changes, on a real program",
		Long: `Builds a full-text index over the source tree of Go, or over another folder, in
plain Go and in an arena off the Go heap. It answers phrase and prefix queries
under the load of a service, tears the index down, and compares. At the end two
small programs free memory wrongly, and are told where.

Each variant runs in a process of its own, with the same memory: about a minute
in all. Progress is shown if standard error is a terminal.`,
		Example: `  allod demo
      over the source tree of Go
  allod demo --html demo.html ~/src
      over another folder, and with charts
  allod demo --limit 64MiB
      what running out of memory is like`,
		Annotations: map[string]string{
			statusNote: status(statusOK, "1    a check failed, or a file could not be read", statusUsage+", or there is nothing to index",
				statusMemory+": with --limit, the index does not fit", statusCtrlC),
			environ: "GOROOT  where the source tree of Go is, if not where go env says\nGOGC, GOMEMLIMIT  are not heeded: the variants set their own",
			seeAlso: "allod bench, which compares allocators",
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if len(args) > 1 {
				return exit.UsageError(fmt.Errorf("one folder at most, not %d", len(args)))
			}
			if limit != "" {
				if o.Limit, err = say.ParseSize(limit); err != nil {
					return exit.UsageError(fmt.Errorf("--limit: %w", err))
				}
			}
			if limit != "" && o.HTML != "" {
				return exit.UsageError(errors.New("--html: there are no charts with --limit"))
			}
			if !(o.Scale > 0 && o.Scale <= 1000) {
				return exit.UsageError(fmt.Errorf("--scale: %g is not between 0 and 1000", o.Scale))
			}
			if o.Load < 100*time.Millisecond {
				return exit.UsageError(fmt.Errorf("--load: %v is less than 100ms", o.Load))
			}
			if len(args) == 1 {
				o.Root = args[0]
			} else if o.Root, err = sourceOfGo(cmd.Context()); err != nil {
				return exit.UsageError(err)
			}
			return demo.Run(cmd.Context(), o, cmd.OutOrStdout(), os.Stderr)
		},
	}
	flags := cmd.Flags()
	flags.Float64Var(&o.Scale, "scale", 1, "documents for each file of the folder: 0.1 takes every tenth, 2 each twice")
	flags.DurationVar(&o.Load, "load", 7*time.Second, "time that each variant serves requests")
	flags.StringVar(&limit, "limit", "", "only build the index, in no more than this `size`: 64MiB")
	flags.StringVar(&o.HTML, "html", "", "write a page with charts to this `file`")
	completeFiles(cmd, "html", "html")
	flags.BoolVar(&o.JSON, "json", false, "print the figures as JSON")
	return cmd
}

// sourceOfGo returns the folder with the source tree of Go.
func sourceOfGo(ctx context.Context) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("no folder was given, and go env GOROOT does not say where Go is: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(root)), "src"), nil
}

// mistakeCommand is how the demo starts itself for a program with a mistake.
func mistakeCommand() *cobra.Command {
	return &cobra.Command{
		Use:    demo.HiddenMistake,
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return demo.RunMistake(args[0], cmd.OutOrStdout())
		},
	}
}

// variantCommand is how the demo starts itself for one variant.
func variantCommand() *cobra.Command {
	return &cobra.Command{
		Use:    demo.HiddenCommand,
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return demo.RunVariant(args[0], cmd.OutOrStdout())
		},
	}
}
