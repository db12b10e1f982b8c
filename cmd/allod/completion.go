package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/allod-dev/allod/cmd/allod/internal/exit"
)

// shells are those that there is a script for.
var shells = map[string]func(*cobra.Command, io.Writer) error{
	"bash":       func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
	"zsh":        func(root *cobra.Command, w io.Writer) error { return root.GenZshCompletion(w) },
	"fish":       func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
	"powershell": func(root *cobra.Command, w io.Writer) error { return root.GenPowerShellCompletionWithDesc(w) },
}

func completionCommand() *cobra.Command {
	names := slices.Sorted(maps.Keys(shells))
	return &cobra.Command{
		Use:   "completion " + strings.Join(names, "|"),
		Short: "print a script that completes command lines in a shell",
		Long: `Prints a script for a shell that completes commands, options, the names of
allocators and workloads, and files of the right kind.`,
		Example: `  source <(allod completion bash)
      in ~/.bashrc; needs the package bash-completion
  allod completion zsh > "${fpath[1]}/_allod"
  allod completion fish > ~/.config/fish/completions/allod.fish
  allod completion powershell | Out-String | Invoke-Expression`,
		Annotations: map[string]string{statusNote: status(statusOK, statusUsage)},
		ValidArgs:   names,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return exit.UsageError(errors.New("for which shell? " + strings.Join(names, ", ")))
			}
			script, ok := shells[args[0]]
			if !ok {
				return exit.UsageError(fmt.Errorf("no shell %q, but %s", args[0], strings.Join(names, ", ")))
			}
			return script(cmd.Root(), cmd.OutOrStdout())
		},
	}
}

// completeFiles completes the value of a flag with files that end so.
func completeFiles(cmd *cobra.Command, flag string, endings ...string) {
	if err := cmd.MarkFlagFilename(flag, endings...); err != nil {
		panic(err) // there is no such flag
	}
}

// completeWords completes the value of a flag with words, of which there may be
// several with commas in between.
func completeWords(cmd *cobra.Command, flag string, words []string) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, typed string) (all []string, _ cobra.ShellCompDirective) {
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		for _, word := range words {
			if !slices.Contains(strings.Split(before, ","), word) {
				all = append(all, before+word)
			}
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err)
	}
}
