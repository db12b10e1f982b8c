package grpcmem_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/allod-dev/allod/internal/tools/upstream"
)

// onAllod is the pool of all that gRPC's tests do.
const onAllod = `package leakcheck

import (
	"fmt"
	"os"

	"github.com/allod-dev/allod/contrib/grpcmem"
	"github.com/allod-dev/allod/heap"
	"google.golang.org/grpc/mem"
)

func onAllod() mem.BufferPool {
	if os.Getenv("ALLOD_CHECKED") == "" {
		return grpcmem.New(heap.Default())
	}
	return grpcmem.NewWith(heap.NewDebug(heap.Default(), heap.DebugOptions{OnMisuse: func(m *heap.Misuse) {
		fmt.Println("MISUSE", m, m.Here, m.Alloc, m.Free)
		os.Exit(1)
	}}), grpcmem.Options{Retain: -1})
}
`

// TestUpstream runs gRPC's own tests, from end to end, with buffers of a Pool, and
// of one over a Debug, which reports what is written to after it was put.
func TestUpstream(t *testing.T) {
	if !upstream.Enabled() {
		t.Skip("takes minutes: run make clients")
	}
	m, err := upstream.Copy(t.TempDir(), "google.golang.org/grpc")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		m.Write("internal/leakcheck/allod.go", onAllod),
		m.Edit("internal/leakcheck/leakcheck.go", "defaultPool := mem.DefaultBufferPool()", "defaultPool := onAllod()"),
		m.Replace("github.com/allod-dev/allod", filepath.Join("..", "..")),
		m.Replace("github.com/allod-dev/allod/contrib/grpcmem", "."),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, checked := range map[string]string{"default": "", "debug": "yes"} {
		t.Setenv("ALLOD_CHECKED", checked)
		for _, pkg := range []string{"./test", "./internal/transport", "./encoding/...", "."} {
			t.Run(name+"/"+pkg, func(t *testing.T) {
				for try := 1; ; try++ {
					out, err := m.Test(t.Context(), "-vet=off", "-count=1", "-short", pkg)
					switch {
					case err == nil:
						t.Log(out)
						return
					case try == tries || strings.Contains(out, "MISUSE"):
						t.Fatal(err)
					}
				}
			})
		}
	}
}

// tries is how often a package of gRPC's tests may run: some have deadlines that a
// busy machine misses.
const tries = 3
