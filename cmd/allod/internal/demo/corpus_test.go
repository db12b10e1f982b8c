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

	"github.com/allod-dev/allod/cmd/allod/internal/exit"
	"github.com/allod-dev/allod/cmd/allod/internal/say"
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
		if exit.Code(err) != exit.Failed {
			t.Errorf("%s: exit code %d", name, exit.Code(err))
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
		if _, err := openCorpus(root, 1); exit.Code(err) != exit.Usage {
			t.Errorf("openCorpus(%s): %v has exit code %d", root, err, exit.Code(err))
		}
	}
	if _, err := openCorpus(c.root, 0.001); exit.Code(err) != exit.Usage {
		t.Errorf("scale 0.001: %v", err)
	}
}

func TestWords(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{say.Count(0), "0"}, {say.Count(999), "999"}, {say.Count(16872401), "16,872,401"},
		{say.Duration(2351 * time.Millisecond), "2.35 s"}, {say.Duration(57449 * time.Microsecond), "57.4 ms"},
		{say.Duration(210 * time.Nanosecond), "0.21 µs"}, {say.Duration(0), "0.00 µs"},
		{say.Size(0), "0"}, {say.Size(1), "1 byte"}, {say.Size(30), "30 bytes"}, {say.Size(1000), "1,000 bytes"},
		{say.Size(1 << 10), "1.00 KiB"}, {say.Size(12_600), "12.3 KiB"}, {say.Size(693_000_000), "661 MiB"}, {say.Size(3_700_000_000), "3.45 GiB"},
		{say.FlagSize(64 << 20), "64MiB"}, {say.FlagSize(1000), "1000B"}, {say.FlagSize(40 << 10), "40KiB"},
		{say.FlagSize(round(22369621)), "21MiB"}, {say.FlagSize(round(21800)), "21KiB"}, {say.FlagSize(round(999)), "999B"},
		{say.Plural(0, "file"), "0 files"}, {say.Plural(1, "file"), "1 file"}, {say.Plural(11500, "file"), "11,500 files"},
		{(&Report{Bytes: 120e6}).about(7 * time.Second), "about a minute"},
		{(&Report{Bytes: 12e6}).about(time.Second), "some seconds"},
		{(&Report{Bytes: 30e6}).about(7 * time.Second), "less than a minute"},
		{(&Report{Bytes: 240e6}).about(14 * time.Second), "some minutes"},
		{compare(100, 10, "shorter", "longer"), "10 times shorter"},
		{compare(10, 25, "shorter", "longer"), "2.5 times longer"},
		{compare(10, 10, "shorter", "longer"), "about the same"},
		{compare(10, 0, "shorter", "longer"), "too little to compare"},
		{say.Wrap("one two  three", 7), "one two\nthree"}, {say.Wrap("µµµ µµµ", 7), "µµµ µµµ"}, {say.Wrap("", 7), ""},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
	for s, want := range map[string]int64{"1": 1, "64MiB": 64 << 20, "1.5GB": 1.5e9, "10k": 10 << 10, "21KiB": 21 << 10, "7B": 7, "2g": 2 << 30} {
		if got, err := say.ParseSize(s); got != want || err != nil {
			t.Errorf("say.ParseSize(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "MiB", "-1", "0", "1 potato", "NaN", "1e300"} {
		if got, err := say.ParseSize(s); err == nil {
			t.Errorf("say.ParseSize(%q) = %d", s, got)
		}
	}
}
