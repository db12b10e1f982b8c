package demo

import (
	"cmp"
	"slices"
	"time"
)

// A life is when a request arrived and when it was answered, since serving began.
type life struct{ from, to time.Duration }

func (l life) latency() time.Duration { return l.to - l.from }

// latencies returns those of all requests and those of the requests in whose lives
// nobody disturbed this process, both sorted. What stops a machine now and then, which
// no program has a part in, would otherwise be what the slowest requests of every
// program show.
func latencies(lives []life, looks []look) (all, undisturbed []time.Duration) {
	quiet := quietness(looks)
	for _, l := range lives {
		all = append(all, l.latency())
		if quiet(l) {
			undisturbed = append(undisturbed, l.latency())
		}
	}
	slices.Sort(all)
	slices.Sort(undisturbed)
	return all, undisturbed
}

// Two things make the slow look better than they are, never the fast: threads that
// wait for a processor which the collector of their own process has are taken for
// disturbed, too, and the longer a request takes, the more likely somebody meanwhile
// disturbs it.

// quantile returns the least of the sorted durations that a share q of all are no
// longer than.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	longer := int((1-q)*float64(len(sorted)) + 1e-6)
	return sorted[max(len(sorted)-1-longer, 0)]
}

// A look is what others had of the processors until then: some moment between begun
// and at, as whoever looks may be disturbed, too.
type look struct {
	begun  time.Duration
	at     time.Duration
	waited time.Duration // for which threads of this process were ready to run
	turns  int           // how often one of them was given a processor
	stolen time.Duration // for which the host ran others
}

const (
	lookEvery = 10 * time.Millisecond
	// disturbance is for how long others may have the processors between two looks.
	disturbance = time.Millisecond
)

// watch takes looks, at times since start, until end is called, which returns them.
func watch(start time.Time) (end func() []look) {
	var looks []look
	take := func() {
		l := look{begun: time.Since(start)}
		l.stolen = stolenTime()
		l.waited, l.turns = waitTime()
		l.at = time.Since(start)
		looks = append(looks, l)
	}
	take()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				take()
			}
		}
	}()
	return func() []look {
		close(stop)
		<-done
		take()
		return looks
	}
}

// quietness returns a function that tells whether nobody disturbed this process from
// the last look before a life to the first one after it.
func quietness(looks []look) func(life) bool {
	// A thread waits a little whenever it is woken; how long depends on the machine,
	// and is mostly the same.
	var usual []float64
	for i := range looks[1:] {
		if turns := looks[i+1].turns - looks[i].turns; turns > 0 {
			usual = append(usual, float64(looks[i+1].waited-looks[i].waited)/float64(turns))
		}
	}
	slices.Sort(usual)
	wake := 0.0
	if len(usual) > 0 {
		wake = usual[len(usual)/2]
	}
	disturbed := make([]int, len(looks)) // looks until then
	for i := range looks[1:] {
		a, b := looks[i], looks[i+1]
		disturbed[i+1] = disturbed[i]
		if wait := b.waited - a.waited - time.Duration(wake*float64(b.turns-a.turns)); wait > disturbance || b.stolen > a.stolen {
			disturbed[i+1]++
		}
	}
	return func(l life) bool {
		before, _ := slices.BinarySearchFunc(looks, l.from, func(l look, t time.Duration) int { return cmp.Compare(l.at, t) })
		after, _ := slices.BinarySearchFunc(looks, l.to, func(l look, t time.Duration) int { return cmp.Compare(l.begun, t) })
		return disturbed[min(after, len(looks)-1)] == disturbed[max(before-1, 0)]
	}
}
