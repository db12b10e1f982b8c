// Package upstream copies a module that this one requires, so that files in the
// copy can be replaced and its own tests run: those of a library on an allocator
// of ours, above all. It is for tests.
package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Enabled tells whether tests that take minutes are wanted: make clients sets
// the variable.
func Enabled() bool { return os.Getenv("ALLOD_CLIENTS") != "" }

// A Module is a copy of a module.
type Module struct {
	Dir  string // where it is
	Path string // import path
}

// Copy copies the module of the given import path, in the version that the
// module in the current folder requires, to the folder dir.
func Copy(dir, path string) (*Module, error) {
	out, err := run(context.Background(), ".", "list", "-m", "-json", path)
	if err != nil {
		return nil, err
	}
	var from struct{ Dir string }
	if err := json.Unmarshal(out, &from); err != nil {
		return nil, err
	}
	if from.Dir == "" {
		// Known, but not needed so far by any build.
		if out, err = run(context.Background(), ".", "mod", "download", "-json", path); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(out, &from); err != nil {
			return nil, err
		}
	}
	m := &Module{Dir: dir, Path: path}
	return m, copyTree(dir, from.Dir)
}

// copyTree copies a tree, and makes writable what is not, as all in the module
// cache.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		at := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(at, 0o777)
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(at, b, 0o666)
	})
}

// Write replaces, or adds, the file of that name below the module's folder.
func (m *Module) Write(name, text string) error {
	return os.WriteFile(filepath.Join(m.Dir, filepath.FromSlash(name)), []byte(text), 0o666)
}

// Edit replaces, in the file of that name, what must occur in it just once.
func (m *Module) Edit(name, old, text string) error {
	name = filepath.Join(m.Dir, filepath.FromSlash(name))
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if n := bytes.Count(b, []byte(old)); n != 1 {
		return fmt.Errorf("upstream: %s: %q occurs %d times, want 1", name, old, n)
	}
	return os.WriteFile(name, bytes.Replace(b, []byte(old), []byte(text), 1), 0o666)
}

// Replace makes the module use what is in the folder dir as the module of the
// given import path.
func (m *Module) Replace(path, dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	_, err = run(context.Background(), m.Dir, "mod", "edit", "-require="+path+"@v0.0.0", "-replace="+path+"="+abs)
	return err
}

// Tidy completes the module's go.mod and go.sum after Replace.
func (m *Module) Tidy() error {
	_, err := run(context.Background(), m.Dir, "mod", "tidy")
	return err
}

// Test runs go test with args in the module's folder, and returns what it
// printed.
func (m *Module) Test(ctx context.Context, args ...string) (string, error) {
	out, err := run(ctx, m.Dir, append([]string{"test"}, args...)...)
	return string(out), err
}

// run runs the go command. The error has what it printed.
func run(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.Bytes(), fmt.Errorf("upstream: go %s: %w\n%s%s", strings.Join(args, " "), err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.Bytes(), nil
}
