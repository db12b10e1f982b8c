package generic

import (
	"math/bits"
	"runtime"
	"sync"
)

// shards are containers of one goroutine each, U, that many goroutines share
// when what is kept in them is distributed by its hash.
type shards[U any] struct {
	list  []shard[U] // a power of two
	shift uint       // of a hash, to the number of a shard
}

type shard[U any] struct {
	mu sync.RWMutex
	u  U
	_  [64]byte // the next lock is in another cache line
}

func newShards[U any](n int) shards[U] {
	return shards[U]{list: make([]shard[U], n), shift: shardShift(n)}
}

// shardCount returns a power of two of shards, with which goroutines on all
// processors seldom meet.
func shardCount() int { return 1 << bits.Len(uint(min(4*runtime.GOMAXPROCS(0), 256)-1)) }

// shardShift returns the shift that makes of a hash the number of one of n
// shards.
func shardShift(n int) uint { return uint(64 - bits.Len(uint(n-1))) }

// of returns the shard of what has the hash h.
func (s *shards[U]) of(h uint64) *shard[U] { return &s.list[h>>s.shift&uint64(len(s.list)-1)] }

// locked calls f with one container after the other, each with its lock held,
// until f returns false.
func (s *shards[U]) locked(f func(*U) bool) {
	for i := range s.list {
		if !s.list[i].locked(f) {
			return
		}
	}
}

func (s *shard[U]) locked(f func(*U) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f(&s.u)
}

// shared is locked with each lock held for reading.
func (s *shards[U]) shared(f func(*U) bool) {
	for i := range s.list {
		if !s.list[i].shared(f) {
			return
		}
	}
}

func (s *shard[U]) shared(f func(*U) bool) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return f(&s.u)
}
