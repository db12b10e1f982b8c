package generic

import (
	"iter"
	"math"
	"sync"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A Cache keeps byte strings under keys until they take more than a number of
// bytes, and then gives up those that are of least use: what a map with a limit
// would be, for many goroutines.
//
// Memory comes from the allocator given to [NewCache], which must be safe for
// concurrent use: one block for each entry, which holds key and value, and a
// little for finding it, 32 bytes and an index. Over an allocator off the Go heap
// the collector does not notice how much a cache holds. What is given up is
// freed at once. Where the allocator has no memory, a cache gives up more, and
// fails only if that does not help.
//
// Which entries are given up is decided by SIEVE (Zhang et al., NSDI 2024): an
// entry that was used since a hand last came by is spared once, and the order is
// that of insertion. So nothing moves when an entry is used, and entries that
// are never used again leave sooner than those of an LRU cache do; it misses
// less often than LRU on most traces of real caches.
//
// A cache hands out copies, or lends under a lock: no memory that another
// goroutine could free. There is no Clone: what is in a cache can be had again
// from where it came. It is divided into shards by key, each with a lock and
// an equal part of the bytes. It must not be copied. The zero Cache has no
// allocator; call [NewCache].
type Cache struct {
	_      noCopy
	a      mem.Allocator
	seed   uint64
	shift  uint // of a hash, to the number of a shard
	shards []cacheShard
}

// CacheStats are numbers of a [Cache], since it was made, save for Entries and
// Bytes.
type CacheStats struct {
	Hits, Misses uint64 // of AppendGet and View
	Evictions    uint64 // entries given up
	Entries      int    // that there are
	Bytes        int    // of them, with what it takes to find them
}

// A cacheShard is a cache with one lock. Its queue is a list of nodes, from the
// newest at head to the oldest at tail, linked by number so that it costs half
// and needs no pointers.
type cacheShard struct {
	mu    sync.Mutex
	index hashIndex
	nodes []cacheNode // the block
	used  uint32      // nodes that were ever in use
	free  uint32      // list of nodes that are not in use any more, by next
	head  uint32      // all of these are numbers of nodes plus 1; 0 is none
	tail  uint32
	hand  uint32
	n     int
	bytes int
	max   int
	stats CacheStats
	_     [64]byte // the next lock is in another cache line
}

type cacheNode struct {
	block   *byte // key and value
	keyLen  uint32
	valLen  uint32
	hash    uint32
	next    uint32 // towards the tail
	prev    uint32
	visited bool
}

// cacheOverhead is what an entry counts beside its bytes: a node, and a slot of
// an index that is three quarters full at most and three eighths at least.
const cacheOverhead = 32 + 16

// minShard is how small a shard may be: with less, an entry of usual size would
// be a large part of it.
const minShard = 1 << 20

// NewCache returns an empty cache of at most max bytes, which count keys, values
// and 48 for every entry. It panics if max is negative. It takes nothing from a
// yet.
func NewCache(a mem.Allocator, max int) *Cache {
	if isNil(a) {
		panicNil(a, "generic: NewCache")
	}
	if max < 0 {
		panic("generic: NewCache: negative size")
	}
	n := shardCount()
	for n > 1 && max/n < minShard {
		n /= 2
	}
	c := &Cache{a: a, seed: newSeed(), shift: shardShift(n), shards: make([]cacheShard, n)}
	for i := range c.shards {
		c.shards[i].max = max / n
	}
	return c
}

// Allocator returns the allocator of the cache.
func (c *Cache) Allocator() mem.Allocator { return c.a }

// lock returns the shard of a key with its lock held, and the hash of the key.
func (c *Cache) lock(key string) (*cacheShard, uint64) {
	if len(c.shards) == 0 {
		panic("generic: the zero Cache has no allocator; call NewCache")
	}
	h := hashOf(c.seed, stringBytes(key))
	s := &c.shards[h>>c.shift&uint64(len(c.shards)-1)]
	s.mu.Lock()
	return s, h
}

// Put keeps copies of key and value, in place of what was kept under key. If
// they alone are more than a shard may hold, it returns [mem.ErrLimit]; if there
// is no memory, although all other entries of the shard were given up, the error
// of the allocator. Whatever was kept under key is still there then.
func (c *Cache) Put(key string, value []byte) error {
	s, h := c.lock(key)
	defer s.mu.Unlock()
	return s.put(c.a, h, key, value)
}

// AppendGet appends the value kept under key to dst and returns the result, and
// true, or dst as it is, and false, if there is none.
func (c *Cache) AppendGet(dst []byte, key string) ([]byte, bool) {
	s, h := c.lock(key)
	defer s.mu.Unlock()
	v, ok := s.get(h, key)
	if !ok {
		return dst, false
	}
	return append(dst, v...), true
}

// View calls f with the value kept under key, if there is one, and tells whether
// there was. f must not change it, keep it, or call the cache, which holds a lock
// for as long.
func (c *Cache) View(key string, f func(value []byte)) bool {
	s, h := c.lock(key)
	defer s.mu.Unlock()
	v, ok := s.get(h, key)
	if ok {
		f(v)
	}
	return ok
}

// Contains tells whether there is something kept under key, which it does not
// count as use.
func (c *Cache) Contains(key string) bool {
	s, h := c.lock(key)
	defer s.mu.Unlock()
	i, _ := s.find(h, key)
	return i != 0
}

// Remove gives up what is kept under key, and tells whether there was anything.
func (c *Cache) Remove(key string) bool {
	s, h := c.lock(key)
	defer s.mu.Unlock()
	i, at := s.find(h, key)
	if i != 0 {
		s.drop(c.a, i, at)
		s.check()
	}
	return i != 0
}

// Len returns the number of entries.
func (c *Cache) Len() int { return c.Stats().Entries }

// Stats returns what there is in the cache, and how well it did.
func (c *Cache) Stats() CacheStats {
	var t CacheStats
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		t.Hits += s.stats.Hits
		t.Misses += s.stats.Misses
		t.Evictions += s.stats.Evictions
		t.Entries += s.n
		t.Bytes += s.bytes
		s.mu.Unlock()
	}
	return t
}

// All lends keys and values to the body of the loop, of each shard the oldest
// first, which does not count as use. It locks one shard after the other, also
// while the body of the loop runs, which must not call the cache therefore, nor
// wait for those who do. What is lent must not be changed, and is dead when the
// body of the loop is done.
func (c *Cache) All() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		c.each(func(n *cacheNode) bool { return yield(stringFrom(n.key()), n.value()) })
	}
}

// each calls f with the entries, on the terms of All.
func (c *Cache) each(f func(n *cacheNode) bool) {
	for i := range c.shards {
		if !c.shards[i].each(f) {
			return
		}
	}
}

// Keys lends the keys, on the terms of All.
func (c *Cache) Keys() iter.Seq[string] {
	return func(yield func(string) bool) {
		c.each(func(n *cacheNode) bool { return yield(stringFrom(n.key())) })
	}
}

// Values lends the values, on the terms of All.
func (c *Cache) Values() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		c.each(func(n *cacheNode) bool { return yield(n.value()) })
	}
}

// Drain lends keys and values, on the terms of All, and gives up each entry when
// the body of the loop is done. Those that a loop does not get to stay.
func (c *Cache) Drain() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for i := range c.shards {
			if !c.shards[i].drain(c.a, yield) {
				return
			}
		}
	}
}

// Clear gives up all entries and gives all memory back. The cache may be used
// again.
func (c *Cache) Clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.clear(c.a)
		s.mu.Unlock()
	}
}

// Close is Clear. It never allocates, and the error is always nil.
func (c *Cache) Close() error {
	c.Clear()
	return nil
}

// node returns the node with number i, which is not 0.
func (s *cacheShard) node(i uint32) *cacheNode { return &s.nodes[i-1] }

// find returns the number of the node of key, or 0, and the slot of the index.
func (s *cacheShard) find(h uint64, key string) (i uint32, at uint) {
	if s.n == 0 {
		return 0, 0
	}
	j, at, ok := s.index.find(h, func(j int) bool { return stringFrom(s.nodes[j].key()) == key })
	if !ok {
		return 0, 0
	}
	return uint32(j) + 1, at
}

func (s *cacheShard) get(h uint64, key string) ([]byte, bool) {
	i, _ := s.find(h, key)
	if i == 0 {
		s.stats.Misses++
		return nil, false
	}
	s.stats.Hits++
	n := s.node(i)
	n.visited = true
	return n.value(), true
}

func (s *cacheShard) put(a mem.Allocator, h uint64, key string, value []byte) error {
	if uint64(len(key)) > math.MaxUint32 || uint64(len(value)) > math.MaxUint32 ||
		len(key) > s.max-cacheOverhead || len(value) > s.max-cacheOverhead-len(key) {
		return mem.ErrLimit
	}
	cost := cacheOverhead + len(key) + len(value)
	i, _ := s.find(h, key)
	if i != 0 {
		old := s.node(i)
		// What it replaces must not be what makes room for it.
		for s.bytes-old.cost()+cost > s.max && s.evict(a, i) {
		}
	} else {
		for s.bytes+cost > s.max && s.evict(a, 0) {
		}
	}
	block, err := s.block(a, key, value, i)
	if err != nil {
		return err
	}
	if i != 0 {
		n := s.node(i)
		s.bytes += cost - n.cost()
		mem.Free(a, n.bytes())
		n.block, n.valLen, n.visited = block, uint32(len(value)), true
		s.check()
		return nil
	}
	for i, err = s.newNode(a); err != nil; i, err = s.newNode(a) {
		if !s.evict(a, 0) { // which would leave a node
			mem.Free(a, bytesFrom(block, len(key)+len(value)))
			return err
		}
	}
	*s.node(i) = cacheNode{block: block, keyLen: uint32(len(key)), valLen: uint32(len(value)), hash: uint32(h), next: s.head}
	if s.head != 0 {
		s.node(s.head).prev = i
	} else {
		s.tail = i
	}
	s.head = i
	s.index.insert(h&math.MaxUint32, int(i)-1)
	s.n++
	s.bytes += cost
	s.check()
	return nil
}

// block returns a block with key and value, and gives up entries for it, but not
// that of number keep. It is nil if both are empty.
func (s *cacheShard) block(a mem.Allocator, key string, value []byte, keep uint32) (*byte, error) {
	for {
		b, err := mem.AllocUninit[byte](a, len(key)+len(value))
		if err == nil {
			copy(b[copy(b, key):], value)
			return firstOf(b), nil
		}
		if !s.evict(a, keep) {
			return nil, err
		}
	}
}

// newNode returns the number of a node that is not in use, with room for it in
// the index.
func (s *cacheShard) newNode(a mem.Allocator) (uint32, error) {
	if err := s.index.ensure(a, s.n+1); err != nil {
		return 0, err
	}
	if i := s.free; i != 0 {
		s.free = s.node(i).next
		return i, nil
	}
	if int(s.used) == len(s.nodes) {
		nodes, err := allocOwned[cacheNode](a, max(16, len(s.nodes)+len(s.nodes)/2))
		if err != nil {
			return 0, err
		}
		copy(nodes, s.nodes)
		mem.Free(a, s.nodes)
		s.nodes = nodes
	}
	s.used++
	return s.used, nil
}

// evict gives up the entry that is of least use, but not that of number keep,
// and returns false if there is none.
func (s *cacheShard) evict(a mem.Allocator, keep uint32) bool {
	if s.n == 0 || s.n == 1 && keep != 0 {
		return false
	}
	i := s.hand
	for {
		if i == 0 {
			i = s.tail
		}
		n := s.node(i)
		if !n.visited && i != keep {
			break
		}
		n.visited = false
		i = n.prev
	}
	s.hand = i
	n := s.node(i)
	s.drop(a, i, s.index.slotOf(uint64(n.hash), int(i)-1))
	s.stats.Evictions++
	return true
}

// drop removes node i, which slot at of the index stands for.
func (s *cacheShard) drop(a mem.Allocator, i uint32, at uint) {
	n := s.node(i)
	if s.hand == i {
		s.hand = n.prev
	}
	if n.prev != 0 {
		s.node(n.prev).next = n.next
	} else {
		s.head = n.next
	}
	if n.next != 0 {
		s.node(n.next).prev = n.prev
	} else {
		s.tail = n.prev
	}
	s.index.remove(at)
	s.n--
	s.bytes -= n.cost()
	b := n.bytes()
	*n = cacheNode{next: s.free}
	s.free = i
	mem.Free(a, b)
}

func (s *cacheShard) each(f func(n *cacheNode) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := s.tail; i != 0; i = s.node(i).prev {
		if !f(s.node(i)) {
			return false
		}
	}
	return true
}

func (s *cacheShard) drain(a mem.Allocator, yield func(string, []byte) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.tail != 0 {
		if !s.lend(a, s.tail, yield) {
			return false
		}
	}
	return true
}

// lend yields the entry of node i, and gives it up then.
func (s *cacheShard) lend(a mem.Allocator, i uint32, yield func(string, []byte) bool) bool {
	n := s.node(i)
	defer func() {
		s.drop(a, i, s.index.slotOf(uint64(n.hash), int(i)-1))
		s.check()
	}()
	return yield(stringFrom(n.key()), n.value())
}

func (s *cacheShard) clear(a mem.Allocator) {
	for i := s.head; i != 0; i = s.node(i).next {
		mem.Free(a, s.node(i).bytes())
	}
	mem.Free(a, s.nodes)
	s.index.close(a)
	s.nodes = nil
	s.used, s.free, s.head, s.tail, s.hand, s.n, s.bytes = 0, 0, 0, 0, 0, 0, 0
}

func (n *cacheNode) bytes() []byte { return bytesFrom(n.block, int(n.keyLen)+int(n.valLen)) }
func (n *cacheNode) key() []byte   { return n.bytes()[:n.keyLen] }
func (n *cacheNode) cost() int     { return cacheOverhead + int(n.keyLen) + int(n.valLen) }

func (n *cacheNode) value() []byte {
	b := n.bytes()
	return b[n.keyLen:len(b):len(b)]
}

// checkMostNodes is how many nodes check looks at: it runs after every mutation.
const checkMostNodes = 64

func (s *cacheShard) check() {
	if !invariant.Enabled {
		return
	}
	invariant.Check(s.bytes <= s.max, "generic: Cache: more bytes than it may hold")
	invariant.Check((s.n == 0) == (s.head == 0) && (s.n == 0) == (s.tail == 0), "generic: Cache: an empty queue with entries, or the opposite")
	if s.n > checkMostNodes {
		return
	}
	n, bytes, hand, prev := 0, 0, s.hand == 0, uint32(0)
	for i := s.head; i != 0; i = s.node(i).next {
		invariant.Check(s.node(i).prev == prev, "generic: Cache: links")
		n++
		bytes += s.node(i).cost()
		hand = hand || i == s.hand
		prev = i
	}
	free := 0
	for i := s.free; i != 0; i = s.node(i).next {
		free++
	}
	invariant.Check(n == s.n && bytes == s.bytes && prev == s.tail && hand, "generic: Cache: entries or bytes are miscounted, or the hand is lost")
	invariant.Check(n+free == int(s.used), "generic: Cache: nodes are lost")
}
