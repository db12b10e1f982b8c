package ours

import (
	"sync"
	"unsafe"

	"github.com/allod-dev/allod/bench/internal/load"
	"github.com/allod-dev/allod/bench/internal/spec"
)

// A rig performs a workload. What a round needs beside that which is measured
// is allocated, and written to, when the rig is made.
type rig struct {
	job     *load.Job
	shared  *shared
	handles []*handle // one for each thread

	objects []*load.Obj32    // Random
	windows []*load.Window   // Mixed, Windows and Handover
	blocks  []unsafe.Pointer // Trace
	kept    []*load.Obj64    // Phase
}

// New returns the rig of a job.
func New(job *load.Job, o Open) load.Rig {
	r := &rig{job: job, shared: open(o)}
	threads := 1
	switch job.Kind {
	case spec.Threads, spec.Windows, spec.Handover:
		threads = job.Threads
	case spec.Pipeline:
		threads = max(job.Threads/2, 1) * 2
	}
	for i := range threads {
		r.handles = append(r.handles, r.shared.handle())
		switch job.Kind {
		case spec.Mixed, spec.Windows:
			r.windows = append(r.windows, load.NewWindow(spec.WindowObjects, i, job.Sizes))
		case spec.Handover:
			r.windows = append(r.windows, load.NewWindow(spec.HandoverObjects, i, job.Sizes))
		}
	}
	switch job.Kind {
	case spec.Random:
		r.objects = make([]*load.Obj32, len(job.Order))
		some := new(load.Obj32)
		for i := range r.objects {
			r.objects[i] = some
		}
		clear(r.objects)
	case spec.Trace:
		n := 0
		for i := range job.Ops {
			n = max(n, int(job.Ops[i].Object)+1)
		}
		r.blocks = make([]unsafe.Pointer, n)
		for i := range r.blocks {
			r.blocks[i] = unsafe.Pointer(r)
		}
		clear(r.blocks)
	case spec.Phase:
		r.kept = make([]*load.Obj64, 0, job.N/spec.KeptEvery+1)
	}
	return r
}

// Close gives everything back.
func (r *rig) Close() {
	for i, w := range r.windows {
		for k := range w.Slots {
			if s := &w.Slots[k]; s.P != nil {
				r.handles[i].Free(s.P, int(s.Size))
			}
		}
	}
	for _, h := range r.handles {
		h.Close()
	}
	r.shared.close()
}

// Round performs n operations, or as many as the workload has.
func (r *rig) Round(n int, sample func()) (ops int, took load.Took) {
	r.fill()
	h := r.handles[0]
	watch := load.StartWatch()
	switch r.job.Kind {
	case spec.Pair:
		pair(h, r.job.Size, n)
	case spec.Deep:
		deep(h, spec.DeepCalls, n)
	case spec.Random:
		n = len(r.objects)
		r.random(h)
	case spec.Mixed:
		mixed(h, r.windows[0], n)
	case spec.Phase:
		n = r.phases(h, n)
	case spec.List:
		n = r.job.N
		list(h, n)
	case spec.Tree:
		n = r.job.N
		tree(h, r.job.Size, n)
	case spec.Threads:
		r.each(func(i int) { pair(r.handles[i], r.job.Size, n) })
	case spec.Windows:
		r.each(func(i int) { mixed(r.handles[i], r.windows[i], n) })
	case spec.Handover:
		n = r.handover(n)
	case spec.Pipeline:
		n = r.pipelines(n)
	case spec.Vector:
		n = r.job.N
		h.Vector(n)
	case spec.Block:
		block(h, r.job.Size, n)
	case spec.Touched:
		touched(h, r.job.Size, n)
	case spec.Trace:
		n = len(r.job.Ops)
		r.trace(h, sample)
	default:
		panic("no loop for " + string(r.job.Kind))
	}
	took = watch.Took()
	if r.job.Kind == spec.Trace {
		r.freeRest(h)
	}
	return n, took
}

// each runs f for each thread at once.
func (r *rig) each(f func(i int)) {
	var all sync.WaitGroup
	for i := range r.handles {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// What is made is stored in the handle, where the compiler must believe that
// somebody reads it: otherwise the object of a new would be on the stack.

func pair(h *handle, size, n int) {
	if size == 16 {
		pair16(h, n)
	} else {
		pair64(h, n)
	}
}

func pair16(h *handle, n int) {
	for i := range uint64(n) {
		p := h.New16(i)
		if p == nil {
			load.Refused("pair")
		}
		h.sink = unsafe.Pointer(p)
		if p.First != i || p.Last != ^i {
			load.Corrupt("pair", p.First, i)
		}
		h.Free16(p)
	}
}

func pair64(h *handle, n int) {
	for i := range uint64(n) {
		p := h.New64(i)
		if p == nil {
			load.Refused("pair")
		}
		h.sink = unsafe.Pointer(p)
		if p.First != i || p.Last != ^i {
			load.Corrupt("pair", p.First, i)
		}
		h.Free64(p)
	}
}

// deep calls itself so many times before it performs n operations.
func deep(h *handle, calls, n int) {
	if calls == 0 {
		pair64(h, n)
		return
	}
	deep(h, calls-1, n)
}

func (r *rig) random(h *handle) {
	objects := r.objects
	for i := range objects {
		p := h.New32(uint64(i))
		if p == nil {
			load.Refused("random")
		}
		objects[i] = p
	}
	for _, i := range r.job.Order {
		p := objects[i]
		if p.First != uint64(i) || p.Last != ^uint64(i) {
			load.Corrupt("random", p.First, uint64(i))
		}
		objects[i] = nil
		h.Free32(p)
	}
}

// fill makes the objects of all windows, the first time.
func (r *rig) fill() {
	for i, w := range r.windows {
		for k := range w.Slots {
			if s := &w.Slots[k]; s.P == nil {
				size := w.Size()
				p := r.handles[i].Alloc(int(size))
				if p == nil {
					load.Refused("mixed")
				}
				s.Put(p, size)
			}
		}
	}
}

func mixed(h *handle, w *load.Window, n int) {
	for range n {
		s := w.Slot()
		s.Verify()
		old := s.P
		s.P = nil
		h.Free(old, int(s.Size))
		size := w.Size()
		p := h.Alloc(int(size))
		if p == nil {
			load.Refused("mixed")
		}
		s.Put(p, size)
	}
}

// phases performs whole phases, of job.N objects each.
func (r *rig) phases(h *handle, n int) (done int) {
	for done < n {
		for i := range uint64(r.job.N) {
			p := h.New64(i)
			if p == nil {
				load.Refused("phase")
			}
			h.sink = unsafe.Pointer(p)
			if p.First != i || p.Last != ^i {
				load.Corrupt("phase", p.First, i)
			}
			if i%spec.KeptEvery == 0 {
				r.kept = append(r.kept, p)
			}
		}
		for i, p := range r.kept {
			if want := uint64(i) * spec.KeptEvery; p.First != want || p.Last != ^want {
				load.Corrupt("phase", p.First, want)
			}
		}
		clear(r.kept)
		r.kept = r.kept[:0]
		h.Reset()
		done += r.job.N
	}
	return done
}

func list(h *handle, n int) {
	var first *load.ListNode
	for i := range uint64(n) {
		p := h.NewList(first, i)
		if p == nil {
			load.Refused("list")
		}
		first = p
	}
	sum := uint64(0)
	for p := first; p != nil; p = p.Next {
		sum += p.Value
	}
	if want := uint64(n) * uint64(n-1) / 2; sum != want {
		load.Corrupt("list", sum, want)
	}
	if h.Bulk() {
		h.Reset()
		return
	}
	for p := first; p != nil; {
		freed := p
		p = p.Next
		h.FreeList(freed)
	}
}

func tree(h *handle, depth, n int) {
	root := grow(h, depth)
	if got := count(root); got != uint64(n) {
		load.Corrupt("tree", got, uint64(n))
	}
	if h.Bulk() {
		h.Reset()
	} else {
		fell(h, root)
	}
}

func grow(h *handle, depth int) *load.TreeNode {
	var l, r *load.TreeNode
	if depth > 0 {
		l = grow(h, depth-1)
		r = grow(h, depth-1)
	}
	p := h.NewTree(l, r, 1)
	if p == nil {
		load.Refused("tree")
	}
	return p
}

func count(p *load.TreeNode) uint64 {
	if p == nil {
		return 0
	}
	return p.Value + count(p.Left) + count(p.Right)
}

func fell(h *handle, p *load.TreeNode) {
	if p == nil {
		return
	}
	fell(h, p.Left)
	fell(h, p.Right)
	h.FreeTree(p)
}

// handover passes a window around the ring of threads, from each to the next.
func (r *rig) handover(n int) int {
	turns := (n + spec.HandoverTurns - 1) / spec.HandoverTurns
	ring := make([]chan *load.Window, len(r.handles))
	for i := range ring {
		ring[i] = make(chan *load.Window, len(r.handles))
		ring[i] <- r.windows[i]
	}
	r.each(func(i int) {
		next := ring[(i+1)%len(ring)]
		for range turns {
			w := <-ring[i]
			mixed(r.handles[i], w, spec.HandoverTurns)
			next <- w
		}
	})
	for i := range ring {
		r.windows[i] = <-ring[i]
	}
	return turns * spec.HandoverTurns
}

// pipelines moves n objects through each pair of threads.
func (r *rig) pipelines(n int) int {
	batches := (n + spec.BatchObjects - 1) / spec.BatchObjects
	var full, empty []chan *load.Batch
	for range len(r.handles) / 2 {
		f, e := make(chan *load.Batch, spec.BatchesAhead), make(chan *load.Batch, spec.BatchesAhead+2)
		for range cap(e) {
			e <- new(load.Batch)
		}
		full, empty = append(full, f), append(empty, e)
	}
	r.each(func(i int) {
		f, e := full[i/2], empty[i/2]
		if i%2 == 0 {
			produce(r.handles[i], batches, f, e)
		} else {
			consume(r.handles[i], batches, f, e)
		}
	})
	return batches * spec.BatchObjects
}

func produce(h *handle, batches int, full chan<- *load.Batch, empty <-chan *load.Batch) {
	for i := range uint64(batches) {
		b := <-empty
		for k := range b {
			p := h.New64(i + uint64(k))
			if p == nil {
				load.Refused("pipeline")
			}
			b[k] = p
		}
		full <- b
	}
}

func consume(h *handle, batches int, full <-chan *load.Batch, empty chan<- *load.Batch) {
	for i := range uint64(batches) {
		b := <-full
		for k, p := range b {
			if want := i + uint64(k); p.First != want || p.Last != ^want {
				load.Corrupt("pipeline", p.First, want)
			}
			b[k] = nil
			h.Free64(p)
		}
		empty <- b
	}
}

func block(h *handle, size, n int) {
	for range n {
		p := h.Alloc(size)
		if p == nil {
			load.Refused("block")
		}
		h.sink = p
		h.Free(p, size)
	}
}

func touched(h *handle, size, n int) {
	for range n {
		p := h.Alloc(size)
		if p == nil {
			load.Refused("block")
		}
		h.sink = p
		load.TouchPages(p, size)
		h.Free(p, size)
	}
}

// trace performs the operations of a recorded program. With sample set it calls
// it now and then, and after the most bytes were live.
func (r *rig) trace(h *handle, sample func()) {
	if sample == nil {
		r.replay(h, r.job.Ops)
		return
	}
	live, most, peak := 0, 0, 0
	for i := range r.job.Ops {
		op := &r.job.Ops[i]
		if live += int(op.Size) - int(op.Old); live > most {
			most, peak = live, i+1
		}
	}
	for from := 0; from < len(r.job.Ops); {
		to := min(from+len(r.job.Ops)/64+1, len(r.job.Ops))
		if from < peak && peak < to {
			to = peak
		}
		r.replay(h, r.job.Ops[from:to])
		sample()
		from = to
	}
}

func (r *rig) replay(h *handle, ops []spec.Op) {
	blocks, touching := r.blocks, !r.job.Untouched
	for i := range ops {
		op := &ops[i]
		b := &blocks[op.Object]
		old, size := int(op.Old), int(op.Size)
		switch {
		case op.Kind == spec.OpFree:
			if old > 0 {
				h.FreeAs(*b, old, op.Log2)
				*b = nil
			}
			continue
		case size == 0:
			continue
		case old > 0:
			*b = h.ResizeAs(*b, old, size, op.Log2)
		case op.Kind == spec.OpZero:
			*b = h.ZeroAs(size, op.Log2)
		default:
			*b = h.AllocAs(size, op.Log2)
		}
		if *b == nil {
			load.Refused("trace")
		}
		if touching && size > old {
			load.Touch(*b, old, size)
		}
	}
}

// freeRest frees what a trace leaves live.
func (r *rig) freeRest(h *handle) {
	for i := len(r.job.Ops) - 1; i >= 0; i-- {
		op := &r.job.Ops[i]
		if b := &r.blocks[op.Object]; *b != nil {
			h.FreeAs(*b, int(op.Size), op.Log2)
			*b = nil
		}
	}
}
