package allodwazero_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	allodwazero "github.com/allod-dev/allod/contrib/wazero"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

const page = 64 << 10

// growing returns a module with a memory of 1 to at most 127 pages, and a
// function that grows it:
//
//	(module
//	  (memory (export "memory") 1 most)
//	  (func (export "grow") (param i32) (result i32) local.get 0 memory.grow))
func growing(least, most byte, shared bool) []byte {
	limits := byte(1)
	if shared {
		limits = 3
	}
	return slices.Concat(
		[]byte("\x00asm\x01\x00\x00\x00"),
		[]byte{1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f},
		[]byte{3, 2, 1, 0},
		[]byte{5, 4, 1, limits, least, most},
		[]byte("\x07\x11\x02\x06memory\x02\x00\x04grow\x00\x00"),
		[]byte{0x0a, 8, 1, 6, 0, 0x20, 0, 0x40, 0, 0x0b},
	)
}

// instance returns an instance of the module on child.
func instance(t testing.TB, child mem.Allocator, wasm []byte) (api.Module, func(pages uint64) int32) {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2|experimental.CoreFeaturesThreads))
	t.Cleanup(func() { r.Close(ctx) })
	m, err := r.Instantiate(experimental.WithMemoryAllocator(ctx, allodwazero.New(child)), wasm)
	if err != nil {
		t.Fatal(err)
	}
	return m, func(pages uint64) int32 {
		res, err := m.ExportedFunction("grow").Call(ctx, pages)
		if err != nil {
			t.Fatal(err)
		}
		return int32(res[0])
	}
}

// start returns the address of the memory.
func start(m api.Module) *byte {
	b, _ := m.Memory().Read(0, 1)
	return &b[0]
}

func children(t *testing.T) map[string]mem.Allocator {
	return map[string]mem.Allocator{
		"Reserved": heap.NewReserved(0),
		"Limit":    heap.NewLimit(heap.NewReserved(100*page), 200*page),
		"SMP":      heap.Default(),
		"copying":  allocatortest.New(t, allocatortest.NoResize()),
		"watched":  allocatortest.New(t),
	}
}

func TestGrow(t *testing.T) {
	for name, child := range children(t) {
		t.Run(name, func(t *testing.T) {
			m, grow := instance(t, child, growing(1, 100, false))
			memory := m.Memory()
			at := start(m)
			for n := uint32(1); n < 100; n++ {
				last := n*page - 1
				if v, ok := memory.ReadByte(last); !ok || v != 0 {
					t.Fatalf("byte %d: %d, %v; want 0", last, v, ok)
				}
				memory.WriteByte(last, byte(n))
				if got := grow(1); got != int32(n) {
					t.Fatalf("grow returned %d, want %d", got, n)
				}
			}
			if got := grow(1); got != -1 {
				t.Errorf("grow beyond the most returned %d", got)
			}
			for n := uint32(1); n < 100; n++ {
				if v, _ := memory.ReadByte(n*page - 1); v != byte(n) {
					t.Errorf("byte %d: %d, want %d", n*page-1, v, n)
				}
			}
			if moved := at != start(m); moved && (name == "Reserved" || name == "Limit") && !inGoHeap {
				t.Error("the memory moved")
			}
			if err := m.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// inGoHeap tells that there is no address space to reserve.
const inGoHeap = runtime.GOARCH == "wasm"

// A shared memory does not move, whether it begins with pages or without.
func TestShared(t *testing.T) {
	for _, least := range []byte{0, 1} {
		_, grow := instance(t, heap.NewReserved(0), growing(least, 100, true))
		for n := int32(least); n < 100; n++ {
			if got := grow(1); got != n {
				t.Fatalf("grow returned %d, want %d", got, n)
			}
		}
	}
}

// What the limit forbids, memory.grow refuses, and the module lives on; a module
// that needs more to begin with is an error.
func TestLimit(t *testing.T) {
	for name, source := range map[string]mem.Allocator{"Reserved": heap.NewReserved(0), "SMP": heap.Default()} {
		t.Run(name, func(t *testing.T) {
			limit := heap.NewLimit(source, 10*page)
			m, grow := instance(t, limit, growing(4, 100, false))
			m.Memory().WriteByte(100, 7)
			if got := grow(7); got != -1 {
				t.Errorf("grow(7) beyond the limit returned %d", got)
			}
			if got := grow(1); got != 4 {
				t.Errorf("grow(1) within the limit returned %d", got)
			}
			if v, _ := m.Memory().ReadByte(100); v != 7 {
				t.Error("contents are lost")
			}
			_, err := instantiate(limit, growing(6, 100, false))
			if !errors.Is(err, mem.ErrOutOfMemory) || !strings.Contains(err.Error(), "allodwazero") {
				t.Errorf("a module too large: %v", err)
			}
			m.Close(context.Background())
			if n := limit.Used(); n != 0 {
				t.Errorf("%d bytes are left", n)
			}
		})
	}
}

// instantiate is how a program catches want of memory.
func instantiate(a mem.Allocator, wasm []byte) (_ api.Module, err error) {
	defer mem.Rescue(&err)
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)
	return r.Instantiate(experimental.WithMemoryAllocator(ctx, allodwazero.New(a)), wasm)
}

// The methods that wazero never calls like this keep to their word as well.
func TestLinearMemory(t *testing.T) {
	r := heap.NewReserved(0)
	m := allodwazero.New(r).Allocate(page, 3*page)
	if b := m.Reallocate(2 * page); len(b) != 2*page || cap(b) != 2*page {
		t.Errorf("%d of %d bytes", len(b), cap(b))
	}
	for _, size := range []uint64{3*page + 1, 1 << 40, 1<<64 - 1} {
		if m.Reallocate(size) != nil {
			t.Errorf("Reallocate(%d): not nil", size)
		}
	}
	m.Free()
	m.Free()
	m2 := allodwazero.New(r).Allocate(2*page, page)
	if b := m2.Reallocate(2 * page); len(b) != 2*page {
		t.Errorf("more than the most from the start: %d bytes", len(b))
	}
	m2.Free()
	if m.Reallocate(page) != nil {
		t.Error("Reallocate after Free: not nil")
	}
	if n := r.Stats().Blocks; n != 0 {
		t.Errorf("%d blocks are left", n)
	}
	var err error
	func() {
		defer mem.Rescue(&err)
		allodwazero.New(r).Allocate(1<<63, 1<<63)
	}()
	if !errors.Is(err, mem.ErrTooLarge) {
		t.Errorf("Allocate(1<<63): %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("New(nil) did not panic")
		}
	}()
	allodwazero.New(nil)
}

// wazero frees a memory as soon as a module that imports it is closed, though the
// module that it is of lives on. If this test fails, wazero has been mended.
func TestImporterFrees(t *testing.T) {
	importing := slices.Concat([]byte("\x00asm\x01\x00\x00\x00"), []byte("\x02\x12\x01\x05owner\x06memory\x02\x01\x01\x64"))
	reserved := heap.NewReserved(0)
	ctx := experimental.WithMemoryAllocator(t.Context(), allodwazero.New(reserved))
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)
	if _, err := r.InstantiateWithConfig(ctx, growing(1, 100, false), wazero.NewModuleConfig().WithName("owner")); err != nil {
		t.Fatal(err)
	}
	importer, err := r.Instantiate(ctx, importing)
	if err != nil {
		t.Fatal(err)
	}
	if n := reserved.Stats().Blocks; n != 1 {
		t.Fatalf("%d memories, want 1", n)
	}
	importer.Close(ctx)
	if n := reserved.Stats().Blocks; n != 0 {
		t.Errorf("%d memories after closing what imports the one, want 0", n)
	}
}

func TestConcurrent(t *testing.T) {
	r := heap.NewReserved(0)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				m, grow := instance(t, r, growing(1, 100, false))
				grow(20)
				m.Memory().WriteByte(21*page-1, 1)
				m.Close(context.Background())
			}
		})
	}
	wg.Wait()
	if n := r.Stats().Blocks; n != 0 {
		t.Errorf("%d blocks are left", n)
	}
}

// A program written in Go, garbage collector and all, prints the same on every
// allocator, and under a Debug nothing is found.
func TestProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	file := filepath.Join(t.TempDir(), "program.wasm")
	cmd := exec.Command("go", "build", "-o", file, "./testdata/program")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=", "GOEXPERIMENT=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("cannot build for wasip1: %v\n%s", err, out)
	}
	wasm, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	compiled, err := r.CompileModule(ctx, wasm)
	if err != nil {
		t.Fatal(err)
	}
	run := func(ctx context.Context) string {
		var out bytes.Buffer
		m, err := r.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName("").WithStdout(&out).WithStderr(&out))
		if err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		m.Close(ctx)
		return out.String()
	}
	want := run(ctx)
	if strings.Count(want, "round") != 3 {
		t.Fatalf("it printed %q", want)
	}
	debug := heap.NewDebug(heap.NewReserved(0), heap.DebugOptions{})
	for name, a := range map[string]mem.Allocator{"Reserved": heap.NewReserved(0), "SMP": heap.Default(), "Debug": debug} {
		if got := run(experimental.WithMemoryAllocator(ctx, allodwazero.New(a))); got != want {
			t.Errorf("%s: it printed %q, want %q", name, got, want)
		}
	}
	if err := debug.Close(); err != nil {
		t.Error(err)
	}
}

// BenchmarkInstances makes 800 instances that grow page by page to 1 to 60.
func BenchmarkInstances(b *testing.B) {
	ctx := context.Background()
	for _, impl := range []struct {
		name string
		ctx  context.Context
	}{
		{"go", ctx},
		{"reserved", experimental.WithMemoryAllocator(ctx, allodwazero.New(heap.NewReserved(0)))},
		{"smp", experimental.WithMemoryAllocator(ctx, allodwazero.New(heap.Default()))},
	} {
		b.Run("impl="+impl.name, func(b *testing.B) {
			b.ReportAllocs()
			r := wazero.NewRuntime(ctx)
			defer r.Close(ctx)
			compiled, err := r.CompileModule(ctx, growing(1, 100, false))
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				for i := range 800 {
					m, err := r.InstantiateModule(impl.ctx, compiled, wazero.NewModuleConfig().WithName(""))
					if err != nil {
						b.Fatal(err)
					}
					grow := m.ExportedFunction("grow")
					for n := range uint32(i % 60) {
						if _, err := grow.Call(ctx, 1); err != nil {
							b.Fatal(err)
						}
						m.Memory().WriteByte((n+2)*page-1, 1)
					}
					m.Close(ctx)
				}
			}
		})
	}
}
