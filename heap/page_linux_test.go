package heap_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

// pageStatm returns how much address space and how much RAM the process has, in
// bytes.
func pageStatm(t *testing.T) (size, resident int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		t.Skip(err)
	}
	return size * os.Getpagesize(), resident * os.Getpagesize()
}

func TestPageTouchesNothing(t *testing.T) {
	if vm.GoHeap || bits.UintSize == 32 {
		t.Skip("needs real pages and many addresses")
	}
	if _, child := inPageChild(t, "rss"); !child {
		return
	}
	var a heap.Page
	mem.Free(a, must(mem.Alloc[byte](a, 1))) // whatever is done once is done
	_, before := pageStatm(t)
	b, err := mem.Alloc[byte](a, 1<<30)
	if err != nil {
		t.Skip(err)
	}
	_, after := pageStatm(t)
	if after-before > 1<<20 {
		t.Errorf("a GiB that nobody touched takes %d bytes of RAM", after-before)
	}
	b[1<<29] = 1
	mem.Free(a, b)
}

var zeroByte = []byte{0}

// pageProvide takes from the system what the runtime may want later and would not
// survive to be refused: stacks for threads, and a heap with room.
func pageProvide() {
	room := make([][]byte, 64)
	for i := range room {
		room[i] = make([]byte, 1<<20)
	}
	runtime.KeepAlive(room)
	runtime.GC()
	debug.SetGCPercent(-1)
	var ready, done sync.WaitGroup
	ready.Add(8)
	for range 8 {
		done.Go(func() {
			runtime.LockOSThread()
			ready.Done()
			ready.Wait()
			runtime.UnlockOSThread()
		})
	}
	done.Wait()
}

// Under a limit on the address space Alloc ends with an error, again and again,
// and everything else goes on.
func TestPageAddressSpaceLimit(t *testing.T) {
	if vm.GoHeap || bits.UintSize == 32 || invariant.Enabled {
		t.Skip("Go itself would not get the addresses that it needs")
	}
	for _, mib := range []string{"1", "8", "64"} {
		arg, child := inPageChild(t, mib)
		if !child {
			continue
		}
		limit, _ := strconv.Atoi(arg)
		pageProvide()
		size, _ := pageStatm(t)
		as := uint64(size + limit<<20)
		if err := unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: as, Max: as}); err != nil {
			t.Skip(err)
		}
		var a heap.Page
		var blocks [][]byte
		for range 3 {
			for {
				b, err := a.Alloc(256<<10, mem.Layout{})
				if err != nil {
					if !errors.Is(err, mem.ErrOutOfMemory) || !errors.Is(err, syscall.ENOMEM) {
						t.Errorf("Alloc: %v", err)
					}
					break
				}
				b[0] = byte(len(blocks))
				blocks = append(blocks, b)
				if len(blocks) > (limit+512)*4 { // threads may end meanwhile, and begin
					t.Fatalf("%d blocks fit in %d MiB", len(blocks), limit)
				}
			}
			if len(blocks) == 0 {
				break // somebody else took what there was
			}
			b := blocks[0]
			if r, ok := a.Remap(b, mem.Layout{}, 1<<30); ok || &r[0] != &b[0] || len(r) != len(b) {
				t.Error("Remap beyond the limit: true, or not the block")
			}
			for i, b := range blocks {
				if b[0] != byte(i) {
					t.Errorf("block %d changed", i)
				}
				a.Free(b, mem.Layout{})
			}
			blocks = blocks[:0]
		}
		return
	}
}

// A process may have so many mappings and no more. Blocks freed in the middle of
// others would need more; they are kept, and go back when it can be.
func TestPageMapCount(t *testing.T) {
	if vm.GoHeap || bits.UintSize == 32 || invariant.Enabled {
		t.Skip("needs real pages that are unmapped, and no Go memory meanwhile")
	}
	if _, child := inPageChild(t, "maps"); !child {
		return
	}
	text, err := os.ReadFile("/proc/sys/vm/max_map_count")
	if err != nil {
		t.Skip(err)
	}
	limit, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || limit > 100_000 {
		t.Skipf("max_map_count is %q", text)
	}
	page := vm.PageSize()
	p := heap.NewPages(heap.PageOptions{})
	var blocks [][]byte
	for range 1000 {
		b := pageAlloc(t, p, page, mem.Layout{})
		b[0] = 1
		blocks = append(blocks, b)
	}
	rand.New(rand.NewPCG(7, 8)).Shuffle(len(blocks), func(i, j int) { blocks[i], blocks[j] = blocks[j], blocks[i] })
	guard := pageAlloc(t, heap.Page{}, 2*limit*page, mem.Layout{})
	// As long as there is no room for mappings, nothing may be asked of Go's heap.
	// So let the tables grow first.
	const half = 200
	undo := vm.Inject(func(c vm.Call) error {
		if c == vm.CallUnmap {
			return syscall.ENOMEM
		}
		return nil
	})
	for _, b := range blocks[:half] {
		p.Free(b, mem.Layout{})
	}
	for i := range half {
		blocks[i] = pageAlloc(t, p, page, mem.Layout{})
		blocks[i][0] = 1
	}
	undo()
	p.Trim()
	pageProvide()

	misuses := 0
	old := heap.OnMisuse(func(*heap.Misuse) { misuses++ })
	for i := 0; i+page < len(guard); i += 2 * page {
		if err := unix.Mprotect(guard[i:i+page], unix.PROT_NONE); err != nil {
			break
		}
	}
	for _, b := range blocks[:half] {
		p.Free(b, mem.Layout{})
	}
	full := p.Stats()
	// What is kept serves again, zero.
	dirty := 0
	for i := range 100 {
		if b, err := p.Alloc(page, mem.Layout{}); err == nil {
			dirty += len(b) - bytes.Count(b, zeroByte)
			b[0] = 1
			blocks[i] = b
		}
	}
	reused := p.Stats()
	heap.Page{}.Free(guard, mem.Layout{})
	heap.OnMisuse(old)

	if misuses > 0 || dirty > 0 {
		t.Errorf("%d reports of misuse, %d bytes not zero", misuses, dirty)
	}
	t.Logf("with %d of %d blocks freed: %+v; with 100 again: %+v", half, len(blocks), full, reused)
	if full.KeptRanges == 0 {
		t.Fatal("the system took every range: the limit was not reached")
	}
	if full.Blocks != len(blocks)-half || reused.Blocks != full.Blocks+100 {
		t.Errorf("%d blocks are live, then %d", full.Blocks, reused.Blocks)
	}
	if reused.Kept >= full.Kept {
		t.Error("kept ranges were not used")
	}
	for _, b := range append(blocks[:100], blocks[half:]...) {
		if b[0] != 1 {
			t.Fatal("a live block changed")
		}
		p.Free(b, mem.Layout{})
	}
	p.Trim()
	if s := p.Stats(); s.Kept != 0 || s.Blocks != 0 {
		t.Errorf("at the end: %+v", s)
	}
}

// Without the right to lock memory, Alloc says so, and takes nothing.
func TestPagesMemlockLimit(t *testing.T) {
	for _, kib := range []string{"0", "64"} {
		arg, child := inPageChild(t, kib)
		if !child {
			continue
		}
		limit, _ := strconv.ParseUint(arg, 10, 64)
		if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: limit << 10, Max: limit << 10}); err != nil {
			t.Skip(err)
		}
		if os.Getuid() == 0 {
			if err := syscall.Setuid(65534); err != nil {
				t.Skip(err)
			}
		}
		p := heap.NewPages(heap.PageOptions{Lock: true})
		before := vm.ReadStats().Mapped
		_, err := p.Alloc(1<<20, mem.Layout{})
		if err == nil {
			t.Skip("the limit does not bind this process")
		}
		if !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.ENOMEM) && !errors.Is(err, syscall.EAGAIN) {
			t.Errorf("Alloc: %v", err)
		}
		if s := p.Stats(); s.Blocks != 0 || vm.ReadStats().Mapped != before {
			t.Errorf("%+v, %d bytes are still mapped", s, vm.ReadStats().Mapped-before)
		}
		if limit >= 64 {
			b, err := p.Alloc(4096, mem.Layout{})
			if err != nil {
				t.Fatalf("Alloc of a page below the limit: %v", err)
			}
			if r, ok := p.Remap(b, mem.Layout{}, 1<<20); ok || len(r) != 4096 {
				t.Error("a locked block grew beyond the limit")
			}
			b[0] = 1
			p.Free(b, mem.Layout{})
		}
		return
	}
}
