package demo

import (
	"slices"
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	for d := time.Duration(1); d < time.Hour; d += d/97 + 1 {
		b := bucket(d)
		if bottom(b) > d || bottom(b+1) <= d || bottom(b+1)-bottom(b) > d/64+1 {
			t.Fatalf("%d ns: bucket %d from %d to %d", d, b, bottom(b), bottom(b+1))
		}
	}
	var h, o histogram
	for i := range 1000 {
		into := &h
		if i%3 == 0 {
			into = &o
		}
		into.add(time.Duration(i+1) * time.Microsecond)
	}
	h.merge(&o)
	for q, want := range map[float64]time.Duration{0.5: 500, 0.99: 990, 0.999: 999, 1: 1000} {
		want *= time.Microsecond
		if got := h.quantile(q); got < want || got > want+want/32 {
			t.Errorf("quantile(%g) = %v, want %v", q, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { h.add(time.Millisecond) }); n != 0 {
		t.Errorf("add allocates %v times", n)
	}
}

// One window in which the machine stood still is not what is told, only its
// slowest request is.
func TestSpans(t *testing.T) {
	for span, want := range map[time.Duration]int{
		0: 1, 100 * time.Millisecond: 1, 1999 * time.Millisecond: 1, 2 * time.Second: 1, 3 * time.Second: 3,
		5950 * time.Millisecond: 5, 6 * time.Second: 5, 7 * time.Second: 7,
	} {
		if got := len(spansFor(span)); got != want {
			t.Errorf("%v: %d windows, want %d", span, got, want)
		}
	}
	const count = 5000
	w, o := spansFor(5*time.Second), spansFor(5*time.Second)
	for i := range count {
		latency := time.Duration(i%1000+1) * time.Microsecond
		if i >= count-100 {
			latency = time.Second
		}
		if i%2 == 0 {
			w.add(i, count, latency)
		} else {
			o.add(i, count, latency)
		}
	}
	w.merge(o)
	for i := range w {
		if w[i].total != count/len(w) {
			t.Errorf("window %d has %d requests", i, w[i].total)
		}
	}
	for q, want := range map[float64]time.Duration{0.5: 500, 0.999: 999, 1: 1e6} {
		want *= time.Microsecond
		if got := w.quantile(q); got < want || got > want+want/32 {
			t.Errorf("quantile(%g) = %v, want %v", q, got, want)
		}
	}
}

func TestArrivals(t *testing.T) {
	due := arrivals(1000, 20000)
	if !slices.IsSorted(due) || due[0] < 0 {
		t.Error("arrivals are not in order")
	}
	if last := due[len(due)-1]; last < 19*time.Second || last > 21*time.Second {
		t.Errorf("20000 arrivals at 1000 per second take %v", last)
	}
	pace, err := newPacer()
	if err != nil {
		t.Fatal(err)
	}
	defer pace.close()
	start := time.Now()
	for range 10 {
		pace.sleep(100 * time.Microsecond)
	}
	if took := time.Since(start); took < time.Millisecond {
		t.Errorf("10 sleeps of 100 µs took %v", took)
	}
}
