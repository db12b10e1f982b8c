//go:build cgo && unix

package heap_test

import (
	"testing"

	"github.com/allod-dev/allod/internal/mmapbench"
)

func init() {
	pageRivals = append(pageRivals, pageRival{"c", func(b *testing.B, size int) {
		if !mmapbench.Pairs(b.N, size) {
			b.Fatal("mmap failed")
		}
	}})
}
