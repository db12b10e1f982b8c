package heap

import "testing"

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
	} {
		d := smpDecay{given: c.given, again: c.again, watched: c.watched, patience: c.patience}
		if d.learn(100); d.patience != c.want {
			t.Errorf("%+v: patience is %d", c, d.patience)
		}
	}
}
