package guard_test

import (
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/internal/guard"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/vm"
)

func addr(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// byteAt returns the byte n after the start of b, which need not be in it.
func byteAt(b []byte, n int) *byte {
	return (*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), n))
}

// faults tells whether an access to *p faults, at p.
func faults(p *byte) (is bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		e, ok := recover().(interface{ Addr() uintptr })
		is = ok && e.Addr() == uintptr(unsafe.Pointer(p))
	}()
	*p++
	return false
}

func needOS(t *testing.T) {
	if !vm.HasOS {
		t.Skip("no operating system")
	}
}

// eachGuarding runs f with every way that works, the better ones made to fail.
func eachGuarding(t *testing.T, f func(t *testing.T)) {
	needOS(t)
	t.Run("best", f)
	t.Run("protection", func(t *testing.T) {
		defer vm.Inject(func(c vm.Call) error {
			if c == vm.CallMark {
				return syscall.EINVAL
			}
			return nil
		})()
		f(t)
	})
}

func let(t *testing.T, p *guard.Pool, size, align int, side guard.Side) []byte {
	t.Helper()
	pages, front, err := p.Alloc(guard.Tenant{Size: size, Alloc: 7, Owner: 3, Side: side}, align)
	if err != nil {
		t.Fatal(err)
	}
	b := pages[front : front+size : front+size]
	page := vm.PageSize()
	if addr(pages)%uintptr(page) != 0 || len(pages)%page != 0 || front >= page || len(pages)-front-size >= page {
		t.Fatalf("%d bytes at %d of %d", size, front, len(pages))
	}
	if addr(b)%uintptr(align) != 0 {
		t.Fatalf("%d bytes aligned to %d at %#x", size, align, addr(b))
	}
	return b
}

func TestPool(t *testing.T) {
	eachGuarding(t, func(t *testing.T) {
		var p guard.Pool
		page := vm.PageSize()
		for _, size := range []int{1, 8, 24, page - 1, page, page + 1, 9 * page, 100*page - 8, 2<<20 + 1} {
			for _, align := range []int{1, 8, 64, page, 4 * page, guard.MaxAlign} {
				for _, side := range []guard.Side{guard.Start, guard.End} {
					b := let(t, &p, size, align, side)
					for i := range b {
						if b[i] != 0 {
							t.Fatalf("%d bytes: byte %d is not zero", size, i)
						}
						b[i] = 1
					}
					slack := (align - size%align) % align
					if side == guard.End && slack < page && !faults(byteAt(b, size+slack)) {
						t.Errorf("size %d, align %d: no fault behind it", size, align)
					}
					if side == guard.Start && !faults(byteAt(b, -1)) {
						t.Errorf("size %d, align %d: no fault before it", size, align)
					}
					if before, after := int(addr(b)%uintptr(page)), (page-size%page)%page; !faults(byteAt(b, -before-1)) || !faults(byteAt(b, size+after)) {
						t.Errorf("size %d, align %d: no fault beyond its pages", size, align)
					}
					if err := p.Retire(addr(b), 9); err != nil {
						t.Fatal(err)
					}
					if !faults(&b[0]) || !faults(&b[size-1]) {
						t.Errorf("size %d, align %d: no fault after its end", size, align)
					}
					if side == guard.End {
						p.Release(addr(b))
					}
				}
			}
		}
	})
}

// Whoever's the block was is found from any address near it.
func TestFind(t *testing.T) {
	eachGuarding(t, func(t *testing.T) {
		var p guard.Pool
		if _, ok := p.Find(uintptr(unsafe.Pointer(&p))); ok {
			t.Error("found a tenant of no place")
		}
		page := vm.PageSize()
		var all [][]byte
		for range 50 {
			all = append(all, let(t, &p, 40, 8, guard.End))
		}
		check := func(at uintptr, b []byte, live bool) {
			t.Helper()
			want := guard.Tenant{Addr: addr(b), Size: len(b), Alloc: 7, Owner: 3, Side: guard.End, Live: live}
			if !live {
				want.Free = 9
			}
			if got, ok := p.Find(at); !ok || got != want {
				t.Errorf("at %#x: %+v, %t, want %+v", at, got, ok, want)
			}
		}
		for i, b := range all {
			live := i%3 != 0
			if !live {
				if err := p.Retire(addr(b), 9); err != nil {
					t.Fatal(err)
				}
			}
			for _, at := range []int{0, 39, 40, page - 1, -1, 40 - page} {
				check(addr(b)+uintptr(at), b, live)
			}
		}
		// A place that is let again forgets who was there before, not earlier.
		p.Release(addr(all[0]))
		check(addr(all[0]), all[0], false)
	})
}

// Places are let again, oldest first, and after all that are new.
func TestReuse(t *testing.T) {
	needOS(t)
	var p guard.Pool
	var order []uintptr
	seen := map[uintptr]bool{}
	for range 10_000 {
		b := let(t, &p, 100, 4, guard.Start)
		b[0] = 1
		if seen[addr(b)] {
			if addr(b) != order[0] {
				t.Fatalf("let again %#x, want the oldest, %#x", addr(b), order[0])
			}
			order = order[1:]
		}
		seen[addr(b)] = true
		order = append(order, addr(b))
		if err := p.Retire(addr(b), 1); err != nil {
			t.Fatal(err)
		}
		p.Release(addr(b))
	}
	if len(seen) > 100 {
		t.Errorf("%d places for one block at a time", len(seen))
	}
}

// Places keep their memory up to a bound, are zero when they are let again all the
// same, and fault as others do.
func TestKeeping(t *testing.T) {
	eachGuarding(t, func(t *testing.T) {
		var p guard.Pool
		page := vm.PageSize()
		const n, most = 300, 100
		defer guard.KeepMost(most)()
		before, _ := vm.Committed()
		var all [][]byte
		for range n {
			b := let(t, &p, 100, 4, guard.End)
			b[0], b[99] = 1, 1
			all = append(all, b)
		}
		for _, b := range all {
			if err := p.Retire(addr(b), 1); err != nil {
				t.Fatal(err)
			}
			if !faults(&b[0]) {
				t.Fatal("no fault after its end")
			}
			p.Release(addr(b))
		}
		if after, _ := vm.Committed(); after-before > most*page || vm.CanKeep && after-before < most/4*page {
			t.Errorf("%d bytes are kept for nobody, want %d at most", after-before, most*page)
		}
		again := func() {
			all = all[:0]
			for range n {
				pages, front, err := p.Alloc(guard.Tenant{Size: 100, Alloc: 7, Owner: 3, Side: guard.End}, 4)
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range pages {
					if v != 0 {
						t.Fatal("a page that is let again is not zero")
					}
					pages[i] = 1
				}
				all = append(all, pages[front:][:100])
			}
		}
		release := func() {
			for _, b := range all {
				if err := p.Retire(addr(b), 1); err != nil {
					t.Fatal(err)
				}
				p.Release(addr(b))
			}
		}
		again()
		if h := p.Held(3); h.Blocks != n || h.Size != n*100 || h.Live != n*page || h.Committed < n*page || h.Reserved < 2*n*page {
			t.Errorf("held: %+v with %d blocks", h, n)
		}
		release()
		kept, _ := vm.Committed()
		if h := p.Held(3); h.Blocks != 0 || h.Size != 0 || h.Live != 0 || h.Committed != kept-before {
			t.Errorf("held: %+v, %d bytes are kept", h, kept-before)
		}
		freed := p.Trim()
		if now, _ := vm.Committed(); now != before || freed != kept-before {
			t.Errorf("%d bytes given back of %d, %d are committed", freed, kept-before, now-before)
		}
		if h := p.Held(3); h.Committed != 0 || p.Trim() != 0 {
			t.Errorf("held after Trim: %+v", h)
		}
		if !faults(&all[0][0]) {
			t.Error("no fault after Trim")
		}
		for range 2 { // places are let again oldest first
			again()
			release()
		}
		if now, _ := vm.Committed(); now != kept {
			t.Errorf("%d bytes are kept after Trim, want %d again", now-before, kept-before)
		}
	})
}

// A place that could not be made inaccessible is used again when it can.
func TestRefusedThenNot(t *testing.T) {
	eachGuarding(t, func(t *testing.T) {
		var p guard.Pool
		first := let(t, &p, 100, 4, guard.End)
		first[0] = 1
		undo := vm.Inject(func(c vm.Call) error {
			if c == vm.CallMark || c == vm.CallProtect {
				return syscall.ENOMEM
			}
			return nil
		})
		if p.Retire(addr(first), 1) == nil {
			t.Error("retired")
		}
		p.Release(addr(first))
		undo()
		before := vm.ReadStats().Mapped
		for range 1000 {
			b := let(t, &p, 100, 4, guard.End)
			if vm.ReadStats().Mapped != before {
				t.Fatal("more was mapped, although there was a place")
			}
			if addr(b) == addr(first) {
				if b[0] != 0 {
					t.Error("it is not zero")
				}
				return
			}
		}
		t.Error("never used again")
	})
}

// A place whose memory the system does not take back is inaccessible, and used
// again when it does.
func TestMemoryRefused(t *testing.T) {
	if !vm.CanKeep {
		t.Skip("pages lose access and memory at once")
	}
	defer guard.KeepMost(0)()
	fail := map[vm.Call]bool{vm.CallMark: true}
	defer vm.Inject(func(c vm.Call) error {
		if fail[c] {
			return syscall.EINVAL
		}
		return nil
	})()
	var p guard.Pool
	size := vm.PageSize() + 904
	b := let(t, &p, size, 8, guard.End)
	b[0], b[size-1] = 1, 1
	committed, _ := vm.Committed()
	fail[vm.CallDecommit] = true
	if err := p.Retire(addr(b), 1); err != nil {
		t.Fatal(err)
	}
	if !faults(&b[0]) || !faults(&b[size-1]) {
		t.Error("no fault after its end")
	}
	p.Release(addr(b))
	if now, _ := vm.Committed(); now != committed || p.Stuck() != 1 {
		t.Errorf("%d bytes less committed, %d places stuck, want 0 and 1", committed-now, p.Stuck())
	}
	seen := map[uintptr]bool{addr(b): true}
	mapped := vm.ReadStats().Mapped
	for { // more places are not to be had as long as that goes on
		pages, front, err := p.Alloc(guard.Tenant{Size: size, Side: guard.End}, 8)
		if err != nil {
			break
		}
		if b = pages[front : front+size]; seen[addr(b)] {
			t.Fatal("let again with what was in it")
		}
		seen[addr(b)] = true
		b[0], b[size-1] = 1, 1
		if err := p.Retire(addr(b), 1); err != nil {
			t.Fatal(err)
		}
		p.Release(addr(b))
	}
	if now := vm.ReadStats().Mapped; now != mapped || p.Stuck() != len(seen) {
		t.Errorf("%d bytes more mapped, %d places stuck, want 0 and %d", now-mapped, p.Stuck(), len(seen))
	}
	fail[vm.CallDecommit] = false
	for range seen {
		b := let(t, &p, size, 8, guard.End)
		if !seen[addr(b)] || b[0] != 0 || b[size-1] != 0 {
			t.Errorf("let %t before, and %x", seen[addr(b)], b)
		}
	}
	if p.Stuck() != 0 {
		t.Errorf("%d places stuck", p.Stuck())
	}
	if now, _ := vm.Committed(); now-committed != (len(seen)-1)*2*vm.PageSize() {
		t.Errorf("%d bytes committed for %d blocks more", now-committed, len(seen)-1)
	}
}

// Trim tries again what the system refused.
func TestTrimStuck(t *testing.T) {
	if !vm.CanKeep {
		t.Skip("pages lose access and memory at once")
	}
	defer guard.KeepMost(4)() // one place where there are no markers
	var refused vm.Call
	defer vm.Inject(func(c vm.Call) error {
		if c == vm.CallMark || c == refused && c != 0 {
			return syscall.EINVAL
		}
		return nil
	})()
	var p guard.Pool
	before, _ := vm.Committed()
	size := vm.PageSize()
	for i, c := range []vm.Call{vm.CallProtect, vm.CallProtect, vm.CallDecommit} { // the first would keep its memory
		b := let(t, &p, size, 8, guard.End)
		b[0] = 1
		refused = c
		p.Retire(addr(b), 1)
		p.Release(addr(b))
		refused = 0
		if p.Stuck() != i+1 {
			t.Errorf("%d places stuck, want %d", p.Stuck(), i+1)
		}
	}
	refused = vm.CallDecommit
	if n := p.Trim(); n != 0 || p.Stuck() != 2 { // the first is inaccessible, and may stay as it is
		t.Errorf("Trim returned %d, and %d places are stuck", n, p.Stuck())
	}
	refused = 0
	if n := p.Trim(); n != 3*size || p.Stuck() != 0 {
		t.Errorf("Trim returned %d of %d, and %d places are stuck", n, 3*size, p.Stuck())
	}
	if now, _ := vm.Committed(); now != before {
		t.Errorf("%d bytes are committed still", now-before)
	}
	for range 32 {
		if b := let(t, &p, size, 8, guard.End); b[0] != 0 {
			t.Error("let with what was in it")
		}
	}
}

// A mapping whose pages lost access, and get neither that back nor lose their
// memory, is left alone.
func TestMappingLost(t *testing.T) {
	if !vm.CanKeep {
		t.Skip("pages lose access and memory at once")
	}
	var p guard.Pool
	before := vm.ReadStats().Mapped
	undo := vm.Inject(func(c vm.Call) error {
		if c == vm.CallMark || c == vm.CallDecommit || c == vm.CallUnprotect {
			return syscall.EINVAL
		}
		return nil
	})
	for _, size := range []int{100, 64 << 20} {
		if _, _, err := p.Alloc(guard.Tenant{Size: size, Side: guard.End}, 8); err == nil {
			t.Error("served")
		}
	}
	undo()
	lost := vm.ReadStats().Mapped - before
	if lost < 64<<20 {
		t.Errorf("%d bytes are mapped still, want all of them", lost)
	}
	for range 100 { // of which none is served by anybody
		b := let(t, &p, 100, 4, guard.End)
		b[0] = 1
	}
	b, err := vm.MapReal(int(lost), 1)
	if err != nil {
		t.Fatal(err)
	}
	b[0], b[len(b)-1] = 1, 1
	vm.Unmap(b)
}

// What fails leaves everything as it was, and nothing is lost.
func TestFailures(t *testing.T) {
	needOS(t)
	for _, c := range []struct {
		call vm.Call
		err  error
	}{
		{vm.CallMap, syscall.ENOMEM}, {vm.CallUnmark, syscall.ENOMEM}, {vm.CallUnprotect, syscall.ENOMEM},
		{vm.CallMark, syscall.EINVAL}, {vm.CallProtect, syscall.ENOMEM},
	} {
		for after := range 6 {
			var p guard.Pool
			calls := 0
			undo := vm.Inject(func(call vm.Call) error {
				if call == c.call {
					if calls++; calls > after {
						return c.err
					}
				}
				return nil
			})
			var live [][]byte
			for range 40 {
				pages, front, err := p.Alloc(guard.Tenant{Size: 10, Side: guard.End}, 1)
				if err != nil {
					if err != c.err {
						t.Fatalf("%v after %d: %v", c.call, after, err)
					}
					continue
				}
				live = append(live, pages[front:front+10])
			}
			for _, b := range live {
				b[0] = 1
				if p.Retire(addr(b), 1) != nil {
					b[0] = 2 // accessible still
				} else if !faults(&b[0]) {
					t.Fatalf("%v after %d: retired and accessible", c.call, after)
				}
				p.Release(addr(b))
			}
			undo()
			for range 100 {
				b := let(t, &p, 10, 1, guard.End)
				if b[0] != 0 {
					t.Fatalf("%v after %d: not zero", c.call, after)
				}
			}
		}
	}
}

func TestTooLarge(t *testing.T) {
	var p guard.Pool
	const most = int(^uint(0) >> 1)
	for k := range 100 {
		for _, size := range []int{most - k, most - k<<10, most/2 - k<<12} {
			if _, _, err := p.Alloc(guard.Tenant{Size: size, Side: guard.End}, 8); err == nil {
				t.Fatalf("served %d bytes", size)
			}
		}
	}
	if _, _, err := p.Alloc(guard.Tenant{Size: 1, Side: guard.End}, 2*guard.MaxAlign); err != vm.ErrTooLarge {
		t.Errorf("alignment: %v", err)
	}
}

func TestConcurrent(t *testing.T) {
	needOS(t)
	var (
		p  guard.Pool
		wg sync.WaitGroup
	)
	rounds := 2000
	if race.Enabled {
		rounds = 300
	}
	for w := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r := rand.New(rand.NewPCG(uint64(w), 1))
			for range rounds {
				size := 1 + r.IntN(3*vm.PageSize())
				pages, front, err := p.Alloc(guard.Tenant{Size: size, Owner: uint64(w), Side: guard.End}, 8)
				if err != nil {
					t.Error(err)
					return
				}
				b := pages[front : front+size]
				b[0], b[size-1] = 1, 1
				if n, ok := p.Find(addr(b)); !ok || n.Owner != uint64(w) || !n.Live {
					t.Errorf("%+v", n)
				}
				if err := p.Retire(addr(b), 0); err != nil {
					t.Error(err)
				}
				p.Release(addr(b))
			}
		}()
	}
	wg.Wait()
}

func TestAllocates(t *testing.T) {
	needOS(t)
	var p guard.Pool
	pair := func() {
		pages, front, err := p.Alloc(guard.Tenant{Size: 64, Side: guard.End}, 8)
		if err != nil {
			t.Fatal(err)
		}
		p.Retire(addr(pages[front:]), 1)
		p.Release(addr(pages[front:]))
	}
	for range 100 {
		pair()
	}
	if n := testing.AllocsPerRun(100, pair); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPair(b *testing.B) {
	for _, side := range []guard.Side{guard.Start, guard.End} {
		b.Run(map[guard.Side]string{guard.Start: "side=start", guard.End: "side=end"}[side], func(b *testing.B) {
			var p guard.Pool
			for b.Loop() {
				pages, front, err := p.Alloc(guard.Tenant{Size: 64, Side: side}, 8)
				if err != nil {
					b.Skip(err)
				}
				pages[front] = 1
				p.Retire(addr(pages[front:]), 1)
				p.Release(addr(pages[front:]))
			}
		})
	}
}

func BenchmarkGrowth(b *testing.B) {
	var p guard.Pool
	for b.Loop() {
		if _, _, err := p.Alloc(guard.Tenant{Size: 64, Side: guard.End}, 8); err != nil {
			b.Skip(err)
		}
	}
}
