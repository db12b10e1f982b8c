package heap

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// An ArenaState is an [Arena] without its child: for the many small arenas of a
// large structure, whose child is known from elsewhere. The zero ArenaState is
// an empty arena.
//
// Memory comes from the child that the methods are given, always the same one,
// in chunks. A request that does not fit the newest chunk makes the arena ask
// the child to extend that chunk, then for a new one of about what the arena
// holds already, from 4 KiB (over pages 64 KiB) up to 64 MiB: past the first
// chunk, what is held but not used stays below half. If the child has less, the
// arena asks for less. A request of more than half a new chunk gets a chunk of
// exactly its size, and the newest chunk stays in use.
//
// Free, what ends a block's life and concurrency are as for [Arena]. There is
// no Close: Release gives everything back. An ArenaState must not be copied
// after first use.
type ArenaState struct {
	_ noCopy
	solo

	// What Alloc looks at: the chunk that raw blocks are bumped from.
	cur   []byte   // nil, or one of chunks
	off   int      // bytes used of cur; 0 <= off <= len(cur)
	clean int      // cur[off:clean] is known to be zero
	kinds mem.Kind // kinds up to this one are bumped from cur

	step  int    // bytes cleared ahead last time
	dirty int    // cur[max(off, dirty):] is known to be zero
	floor int    // blocks of cur below it are older than the newest mark
	id    uint64 // of cur's chunk, 0 if nil

	chunks  []chunk // all memory from the child, by address
	ids     uint64  // the last one given
	regular int     // bytes in raw chunks that are not exact
	exact   int     // bytes in raw chunks that are
	typed   int     // bytes in chunks of the lanes
	peak    int     // most that these three have come to
	spare   uint64  // id of the raw chunk that Rewind kept, 0 if none
	phase   int     // bytes in raw chunks that came since the mark rewound last

	lanes lanes // where blocks with pointers live, if the child is scanned

	marks     []mark     // open, oldest first
	positions []position // where the marks stand in cur and the lanes
	markIDs   uint64     // the last one given

	meter meterRef // where others read what is held
}

// A chunk is a block of the child. What is known of it is kept here and not in
// its memory, where a program that writes past a block would destroy it.
type chunk struct {
	mem   []byte // as the child gave it
	lane  *lane  // nil for raw memory
	id    uint64 // chunks got later have larger ones
	used  int    // bytes used, unless the chunk is the newest of its kind
	dirty int    // as ArenaState.dirty, likewise
	align mem.Alignment
	exact bool // holds one block, at its start, of used bytes
}

// Zero-filling knows three stretches of cur beyond off: known to be zero up to
// clean, unknown up to dirty, known to be zero to the end. A fresh chunk of a
// child that has zeroes for nothing is all of the last kind. Reuse raises dirty
// to what was used, and never lowers it: after two rewinds the lower one does
// not know what the higher one soiled. A zeroed request into the unknown clears
// a little ahead, twice as far each time, so that small objects cost a fraction
// of a call, while a block that is freed and asked for again by turns does not
// clear a page every time. No byte is cleared twice in a phase.
//
// Chunks are sorted by address, so that Free, Resize and Remap find out whose
// memory a block is in, in any build and without touching it. Most blocks are
// in the newest chunk, which is compared first.
//
// Rejected: blocks in the room that older chunks have left, whose search would
// cost every request that does not fit; a chunk list inside the chunks, as in
// most arenas, for the reason given above.

const (
	firstChunk = 4 << 10
	firstPages = 64 << 10 // over a source of pages
	mostChunk  = 64 << 20 // bounds what is held but unused
	hugePage   = 2 << 20
	clearAhead = 16 << 10
)

var chunkAlign = mem.Align(16) // few requests then need padding at offset 0

// A freshSource serves memory that is zero anyway, so that asking for zeroes
// costs nothing, and knows what the first chunk of an arena should be.
type freshSource interface{ freshChunk() int }

// What is not touched of pages costs nothing, and a mapping as much as a large
// one; the Go heap clears every byte.
func (Page) freshChunk() int      { return firstPages }
func (*Pages) freshChunk() int    { return firstPages }
func (GC) freshChunk() int        { return firstChunk }
func (*CappedGC) freshChunk() int { return firstChunk }

// Alloc is [Arena.Alloc].
func (s *ArenaState) Alloc(child mem.Allocator, size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("heap: ArenaState.Alloc", size)
	if invariant.Enabled {
		s.enter("heap: ArenaState.Alloc")
		defer s.leave()
	}
	start := s.off + l.Align.Pad(address(s.cur)+uintptr(s.off))
	if l.Kind <= s.kinds && size <= len(s.cur)-start {
		if end := start + size; end <= s.clean || !l.Zero && l.Kind == mem.Plain {
			s.off = end
			s.check()
			return s.cur[start:end:end], nil
		}
	}
	if child == nil {
		panic("heap: ArenaState.Alloc: nil Allocator")
	}
	return s.alloc(child, child.Pointers(), size, l)
}

// mustHave panics if there is no child to give back to what the arena holds.
func (s *ArenaState) mustHave(op string, child mem.Allocator) {
	if child == nil && len(s.chunks) != 0 {
		panic(op + ": nil Allocator")
	}
}

// Resize is [Arena.Resize].
func (s *ArenaState) Resize(child mem.Allocator, b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: ArenaState.Resize", size)
	s.mustHave("heap: ArenaState.Resize", child)
	if invariant.Enabled {
		s.enter("heap: ArenaState.Resize")
		defer s.leave()
	}
	return s.resize(child, b, l, size, "heap: ArenaState.Resize")
}

// Remap is [Arena.Remap].
func (s *ArenaState) Remap(child mem.Allocator, b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: ArenaState.Remap", size)
	s.mustHave("heap: ArenaState.Remap", child)
	if invariant.Enabled {
		s.enter("heap: ArenaState.Remap")
		defer s.leave()
	}
	return s.remap(child, b, l, size, "heap: ArenaState.Remap")
}

// Free is [Arena.Free].
func (s *ArenaState) Free(child mem.Allocator, b []byte, l mem.Layout) {
	s.mustHave("heap: ArenaState.Free", child)
	if invariant.Enabled {
		s.enter("heap: ArenaState.Free")
		defer s.leave()
	}
	s.free(child, b, "heap: ArenaState.Free")
}

// Reset is [Arena.Reset].
func (s *ArenaState) Reset(child mem.Allocator) { s.ResetTo(child, math.MaxInt) }

// ResetTo is [Arena.ResetTo].
func (s *ArenaState) ResetTo(child mem.Allocator, limit int) bool {
	if limit < 0 {
		panic("heap: ArenaState.ResetTo: negative limit")
	}
	s.mustHave("heap: ArenaState.ResetTo", child)
	if invariant.Enabled {
		s.enter("heap: ArenaState.ResetTo")
		defer s.leave()
	}
	return !s.pending("heap: ArenaState.ResetTo") && s.resetTo(child, limit)
}

// Release is [Arena.Release].
func (s *ArenaState) Release(child mem.Allocator) {
	s.mustHave("heap: ArenaState.Release", child)
	if invariant.Enabled {
		s.enter("heap: ArenaState.Release")
		defer s.leave()
	}
	if !s.pending("heap: ArenaState.Release") {
		s.release(child)
	}
}

// Owns is [Arena.Owns].
func (s *ArenaState) Owns(b []byte) bool { return s.find(b) >= 0 }

// ArenaStats says what an arena holds, in bytes.
type ArenaStats struct {
	InUse    int // in blocks, with what was skipped to align them
	Capacity int // held from the child
	Wasted   int // held, not in blocks, and out of reach until Reset
	Peak     int // most that Capacity has been
	Chunks   int // blocks held from the child
}

// Stats is [Arena.Stats].
func (s *ArenaState) Stats() ArenaStats {
	st := ArenaStats{Capacity: s.capacity(), Peak: s.peak, Chunks: len(s.chunks)}
	for i := range s.chunks {
		c := &s.chunks[i]
		used := s.usedOf(c)
		st.InUse += used
		if !s.newest(c) && c.id != s.spareOf(c) {
			st.Wasted += len(c.mem) - used
		}
	}
	return st
}

func (s *ArenaState) capacity() int { return s.regular + s.exact + s.typed }

// alloc serves what the fast path does not, size being positive.
func (s *ArenaState) alloc(child mem.Allocator, p mem.Pointers, size int, l mem.Layout) ([]byte, error) {
	if l.Kind != mem.Plain {
		if p == mem.Scanned {
			return s.allocTyped(child, size, l)
		}
		if l.Kind == mem.Managed {
			return nil, mem.Refuse(l)
		}
	}
	if p != mem.Scanned {
		s.kinds = mem.Local
	}
	start := s.off + l.Align.Pad(address(s.cur)+uintptr(s.off))
	if size > len(s.cur)-start {
		b, err := s.grow(child, size, l)
		if b != nil || err != nil {
			return b, err
		}
		start = s.off + l.Align.Pad(address(s.cur)+uintptr(s.off))
	}
	end := start + size
	s.off = end
	if l.Zero || l.Kind != mem.Plain {
		s.wipe(start, end)
	}
	s.check()
	return s.cur[start:end:end], nil
}

// wipe sees to it that cur[start:end], just handed out, reads as zero.
func (s *ArenaState) wipe(start, end int) {
	from := max(start, s.clean)
	if from >= end {
		return
	}
	if from >= s.dirty {
		s.clean = len(s.cur)
		return
	}
	s.step = min(max(2*s.step, end-from), clearAhead)
	to := min(max(end, from+s.step), s.dirty)
	clear(s.cur[from:to])
	s.clean = to
	if to == s.dirty {
		s.clean = len(s.cur)
	}
}

// lower gives cur[off:s.off] back to cur.
func (s *ArenaState) lower(off int) {
	vacate(s.cur[off:s.off])
	s.dirty = max(s.dirty, s.off)
	s.off, s.clean, s.step = off, 0, 0
}

// grow makes room for a request that cur has no room for: it returns a block,
// or an error, or neither after giving cur the room.
func (s *ArenaState) grow(child mem.Allocator, size int, l mem.Layout) ([]byte, error) {
	if s.useSpare(size, l.Align) {
		return nil, nil
	}
	wish := s.wish(child)
	align := l.Align.Max(chunkAlign)
	if size > wish/2 {
		// Zeroes are asked for as the block needs them, which it fills exactly.
		c := chunk{used: size, dirty: size, align: l.Align, exact: true}
		b, err := s.ask(child, size, c.layout(l.Zero || l.Kind != mem.Plain))
		if err != nil {
			return nil, err
		}
		c.mem = b
		s.add(c)
		s.measure(true)
		s.check()
		return b, nil
	}
	// Padding beyond wish/2 might not fit even after that.
	if l.Align.Pad(address(s.cur)+uintptr(s.off)) <= wish/2 && s.extend(child, wish) {
		return nil, nil
	}
	zero := zeroIsFree(child)
	c := chunk{align: align}
	var err error
	for n := mem.GoodSize(child, wish, c.layout(zero)); ; n = max(n/2, size) {
		if c.mem, err = s.ask(child, n, c.layout(zero)); err == nil {
			break
		}
		// What was wished for is more than what was asked. A failure that a
		// test induced is passed on all the same, lest it go unnoticed.
		if n == size || !errors.Is(err, mem.ErrOutOfMemory) || errors.Is(err, ErrInduced) {
			return nil, err
		}
	}
	if !zero {
		c.dirty = len(c.mem)
	}
	s.enterChunk(s.add(c))
	s.measure(true)
	return nil, nil
}

// wish is the size of the next regular chunk. What a mark's stretch needed, the
// next one gets at once.
func (s *ArenaState) wish(child mem.Allocator) int {
	return chunkWish(child, max(s.regular+s.exact/8, s.phase))
}

// chunkWish is the size of the next regular chunk of an arena that holds so many
// bytes. Exact chunks count an eighth of that: one large block does not make the
// arena large, many make it pack them.
func chunkWish(child mem.Allocator, held int) int {
	first := firstChunk
	if f, ok := mem.As[freshSource](child); ok {
		first = f.freshChunk()
	}
	n := min(max(first, held), mostChunk)
	if n >= hugePage {
		n &^= hugePage - 1 // whole huge pages, should the child have them
	}
	return n
}

// extend asks the child to let cur grow by more bytes where it is.
func (s *ArenaState) extend(child mem.Allocator, more int) bool {
	if s.cur == nil || more > math.MaxInt-len(s.cur) {
		return false
	}
	c := &s.chunks[s.find(s.cur)]
	was, zero := len(c.mem), zeroIsFree(child)
	b, ok := child.Resize(c.mem, c.layout(zero), was+more)
	if !ok {
		return false
	}
	c.mem, s.cur = b, b
	s.count(c, len(b)-was)
	switch {
	case !zero:
		s.dirty = len(b)
	case s.clean == was:
		s.clean = len(b)
	}
	s.measure(true)
	s.check()
	return true
}

// useSpare makes the spare chunk the newest, if it has room for the request.
func (s *ArenaState) useSpare(size int, align mem.Alignment) bool {
	if s.spare == 0 {
		return false
	}
	i := s.byID(s.spare)
	c := &s.chunks[i]
	if size > len(c.mem)-align.Pad(address(c.mem)) {
		return false
	}
	s.spare = 0
	s.ids++
	c.id = s.ids // it is newer than any mark again
	s.enterChunk(i)
	return true
}

// leaveChunk writes down what only s knows of cur.
func (s *ArenaState) leaveChunk() {
	if s.cur != nil {
		c := &s.chunks[s.find(s.cur)]
		c.used, c.dirty = s.off, s.dirty
	}
}

// enterChunk makes chunks[i], which is raw, the newest.
func (s *ArenaState) enterChunk(i int) {
	s.leaveChunk()
	c := &s.chunks[i]
	s.cur, s.off, s.dirty, s.id = c.mem, c.used, c.dirty, c.id
	s.clean, s.step, s.floor = 0, 0, 0
	if s.off >= s.dirty {
		s.clean = len(s.cur)
	}
	s.check()
}

// ask asks the child for a chunk and verifies what would be fatal here.
func (s *ArenaState) ask(child mem.Allocator, n int, l mem.Layout) ([]byte, error) {
	b, err := child.Alloc(n, l)
	if err != nil {
		return nil, err
	}
	if len(b) != n || !l.Align.Check(address(b)) {
		misuse(ChildLied, "heap: Arena.Alloc", b, "the child returned a block of another size or alignment than asked")
		return nil, mem.ErrOutOfMemory
	}
	return b[:n:n], nil
}

// layout is how the child is asked for c.
func (c *chunk) layout(zero bool) mem.Layout {
	if c.lane != nil {
		return mem.Layout{Align: c.align, Zero: true, Kind: mem.Managed, Type: c.lane.typ}
	}
	return mem.Layout{Align: c.align, Zero: zero}
}

// add enters c with a fresh id and returns its index.
func (s *ArenaState) add(c chunk) int {
	s.ids++
	c.id = s.ids
	s.count(&c, len(c.mem))
	return s.insert(c)
}

func (s *ArenaState) insert(c chunk) int {
	i, _ := slices.BinarySearchFunc(s.chunks, address(c.mem), byAddress)
	s.chunks = slices.Insert(s.chunks, i, c)
	return i
}

// drop gives chunks[i] back to the child.
func (s *ArenaState) drop(child mem.Allocator, i int) {
	c := s.chunks[i]
	s.count(&c, -len(c.mem))
	s.chunks = slices.Delete(s.chunks, i, i+1)
	child.Free(c.mem, c.layout(false))
}

// count adds n to what is held of c's kind.
func (s *ArenaState) count(c *chunk, n int) {
	switch {
	case c.lane != nil:
		s.typed += n
		if c.exact {
			c.lane.exact += n
		} else {
			c.lane.held += n
		}
	case c.exact:
		s.exact += n
	default:
		s.regular += n
	}
	s.peak = max(s.peak, s.capacity())
	s.measure(false)
}

// release gives every chunk back to the child, newest first, which a child that
// is itself linear takes back best.
func (s *ArenaState) release(child mem.Allocator) {
	s.measure(len(s.chunks) > 0)
	s.lanes.forget()
	s.cur, s.off, s.clean, s.dirty, s.step, s.floor, s.id, s.spare, s.phase = nil, 0, 0, 0, 0, 0, 0, 0, 0
	s.kinds = mem.Plain // the next child may be another
	s.marks, s.positions = s.marks[:0], s.positions[:0]
	slices.SortFunc(s.chunks, byAge)
	for i := len(s.chunks) - 1; i >= 0; i-- {
		s.drop(child, i)
	}
	s.check()
}

func byAddress(c chunk, addr uintptr) int { return cmp.Compare(address(c.mem), addr) }
func byAge(a, b chunk) int                { return cmp.Compare(a.id, b.id) }
func byPlace(a, b chunk) int              { return cmp.Compare(address(a.mem), address(b.mem)) }

// find returns the index of the chunk that b begins in, or -1.
func (s *ArenaState) find(b []byte) int {
	addr := address(b)
	i, found := slices.BinarySearchFunc(s.chunks, addr, byAddress)
	if found {
		return i
	}
	if i == 0 || addr-address(s.chunks[i-1].mem) >= uintptr(len(s.chunks[i-1].mem)) {
		return -1
	}
	return i - 1
}

// byID returns the index of the chunk with the given id, which exists.
func (s *ArenaState) byID(id uint64) int {
	return slices.IndexFunc(s.chunks, func(c chunk) bool { return c.id == id })
}

// newest tells whether blocks of its kind are bumped from c.
func (s *ArenaState) newest(c *chunk) bool {
	if c.lane != nil {
		return c.id == c.lane.id
	}
	return c.id == s.id
}

// usedOf returns how many bytes of c are in use.
func (s *ArenaState) usedOf(c *chunk) int {
	switch {
	case !s.newest(c):
		return c.used
	case c.lane != nil:
		return c.lane.off
	}
	return s.off
}

func (s *ArenaState) spareOf(c *chunk) uint64 {
	if c.lane != nil {
		return c.lane.spare
	}
	return s.spare
}

// zeroIsFree tells whether the child has zeroes for nothing.
func zeroIsFree(child mem.Allocator) bool {
	_, ok := mem.As[freshSource](child)
	return ok
}

// check re-derives what the state says in two places.
func (s *ArenaState) check() {
	if invariant.Enabled {
		s.verify()
	}
}

func (s *ArenaState) verify() {
	invariant.Check(0 <= s.off && s.off <= len(s.cur) && 0 <= s.clean && s.clean <= len(s.cur) &&
		0 <= s.dirty && s.dirty <= len(s.cur) && 0 <= s.floor && s.floor <= s.off,
		"heap: Arena: off %d, clean %d, dirty %d, floor %d in a chunk of %d", s.off, s.clean, s.dirty, s.floor, len(s.cur))
	invariant.Check((s.cur == nil) == (s.id == 0), "heap: Arena: chunk %d is %p", s.id, s.cur)
	if s.off < s.clean {
		for i, v := range s.cur[s.off:min(s.clean, s.off+64)] {
			invariant.Check(v == 0, "heap: Arena: byte %d beyond off %d is %#x and said to be zero", i, s.off, v)
		}
	}
	var end uintptr
	var regular, exact, typed int
	for i := range s.chunks {
		c := &s.chunks[i]
		at := address(c.mem)
		invariant.Check(at >= end && len(c.mem) > 0, "heap: Arena: chunk %d overlaps or is out of order", i)
		end = at + uintptr(len(c.mem))
		used := s.usedOf(c)
		invariant.Check(0 <= used && used <= len(c.mem), "heap: Arena: %d bytes used of a chunk of %d", used, len(c.mem))
		invariant.Check(c.id != 0 && c.id <= s.ids, "heap: Arena: chunk id %d of %d", c.id, s.ids)
		switch {
		case c.lane != nil:
			typed += len(c.mem)
		case c.exact:
			exact += len(c.mem)
		default:
			regular += len(c.mem)
		}
		if c.lane == nil && c.id == s.id {
			invariant.Check(!c.exact && address(s.cur) == at && len(s.cur) == len(c.mem), "heap: Arena: the newest chunk is listed otherwise")
		}
	}
	invariant.Check(regular == s.regular && exact == s.exact && typed == s.typed,
		"heap: Arena: counted %d+%d+%d bytes, hold %d+%d+%d", s.regular, s.exact, s.typed, regular, exact, typed)
	s.lanes.verify(s)
}
