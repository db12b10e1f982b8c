package allocatortest_test

import (
	"testing"

	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

func TestSuite(t *testing.T) {
	allocatortest.RunWith(t, allocatortest.Promises{Concurrent: true}, func(t *testing.T) mem.Allocator {
		return allocatortest.New(t)
	})
}
