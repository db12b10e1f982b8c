package allodwazero_test

import (
	"path/filepath"
	"testing"

	"github.com/allod-dev/allod/internal/tools/upstream"
)

// onAllod gives every memory of a test of wazero's that asks for no allocator one
// of ours.
const onAllod = `package wasm

import (
	allodwazero "github.com/allod-dev/allod/contrib/wazero"
	"github.com/allod-dev/allod/heap"
)

var onAllod = allodwazero.New(heap.NewReserved(0))
`

// notHere are the tests of wazero that want what no allocator can do. The first
// closes a module that imports the memory of another, which frees it: see
// TestImporterFrees. The second wants memory that grew to have moved.
const notHere = "ExampleCoreFeaturesThreads|TestEngine(Compiler|Interpreter)/module_memory"

// TestUpstream runs wazero's own tests, those of the specification among them, on
// memories that are reserved.
func TestUpstream(t *testing.T) {
	if !upstream.Enabled() {
		t.Skip("takes minutes: run make clients")
	}
	m, err := upstream.Copy(t.TempDir(), "github.com/tetratelabs/wazero")
	if err != nil {
		t.Fatal(err)
	}
	const asked = "allocator, _ := ctx.Value(expctxkeys.MemoryAllocatorKey{}).(experimental.MemoryAllocator)\n"
	for _, err := range []error{
		m.Write("internal/wasm/allod.go", onAllod),
		m.Edit("internal/wasm/store.go", asked, asked+"\tif allocator == nil {\n\t\tallocator = onAllod\n\t}\n"),
		m.Replace("github.com/allod-dev/allod", filepath.Join("..", "..")),
		m.Replace("github.com/allod-dev/allod/contrib/wazero", "."),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, pkgs := range map[string][]string{
		"runtime":       {".", "./experimental/...", "./imports/..."},
		"engines":       {"./internal/wasm", "./internal/engine/interpreter", "./internal/engine/wazevo", "./internal/integration_test/engine"},
		"specification": {"./internal/integration_test/spectest/..."},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := m.Test(t.Context(), append([]string{"-vet=off", "-count=1", "-skip=" + notHere}, pkgs...)...)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(out)
		})
	}
}
