// Watch serves the page at /debug/allod/ with something alive to see: a small
// shop whose cache fills up to its bound, whose jobs come in waves and have
// letters with them, whose requests share an arena, and whose audit log is never
// freed, which is a leak to find.
//
//	go run ./examples/watch
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/pprof"
	"os"
	"os/signal"
	"time"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/heap/heaphttp"
	"github.com/allod-dev/allod/mem"
)

func main() {
	addr := flag.String("http", "localhost:6060", "address to serve the page at")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr); err != nil {
		log.Fatal(err)
	}
}

// run serves and trades until ctx is done.
func run(ctx context.Context, addr string) error {
	budget, err := heap.NewBudget(1<<30, heap.BudgetOptions{})
	if err != nil {
		return err
	}
	defer budget.Close()
	smp := heap.NewSMP(heap.SMPOptions{})
	s := open(smp, heap.Page{})
	defer func() {
		s.close()
		if err := smp.Close(); err != nil {
			fmt.Println(err) // the leak
		}
	}()

	go heaphttp.DefaultMonitor.Record(ctx) // or there are points only while somebody looks
	server := &http.Server{Addr: addr, Handler: mux()}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	fmt.Printf("look at http://%s/debug/allod/\n", addr)

	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		if err := s.trade(n); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case err := <-failed:
			return err
		case <-ctx.Done():
			return server.Close()
		}
	}
}

// mux returns what is served, on an address that only this machine reaches.
func mux() *http.ServeMux {
	mux := http.NewServeMux()
	heaphttp.Register(mux) // at /debug/allod/
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	return mux
}

// A shop is what there is to watch.
type shop struct {
	named []*heap.NamedAllocator
	stop  []func()

	pages   *generic.Cache
	audit   mem.Allocator
	letters mem.Allocator
	jobs    *heap.Pool[job]
	waiting []*job
	arena   *heap.Arena
}

// A job waits until it is done.
type job struct {
	number int
	letter mem.Slice[byte]
}

// open opens a shop whose parts have names, and whose stacks are known. Their
// memory is that of two allocators, the second for what is large.
func open(memory, pages mem.Allocator) *shop {
	s := new(shop)
	s.pages = generic.NewCache(s.name(memory, "shop/cache"), 24<<20)
	s.audit = s.name(memory, "shop/audit")
	s.letters = s.name(memory, "shop/jobs/letters")
	s.jobs = heap.NewPool[job](s.name(memory, "shop/jobs"))
	s.arena = heap.NewArena(s.name(pages, "shop/requests"))

	// No named allocator stands on the pool and the arena, which stand on some.
	s.stop = append(s.stop, heap.Watch(s.jobs, "pool of jobs"), heap.Watch(s.arena, "arena of requests"))
	return s
}

// name returns child under a name, until close, with a sample of its stacks.
func (s *shop) name(child mem.Allocator, name string) mem.Allocator {
	profile := heap.NewProfileWith(child, heap.ProfileOptions{Rate: 16 << 10}) // for a small shop
	n := heap.Named(profile, name)
	s.named = append(s.named, n)
	return n
}

// trade does what happens in a moment.
func (s *shop) trade(n int) error {
	defer s.arena.Reset()
	for range 10 {
		if err := s.request(); err != nil {
			return err
		}
	}
	if err := s.work(int(2000 * (1 + math.Sin(float64(n)/120)))); err != nil {
		return err
	}
	return s.log(fmt.Sprintf("moment %d of the day, all is well", n))
}

// request renders a page and keeps it in the cache.
func (s *shop) request() error {
	page, err := mem.AllocUninit[byte](s.arena, 200+rand.IntN(8000))
	if err != nil {
		return err
	}
	key := fmt.Sprint("article ", rand.IntN(20_000))
	if err := s.pages.Put(key, page); err != nil && !errors.Is(err, mem.ErrOutOfMemory) {
		return err
	}
	return nil
}

// work adds and ends jobs until there are n.
func (s *shop) work(n int) error {
	for len(s.waiting) < n {
		j, err := s.jobs.Create()
		if err != nil {
			return err
		}
		letter, err := mem.Alloc[byte](s.letters, 500+rand.IntN(4000))
		if err != nil {
			s.jobs.Destroy(j)
			return err
		}
		j.number, j.letter = len(s.waiting), mem.SliceOf(letter)
		s.waiting = append(s.waiting, j)
	}
	for len(s.waiting) > n {
		last := len(s.waiting) - 1
		j := s.waiting[last]
		mem.Free(s.letters, j.letter.Get())
		s.jobs.Destroy(j)
		s.waiting = s.waiting[:last]
	}
	return nil
}

// log writes a line down, and nobody ever frees it.
func (s *shop) log(line string) error {
	b, err := mem.Alloc[byte](s.audit, 4096)
	copy(b, line)
	return err
}

// close gives back what is known.
func (s *shop) close() {
	for _, stop := range s.stop {
		stop()
	}
	_ = s.work(0) // which frees, and cannot fail
	s.arena.Close()
	s.jobs.Close()
	s.pages.Close()
	for _, n := range s.named {
		n.Close()
	}
}
