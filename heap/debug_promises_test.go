package heap_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// Of two calls of two goroutines on one block, the later one is told of, and the
// earlier one does its work.
func TestDebugRacingCalls(t *testing.T) {
	for _, first := range []string{"Resize", "Remap"} {
		for _, second := range calls {
			t.Run(first+"/"+second.name, func(t *testing.T) {
				child := &fakeChild{}
				d := newDebug(t, child, heap.DebugOptions{})
				s := &scene{debugTest: d, size: 100, kind: heap.ConcurrentUse, op: "heap: Debug." + second.name}
				b := s.alloc(word8)
				child.entered = func() {
					child.entered = nil
					done := make(chan bool)
					go func() {
						second.call(s, b, word8)
						close(done)
					}()
					<-done
				}
				r, ok := d.Resize, false
				if first == "Remap" {
					r = d.Remap
				}
				s.other = next()
				if b, ok = r(b, word8, 120); !ok || len(b) != 120 {
					t.Fatalf("%d bytes, %t", len(b), ok)
				}
				s.judge(second.name)
				s.got = nil
				b, _ = d.Resize(b, word8, 90) // one after the other
				b, _ = d.Remap(b, word8, 95)
				d.Free(b, word8)
				for _, o := range s.others {
					d.Free(o, word8)
				}
				d.none()
			})
		}
	}
}

// A stack is no allocator's.
func TestDebugFreeStack(t *testing.T) {
	d := newDebug(t, heap.Page{}, heap.DebugOptions{})
	var local [64]byte // stays on the stack: Free does not let it escape
	at := next()
	d.Debug.Free(local[:], word8)
	if len(d.got) != 1 || d.got[0].Kind != heap.ForeignFree || d.got[0].Size != 64 || begins(d.got[0].Here) != at {
		t.Errorf("%v", d.got)
	}
	d.got = nil
}

// A child that lies is told of with what it said, and where it was asked.
func TestDebugLieTold(t *testing.T) {
	for _, c := range []struct {
		name, hint string
		lie        func(b []byte, first []byte) []byte
	}{
		{"short", "the child returned 163 bytes with room for 163, not 164", func(b, _ []byte) []byte { return b[: len(b)-1 : len(b)-1] }},
		{"misaligned", "the block is not aligned to 8 bytes", func(b, _ []byte) []byte { return unsafe.Slice(&b[1], len(b)) }},
		{"nothing", "the child returned neither a block nor an error", func([]byte, []byte) []byte { return nil }},
		{"overlap", "the block overlaps one of 100 bytes at ", func(b, first []byte) []byte { return unsafe.Slice(&first[96], len(b)) }},
		{"twice", "the block overlaps one of 100 bytes at ", func(b, first []byte) []byte { return unsafe.Slice(byteAt(first, -32), len(b)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			child := &fakeChild{}
			d := newDebug(t, child, heap.DebugOptions{})
			born := next()
			first, _ := d.Debug.Alloc(100, word8)
			var said []byte
			child.lie = func(b []byte) []byte { said = c.lie(b, first); return said }
			at := next()
			if _, err := d.Debug.Alloc(100, word8); err == nil {
				t.Error("Alloc succeeds")
			}
			child.lie = nil
			hint := c.hint
			if c.name != "overlap" && c.name != "twice" {
				born = ""
			} else {
				hint += fmt.Sprintf("%#x", addr(first))
			}
			m := d.one(heap.ChildLied, said, len(said))
			if m.Op != "heap: Debug.Alloc" || m.Hint != hint || begins(m.Alloc) != born || begins(m.Here) != at {
				t.Errorf("%v, want %q; here\n%vallocated\n%v", m, hint, m.Here, m.Alloc)
			}
			d.Free(debugAlloc(d, 100, word8), word8) // an honest child
			d.Free(first, word8)
			if d.none(); d.Stats().Blocks != 0 {
				t.Errorf("%+v", d.Stats())
			}
		})
	}
}

// givesOut serves what it is told to.
type givesOut struct {
	mem.NoResize
	next []byte
}

func (g *givesOut) Alloc(int, mem.Layout) ([]byte, error) { return g.next, nil }
func (g *givesOut) Free([]byte, mem.Layout)               {}

// Blocks overlap or not, wherever they are and of whatever sizes.
func TestDebugOverlaps(t *testing.T) {
	size, rounds := 64<<20, 30_000
	if race.Enabled || invariant.Enabled {
		size, rounds = 1<<20, 2000
	}
	room, err := mem.AllocUninit[byte](heap.Page{}, size)
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Free(heap.Page{}, room)
	child := &givesOut{}
	d := newDebug(t, child, heap.DebugOptions{Redzone: -1, NoFill: true, QuarantineBytes: -1, StackDepth: -1, MaxReports: -1})
	rnd := rand.New(rand.NewPCG(5, 6))
	var live [][]byte // not overlapping
	lies, served := 0, 0
	for range rounds {
		if len(live) > 0 && rnd.IntN(3) == 0 {
			i := rnd.IntN(len(live))
			d.Free(live[i], word1)
			live = slices.Delete(live, i, i+1)
		}
		// Near what is there already, or anywhere.
		n := 1 + rnd.IntN(1<<rnd.IntN(18))
		at := rnd.IntN(size - n)
		if len(live) > 0 && rnd.IntN(2) == 0 {
			b := live[rnd.IntN(len(live))]
			at = int(addr(b)-addr(room)) + [...]int{-n, 1 - n, len(b) - 1, len(b), len(b) / 2}[rnd.IntN(5)]
			if at < 0 || at > size-n {
				continue
			}
		}
		b := room[at : at+n : at+n]
		child.next = b
		lie := slices.ContainsFunc(live, func(o []byte) bool {
			return addr(o) < addr(b)+uintptr(n) && addr(b) < addr(o)+uintptr(len(o))
		})
		_, err := d.Alloc(n, word1)
		if (err != nil) != lie || len(d.got) > 0 != lie {
			t.Fatalf("%d bytes at %d overlap, %t: %v, %v", n, at, lie, err, d.got)
		}
		d.got = nil
		if lie {
			lies++
		} else {
			served++
			live = append(live, b)
		}
	}
	if lies < rounds/20 || served < rounds/20 {
		t.Errorf("%d lies, %d served", lies, served)
	}
	for _, b := range live {
		d.Free(b, word1)
	}
	d.none()
}

// Whatever fails in between, the limit is on the bytes that are live, exactly.
func TestDebugLimitExact(t *testing.T) {
	const limit = 2000
	child := &fakeChild{}
	d := newDebug(t, child, heap.DebugOptions{MemoryLimit: limit, QuarantineBlocks: 3})
	rnd := rand.New(rand.NewPCG(3, 4))
	var live [][]byte
	bytes := 0
	for range 3000 {
		child.fail, child.refuse, child.move = rnd.IntN(3) == 0, rnd.IntN(3) == 0, rnd.IntN(3) == 0
		size := 1 + rnd.IntN(limit/4)
		switch i := rnd.IntN(len(live) + 1); {
		case i == len(live):
			b, err := d.Alloc(size, word8)
			if over := size > limit-bytes; over != errors.Is(err, mem.ErrLimit) || (err == nil) == (over || child.fail) {
				t.Fatalf("Alloc(%d) with %d of %d live: %v", size, bytes, limit, err)
			}
			if err == nil {
				live = append(live, b)
			}
		case rnd.IntN(2) == 0:
			f := d.Resize
			if rnd.IntN(2) == 0 {
				f = d.Remap
			}
			b, ok := f(live[i], word8, size)
			if ok && size-len(live[i]) > limit-bytes {
				t.Fatalf("to %d from %d with %d of %d live", size, len(live[i]), bytes, limit)
			}
			live[i] = b
		default:
			d.Free(live[i], word8)
			live = slices.Delete(live, i, i+1)
		}
		bytes = 0
		for _, b := range live {
			bytes += len(b)
		}
		if s := d.Stats(); s.Bytes != bytes || s.Blocks != len(live) || s.PeakBytes > limit {
			t.Fatalf("%d blocks of %d bytes, %+v", len(live), bytes, s)
		}
	}
	child.fail = false
	if _, err := d.Alloc(limit-bytes+1, word8); !errors.Is(err, mem.ErrLimit) {
		t.Errorf("one byte too many: %v", err)
	}
	for _, b := range append(live, debugAlloc(d, limit-bytes, word8)) {
		d.Free(b, word8)
	}
	d.none()
}

// With a quarantine without bounds no address comes again; without quarantine
// one does.
func TestDebugNeverReuse(t *testing.T) {
	for _, never := range []bool{true, false} {
		o := heap.DebugOptions{QuarantineBytes: math.MaxInt, QuarantineBlocks: math.MaxInt}
		if !never {
			if race.Enabled {
				continue // pages are not reused
			}
			o = heap.DebugOptions{QuarantineBytes: -1}
		}
		d := newDebug(t, heap.NewFixedBuffer(make([]byte, 200_000)), o)
		had := map[uintptr]bool{}
		again := false
		for range 1000 {
			b := debugAlloc(d, 64, word8)
			again = again || had[addr(b)]
			had[addr(b)] = true
			d.Free(b, word8)
		}
		if again == never {
			t.Errorf("never is %t, again %t", never, again)
		}
		if s := d.Stats(); never && s.Quarantined != 1000 {
			t.Errorf("%+v", s)
		}
		d.none()
	}
}

// Sizes that what surrounds a block takes beyond an int are refused, where that is
// sure without the child being asked.
func TestDebugTooLarge(t *testing.T) {
	for _, o := range []heap.DebugOptions{{}, {Redzone: 64 << 10}, {Guard: heap.GuardEnd}, {MemoryLimit: math.MaxInt}} {
		child := &fakeChild{answer: mem.Promised}
		d := newDebug(t, child, o)
		b := debugAlloc(d, 8, word8)
		calls := child.calls
		for k := 0; k <= 64<<10; k += 1 + k/256 {
			for _, l := range []mem.Layout{word1, {Align: mem.AlignLog2(k % 31)}, mem.LayoutOf[uint64]()} {
				if c, err := d.Alloc(math.MaxInt-k, l); c != nil || !errors.Is(err, mem.ErrOutOfMemory) {
					t.Fatalf("%+v: Alloc(MaxInt-%d, %v) = %d bytes, %v", o, k, l.Align, len(c), err)
				}
			}
			if c, ok := d.Resize(b, word8, math.MaxInt-k); ok || len(c) != 8 {
				t.Fatalf("Resize(MaxInt-%d)", k)
			}
			if c, ok := d.Remap(b, word8, math.MaxInt-k); ok || len(c) != 8 {
				t.Fatalf("Remap(MaxInt-%d)", k)
			}
		}
		if o.Redzone > 0 && child.calls != calls {
			t.Errorf("%+v: the child was asked %d times", o, child.calls-calls)
		}
		debugFree(d, b, word8)
		d.none()
		if s := d.Stats(); s.Bytes != 0 || s.Blocks != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// Every CheckEvery-th call checks, and no other.
func TestDebugCheckEveryExact(t *testing.T) {
	for n := 1; n < 6; n++ {
		d := newDebug(t, heap.GC{}, heap.DebugOptions{CheckEvery: n})
		b := debugAlloc(d, 9, word8) // call 1
		c := debugAlloc(d, 9, word8)
		for call := 3; call < 20; call++ {
			*byteAt(b, 9)++
			d.Resize(c, word8, 9)
			if found := len(d.got) > 0; found != (call%n == 0) {
				t.Errorf("every %d: call %d: %v", n, call, d.got)
			}
			d.got = nil
			d.Check() // repairs it
		}
	}
}

// What is printed tells the lines, for misuse and for leaks.
func TestDebugText(t *testing.T) {
	d := newDebug(t, heap.GC{}, heap.DebugOptions{})
	s := &scene{debugTest: d, size: 24}
	b := s.one(word8)
	text := d.Leaks().Error()
	if want := "leaked 1 block of 24 bytes\n1 block of 24 bytes, allocated by\n\t"; !strings.Contains(text, want) || !strings.Contains(text, "\n\t\t"+s.born) {
		t.Errorf("%s\nwant %q and %s", text, want, s.born)
	}
	s.free(b, word8)
	d.Free(b, word8)
	text = d.one(heap.DoubleFree, b, 24).Error()
	first := fmt.Sprintf("heap: Debug.Free: double free: 24 bytes at %#x: the block of 24 bytes was freed, or moved by Remap, before\nallocated by\n\t", addr(b))
	if !strings.HasPrefix(text, first) || !strings.Contains(text, "\n\t\t"+s.born) || !strings.Contains(text, "\nfreed by\n\t") || !strings.Contains(text, "\n\t\t"+s.died) ||
		strings.Contains(text, "tRunner") {
		t.Errorf("%s\nwant %q, %s and %s", text, first, s.born, s.died)
	}
}

// As many blocks as one likes are remembered when they are back at the child.
func TestDebugRemembers(t *testing.T) {
	for _, remember := range []int{-1, 0, 1, 700, 3000, math.MaxInt} {
		d := newDebug(t, &bump{room: make([]byte, 1<<20)}, heap.DebugOptions{Remember: remember, QuarantineBytes: -1, MaxReports: -1})
		all := make([][]byte, 4000)
		for i := range all {
			all[i] = debugAlloc(d, 64, word8)
			debugFree(d, all[i], word8)
		}
		known := min(max(remember, 0), len(all))
		if remember == 0 {
			known = 512
		}
		for i, b := range all {
			debugFree(d, b, word8)
			want := heap.ForeignFree
			if i >= len(all)-known {
				want = heap.DoubleFree
			}
			if len(d.got) != 1 || d.got[0].Kind != want || (len(d.got[0].Free) > 0) != (want == heap.DoubleFree) {
				t.Fatalf("remember %d: block %d: %v, want %v", remember, i, d.got, want)
			}
			d.got = nil
		}
		d.none()
	}
}

// The log says, in order, what is called and what came of it.
func TestDebugLog(t *testing.T) {
	var log logged
	d := newDebug(t, heap.NewLimit(heap.GC{}, 300), heap.DebugOptions{Logger: slog.New(&log)})
	b := debugAlloc(d, 10, word8)
	d.Resize(b, word8, 1<<20)
	d.Remap(b, word8, 10)
	d.Alloc(1000, word8)
	d.Free(b, word8)
	want := []string{"DEBUG alloc 10", fmt.Sprintf("DEBUG resize refused %d", 1<<20), "DEBUG remap 10", "ERROR alloc failed 1000", "DEBUG free 10"}
	if !slices.Equal(log, want) {
		t.Errorf("%q, want %q", log, want)
	}
	d.none()
}

// logged collects what was logged.
type logged []string

func (*logged) Enabled(context.Context, slog.Level) bool { return true }
func (l *logged) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l *logged) WithGroup(string) slog.Handler          { return l }
func (l *logged) Handle(_ context.Context, r slog.Record) error {
	text := fmt.Sprintf("%v %s", r.Level, r.Message)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "size" {
			text += " " + a.Value.String()
		}
		return true
	})
	*l = append(*l, text)
	return nil
}

// A leak is told with the line that allocated; what was freed, or came before, is
// not.
func TestDebugLeakLines(t *testing.T) {
	for _, size := range debugSizes {
		d := newDebug(t, heap.GC{}, heap.DebugOptions{})
		d.Free(debugAlloc(d, size, word8), word8)
		born := next()
		b, _ := d.Debug.Alloc(size, word8)
		e := d.Leaks()
		if e == nil || e.Blocks != 1 || e.Bytes != size || len(e.Groups) != 1 || begins(e.Groups[0].Stack) != born {
			t.Errorf("%v, want %s", e, born)
		}
		d.Free(b, word8)
		if e := d.Close(); e != nil {
			t.Error(e)
		}
	}
}

// What faults in a guarded block is told with the lines.
func TestGuardedFaultLines(t *testing.T) {
	for _, size := range guardSizes {
		for _, crime := range []heap.MisuseKind{0, heap.UseAfterFree, heap.Overflow} {
			d := guardedDebug(t, heap.GuardEnd, heap.DebugOptions{QuarantineBytes: 64 << 20})
			s := &scene{debugTest: d, size: size}
			b := s.one(word1)
			n := size - 1
			if crime == heap.UseAfterFree {
				s.free(b, word1)
			} else if crime == heap.Overflow {
				n = size
			}
			var at string
			err := heap.Catch(func() {
				at = next()
				*byteAt(b, n) = 1
			})
			var f *heap.Fault
			if errors.As(err, &f) != (crime != 0) {
				t.Fatalf("%d bytes, %v: %v", size, crime, err)
			}
			if crime != 0 && (f.Kind != crime || f.Block != addr(b) || f.Size != size || f.Addr != addr(b)+uintptr(n) ||
				begins(f.Here) != at || begins(f.Alloc) != s.born || begins(f.Free) != s.died) {
				t.Errorf("%d bytes, %v: %v at %s, of %s, freed %s; want %s, %s, %s", size, crime, f,
					begins(f.Here), begins(f.Alloc), begins(f.Free), at, s.born, s.died)
			}
			if crime != heap.UseAfterFree {
				d.Free(b, word1)
			}
			d.none()
		}
	}
}
