package demo

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A file that vanishes between listing and reading stands for any that cannot
// be read.
func TestUnreadableFile(t *testing.T) {
	c := smallCorpus(t, 30)
	if size, err := c.warm(quiet); err != nil || size < 1000 {
		t.Errorf("warm: %d bytes, %v", size, err)
	}
	lost := c.docs[20]
	if err := os.Remove(filepath.Join(c.root, lost)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.warm(quiet); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "file 21, "+lost) {
		t.Errorf("warm: %v", err)
	}
	all, off := indexes(t)
	for name, ix := range all {
		err := build(ix, c, new(scratch), quiet)
		var at *buildError
		if !errors.As(err, &at) || at.doc != 20 || at.path != lost || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
		if ExitCode(err) != ExitCheckFailed {
			t.Errorf("%s: exit code %d", name, ExitCode(err))
		}
		if _, postings := ix.size(); postings != 20*200 {
			t.Errorf("%s: %d postings, want those of 20 files", name, postings)
		}
		ix.close()
	}
	if off() != 0 {
		t.Errorf("%d bytes were not given back", off())
	}
	if _, err := buildWithin(c, 64<<20, quiet); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("buildWithin: %v", err)
	}
}

func TestOpenCorpus(t *testing.T) {
	c := smallCorpus(t, 30)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(c.root, link); err != nil {
		t.Log(err) // Windows does not let everybody
	} else if l, err := openCorpus(link, 1); err != nil || !slices.Equal(l.docs, c.docs) {
		t.Errorf("through a link: %v", err)
	}
	for scale, want := range map[float64]int{0.1: 3, 0.5: 15, 1: 30, 2: 60, 2.5: 75} {
		s, err := openCorpus(c.root, scale)
		if err != nil || len(s.docs) != want {
			t.Errorf("scale %g: %d documents, %v, want %d", scale, len(s.docs), err, want)
		}
	}
	file := filepath.Join(c.root, c.docs[0])
	for _, root := range []string{filepath.Join(c.root, "absent"), file, t.TempDir()} {
		if _, err := openCorpus(root, 1); ExitCode(err) != ExitUsage {
			t.Errorf("openCorpus(%s): %v has exit code %d", root, err, ExitCode(err))
		}
	}
	if _, err := openCorpus(c.root, 0.001); ExitCode(err) != ExitUsage {
		t.Errorf("scale 0.001: %v", err)
	}
}

func TestWords(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{count(0), "0"}, {count(999), "999"}, {count(16872401), "16,872,401"},
		{duration(2351 * time.Millisecond), "2.35 s"}, {duration(57449 * time.Microsecond), "57.4 ms"},
		{duration(210 * time.Nanosecond), "0.21 µs"}, {duration(0), "0.00 µs"},
		{size(0), "0"}, {size(1), "1 byte"}, {size(30), "30 bytes"}, {size(1000), "1.00 kB"},
		{size(661_000_000), "661 MB"}, {size(12_300), "12.3 kB"}, {size(3_450_000_000), "3.45 GB"},
		{flagSize(64 << 20), "64MiB"}, {flagSize(1000), "1000B"}, {flagSize(40 << 10), "40KiB"},
		{flagSize(round(22369621)), "21MiB"}, {flagSize(round(21800)), "21KiB"}, {flagSize(round(999)), "999B"},
		{plural(0, "file"), "0 files"}, {plural(1, "file"), "1 file"}, {plural(11500, "file"), "11,500 files"},
		{(&Report{Bytes: 120e6}).about(7 * time.Second), "about a minute"},
		{(&Report{Bytes: 12e6}).about(time.Second), "some seconds"},
		{(&Report{Bytes: 30e6}).about(7 * time.Second), "less than a minute"},
		{(&Report{Bytes: 240e6}).about(14 * time.Second), "some minutes"},
		{compare(100, 10, "shorter", "longer"), "10 times shorter"},
		{compare(10, 25, "shorter", "longer"), "2.5 times longer"},
		{compare(10, 10, "shorter", "longer"), "about the same"},
		{compare(10, 0, "shorter", "longer"), "too little to compare"},
		{wrap("one two  three", 7), "one two\nthree"}, {wrap("µµµ µµµ", 7), "µµµ µµµ"}, {wrap("", 7), ""},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
	for s, want := range map[string]int64{"1": 1, "64MiB": 64 << 20, "1.5GB": 1.5e9, "10k": 10 << 10, "21KiB": 21 << 10, "7B": 7, "2g": 2 << 30} {
		if got, err := ParseSize(s); got != want || err != nil {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "MiB", "-1", "0", "1 potato", "NaN", "1e300"} {
		if got, err := ParseSize(s); err == nil {
			t.Errorf("ParseSize(%q) = %d", s, got)
		}
	}
}
