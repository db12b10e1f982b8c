package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The tests run this binary as the command, which runs itself in turn.
func TestMain(m *testing.M) {
	if os.Getenv("ALLOD_TEST_AS_PROGRAM") != "" {
		os.Exit(program(os.Args[1:]))
	}
	if os.Getenv("ALLOD_TEST_AS_COMMAND") != "" {
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// allod runs the command and returns what it printed, and its exit code.
func allod(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "ALLOD_TEST_AS_COMMAND=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// folder returns a folder with text in it.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	text := strings.Repeat("a rose is a rose is a rose, ", 50)
	for i := range 200 {
		words := text
		for k := range 100 {
			words += " w" + strings.Repeat(string(rune('a'+i%26)), 1+k%20) + string(rune('a'+k%26))
		}
		if err := os.WriteFile(filepath.Join(dir, "f"+string(rune('a'+i/26))+string(rune('a'+i%26))), []byte(words), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDemo(t *testing.T) {
	dir, html := folder(t), filepath.Join(t.TempDir(), "demo.html")
	stdout, stderr, code := allod(t, "demo", "--load=200ms", "--html", html, dir)
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d, stderr %q\n%s", code, stderr, stdout)
	}
	for _, want := range []string{"200 files", "plain Go", "+ scratch", "exit code is 3", "same answers", html} {
		if !strings.Contains(strings.Join(strings.Fields(stdout), " "), want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if strings.ContainsAny(stdout, "\r\x1b") {
		t.Errorf("control characters, and this is no terminal: %q", stdout)
	}
	if page, err := os.ReadFile(html); err != nil || !bytes.Contains(page, []byte("</html>")) {
		t.Errorf("%s: %v, %d bytes", html, err, len(page))
	}
}

// A folder of one file is a folder: whatever the limit is, it must not fit.
func TestDemoOneFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("a rose is a rose"), 0o644); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := allod(t, "demo", "--load=100ms", dir)
	if code != 0 || stderr != "" || !strings.Contains(stdout, "exit code is 3") ||
		!strings.Contains(stdout, ": 1 file, 16 bytes,") {
		t.Errorf("exit code %d, stderr %q\n%s", code, stderr, stdout)
	}
}

func TestDemoJSON(t *testing.T) {
	stdout, stderr, code := allod(t, "demo", "--json", "--load=200ms", "--scale=0.5", folder(t))
	var r struct {
		Documents int
		Variants  []struct{ Answers string }
		Limited   struct {
			ExitCode int `json:"exit_code"`
		}
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != 0 || stderr != "" {
		t.Fatalf("exit code %d, %v, stderr %q\n%s", code, err, stderr, stdout)
	}
	if r.Documents != 100 || len(r.Variants) != 4 || r.Variants[0].Answers == "" || r.Limited.ExitCode != 3 {
		t.Errorf("%+v", r)
	}
}

func TestExitCodes(t *testing.T) {
	dir := folder(t)
	for name, test := range map[string]struct {
		args []string
		code int
		want string // in stdout or stderr
	}{
		"fits":           {[]string{"demo", "--limit=64MiB", dir}, 0, "fits into"},
		"html and limit": {[]string{"demo", "--limit=64MiB", "--html", filepath.Join(dir, "x.html"), dir}, 2, "--html"},
		"help":           {[]string{"demo", "--help"}, 0, "or a file could not be read"},
		"no folder":      {[]string{"demo", filepath.Join(dir, "absent")}, 2, "no such file"},
		"a file":         {[]string{"demo", filepath.Join(dir, "faa")}, 2, "not a folder"},
		"empty":          {[]string{"demo", t.TempDir()}, 2, "nothing to index"},
		"unknown flag":   {[]string{"demo", "--fast"}, 2, "--fast"},
		"two folders":    {[]string{"demo", dir, dir}, 2, "one folder"},
		"no command":     {[]string{"dance"}, 2, "dance"},
		"bad limit":      {[]string{"demo", "--limit=much", dir}, 2, "not a size"},
		"bad scale":      {[]string{"demo", "--scale=0", dir}, 2, "--scale"},
		"bad load":       {[]string{"demo", "--load=1ms", dir}, 2, "--load"},
		"bad html":       {[]string{"demo", "--html", filepath.Join(dir, "no", "x.html"), dir}, 2, "x.html"},
		"out of memory":  {[]string{"demo", "--limit=100kB", dir}, 3, "out of memory at file"},
		"no memory ever": {[]string{"demo", "--limit=1", dir}, 3, "out of memory at file 1 of 200"},
	} {
		stdout, stderr, code := allod(t, test.args...)
		if code != test.code || !strings.Contains(stdout+stderr, test.want) {
			t.Errorf("%s: exit code %d, want %d and %q\n%s%s", name, code, test.code, test.want, stdout, stderr)
		}
		if code != 0 && (stdout != "" || !strings.HasPrefix(stderr, "allod")) {
			t.Errorf("%s: stdout %q, stderr %q", name, stdout, stderr)
		}
	}
}

func TestDemoUnreadable(t *testing.T) {
	dir := folder(t)
	secret := filepath.Join(dir, "faa")
	if err := os.Chmod(secret, 0); err != nil {
		t.Fatal(err)
	}
	if f, err := os.Open(secret); err == nil {
		f.Close()
		t.Skip("this user may read everything")
	}
	for _, args := range [][]string{{"demo", dir}, {"demo", "--limit=64MiB", dir}} {
		if _, stderr, code := allod(t, args...); code != 1 || !strings.Contains(stderr, "file 1, faa: ") || !strings.Contains(stderr, "permission denied") {
			t.Errorf("%q: exit code %d, %s", args, code, stderr)
		}
	}
}
