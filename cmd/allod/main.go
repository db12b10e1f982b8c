// Allod is the command of the allocator framework of the same name.
//
//	allod demo [folder]
//
// builds a full-text index in plain Go and off the Go heap, and shows what the
// difference is.
//
//	allod record -o trace -- program [arguments]
//
// records what a Go program asks of its allocator, and
//
//	allod replay trace
//
// performs the same over other allocators, to compare them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/allod-dev/allod/cmd/allod/internal/demo"
	"github.com/allod-dev/allod/cmd/allod/internal/replay"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use:               "allod",
		Short:             "Memory that a Go program holds outright",
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetArgs(args)
	root.AddCommand(demoCommand(), variantCommand(), mistakeCommand(), replayCommand(), recordCommand())
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return demo.ExitOK
	}
	code := demo.ExitCode(err)
	if program := (*replay.ProgramError)(nil); errors.As(err, &program) {
		code = program.Code
	}
	if cmd == root { // which does nothing itself: no such command, no such flag
		code = demo.ExitUsage
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", cmd.CommandPath(), err)
	if code == demo.ExitUsage {
		fmt.Fprintf(os.Stderr, "%s --help tells more\n", cmd.CommandPath())
	}
	return code
}
