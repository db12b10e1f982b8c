package demo

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	var all []time.Duration
	for i := range 1000 {
		all = append(all, time.Duration(i+1))
	}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 500, 0.9: 900, 0.99: 990, 0.999: 999, 0.9995: 1000, 1: 1000} {
		if got := quantile(all, q); got != want {
			t.Errorf("quantile(%g) = %d, want %d", q, got, want)
		}
	}
	if got := quantile(all[:1], 0.999); got != 1 {
		t.Errorf("of one: %d", got)
	}
	if got := quantile(nil, 0.5); got != 0 {
		t.Errorf("of none: %d", got)
	}
}

// What others took is told from what waking up takes, and only requests that were
// there meanwhile are left out.
func TestLatencies(t *testing.T) {
	const ms = time.Millisecond
	steady := func(n int, wake time.Duration) (looks []look) {
		for i := range n {
			turns := 40*i + 8*(i%5)
			at := time.Duration(i) * lookEvery
			looks = append(looks, look{at, at, wake * time.Duration(turns), turns, 0})
		}
		return looks
	}
	later := func(looks []look, from int, change func(*look)) []look {
		looks = slices.Clone(looks)
		for i := from; i < len(looks); i++ {
			change(&looks[i])
		}
		return looks
	}
	long := func(looks []look) []look {
		looks[5].begun, looks[5].at = 40*ms, 60*ms
		return looks
	}
	lives := []life{{0, 3 * ms}, {31 * ms, 33 * ms}, {38 * ms, 45 * ms}, {41 * ms, 48 * ms}, {55 * ms, 56 * ms}, {71 * ms, 150 * ms}}
	all := []time.Duration{1 * ms, 2 * ms, 3 * ms, 7 * ms, 7 * ms, 79 * ms}
	for _, test := range []struct {
		name  string
		looks []look
		want  []time.Duration
	}{
		{"nothing is known", make([]look, 2), all},
		{"a machine that wakes at once", steady(10, 0), all},
		{"one that takes its time", steady(10, 100*time.Microsecond), all},
		{"one that woke at once for once", later(steady(10, 100*time.Microsecond), 3, func(l *look) { l.waited -= 48 * 100 * time.Microsecond }), all},
		{"a short wait", later(steady(10, 50*time.Microsecond), 5, func(l *look) { l.waited += ms / 2 }), all},
		// Between the looks at 40 and at 50 ms.
		{"a wait", later(steady(10, 50*time.Microsecond), 5, func(l *look) { l.waited += 3 * ms }), []time.Duration{1 * ms, 2 * ms, 3 * ms, 79 * ms}},
		{"a host that ran others", later(steady(10, 50*time.Microsecond), 5, func(l *look) { l.stolen += 10 * ms }), []time.Duration{1 * ms, 2 * ms, 3 * ms, 79 * ms}},
		{"the last look", later(steady(10, 50*time.Microsecond), 9, func(l *look) { l.stolen += 10 * ms }), all[:5]},
		// The look at 50 ms took from 40 to 60: those that live then may be disturbed
		// before it as well as after it.
		{"before a long look", long(later(steady(10, 0), 5, func(l *look) { l.stolen += 10 * ms })), []time.Duration{2 * ms, 3 * ms, 79 * ms}},
		{"after a long look", long(later(steady(10, 0), 6, func(l *look) { l.stolen += 10 * ms })), []time.Duration{2 * ms, 3 * ms, 79 * ms}},
		{"seconds without a look", later(later(steady(10, 0), 1, func(l *look) { l.stolen += 10 * ms }), 5, func(l *look) {
			l.begun += 3 * time.Second
			l.at += 3 * time.Second
		}), []time.Duration{1 * ms, 2 * ms, 7 * ms, 7 * ms, 79 * ms}},
		{"never quiet", later(later(steady(10, 0), 1, func(l *look) { l.stolen += ms }), 4, func(l *look) { l.stolen += time.Duration(l.turns) }), nil},
	} {
		every, got := latencies(lives, test.looks)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
		if !slices.Equal(every, all) {
			t.Errorf("%s: all are %v, want %v", test.name, every, all)
		}
	}
}

func TestWatch(t *testing.T) {
	const atLeast = 5*lookEvery + lookEvery/2 // the last look is no longer waited for
	start := time.Now()
	end := watch(start)
	time.Sleep(atLeast)
	looks := end()
	took := time.Since(start)
	if len(looks) < 3 {
		t.Errorf("%d looks in %v", len(looks), took)
	}
	for i := range looks[1:] {
		a, b := looks[i], looks[i+1]
		if b.begun < a.at || b.at < b.begun || b.waited < 0 || b.stolen < a.stolen {
			t.Errorf("after %+v came %+v", a, b)
		}
	}
	if last := looks[len(looks)-1]; last.at < atLeast || last.at > took {
		t.Errorf("the last look was at %v of %v", last.at, took)
	}
	if runtime.GOOS == "linux" && looks[len(looks)-1].turns == 0 {
		t.Error("no thread was ever given a processor")
	}
}
