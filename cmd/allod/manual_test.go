package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/allod-dev/allod/cmd/allod/internal/replay"
)

var update = flag.Bool("update", false, "write the pages of help in testdata/help anew")

// pages returns the pages of help by the name of the command.
func pages() map[string]string {
	all := map[string]string{}
	root := rootCommand()
	root.InitDefaultHelpCmd()
	for _, cmd := range append([]*cobra.Command{root}, root.Commands()...) {
		if cmd.Hidden {
			continue
		}
		var page bytes.Buffer
		manual(&page, cmd)
		all[cmd.Name()] = page.String()
	}
	return all
}

// The pages are as they were last read by somebody: go test -update writes them,
// and the change is looked at.
func TestHelpGolden(t *testing.T) {
	if !slices.Contains(replay.Allocators(), "c") {
		t.Skip("without cgo there is one allocator less in the pages")
	}
	all := pages()
	for name, page := range all {
		file := filepath.Join("testdata", "help", name+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(page), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if page != string(want) {
			t.Errorf("%s is not as in %s any more; it is\n%s", name, file, page)
		}
	}
	if files, err := filepath.Glob(filepath.Join("testdata", "help", "*")); err != nil || len(files) != len(all) {
		t.Errorf("%d files for %d pages, %v", len(files), len(all), err)
	}
}

// A page has what a manual's has, and fits a terminal.
func TestHelpShape(t *testing.T) {
	for name, page := range pages() {
		for _, title := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES"} {
			if !strings.Contains("\n"+page, "\n"+title+"\n") && name != "help" {
				t.Errorf("%s has no %s", name, title)
			}
		}
		for line := range strings.Lines(page) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > manualColumns {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
		}
	}
}

// However help is asked for, it is the same page, on standard output.
func TestHelpAsked(t *testing.T) {
	all := pages()
	for name, page := range all {
		asked := [][]string{{name, "--help"}, {"help", name}, {name, "-h"}}
		if name == "allod" {
			asked = [][]string{{}, {"--help"}, {"help"}}
		}
		if name == "help" {
			asked = asked[:1]
		}
		for _, args := range asked {
			if stdout, stderr, code := allod(t, args...); stdout != page || stderr != "" || code != 0 {
				t.Errorf("%q: exit code %d, stderr %q\n%s", args, code, stderr, stdout)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	if stdout, stderr, code := allod(t, "version"); code != 0 || stderr != "" || !strings.HasPrefix(stdout, "allod ") || !strings.Contains(stdout, "go1") {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
	if stdout, _, code := allod(t, "version", "--json"); code != 0 || !strings.Contains(stdout, `"go": "go1`) {
		t.Errorf("exit code %d, %q", code, stdout)
	}
}

func TestCompletion(t *testing.T) {
	for shell := range shells {
		if stdout, stderr, code := allod(t, "completion", shell); code != 0 || stderr != "" || !strings.Contains(stdout, "allod") {
			t.Errorf("%s: exit code %d, %d bytes, %q", shell, code, len(stdout), stderr)
		}
	}
	for _, test := range []struct {
		want  string // a line
		typed []string
	}{
		{"bench\tmeasure allocators on this machine, side by side", []string{"b"}},
		{"mixed\t10,000 objects of 8 bytes to 4 KiB, a random one goes first", []string{"bench", "m"}},
		{"gc,smp", []string{"bench", "--allocator", "gc,s"}},
		{"grown", []string{"top", "--sort", "g"}},
		{"zsh", []string{"completion", "z"}},
		{"top\twatch what a running program's allocators hold", []string{"help", "t"}},
	} {
		stdout, _, code := allod(t, append([]string{"__complete"}, test.typed...)...)
		if !slices.Contains(strings.Split(stdout, "\n"), test.want) || code != 0 {
			t.Errorf("%q: exit code %d, want %q in\n%s", test.typed, code, test.want, stdout)
		}
		if strings.Contains(stdout, "demo-") {
			t.Errorf("%q: what is hidden is offered: %s", test.typed, stdout)
		}
	}
}
