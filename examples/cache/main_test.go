package main

import (
	"strings"
	"testing"

	"github.com/allod-dev/allod/testing/allocatortest"
)

func TestRun(t *testing.T) {
	var out strings.Builder
	if err := run(&out, allocatortest.New(t), 2000, 10<<20); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "2000 entries in 250000 bytes, 0 given up, 2000 of 2000 found\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	out.Reset()
	if err := run(&out, allocatortest.New(t), 5000, 125*1000); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "1000 entries in 125000 bytes, 4000 given up, "; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
