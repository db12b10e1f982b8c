package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/allod-dev/allod/cmd/allod/internal/exit"
)

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "tell which version this is",
		Long: `Prints the version of this command, the revision that it was built from as far
as that is known, the version of Go, and the system.`,
		Example:     "  allod version\n  allod version --json",
		Annotations: map[string]string{statusNote: status(statusOK, statusUsage)},
		Args:        none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versionOf(debug.ReadBuildInfo())
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), v)
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), v)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// version says what was built.
type version struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	System   string `json:"system"`
}

func versionOf(info *debug.BuildInfo, known bool) version {
	v := version{Version: "(devel)", Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	if !known {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

// String returns v in one line.
func (v version) String() string {
	text := "allod " + v.Version
	if v.Revision != "" {
		text += ", revision " + v.Revision[:min(len(v.Revision), 12)]
		if v.Modified {
			text += " with changes"
		}
	}
	return text + ", " + v.Go + ", " + v.System
}

// none wants no arguments.
func none(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return exit.UsageError(fmt.Errorf("no arguments, not %q", args[0]))
	}
	return nil
}

func writeJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "\t")
	return out.Encode(v)
}
