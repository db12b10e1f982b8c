//go:build asan

package heap_test

import (
	"os"
	"testing"

	"github.com/allod-dev/allod/internal/asan"
)

// The tests read and write what was freed.
func TestMain(m *testing.M) {
	asan.Lenient()
	os.Exit(m.Run())
}
