package heap_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestZigTable wants every public name of Zig's allocators in the table for its
// users, and what that says they are called here to be there.
func TestZigTable(t *testing.T) {
	text, err := os.ReadFile("../docs/zig-heap.md")
	if err != nil {
		t.Fatal(err)
	}
	ours := exported(t, ".", "")
	for name := range exported(t, "../mem", "mem.") {
		ours[name] = true
	}
	for name := range exported(t, "../testing/allocatortest", "allocatortest.") {
		ours[name] = true
	}
	word := regexp.MustCompile("`([A-Za-z_.]+)`")
	known, found := map[string]bool{}, 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 4 {
			continue
		}
		for _, m := range word.FindAllStringSubmatch(cells[1], -1) {
			known[m[1]] = true
		}
		for _, m := range word.FindAllStringSubmatch(cells[2], -1) {
			if found++; !ours[m[1]] && !strings.HasPrefix(m[1], "os.") && m[1] != "Close" {
				t.Errorf("there is no %s", m[1])
			}
		}
	}
	if found < 80 {
		t.Errorf("%d names", found)
	}
	for _, name := range strings.Fields(zigHeap + zigTesting) {
		if !known[name] {
			t.Errorf("%s of Zig is not in the table", name)
		}
	}
}

// exported returns the exported names of a package, methods and fields among them.
func exported(t *testing.T, dir, prefix string) map[string]bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") || strings.Contains(e.Name(), "go127") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), dir+"/"+e.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				name := d.Name.Name
				if d.Recv != nil {
					typ := d.Recv.List[0].Type
					if p, ok := typ.(*ast.StarExpr); ok {
						typ = p.X
					}
					if p, ok := typ.(*ast.IndexExpr); ok {
						typ = p.X
					}
					if id, ok := typ.(*ast.Ident); ok {
						name = id.Name + "." + name
					}
				}
				names[prefix+name] = true
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						names[prefix+s.Name.Name] = true
						if st, ok := s.Type.(*ast.StructType); ok {
							for _, f := range st.Fields.List {
								for _, id := range f.Names {
									names[prefix+s.Name.Name+"."+id.Name] = true
								}
							}
						}
					case *ast.ValueSpec:
						for _, id := range s.Names {
							names[prefix+id.Name] = true
						}
					}
				}
			}
		}
	}
	return names
}

// The public names of Zig 0.16: those of std.heap with what is in its files, and
// the fields that are settings or figures; and what std.testing has for allocators.
const (
	zigHeap = `
	Aligned AlignedManaged ArenaAllocator BrkAllocator Check Config DebugAllocator
	DebugAllocatorConfig Error Extra ExtraManaged FixedBufferAllocator Managed MemoryPool
	MemoryPoolAligned MemoryPoolExtra MemoryPoolOptions Options PageAllocator ResetMode
	SmpAllocator StackFallbackAllocator State Unmanaged WasmAllocator addCapacity alignment
	alloc allocator backing_allocator backing_allocator_zeroes brk_allocator buckets
	c_allocator canary create defaultQueryPageSize deinit deinitWithoutLeakChecks destroy
	detectLeaks empty enable_memory_limit end_index flushRetainedMetadata free free_all get
	growable init initCapacity isLastAllocation item_alignment item_size large_allocations map
	memory_pool mutex never_unmap ownsPtr ownsSlice pageSize page_allocator page_size
	page_size_max page_size_min promote queryCapacity raw_c_allocator realloc remap
	requested_memory_limit reset resize resize_stack_traces retain_capacity retain_metadata
	retain_with_limit safety smp_allocator stackFallback stack_trace_frames testAllocator
	testAllocatorAligned testAllocatorAlignedShrink testAllocatorLargeAlignment
	threadSafeAllocator thread_safe toManaged total_requested_bytes unmap verbose_log vtable
	wasm_allocator
`
	zigTesting = `
	Config FailingAllocator alloc_index allocated_bytes allocations allocator
	allocator_instance checkAllAllocationFailures deallocations fail_index failing_allocator
	freed_bytes getStackTrace has_induced_failure resize_fail_index resize_index
	stack_addresses
`
)
