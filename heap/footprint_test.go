package heap_test

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// footprint returns what r says of the allocators of a name.
func footprint(t *testing.T, r *heap.Registry, name string) mem.Footprint {
	t.Helper()
	for _, s := range r.Stats() {
		if s.Name == name {
			return s.Footprint
		}
	}
	t.Fatalf("the registry does not know %q", name)
	panic("unreachable")
}

// users are lines of "name type: users", of what the process shares left out.
func users(r *heap.Registry) (lines []string) {
	for _, f := range r.Footprints() {
		if !f.Process {
			lines = append(lines, fmt.Sprintf("%q %s: %s", f.Name, f.Type, strings.Join(f.Users, " ")))
		}
	}
	return lines
}

// What a general allocator holds is seen from the name above it, whatever is
// between them.
func TestFootprintSMP(t *testing.T) {
	var r heap.Registry
	s := heap.NewSMP(heap.SMPOptions{})
	defer s.Close()
	n := r.Named(heap.NewLimit(heap.NewCounting(s), 1<<30), "cache/index")
	var blocks [][]byte
	for range 1000 {
		blocks = append(blocks, mem.Must(n.Alloc(33, mem.Layout{})))
	}
	f := footprint(t, &r, "cache/index")
	if f.Blocks != 1000 || f.Live < 1000*33 || f.Committed < f.Live || f.Reserved < f.Committed {
		t.Errorf("%+v", f)
	}
	if diff := cmp.Diff(f, footprint(t, &r, "cache")); diff != "" {
		t.Errorf("the name above has (-below +above):\n%s", diff)
	}
	at := slices.IndexFunc(f.Classes, func(c mem.FootprintClass) bool { return c.Live >= 1000 })
	if at < 0 || f.Classes[at].Size < 33 || f.Classes[at].Slots < f.Classes[at].Live {
		t.Errorf("classes %+v", f.Classes)
	}
	all := r.Stats()[0]
	want := 1 - 33_000/float64(f.Committed)
	if got := all.Fragmentation(); got != want || got < f.Fragmentation() {
		t.Errorf("fragmentation %v, want %v; that of slots %v", got, want, f.Fragmentation())
	}
	if diff := cmp.Diff(f, n.Stats().Footprint); diff != "" {
		t.Errorf("the allocator alone has (-registry +alone):\n%s", diff)
	}
	for _, b := range blocks {
		n.Free(b, mem.Layout{})
	}
	if f := footprint(t, &r, "cache"); f.Blocks != 0 || f.Live != 0 || f.Fragmentation() != 1 {
		t.Errorf("after all was freed: %+v", f)
	}
	n.Close()
	if f := footprint(t, &r, "cache"); !f.IsZero() {
		t.Errorf("after Close: %+v", f)
	}
}

// An allocator counts once, for what the names of its users begin with.
func TestFootprintShared(t *testing.T) {
	var r heap.Registry
	smp := func(names ...string) {
		s := heap.NewSMP(heap.SMPOptions{})
		t.Cleanup(func() { s.Close() })
		for _, name := range names {
			n := r.Named(s, name)
			b := mem.Must(n.Alloc(100, mem.Layout{}))
			t.Cleanup(func() { n.Free(b, mem.Layout{}) })
		}
	}
	smp("cache/index", "cache/data", "cache/data")
	smp("queue", "queue-2", "queue/in") // byte by byte, queue-2 begins with queue
	smp("alone")
	smp("alone")
	smp("a/b/c", "a/b/d/e", "a/b/c/f")
	want := []string{
		`"" *heap.SMP: queue queue-2 queue/in`,
		`"a/b" *heap.SMP: a/b/c a/b/c/f a/b/d/e`,
		`"alone" *heap.SMP: alone`,
		`"cache" *heap.SMP: cache/data cache/index`,
	}
	if diff := cmp.Diff(want, users(&r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, blocks := range map[string]int64{
		"cache": 3, "cache/index": 0, "cache/data": 0, "queue": 0, "alone": 2, "a": 3, "a/b": 3, "a/b/c": 0,
	} {
		if f := footprint(t, &r, name); f.Blocks != blocks || (f.Committed > 0) != (blocks > 0) {
			t.Errorf("%s: %+v, want %d blocks", name, f, blocks)
		}
	}
	for _, s := range r.Own() {
		if want := map[string]int64{"cache": 3, "alone": 2, "a/b": 3}[s.Name]; s.Footprint.Blocks != want {
			t.Errorf("%s alone: %d blocks, want %d", s.Name, s.Footprint.Blocks, want)
		}
	}
}

// A name may be that of a type: what it holds is not what the process holds.
func TestFootprintNameOfType(t *testing.T) {
	var r heap.Registry
	s := heap.NewSMP(heap.SMPOptions{})
	defer s.Close()
	named, whole := r.Named(s, "heap.SMP"), r.Named(heap.Default(), "other")
	for _, a := range []mem.Allocator{named, whole} {
		b := mem.Must(a.Alloc(100_000, mem.Layout{}))
		defer a.Free(b, mem.Layout{})
	}
	got := map[string]bool{}
	for _, f := range r.Footprints() {
		got[f.Name] = f.Process
	}
	if want := map[string]bool{"heap.SMP": false, "heap.SMP (process)": true}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if held := footprint(t, &r, "heap.SMP"); held.Blocks != 1 || held.Process {
		t.Errorf("%+v", held)
	}
}

// What the whole process shares is nobody's.
func TestFootprintProcess(t *testing.T) {
	var r heap.Registry
	for _, c := range []struct {
		name string
		a    mem.Allocator
	}{{"heap.Page", heap.Page{}}, {"heap.SMP", heap.Default()}} {
		n := r.Named(c.a, "x")
		b := mem.Must(n.Alloc(100, mem.Layout{}))
		all := r.Footprints()
		if len(all) != 1 || all[0].Name != c.name || !all[0].Process || all[0].Live < 100 || all[0].Users[0] != "x" {
			t.Errorf("%+v", all)
		}
		if f := footprint(t, &r, "x"); !f.IsZero() {
			t.Errorf("x has all of %s: %+v", c.name, f)
		}
		if f := n.Stats().Footprint; !f.IsZero() {
			t.Errorf("x alone has all of %s: %+v", c.name, f)
		}
		n.Free(b, mem.Layout{})
		n.Close()
	}
}

// Each room tells what it holds after serving a block of 1000 bytes.
func TestFootprintRooms(t *testing.T) {
	s := heap.NewSMP(heap.SMPOptions{})
	defer s.Close()
	ca := heap.NewConcurrentArena(heap.Page{})
	defer ca.Close()
	a := heap.NewArena(heap.Page{})
	defer a.Close()
	a.Footprint()
	for name, x := range map[string]mem.Allocator{
		"Pages":           heap.NewPages(heap.PageOptions{}),
		"Reserved":        heap.NewReserved(1 << 20),
		"SMP":             s,
		"ConcurrentArena": ca,
		"SharedBuffer":    heap.NewFixedBuffer(make([]byte, 4096)).ThreadSafe(),
		"ThreadSafe":      heap.NewThreadSafe(s),
		"Arena":           a,
	} {
		b := mem.Must(x.Alloc(1000, mem.Layout{}))
		at, ok := mem.As[mem.Footprinter](x)
		if !ok {
			t.Errorf("%s has no footprint", name)
			continue
		}
		f := at.Footprint()
		live := f.Live >= 1000 || name == "Arena" // which says later what is in use
		if !live || f.Committed < 1000 || f.Reserved < f.Committed || f.Process {
			t.Errorf("%s: %+v", name, f)
		}
		x.Free(b, mem.Layout{})
	}
	if f := heap.NewThreadSafe(heap.GC{}).Footprint(); !f.IsZero() {
		t.Errorf("a ThreadSafe over GC: %+v", f)
	}
	if f := new(heap.ThreadSafe).Footprint(); !f.IsZero() {
		t.Errorf("the zero ThreadSafe: %+v", f)
	}
}

// An arena tells what its last phase has used.
func TestWatchArena(t *testing.T) {
	var r heap.Registry
	a := heap.NewArena(heap.Page{})
	stop := r.Watch(a, "request")
	phase := func(n int) {
		for range n {
			mem.Must(a.Alloc(1000, mem.Layout{}))
		}
		a.Reset()
	}
	if s := r.Stats(); len(s) != 0 {
		t.Errorf("before anything was used: %+v", s)
	}
	phase(30)
	f := footprint(t, &r, "request")
	if f.Live < 30_000 || f.Live > 31_000 || f.Committed != int64(a.Stats().Capacity) || f.Peak < f.Committed {
		t.Errorf("after a phase of 30,000 bytes: %+v, %+v", f, a.Stats())
	}
	phase(1000)
	big := footprint(t, &r, "request")
	if big.Live < 1_000_000 || big.Committed < big.Live || big.Committed != int64(a.Stats().Capacity) {
		t.Errorf("after a phase of 1,000,000 bytes: %+v, %+v", big, a.Stats())
	}
	m := a.Mark()
	mem.Must(a.Alloc(8<<20, mem.Layout{}))
	if f := footprint(t, &r, "request"); f.Live < 8<<20 {
		t.Errorf("with a large block: %+v", f)
	}
	a.Rewind(m)
	phase(1)
	f = footprint(t, &r, "request")
	if f.Live < 1000 || f.Live > 2000 || f.Committed != int64(a.Stats().Capacity) || f.Peak < big.Committed {
		t.Errorf("after a phase of 1,000 bytes: %+v, %+v", f, a.Stats())
	}
	a.Close()
	if f := footprint(t, &r, "request"); f.Committed != 0 || f.Peak < big.Committed {
		t.Errorf("after Close: %+v", f)
	}
	stop()
	stop()
	if s := r.Stats(); len(s) != 0 {
		t.Errorf("after stop: %+v", s)
	}
}

// A typed arena tells of its slabs, too.
func TestWatchTypedArena(t *testing.T) {
	a := heap.NewArena(heap.GC{})
	defer a.Close()
	a.Footprint()
	for range 1000 {
		mem.Must(mem.Create[[4]*int](a))
	}
	a.Reset()
	if f := a.Footprint(); f.Live < 1000*4*4 || f.Committed != int64(a.Stats().Capacity) {
		t.Errorf("%+v, %+v", f, a.Stats())
	}
}

// A pool tells how many objects it has to within a magazine, growing and
// shrinking.
func TestWatchPool(t *testing.T) {
	const n, slack = 10_000, 200
	p := heap.NewPool[[8]uint64](heap.Page{})
	p.Footprint()
	var all []*[8]uint64
	near := func(what string) {
		t.Helper()
		f, s := p.Footprint(), p.Stats()
		if f.Blocks < int64(s.Live-slack) || f.Blocks > int64(s.Live+slack) || f.Live != 64*f.Blocks || f.Committed != int64(s.Bytes) {
			t.Errorf("%s: %+v, is %+v", what, f, s)
		}
	}
	for range n {
		all = append(all, mem.Must(p.Create()))
	}
	near("grown")
	for i, v := range all {
		p.Destroy(v)
		if i == n/2 {
			near("half destroyed")
		}
	}
	near("destroyed")
	mem.Must(p.Create())
	p.Reset()
	near("reset")
	p.Release()
	near("released")
	if f := p.Footprint(); f.Committed != 0 || f.Peak < 64*n {
		t.Errorf("released: %+v", f)
	}
	p.Close()
}

// A registry is asked while the goroutines of its allocators are at work; the
// race detector finds what is wrong with that.
func TestWatchParallel(t *testing.T) {
	var r heap.Registry
	done := make(chan struct{})
	var wg sync.WaitGroup
	shared := r.Named(heap.NewThreadSafe(heap.NewFixedBuffer(make([]byte, 1<<20))), "shared")
	for i := range 4 {
		wg.Go(func() {
			a := heap.NewArena(heap.Page{})
			defer a.Close()
			p := heap.NewPool[int](heap.Page{})
			defer p.Close()
			defer r.Watch(a, fmt.Sprint("arena/", i))()
			defer r.Watch(p, fmt.Sprint("pool/", i))()
			for range 50 {
				for range 100 {
					mem.Must(a.Alloc(500, mem.Layout{}))
					mem.Must(p.Create())
				}
				b := mem.Must(shared.Alloc(10, mem.Layout{}))
				shared.Free(b, mem.Layout{})
				a.Reset()
				p.Reset()
			}
		})
	}
	go func() {
		wg.Wait()
		close(done)
	}()
	for {
		for _, f := range r.Footprints() {
			if f.Committed < 0 || f.Live < 0 || f.Live > 1<<20 {
				t.Errorf("%+v", f)
			}
		}
		select {
		case <-done:
			return
		default:
			runtime.Gosched()
		}
	}
}

func TestWatchPanics(t *testing.T) {
	var r heap.Registry
	for name, f := range map[string]func(){
		"nil":         func() { r.Watch(nil, "x") },
		"nil pointer": func() { r.Watch((*heap.Arena)(nil), "x") },
		"name":        func() { heap.Watch(heap.Page{}, "/x") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// uncomparable is a Footprinter that is no key of a map.
type uncomparable struct {
	heap.Page
	_ []int
}

func TestFootprintUncomparable(t *testing.T) {
	var r heap.Registry
	r.Named(uncomparable{}, "x")
	if f := r.Footprints(); len(f) != 0 {
		t.Errorf("%+v", f)
	}
}

// A process has at most one open Budget, which others can look at.
func TestOpenBudget(t *testing.T) {
	if b := heap.OpenBudget(); b != nil {
		t.Fatalf("%p is open", b)
	}
	b := openBudget(t, 1<<30, heap.BudgetOptions{})
	if heap.OpenBudget() != b {
		t.Error("the Budget that is open is not found")
	}
	before := heap.OffHeap()
	if err := b.Reserve(1 << 20); err != nil {
		t.Fatal(err)
	}
	if got := heap.OffHeap() - before; got != 1<<20 {
		t.Errorf("OffHeap rose by %d, want %d", got, 1<<20)
	}
	b.Close()
	if b := heap.OpenBudget(); b != nil {
		t.Errorf("%p is open", b)
	}
}

// The sites are what the profile is made of.
func TestSites(t *testing.T) {
	p := heap.NewProfileWith(heap.Page{}, heap.ProfileOptions{Rate: 1})
	d := heap.NewDebug(heap.Page{}, heap.DebugOptions{})
	defer d.Close()
	for _, x := range []interface {
		mem.Allocator
		Sites() []heap.ProfileSite
	}{p, d} {
		few := mem.Must(x.Alloc(100, mem.Layout{}))
		var many [][]byte
		for range 3 {
			many = append(many, mem.Must(x.Alloc(1000, mem.Layout{})))
		}
		x.Free(many[0], mem.Layout{})
		sites := x.Sites()
		if len(sites) != 2 || sites[0].Blocks != 2 || sites[0].Bytes != 2000 || sites[1].Blocks != 1 || sites[1].Bytes != 100 {
			t.Fatalf("%T: %+v", x, sites)
		}
		if s := sites[0].Stack.String(); !strings.Contains(s, "TestSites") {
			t.Errorf("%T: stack %s", x, s)
		}
		total := map[bool]int64{true: 3000, false: 2000}[x == mem.Allocator(p)]
		if sites[0].TotalBytes != total || sites[0].TotalBlocks != total/1000 {
			t.Errorf("%T: %+v, want %d bytes ever", x, sites[0], total)
		}
		x.Free(few, mem.Layout{})
		for _, b := range many[1:] {
			x.Free(b, mem.Layout{})
		}
	}
	if s := d.Sites(); s != nil {
		t.Errorf("nothing is live, but %+v", s)
	}
}
