package vm_test

import (
	"bytes"
	"errors"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"

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
					if k < 4 {
						t.Fatalf("only %d calls", calls)
					}
					break
				}
			}
		}
	}
}

// A range that cannot be unmapped is served again, zero.
func TestKept(t *testing.T) {
	if !vm.HasOS {
		t.Skip("no operating system")
	}
	page := vm.PageSize()
	b, err := vm.MapReal(100*page, 1)
	if err != nil {
		t.Fatal(err)
	}
	fill(b, 1)
	undo := vm.Inject(func(c vm.Call) error {
		if c == vm.CallUnmap {
			return syscall.ENOMEM
		}
		return nil
	})
	before := vm.ReadStats()
	vm.Unmap(b)
	if s := vm.ReadStats(); s.Kept-before.Kept != int64(100*page) || s.Mapped != 0 {
		t.Errorf("after Unmap: %+v", s)
	}
	if n := vm.Trim(); n != 0 {
		t.Errorf("Trim gave %d bytes back, which the system refuses", n)
	}
	var parts [][]byte
	for range 100 {
		c, err := vm.MapReal(page, 1)
		if err != nil {
			t.Fatal(err)
		}
		if i := not(c, 0); i >= 0 {
			t.Fatalf("byte %d is not zero", i)
		}
		fill(c, 2)
		parts = append(parts, c)
	}
	if vm.CanSplit {
		if s := vm.ReadStats(); s.Kept != before.Kept {
			t.Errorf("after 100 pages: %+v", s)
		}
	}
	for _, i := range rand.New(rand.NewPCG(1, 1)).Perm(len(parts)) {
		vm.Unmap(parts[i])
	}
	if s := vm.ReadStats(); vm.CanSplit && s.KeptRanges > before.KeptRanges+1 {
		t.Errorf("neighbours were not joined: %+v", s)
	}
	undo()
	// The next range that goes back takes a kept one along.
	c, err := vm.MapReal(200*page, 1)
	if err != nil {
		t.Fatal(err)
	}
	vm.Unmap(c)
	settle(t)
}

// Kept ranges that lie side by side are together longer than an int tells, on
// 32-bit systems, and none of them is lost.
func TestKeepsMoreThanInt(t *testing.T) {
	if !vm.HasOS || !vm.CanSplit {
		t.Skip("no neighbours are joined")
	}
	undo := vm.Inject(func(c vm.Call) error {
		if c == vm.CallUnmap {
			return syscall.ENOMEM
		}
		return nil
	})
	before := vm.ReadStats().Kept
	const size = 256 << 20
	take := func(most int) (parts [][]byte) {
		for len(parts) < most {
			b, err := vm.MapReal(size, 1)
			if err != nil {
				break
			}
			parts = append(parts, b)
		}
		return parts
	}
	parts := take(12)
	n := len(parts)
	fresh := vm.ReadStats().Kept == before
	for _, b := range parts {
		vm.Unmap(b)
	}
	if got := vm.ReadStats().Kept - before; fresh && got != int64(n)*size {
		t.Errorf("%d bytes kept of %d ranges of %d", got, n, size)
	}
	kept := vm.ReadStats()
	parts = take(n)
	if len(parts) != n || vm.ReadStats().Kept != kept.Kept-int64(n)*size {
		t.Errorf("of %d ranges, %d are served again: %+v, then %+v", n, len(parts), kept, vm.ReadStats())
	}
	for _, b := range parts {
		vm.Unmap(b)
	}
	t.Logf("%d ranges, %+v", n, kept)
	undo()
	settle(t)
}

// What is mapped for the sake of alignment and cannot be unmapped is kept as well.
func TestKeepsTrimmings(t *testing.T) {
	if !vm.CanSplit {
		t.Skip("nothing is trimmed")
	}
	if vm.ReadStats().Kept > 0 {
		t.Skip("ranges are kept already, as on 32-bit systems")
	}
	page, align := vm.PageSize(), 64*vm.PageSize()
	undo := vm.Inject(func(c vm.Call) error {
		if c == vm.CallUnmap {
			return syscall.ENOMEM
		}
		return nil
	})
	b, err := vm.MapReal(3*page, align)
	if err != nil {
		t.Fatal(err)
	}
	if s := vm.ReadStats(); s.Kept != int64(align-page) {
		t.Errorf("%d bytes kept, want %d", s.Kept, align-page)
	}
	vm.Unmap(b)
	undo()
	settle(t)
}

// keep plays a program with a system that takes nothing back. If dirty is set it
// does not decommit either.
func keep(t *testing.T, program []byte, dirty bool) {
	if !vm.HasOS {
		t.Skip("no operating system")
	}
	page := vm.PageSize()
	defer vm.Inject(func(c vm.Call) error {
		if c == vm.CallUnmap || dirty && c == vm.CallDecommit {
			return syscall.ENOMEM
		}
		return nil
	})()
	type block struct {
		b    []byte
		mark byte
	}
	var live []block
	total := 0
	check := func(x block) {
		if i := not(x.b, x.mark); i >= 0 {
			t.Fatalf("a range changed at byte %d", i)
		}
	}
	for len(program) >= 3 {
		op, x, y := program[0], int(program[1]), int(program[2])
		program = program[3:]
		switch op % 4 {
		case 0, 1:
			n := (x%40 + 1) * page
			if total > 4000*page {
				continue
			}
			align := 1 << (y % 20)
			b, err := vm.MapReal(n, align)
			if err != nil {
				t.Fatal(err)
			}
			if vm.Address(b)&uintptr(align-1) != 0 {
				t.Fatalf("MapReal(%d, %d): at %#x", n, align, vm.Address(b))
			}
			if i := not(b, 0); i >= 0 {
				t.Fatalf("MapReal(%d, %d): byte %d is not zero", n, align, i)
			}
			z := block{b, op | 1}
			fill(b, z.mark)
			live = append(live, z)
			total += n
		case 2:
			if len(live) > 0 {
				i := x % len(live)
				check(live[i])
				total -= len(live[i].b)
				vm.Unmap(live[i].b)
				live = slices.Delete(live, i, i+1)
			}
		case 3:
			if len(live) == 0 {
				continue
			}
			z := &live[x%len(live)]
			check(*z)
			n := (y%60 + 1) * page
			old := len(z.b)
			var ok bool
			switch {
			case n < old:
				z.b, ok = vm.Shrink(z.b, n)
			case n > old:
				z.b, ok = vm.Grow(z.b, n)
			}
			if ok && n > old {
				if i := not(z.b[old:], 0); i >= 0 {
					t.Fatalf("Grow: byte %d is not zero", i)
				}
				fill(z.b[old:], z.mark)
			}
			total += len(z.b) - old
		}
		if s := vm.ReadStats(); s.Mapped != total {
			t.Fatalf("%d bytes mapped, want %d", s.Mapped, total)
		}
	}
	for _, z := range live {
		check(z)
		vm.Unmap(z.b)
	}
}

func TestKeepModel(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 20 {
		program := make([]byte, 900)
		for i := range program {
			program[i] = byte(r.Uint32())
		}
		keep(t, program, i%4 == 3)
		settle(t)
	}
}

func FuzzKeep(f *testing.F) {
	f.Add([]byte{0, 9, 0, 0, 9, 0, 2, 0, 0, 0, 3, 14, 3, 0, 30}, false)
	f.Add([]byte{0, 9, 0, 2, 0, 0, 0, 9, 0, 0, 39, 19, 2, 1, 0}, true)
	f.Fuzz(func(t *testing.T, program []byte, dirty bool) {
		keep(t, program, dirty)
		settle(t)
	})
}

// Small ranges are cut from what was mapped ahead, and each is unmapped alone.
func TestStock(t *testing.T) {
	if !vm.Stocked {
		t.Skip("nothing is mapped ahead")
	}
	page := vm.PageSize()
	vm.Trim()
	var calls [vm.Calls]int
	fail := 0
	undo := vm.Inject(func(c vm.Call) error {
		if calls[c]++; c == vm.CallMap && calls[c] <= fail {
			return syscall.ENOMEM
		}
		return nil
	})
	seen := map[uintptr]bool{}
	var parts [][]byte
	for i := range 100 {
		b, err := vm.MapReal(page<<(i%3), 1)
		if err != nil {
			t.Fatal(err)
		}
		for p := range len(b) / page {
			if at := vm.Address(b) + uintptr(p*page); seen[at] {
				t.Fatalf("page %#x is served twice", at)
			} else {
				seen[at] = true
			}
		}
		if not(b, 0) >= 0 {
			t.Fatal("a range is not zero")
		}
		fill(b, byte(i)+1)
		parts = append(parts, b)
	}
	if n := calls[vm.CallMap]; n < 3 || n > 30 {
		t.Errorf("%d ranges took %d calls", len(parts), n)
	}
	unmapped := calls[vm.CallUnmap]
	for i, b := range parts {
		if not(b, byte(i)+1) >= 0 {
			t.Errorf("range %d changed", i)
		}
		vm.Unmap(b)
	}
	if n := calls[vm.CallUnmap] - unmapped; n != len(parts) {
		t.Errorf("%d ranges were unmapped by %d calls", len(parts), n)
	}

	// The next pages of the stock follow the range that was cut from it last.
	vm.Trim()
	b, err := vm.MapReal(page, 1)
	if err != nil {
		t.Fatal(err)
	}
	fill(b, 1)
	r, ok := vm.Grow(b, 10*page)
	if !ok || vm.Address(r) != vm.Address(b) || not(r[:page], 1) >= 0 || not(r[page:], 0) >= 0 || calls[vm.CallGrow] != 0 {
		t.Errorf("Grow: %v, by %d calls", ok, calls[vm.CallGrow])
	}
	if s := vm.ReadStats(); s.Mapped != len(r) {
		t.Errorf("%d bytes mapped, want %d", s.Mapped, len(r))
	}
	fill(r, 1)
	c, err := vm.MapReal(page, 1)
	if err != nil || not(c, 0) >= 0 || vm.Address(c)-vm.Address(r) < uintptr(len(r)) {
		t.Errorf("the next range lies in the one that grew, or is not zero: %v", err)
	}
	vm.Unmap(c)
	vm.Unmap(r)

	// What cannot be mapped ahead is mapped alone.
	vm.Trim()
	calls, fail = [vm.Calls]int{}, 1
	if b, err = vm.MapReal(page, 1); err != nil || calls[vm.CallMap] != 2 {
		t.Fatalf("after one failure: %v, %d calls", err, calls[vm.CallMap])
	}
	vm.Unmap(b)
	calls, fail = [vm.Calls]int{}, 2
	if b, err = vm.MapReal(page, 1); err != syscall.ENOMEM {
		t.Fatalf("after two failures: %v, %v", b != nil, err)
	}
	calls, fail = [vm.Calls]int{}, 0
	if b, err = vm.MapReal(page, 1); err != nil {
		t.Fatal(err)
	}
	vm.Unmap(b)
	vm.Trim()
	if n := calls[vm.CallUnmap]; n != 2 {
		t.Errorf("a range and the rest of the stock were given back by %d calls", n)
	}
	undo()
	settle(t)
}

func TestStockConcurrent(t *testing.T) {
	if !vm.Stocked {
		t.Skip("nothing is mapped ahead")
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			var held [8][]byte
			for i := range 400 {
				b, err := vm.MapReal((1+i%5)*vm.PageSize(), 1)
				if err != nil {
					t.Error(err)
					return
				}
				if not(b, 0) >= 0 {
					t.Error("a range is not zero")
				}
				fill(b, byte(g+1))
				old := &held[i%len(held)]
				if *old != nil {
					if not(*old, byte(g+1)) >= 0 {
						t.Error("a range changed")
					}
					vm.Unmap(*old)
				}
				*old = b
			}
			for _, b := range held {
				vm.Unmap(b)
			}
		})
	}
	wg.Wait()
	settle(t)
}
