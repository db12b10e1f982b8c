// Allod is the command of the allocator framework of the same name: it shows what
// leaving the Go heap changes, measures allocators on this machine, records and
// replays what programs allocate, and watches a program that runs.
//
//	allod demo [folder]
//	allod bench [workload | trace ...]
//	allod record -o trace -- program [argument ...]
//	allod replay trace
//	allod top [url]
//
// allod help tells more, and allod help with the name of a command all of it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/allod-dev/allod/cmd/allod/internal/exit"
	"github.com/allod-dev/allod/cmd/allod/internal/replay"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := rootCommand()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exit.OK
	}
	code := exit.Code(err)
	if program := (*replay.ProgramError)(nil); errors.As(err, &program) {
		code = program.Code
	}
	if errors.Is(err, context.Canceled) { // whatever else came of it
		fmt.Fprintf(os.Stderr, "%s: interrupted\n", cmd.CommandPath())
		return exit.Interrupted
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", cmd.CommandPath(), err)
	if code == exit.Usage {
		fmt.Fprintf(os.Stderr, "%s --help tells more\n", cmd.CommandPath())
	}
	return code
}

// rootCommand returns the command with all that it can do.
func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "allod",
		Short: "memory that a Go program holds outright",
		Long: `Allod is an allocator framework for Go: memory whose size, place and end of life
the program decides, not the garbage collector. This command shows what that
changes, measures allocators on this machine, and looks into programs.`,
		Example: `  allod demo                          what leaving the Go heap changes
  allod bench                         allocators on this machine, side by side
  allod top localhost:6060            what a program holds, live`,
		Args: func(root *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noCommand(root, args[0])
			}
			return nil
		},
		RunE:              func(root *cobra.Command, _ []string) error { return root.Help() },
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.Annotations = map[string]string{statusNote: status(statusOK, "1    a check failed, or whatever is none of the others", statusUsage, statusMemory, statusCtrlC)}
	root.AddCommand(demoCommand(), benchCommand(), recordCommand(), replayCommand(), topCommand(),
		versionCommand(), completionCommand(), variantCommand(), mistakeCommand())
	writeManuals(root)
	return root
}
