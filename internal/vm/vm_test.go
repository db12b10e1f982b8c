package vm_test

import (
	"bytes"
	"errors"
	"math"
	"math/bits"
	"slices"
	"syscall"
	"testing"

	"github.com/allod-dev/allod/internal/asan"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/rt"
	"github.com/allod-dev/allod/internal/vm"
)

func mustMap(t testing.TB, n, align int) []byte {
	t.Helper()
	b, err := vm.Map(n, align)
	if err != nil {
		t.Fatalf("Map(%d, %d): %v", n, align, err)
	}
	return b
}

func fill(b []byte, v byte) {
	for i := range b {
		b[i] = v
	}
}

// not returns the first index at which b is not v, or -1.
func not(b []byte, v byte) int {
	if bytes.Count(b, []byte{v}) == len(b) {
		return -1
	}
	return slices.IndexFunc(b, func(c byte) bool { return c != v })
}

// settle fails the test unless everything was given back, and leaves nothing
// kept where that is possible.
func settle(t testing.TB) {
	t.Helper()
	vm.Trim()
	s := vm.ReadStats()
	if s.Mapped != 0 {
		t.Errorf("%d bytes are still mapped", s.Mapped)
	}
	if s.Kept != 0 && math.MaxInt > math.MaxInt32 {
		t.Errorf("%d bytes in %d ranges are still kept", s.Kept, s.KeptRanges)
	}
}

func TestMap(t *testing.T) {
	page := vm.PageSize()
	for _, f := range []struct {
		name string
		do   func(n, align int) ([]byte, error)
	}{{"Map", vm.Map}, {"MapReal", vm.MapReal}} {
		if f.name == "MapReal" && !vm.HasOS {
			if _, err := f.do(page, 1); !errors.Is(err, vm.ErrUnsupported) {
				t.Errorf("MapReal: %v, want ErrUnsupported", err)
			}
			continue
		}
		for _, pages := range []int{1, 2, 3, 64, 1000} {
			for align := 1; align <= 8<<20; align <<= 1 {
				n := pages * page
				b, err := f.do(n, align)
				if err != nil {
					t.Fatalf("%s(%d, %d): %v", f.name, n, align, err)
				}
				if len(b) != n || cap(b) != n {
					t.Errorf("%s(%d, %d): len %d, cap %d", f.name, n, align, len(b), cap(b))
				}
				if vm.Address(b)%uintptr(max(align, page)) != 0 {
					t.Errorf("%s(%d, %d): at %#x", f.name, n, align, vm.Address(b))
				}
				if i := not(b, 0); i >= 0 {
					t.Errorf("%s(%d, %d): byte %d is not zero", f.name, n, align, i)
				}
				b[0], b[n-1] = 1, 1
				if got := vm.ReadStats().Mapped; got != n {
					t.Errorf("%s(%d, %d): %d bytes mapped", f.name, n, align, got)
				}
				vm.Unmap(b)
			}
		}
	}
	settle(t)
}

func TestMapTooLarge(t *testing.T) {
	page := vm.PageSize()
	for k := 1; k < 1<<16; k *= 2 {
		n := math.MaxInt&^(page-1) - (k-1)*page
		if b, err := vm.Map(n, 1); err == nil {
			vm.Unmap(b)
			if bits.UintSize == 32 {
				t.Errorf("Map(%d) was served: half of all addresses", n)
			}
		} else if !vm.NoMemory(err) {
			t.Errorf("Map(%d): %v", n, err)
		}
	}
	for log2 := 25; log2 < bits.UintSize-1; log2++ {
		if b, err := vm.Map(page, 1<<log2); err == nil {
			if vm.Address(b)&(1<<log2-1) != 0 {
				t.Errorf("Map(align 1<<%d) at %#x", log2, vm.Address(b))
			}
			vm.Unmap(b)
		} else if !vm.NoMemory(err) {
			t.Errorf("Map(align 1<<%d): %v", log2, err)
		}
	}
	if vm.GoHeap {
		if _, err := vm.MapMax(2*page, 1, page); err != vm.ErrTooLarge {
			t.Errorf("MapMax beyond the limit: %v", err)
		}
	}
	settle(t)
}

func TestWhole(t *testing.T) {
	page := vm.PageSize()
	for _, c := range []struct {
		n, want int
		ok      bool
	}{
		{0, 0, true}, {1, page, true}, {page, page, true}, {page + 1, 2 * page, true},
		{math.MaxInt - page + 1, math.MaxInt - page + 1, true},
		{math.MaxInt - page + 2, 0, false}, {math.MaxInt, 0, false},
	} {
		if got, ok := vm.Whole(c.n); got != c.want || ok != c.ok {
			t.Errorf("Whole(%d) = %d, %v, want %d, %v", c.n, got, ok, c.want, c.ok)
		}
	}
}

func TestResize(t *testing.T) {
	page := vm.PageSize()
	b := mustMap(t, 10*page, 1)
	fill(b, 1)
	b, ok := vm.Shrink(b, 6*page)
	if !ok || len(b) != 6*page || cap(b) != len(b) {
		t.Fatalf("Shrink: %v, len %d, cap %d", ok, len(b), cap(b))
	}
	if i := not(b, 1); i >= 0 {
		t.Fatalf("Shrink: byte %d is lost", i)
	}
	if r, ok := vm.Grow(b, 8*page); ok {
		if &r[0] != &b[0] || len(r) != 8*page {
			t.Errorf("Grow moved, or len %d", len(r))
		}
		b = r
		if i := not(b[6*page:], 0); i >= 0 {
			t.Errorf("Grow: byte %d is not zero", i)
		}
	}
	have := len(b)
	if r, ok := vm.Move(b, 500*page, false); ok {
		if len(r) != 500*page || not(r[:6*page], 1) >= 0 || not(r[have:], 0) >= 0 {
			t.Errorf("Move: len %d, or contents are wrong", len(r))
		}
		b = r
	}
	if got := vm.ReadStats().Mapped; got != len(b) {
		t.Errorf("%d bytes mapped, want %d", got, len(b))
	}
	want := vm.HugePageSize() + 3*page
	if r, ok := vm.Move(b, want, true); ok {
		if len(r) != want || cap(r) != want || not(r[:6*page], 1) >= 0 {
			t.Errorf("Move: len %d, cap %d, or contents are wrong", len(r), cap(r))
		}
		b = r
	}
	if got := vm.ReadStats().Mapped; got != len(b) {
		t.Errorf("%d bytes mapped, want %d", got, len(b))
	}
	vm.Unmap(b)
	settle(t)
}

// What follows a range can be anyone's: Grow must not touch it.
func TestGrowBlocked(t *testing.T) {
	page := vm.PageSize()
	big := mustMap(t, 64*page, 1)
	fill(big, 7)
	for i := range 63 {
		if vm.GoHeap {
			break // part of a range is not a range there
		}
		part := big[i*page : (i+1)*page : (i+1)*page]
		if _, ok := vm.Grow(part, 2*page); ok {
			t.Fatalf("Grow took page %d, which is in use", i+1)
		}
	}
	if i := not(big, 7); i >= 0 {
		t.Fatalf("byte %d changed", i)
	}
	vm.Unmap(big)
	settle(t)
}

func TestDecommit(t *testing.T) {
	page := vm.PageSize()
	before, _ := vm.Committed()
	b := mustMap(t, 16*page, 1)
	fill(b, 1)
	part := b[4*page : 8*page]
	if err := vm.Decommit(part); err != nil {
		t.Fatal(err)
	}
	if now, _ := vm.Committed(); now != before+12*page {
		t.Errorf("%d bytes more are committed, want %d", now-before, 12*page)
	}
	if !vm.GoHeap { // of that there is nothing to refuse
		undo := vm.Inject(func(c vm.Call) error {
			if c == vm.CallRecommit {
				return syscall.ENOMEM
			}
			return nil
		})
		if vm.Recommit(part[:page]) == nil {
			t.Error("no error")
		}
		undo()
	}
	if err := vm.Recommit(part[:3*page]); err != nil {
		t.Fatal(err)
	}
	if now, _ := vm.Committed(); now != before+15*page {
		t.Errorf("%d bytes more are committed, want %d", now-before, 15*page)
	}
	if i := not(part[:3*page], 0); i >= 0 {
		t.Errorf("byte %d is not zero", i)
	}
	if not(b[:4*page], 1) >= 0 || not(b[8*page:], 1) >= 0 {
		t.Error("Decommit reached the neighbours")
	}
	fill(part[:3*page], 2)
	vm.UnmapDecommitted(b, page)
	if now, _ := vm.Committed(); now != before {
		t.Errorf("%d bytes more are committed after all", now-before)
	}
	settle(t)
}

func TestPopulate(t *testing.T) {
	for _, pretend := range []error{nil, syscall.EINVAL} {
		undo := vm.Inject(func(c vm.Call) error {
			if c == vm.CallPopulate {
				return pretend
			}
			return nil
		})
		b := mustMap(t, 16*vm.PageSize(), 1)
		b[5] = 5
		if err := vm.Populate(b); err != nil {
			t.Error(err)
		}
		if b[5] != 5 || not(b[6:], 0) >= 0 {
			t.Error("Populate changed contents")
		}
		vm.Unmap(b)
		undo()
	}
	settle(t)
}

func TestAdvice(t *testing.T) {
	b := mustMap(t, 4<<20, 2<<20)
	b[5] = 5
	if err := vm.MakeHuge(b); err != nil {
		t.Logf("MakeHuge: %v", err) // anything may keep the system from it
	}
	if b[5] != 5 || not(b[6:], 0) >= 0 {
		t.Error("MakeHuge changed contents")
	}
	for what, err := range map[string]error{
		"AdviseHuge": vm.AdviseHuge(b),
		"Name":       vm.Name(b, []byte("allod test\x00")),
	} {
		if err != nil && !errors.Is(err, vm.ErrUnsupported) && !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := vm.Lock(b[:vm.PageSize()]); err == nil {
		if err := vm.Unlock(b[:vm.PageSize()]); err != nil {
			t.Errorf("Unlock: %v", err)
		}
	}
	if h := vm.HugePageSize(); h < vm.PageSize() || h&(h-1) != 0 {
		t.Errorf("HugePageSize = %d", h)
	}
	vm.Unmap(b)
	settle(t)
}

func TestPageSizes(t *testing.T) {
	for _, size := range []int{16 << 10, 64 << 10} {
		if size < vm.PageSize() {
			continue
		}
		undo := vm.SetPageSize(size)
		b := mustMap(t, 3*size, 1)
		if vm.PageSize() != size || vm.Address(b)%uintptr(size) != 0 {
			t.Errorf("page size %d, range at %#x, want %d", vm.PageSize(), vm.Address(b), size)
		}
		b, _ = vm.Shrink(b, 2*size)
		vm.Unmap(b)
		undo()
	}
	settle(t)
}

// Pages made of the Go heap are told from the rest of it.
func TestHeldPages(t *testing.T) {
	b := mustMap(t, 4*vm.PageSize(), 1)
	if is, _ := rt.GoMemory(vm.Address(b) + 5000); is {
		t.Error("a page counts as Go memory")
	}
	if is, known := rt.GoMemory(vm.Address(make([]byte, 100_000))); known && !is {
		t.Error("a Go slice does not count as Go memory")
	}
	vm.Unmap(b)
	settle(t)
}

func TestDoesNotAllocate(t *testing.T) {
	if asan.Enabled {
		t.Skip("sanitized builds allocate more")
	}
	if vm.GoHeap || invariant.Enabled {
		t.Skip("pages come from the Go heap, or checks allocate")
	}
	page := vm.PageSize()
	n := testing.AllocsPerRun(100, func() {
		b, err := vm.Map(3*page, 64<<10)
		if err != nil {
			t.Error(err)
			return
		}
		b, _ = vm.Shrink(b, page)
		b, _ = vm.Grow(b, 2*page)
		b, _ = vm.Move(b, 4*page, false)
		vm.Unmap(b)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
	settle(t)
}

// errnos are those that the man pages of the calls name, and one that they don't.
var errnos = []error{syscall.ENOMEM, syscall.EAGAIN, syscall.EPERM, syscall.EINVAL, syscall.EACCES, syscall.EBUSY,
	syscall.EFAULT, syscall.EINTR, syscall.ENOSYS, syscall.EIO}

// Whatever call fails for whatever reason, nothing is lost.
func TestEveryCallFails(t *testing.T) {
	if !vm.HasOS {
		t.Skip("no operating system")
	}
	page := vm.PageSize()
	program := func() {
		b, err := vm.MapReal(5*page, 16*page)
		if err != nil {
			return
		}
		fill(b, 1)
		if r, ok := vm.Shrink(b, 3*page); ok {
			b = r
		}
		if r, ok := vm.Grow(b, len(b)+page); ok {
			b = r
		}
		if r, ok := vm.Move(b, len(b)+20*page, false); ok {
			b = r
		}
		if i := not(b[:3*page], 1); i >= 0 {
			t.Errorf("byte %d is lost", i)
		}
		c, err := vm.MapReal(page, 1)
		if err == nil {
			if i := not(c, 0); i >= 0 {
				t.Errorf("byte %d of a new range is not zero", i)
			}
			fill(c, 2)
			if vm.Decommit(c) == nil {
				vm.UnmapDecommitted(c, page)
			} else {
				vm.Unmap(c)
			}
		}
		vm.Unmap(b)
	}
	if n := everyCallFails(t, program); n < 4 {
		t.Errorf("only %d calls", n)
	}
}

// everyCallFails runs program, which must leave nothing behind, with each of its
// calls to the system failing, alone and with all that follow, for each of
// errnos. It returns how many calls could fail, at the least.
func everyCallFails(t *testing.T, program func()) int {
	t.Helper()
	least := math.MaxInt
	for _, errno := range errnos {
		for _, forEver := range []bool{false, true} {
			for k := 0; ; k++ {
				calls := 0
				undo := vm.Inject(func(vm.Call) error {
					calls++
					if calls-1 == k || forEver && calls > k {
						return errno
					}
					return nil
				})
				program()
				undo()
				settle(t)
				if t.Failed() {
					t.Fatalf("at call %d, %v, for ever: %v", k, errno, forEver)
				}
				if calls <= k {
					least = min(least, k)
					break
				}
			}
		}
	}
	return least
}
