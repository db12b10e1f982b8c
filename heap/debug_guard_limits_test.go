package heap_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/vm"
)

// What the system refuses a guarded Debug, and how far it goes.

// Where the system has no guards left, blocks are served without.
func TestGuardedDegrades(t *testing.T) {
	if !vm.HasOS {
		t.Skip("no operating system")
	}
	for _, c := range []struct {
		name string
		fail []vm.Call
	}{
		{"no mapping", []vm.Call{vm.CallUnmark, vm.CallUnprotect}},
		{"no guards", []vm.Call{vm.CallMark, vm.CallProtect}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDebug(t, heap.GC{}, heap.DebugOptions{Guard: heap.GuardEnd})
			guarded := debugAlloc(d, 77, word1)
			undo := vm.Inject(func(call vm.Call) error {
				for _, f := range c.fail {
					if call == f {
						return syscall.ENOMEM
					}
				}
				return nil
			})
			var all [][]byte
			for d.Stats().Unguarded == 0 { // until the places are used up that others left
				all = append(all, debugAlloc(d, 77, word1))
			}
			s := d.Stats()
			if s.Blocks != len(all)+1 || s.Unguarded != 1 || s.Guarded+int(s.Unguarded) != s.Blocks {
				t.Errorf("%+v", s)
			}
			b := all[len(all)-1]
			*byteAt(b, 77)++
			debugFree(d, b, word1)
			d.one(heap.Overflow, b, 77)
			// A block that cannot be made inaccessible is filled and watched.
			debugFree(d, guarded, word1)
			d.none()
			if c.fail[0] == vm.CallMark {
				guarded[5]++
				if found := d.Check(); len(found) != 1 || found[0].Kind != heap.WriteAfterFree || found[0].Addr != addr(guarded) {
					t.Errorf("%v", found)
				}
			}
			for _, b := range all[:len(all)-1] {
				debugFree(d, b, word1)
			}
			undo()
			d.none()
			for range 100 {
				b := debugAlloc(d, 77, word1)
				if len(bytes.Trim(b, "\xAA")) > 0 {
					t.Fatalf("not fresh: %x", b)
				}
				debugFree(d, b, word1)
			}
			d.none()
		})
	}
}

// A freed block whose memory the system does not take back is inaccessible all
// the same, and in nobody's way.
func TestGuardedMemoryRefused(t *testing.T) {
	if !vm.CanKeep {
		t.Skip("pages lose access and memory at once")
	}
	const size = 33 << 20 // guarded by protection, where there are markers as well
	d := newDebug(t, heap.GC{}, heap.DebugOptions{Guard: heap.GuardEnd, QuarantineBytes: -1})
	b, before := debugAlloc(d, size, word1), d.Stats().Stuck
	undo := vm.Inject(func(call vm.Call) error {
		if call == vm.CallDecommit {
			return syscall.EINVAL // as it does if they are locked
		}
		return nil
	})
	debugFree(d, b, word1)
	undo()
	if s := d.Stats(); s.Guarded != 0 || s.Stuck != before+1 {
		t.Errorf("%+v, want one more stuck than %d", s, before)
	}
	var f *heap.Fault
	if err := heap.Catch(func() { b[size/2]++ }); !errors.As(err, &f) || f.Kind != heap.UseAfterFree || f.Size != size {
		t.Errorf("access after free: %v", err)
	}
	other := debugAlloc(d, size, word1)
	if other[0] != 0xAA || other[size-1] != 0xAA || d.Stats().Stuck != before {
		t.Errorf("then %x and %x, and %+v", other[0], other[size-1], d.Stats())
	}
	debugFree(d, other, word1)
	d.none()
}

// guardedBlocks makes the test below as large as one likes: a million take some
// seconds and 4 GiB.
var guardedBlocks = flag.Int("debug.guarded", 0, "`blocks` of TestGuardedMany, which are written to")

// Markers where the kernel has them cost no mapping; where it has not, the limit
// on mappings must not be felt as an error.
func TestGuardedMany(t *testing.T) {
	n := 70_000
	switch {
	case *guardedBlocks > 0:
		manyWritten(t, *guardedBlocks)
		return
	case testing.Short(), race.Enabled, unsafe.Sizeof(uintptr(0)) == 4:
		n = 2000
	}
	d := guardedDebug(t, heap.GuardEnd, heap.DebugOptions{NoFill: true, Redzone: -1, StackDepth: -1, QuarantineBlocks: -1})
	all := make([][]byte, n)
	for i := range all {
		all[i] = debugAlloc(d, 64, word8)
	}
	if s := d.Stats(); s.Guarded+int(s.Unguarded) != n || s.Guarding == "markers" && s.Unguarded > 0 || s.Guarded < min(n, 20_000) {
		t.Errorf("%+v", s)
	}
	for _, b := range all {
		debugFree(d, b, word8)
	}
	d.none()
}

// manyWritten has n guarded blocks at once, as they are by default.
func manyWritten(t *testing.T, n int) {
	d := guardedDebug(t, heap.GuardEnd, heap.DebugOptions{})
	start := time.Now()
	took := func() time.Duration {
		defer func() { start = time.Now() }()
		return time.Since(start)
	}
	all := make([][]byte, n)
	for i := range all {
		all[i] = debugAlloc(d, 64, word8)
		all[i][0] = 1
	}
	each := took() / time.Duration(n)
	s := d.Stats()
	t.Logf("%d blocks, %d guarded by %s; %d mappings; %v to allocate one", s.Blocks, s.Guarded, s.Guarding, mappings(), each)
	if s.Guarded+int(s.Unguarded) != n || s.Guarding == "markers" && s.Unguarded > 0 || s.Guarded < min(n, 20_000) {
		t.Errorf("%+v", s)
	}
	for i := 0; i < n; i += 1 + n/1000 {
		if s.Unguarded == 0 {
			fault(t, heap.Overflow, all[i], 64)
		}
	}
	took()
	if found := d.Check(); len(found) > 0 {
		t.Error(found)
	}
	t.Logf("%v to check all", took())
	for _, b := range all {
		debugFree(d, b, word8)
	}
	t.Logf("%v to free one", took()/time.Duration(n))
	d.none()
	took()
	for range n {
		b := debugAlloc(d, 64, word8)
		b[0] = 1
		debugFree(d, b, word8)
	}
	t.Logf("%v for a pair", took()/time.Duration(n))
	d.none()
}

// mappings returns how many mappings the process has, or 0 if that is not known.
func mappings() int {
	text, _ := os.ReadFile("/proc/self/maps")
	return bytes.Count(text, []byte("\n"))
}

// Where guarding takes mappings, some are left for others, and what is beyond
// that is served unguarded and counted.
func TestGuardedUpToMappings(t *testing.T) {
	limit := vm.MaxMappings()
	if testing.Short() || race.Enabled || unsafe.Sizeof(uintptr(0)) == 4 || limit == 0 || limit > 100_000 {
		t.Skip("it takes as many mappings as there may be")
	}
	size := 7 * vm.PageSize() // no other test has places for these, which would be guarded otherwise
	d := guardedDebug(t, heap.GuardEnd, heap.DebugOptions{NoFill: true, QuarantineBlocks: -1})
	undo := vm.Inject(func(c vm.Call) error {
		if c == vm.CallMark {
			return syscall.EINVAL
		}
		return nil
	})
	all := make([][]byte, limit) // each would take two
	for i := range all {
		all[i] = debugAlloc(d, size, word8)
	}
	undo()
	s, taken := d.Stats(), mappings()
	if s.Guarding != "protection" || s.Guarded < limit/4 || // other tests left places that keep their memory
		s.Guarded > limit/2 || s.Guarded+int(s.Unguarded) != limit || s.Failures > 0 {
		t.Errorf("limit %d: %+v", limit, s)
	}
	if taken > limit-limit/32 {
		t.Errorf("%d mappings are taken of %d", taken, limit)
	}
	for _, b := range all {
		debugFree(d, b, word8)
	}
	if n := mappings(); n > taken/2 {
		t.Errorf("%d mappings of %d are left", n, taken)
	}
	again := debugAlloc(d, size, word8)
	fault(t, heap.Overflow, again, size)
	debugFree(d, again, word8)
	d.none()
}
