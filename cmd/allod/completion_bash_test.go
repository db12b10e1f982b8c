package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A bash that was given the script completes what is typed. What the package
// bash-completion has for every script stands here in its place.
func TestCompletionInBash(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash here")
	}
	script, _, code := allod(t, "completion", "bash")
	if code != 0 {
		t.Fatal(code)
	}
	file := filepath.Join(t.TempDir(), "allod")
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	const session = `
_init_completion() {
	words=("${COMP_WORDS[@]}") cword=$COMP_CWORD cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
}
allod() { ALLOD_TEST_AS_COMMAND=1 "$program" "$@"; }
source "$1"
shift
complete -p allod >&2
COMP_WORDS=(allod "$@") COMP_CWORD=$# COMP_LINE="allod $*" COMP_TYPE=9
COMP_POINT=${#COMP_LINE}
__start_allod 2>/dev/null
printf '%s\n' "${COMPREPLY[@]}"
`
	for _, test := range []struct {
		typed, want []string
	}{
		{[]string{"ben"}, []string{"bench"}},
		{[]string{"rep"}, []string{"replay"}},
		{[]string{"bench", "scat"}, []string{"scattered"}},
		{[]string{"replay", "--al"}, []string{"--allocator"}},
		{[]string{"top", "--sort", "comm"}, []string{"committed"}},
		{[]string{"completion", ""}, []string{"bash", "fish", "powershell", "zsh"}},
	} {
		cmd := exec.Command(bash, append([]string{"--norc", "-c", session, "bash", file}, test.typed...)...)
		cmd.Env = append(os.Environ(), "program="+os.Args[0])
		var errs strings.Builder
		cmd.Stderr = &errs
		out, err := cmd.Output()
		var got []string
		for line := range strings.Lines(string(out)) {
			if word, _, _ := strings.Cut(strings.TrimSpace(line), " "); word != "" {
				got = append(got, strings.TrimSuffix(word, "="))
			}
		}
		slices.Sort(got)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%q: %v, %q, want %q\n%s", test.typed, err, got, test.want, errs.String())
		}
		if !strings.Contains(errs.String(), "__start_allod allod") {
			t.Errorf("the script is for no command: %s", errs.String())
		}
	}
}
