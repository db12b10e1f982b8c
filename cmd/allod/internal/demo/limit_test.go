package demo

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/allod-dev/allod/cmd/allod/internal/exit"
)

// However little memory there is, running out leaves the index of the documents
// before, and loses nothing.
func TestLimit(t *testing.T) {
	c := smallCorpus(t, 300)
	for _, limit := range []int64{1, 4 << 10, 64 << 10, 200 << 10, 256 << 10, 300 << 10, 400 << 10, 512 << 10} {
		r, err := buildWithin(c, limit, quiet)
		if err != nil {
			t.Fatalf("limit %d: %v", limit, err)
		}
		if r.Error == "" || !r.Intact || r.Lost != 0 || exit.Code(r.failure()) != exit.OutOfMemory {
			t.Errorf("limit %d: %+v", limit, r)
		}
		if r.Indexed > 0 && r.Queries == 0 {
			t.Errorf("limit %d: %d documents, but nothing was asked", limit, r.Indexed)
		}
	}
	for _, limit := range []int64{64 << 20, 3 << 30} { // the second is beyond what a 32-bit int holds
		r, err := buildWithin(c, limit, quiet)
		if err != nil || r.Error != "" || r.Indexed != 300 || r.Lost != 0 || r.failure() != nil {
			t.Errorf("limit %d: %+v, %v", limit, r, err)
		}
		if strings.Contains(r.String(), "intact") { // nothing was put to a test
			t.Errorf("limit %d: %s", limit, r)
		}
	}
}

// Memory can also run out when all documents are in the index and only the
// dictionary remains to be sorted. Of one file of many different words no limit
// is without an answer.
func TestLimitSweep(t *testing.T) {
	dir := t.TempDir()
	var text []byte
	for i := range 2000 {
		text = fmt.Appendf(text, "word%d ", i)
	}
	if err := os.WriteFile(filepath.Join(dir, "words"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := openCorpus(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	atFile, atDictionary := 0, 0
	for limit := int64(8 << 10); ; limit += 8 << 10 {
		r, err := buildWithin(c, limit, quiet)
		if err != nil {
			t.Fatalf("limit %d: %v", limit, err)
		}
		if !r.Intact || r.Lost != 0 {
			t.Errorf("limit %d: %+v", limit, r)
		}
		if r.Error == "" {
			break
		}
		want := "at file 1 of 1"
		if r.File == "" {
			want = "at sorting the dictionary, after all 1 file"
			atDictionary++
			if r.Indexed != 1 || r.Words != 2000 || r.Queries == 0 {
				t.Errorf("limit %d: %+v", limit, r)
			}
		} else {
			atFile++
		}
		if exit.Code(r.failure()) != exit.OutOfMemory || !strings.Contains(r.String(), want) {
			t.Errorf("limit %d: exit code %d, want %q in\n%s", limit, exit.Code(r.failure()), want, r)
		}
	}
	if atFile == 0 || atDictionary == 0 {
		t.Errorf("memory ran out %d times at the file and %d times at the dictionary", atFile, atDictionary)
	}
}

// Documents of one word hold no phrase to ask for; running out is the same error
// all the same.
func TestLimitOneWord(t *testing.T) {
	dir := t.TempDir()
	for i := range 400 {
		name := filepath.Join(dir, fmt.Sprintf("%03d", i))
		if err := os.WriteFile(name, fmt.Appendf(nil, "%0300d", i), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := openCorpus(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	r, err := buildWithin(c, 64<<10, quiet)
	if err != nil || r.Error == "" || r.Indexed == 0 || r.Queries != 0 || !r.Intact || r.Lost != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
