package demo

import (
	"testing"
	"time"
)

func TestDelay(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		name   string
		stalls []time.Duration
		total  time.Duration
		q      float64
		want   time.Duration
	}{
		{"none", nil, time.Second, 0.999, 0},
		{"too short to matter", []time.Duration{ms / 2, ms / 4}, time.Second, 0.999, 0},
		{"the whole time", []time.Duration{time.Second}, time.Second, 0.999, 999 * ms},
		{"one", []time.Duration{5 * ms}, time.Second, 0.999, 4 * ms},
		{"some alike", []time.Duration{4 * ms, 4 * ms, 4 * ms, 4 * ms}, 2 * time.Second, 0.999, 3500 * time.Microsecond},
		{"a short one counts for little", []time.Duration{ms / 2, 5 * ms}, time.Second, 0.999, 4 * ms},
		{"two lengths", []time.Duration{3 * ms, 5 * ms}, 4 * time.Second, 0.999, 2 * ms},
		{"half of the moments", []time.Duration{10 * ms}, 20 * ms, 0.75, 5 * ms},
	} {
		got := delay(test.stalls, test.total, test.q)
		if d := got - test.want; d < -time.Microsecond || d > time.Microsecond {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestStalls(t *testing.T) {
	const d = 20 * time.Millisecond
	start := time.Now()
	all := stalls(d)
	took := time.Since(start)
	if took < d {
		t.Errorf("%v of looking at the clock took %v", d, took)
	}
	for _, s := range all {
		if s <= 0 || s > took {
			t.Errorf("a stall of %v in %v", s, took)
		}
	}
}
