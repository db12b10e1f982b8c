package heap

import (
	"testing"
	"time"
)

// Periods become longer only where pages that were given back are taken again, be
// they as few as they may.
func TestSMPLearn(t *testing.T) {
	for _, c := range []struct{ given, again, watched, patience, want int }{
		{given: 1, watched: 10, want: 0},
		{given: 1, watched: 200, patience: 1, want: 0},
		{given: 1, again: 1, watched: 10, want: 1},
		{given: 3, again: 1, watched: 10, want: 0},
		{given: 3, again: 2, watched: 10, patience: smpPatience, want: smpPatience},
		{given: 100, again: 49, watched: 10, patience: 1, want: 1},
		{given: 100, again: 49, watched: 200, patience: 1, want: 0},
		{given: 100, again: 50, watched: 10, patience: 1, want: 2},
		{again: 50, watched: 200, patience: 1, want: 1},
		{given: 1, again: 1, watched: 1600, patience: 5, want: 6},
		{given: 1, watched: 3199, patience: 6, want: 6},
		{given: 1, watched: 3200, patience: 6, want: 5},
	} {
		d := smpDecay{given: c.given, again: c.again, watched: c.watched, patience: c.patience}
		if d.learn(100); d.patience != c.want {
			t.Errorf("%+v: patience is %d", c, d.patience)
		}
	}
}

// A long period is over when so many pages were freed, or when a quarter was and a
// second has passed.
func TestSMPLongPeriod(t *testing.T) {
	const all = 4 * smpPeriod
	for _, c := range []struct {
		name              string
		all, patience     int
		each              int // pages freed at once
		pause             time.Duration
		freed, wantLooked int // when it is over
	}{
		{"patience 0", all, 0, 1, time.Hour, all / 4, 0},
		{"patience 2", all, 2, 1, 0, all, 3},
		{"patience 2, slow", all, 2, 1, time.Second, all / 4, 1},
		{"fast", all, 6, 1, 0, 16 * all, 63},
		{"slow", all, 6, 1, time.Second, all / 4, 1},
		{"slow in steps", all, 6, 3 * all, time.Second, 3 * all, 1},
		{"later", all, 6, 1, time.Second / 2, all / 2, 2},
		{"small and fast", smpPeriod / 8, 6, 1, 0, 2 * smpPeriod, 1},
		{"smaller", smpPeriod / 16, 6, 1, 0, smpPeriod, 0},
	} {
		now, looked := time.Now(), 0
		d := smpDecay{patience: c.patience, since: now}
		clock := func() time.Time {
			looked++
			now = now.Add(c.pause)
			return now
		}
		d.freed = c.each
		for !d.over(c.all, clock) && d.freed < 100*all {
			d.freed += c.each
		}
		if d.freed != c.freed || looked != c.wantLooked {
			t.Errorf("%s: the period is over after %d pages of %d and %d looks at the clock, want %d and %d", c.name, d.freed, c.all, looked, c.freed, c.wantLooked)
		}
	}
}
