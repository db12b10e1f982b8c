package demo

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A crew is a fixed number of workers that serve requests, each with a scratch
// of its own.
type crew struct {
	service *service
	scratch []*scratch
}

const workersPerProcessor = 8

// newCrew returns a crew for all processors.
func newCrew(s *service, newScratch func() *scratch) *crew {
	c := &crew{service: s}
	for range workersPerProcessor * runtime.GOMAXPROCS(0) {
		c.scratch = append(c.scratch, newScratch())
	}
	return c
}

func (c *crew) close() (err error) {
	for _, s := range c.scratch {
		err = errors.Join(err, s.close())
	}
	return err
}

// each runs work in every worker until it returns false or an error.
func (c *crew) each(work func(worker int) (more bool, err error)) error {
	var wg sync.WaitGroup
	errs := make([]error, len(c.scratch))
	for w := range c.scratch {
		wg.Go(func() {
			for more := true; more && errs[w] == nil; {
				more, errs[w] = work(w)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// saturate serves requests as fast as it can: count of them or, if that is 0,
// for the given time. It returns how many it served and how long that took.
func (c *crew) saturate(count int, atMost time.Duration) (served int, took time.Duration, err error) {
	var next atomic.Int64
	start := time.Now()
	err = c.each(func(w int) (bool, error) {
		i := int(next.Add(1) - 1)
		if count > 0 && i >= count || count == 0 && time.Since(start) >= atMost {
			next.Add(-1)
			return false, nil
		}
		_, err := c.service.handle(c.service.requests[i%len(c.service.requests)], c.scratch[w])
		return true, err
	})
	return int(next.Load()), time.Since(start), err
}

// serve serves count requests that arrive at the given rate per second, whether
// those before are done or not, as requests from many clients do: gaps between
// arrivals are random, the same in every run. The latency of a request counts
// from its arrival, so that a pause delays every request that arrives in it. It
// returns the latencies as latencies does.
func (c *crew) serve(rate float64, count int, progress func(done, total int)) (all, undisturbed []time.Duration, err error) {
	pace, err := newPacer()
	if err != nil {
		return nil, nil, err
	}
	defer pace.close()
	due := arrivals(rate, count)
	queue := make(chan int, count) // holds all: arrivals never wait
	lives := make([]life, count)
	var failed atomic.Bool
	start := time.Now()
	endWatch := watch(start)
	var clients sync.WaitGroup
	clients.Go(func() {
		defer close(queue)
		for i, at := range due {
			if failed.Load() {
				return
			}
			if wait := at - time.Since(start); wait > 0 {
				pace.sleep(wait)
			}
			queue <- i
			progress(i+1, count)
		}
	})
	err = c.each(func(w int) (bool, error) {
		i, ok := <-queue
		if !ok {
			return false, nil
		}
		_, err := c.service.handle(c.service.requests[i%len(c.service.requests)], c.scratch[w])
		lives[i] = life{due[i], time.Since(start)}
		if err != nil {
			failed.Store(true)
		}
		return true, err
	})
	clients.Wait()
	looks := endWatch()
	if err != nil {
		return nil, nil, err
	}
	all, undisturbed = latencies(lives, looks)
	return all, undisturbed, nil
}

// arrivals returns count times at which requests arrive: independently of one
// another, rate per second on average.
func arrivals(rate float64, count int) []time.Duration {
	rnd := rand.New(rand.NewPCG(seed, 2))
	due := make([]time.Duration, count)
	at := 0.0
	for i := range due {
		at += rnd.ExpFloat64() / rate
		due[i] = time.Duration(at * float64(time.Second))
	}
	return due
}
