package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/allod-dev/allod/cmd/allod/internal/exit"
	"github.com/allod-dev/allod/cmd/allod/internal/say"
)

// The help of every command is a page in the form of a manual's, from what cobra
// knows of the command and, for what it has no place for, from annotations.

// The annotations of a command.
const (
	statusNote = "exit status"
	environ    = "environment"
	seeAlso    = "see also"
)

// The lines of the section EXIT STATUS that are the same for several commands.
const (
	statusOK     = "0    all is well"
	statusUsage  = "2    the command line is wrong"
	statusMemory = "3    memory ran out"
	statusCtrlC  = "130  interrupted, with Ctrl-C or SIGTERM"
)

// status returns the lines of EXIT STATUS.
func status(lines ...string) string { return strings.Join(lines, "\n") }

// manualColumns is how long the lines of a page are at most.
const manualColumns = 80

// writeManuals makes the commands explain themselves, and what is wrong with
// their flags an error of usage.
func writeManuals(root *cobra.Command) {
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { manual(cmd.OutOrStdout(), cmd) })
	root.SetUsageFunc(func(cmd *cobra.Command) error { manual(cmd.OutOrStderr(), cmd); return nil })
	root.SetHelpCommand(&cobra.Command{
		Use:   "help [command]",
		Short: "tell all about a command",
		Args:  cobra.ArbitraryArgs,
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			for _, c := range root.Commands() {
				if c.IsAvailableCommand() && len(args) == 0 {
					names = append(names, c.Name()+"\t"+c.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return noCommand(root, strings.Join(args, " "))
			}
			manual(cmd.OutOrStdout(), about)
			return nil
		},
	})
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return exit.UsageError(err) })
}

// noCommand says that root has no such command, and what may have been meant.
func noCommand(root *cobra.Command, name string) error {
	text := fmt.Sprintf("there is no command %q", name)
	root.SuggestionsMinimumDistance = 2
	if like := root.SuggestionsFor(name); len(like) > 0 {
		text += "; is it " + strings.Join(like, ", or ") + "?"
	}
	return exit.UsageError(errors.New(text))
}

// manual writes the page of cmd.
func manual(w io.Writer, cmd *cobra.Command) {
	before := ""
	section := func(title, text string) {
		if text = strings.TrimRight(text, "\n"); text != "" {
			fmt.Fprintf(w, "%s%s\n%s\n", before, title, indent(text))
			before = "\n"
		}
	}
	cmd.InitDefaultHelpFlag()
	section("NAME", cmd.CommandPath()+" - "+cmd.Short)
	section("SYNOPSIS", synopsis(cmd))
	section("DESCRIPTION", prose(cmd.Long))
	section("COMMANDS", commands(cmd))
	section("OPTIONS", options(cmd.Flags()))
	section("EXIT STATUS", cmd.Annotations[statusNote])
	section("ENVIRONMENT", cmd.Annotations[environ])
	section("EXAMPLES", strings.TrimPrefix(strings.ReplaceAll(cmd.Example, "\n  ", "\n"), "  "))
	section("SEE ALSO", prose(cmd.Annotations[seeAlso]))
}

// manualIndent is how far what stands below a title is in.
const manualIndent = 2

// indent puts what is not empty in.
func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line != "\n" {
			b.WriteString(strings.Repeat(" ", manualIndent))
		}
		b.WriteString(strings.ReplaceAll(line, "\t", "    ")) // a tab is too much
	}
	return b.String()
}

// prose breaks paragraphs into lines anew. Those that are indented stay as they
// are: they are code, or lists.
func prose(text string) string {
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		if !strings.HasPrefix(p, " ") && !strings.HasPrefix(p, "\t") {
			paragraphs[i] = say.Wrap(p, manualColumns-manualIndent)
		}
	}
	return strings.Join(paragraphs, "\n\n")
}

func synopsis(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " command [option ...] [argument ...]"
	}
	name, arguments, _ := strings.Cut(cmd.UseLine(), cmd.CommandPath())
	arguments = strings.TrimSuffix(arguments, " [flags]")
	if cmd.HasAvailableLocalFlags() && !strings.Contains(arguments, "[option") {
		arguments = " [option ...]" + arguments
	}
	return name + cmd.CommandPath() + arguments
}

// commands lists what cmd can do.
func commands(cmd *cobra.Command) string {
	var b strings.Builder
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			fmt.Fprintf(&b, "%-12s%s\n", c.Name(), c.Short)
		}
	}
	return b.String()
}

// options lists the flags, each with what it does below it, as there is no telling
// how long a flag is.
func options(flags *pflag.FlagSet) string {
	var b strings.Builder
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		if f.Name == "help" {
			usage = "show this page"
		}
		if f.Shorthand != "" {
			fmt.Fprintf(&b, "-%s, ", f.Shorthand)
		}
		b.WriteString("--" + f.Name)
		if kind != "" {
			b.WriteString(" " + kind)
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" {
			usage += "; " + f.DefValue + " if left out"
		}
		for line := range strings.Lines(say.Wrap(usage, manualColumns-6)) {
			b.WriteString("\n    " + strings.TrimSuffix(line, "\n"))
		}
		b.WriteString("\n")
	})
	return b.String()
}
