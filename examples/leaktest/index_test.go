package leaktest

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// The test fails if Close forgets a block, and prints where it was allocated.
func TestIndex(t *testing.T) {
	x := NewIndex(allocatortest.New(t))
	defer x.Close()
	for _, word := range []string{"allod", "feud", "manor"} {
		if err := x.Add(word); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(x.Words(), " "); got != "allod feud manor" {
		t.Errorf("Words() = %q", got)
	}
}

// Each allocation is made to fail in turn. The test fails if one of the errors
// leaves a block behind.
func TestRunningOut(t *testing.T) {
	allocatortest.CheckAllFailures(t, func(a mem.Allocator) error {
		x := NewIndex(a)
		defer x.Close()
		for i := range 20 {
			if err := x.Add(fmt.Sprint("word", i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// What the first test says when Close is forgotten, or forgets something.
// Instead of failing, this test looks at the failure: it is what the README and
// the guide show.
func TestForgottenClose(t *testing.T) {
	for _, c := range []struct {
		file, before string // the text that shows it, and what stands before that
		end          func(x *Index)
	}{
		{"README.md", "--- FAIL: TestIndex", func(*Index) {}},
		{"docs/testing.md", "forgets the words themselves", func(x *Index) { mem.Free(x.memory, x.words) }},
	} {
		failed := &recorder{}
		x := NewIndex(allocatortest.New(failed))
		for _, word := range []string{"allod", "feud", "manor"} {
			if err := x.Add(word); err != nil {
				t.Fatal(err)
			}
		}
		c.end(x)
		failed.end()
		text, err := os.ReadFile("../../" + c.file)
		if err != nil {
			t.Fatal(err)
		}
		_, shown, _ := strings.Cut(string(text), c.before)
		_, shown, _ = strings.Cut(shown, "index_test.go:16: allocatortest: ") // where New is called
		shown, _, _ = strings.Cut(shown, "```")
		_, got, _ := strings.Cut(strings.ReplaceAll(failed.text, t.Name(), "TestIndex"), "allocatortest: ")
		if got, shown := withoutPlaces(got), withoutPlaces(shown); got != shown || got == "" {
			t.Errorf("%s shows\n%s\nand the test says\n%s", c.file, shown, got)
		}
	}
}

// withoutPlaces leaves out where this repository lies, and lines of this file.
func withoutPlaces(report string) string {
	report = regexp.MustCompile(`\S*examples/leaktest/`).ReplaceAllString(report, "examples/leaktest/")
	report = regexp.MustCompile(`_test\.go:\d+`).ReplaceAllString(report, "_test.go")
	return strings.Join(strings.Fields(report), " ")
}

// recorder is a test whose failure can be looked at.
type recorder struct {
	text     string
	cleanups []func()
}

func (r *recorder) Name() string                      { return "TestIndex" }
func (r *recorder) Helper()                           {}
func (r *recorder) Cleanup(f func())                  { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(format string, args ...any) { r.text += fmt.Sprintf(format, args...) + "\n" }
func (r *recorder) Logf(format string, args ...any)   {}

func (r *recorder) end() {
	for _, f := range r.cleanups {
		f()
	}
}
