package demo

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
)

func BenchmarkBuild(b *testing.B) {
	c := benchCorpus(b)
	for _, impl := range []string{"go", "arena"} {
		b.Run("impl="+impl, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ix := newIndexOf(impl)
				if err := build(ix, c, new(scratch), quiet); err != nil {
					b.Fatal(err)
				}
				if err := ix.close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAnswer(b *testing.B) {
	c := benchCorpus(b)
	for _, impl := range []string{"go", "arena"} {
		ix := newIndexOf(impl)
		if err := build(ix, c, new(scratch), quiet); err != nil {
			b.Fatal(err)
		}
		queries, err := chooseQueries(ix, c, 256, true)
		if err != nil {
			b.Fatal(err)
		}
		for _, s := range []struct {
			name string
			*scratch
		}{{"go", new(scratch)}, {"arena", newArenaScratch(heap.Page{})}} {
			b.Run("impl="+impl+"/results="+s.name, func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					if _, err := answer(ix, queries[i%len(queries)], s.scratch); err != nil {
						b.Fatal(err)
					}
					s.reset()
					i++
				}
			})
			if err := s.close(); err != nil {
				b.Error(err)
			}
		}
		ix.close()
	}
}

func newIndexOf(impl string) index {
	if impl == "go" {
		return newGoIndex()
	}
	return newArenaIndex(heap.Page{})
}

// benchCorpus is a tenth of the source tree of Go.
func benchCorpus(b *testing.B) *corpus {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		b.Skip("go env GOROOT: ", err)
	}
	c, err := openCorpus(filepath.Join(strings.TrimSpace(string(root)), "src"), 0.1)
	if err != nil {
		b.Fatal(err)
	}
	return c
}
