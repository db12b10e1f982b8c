package demo

import (
	"testing"
	"time"
)

func TestStolenTime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"cpu  1072394 0 96576 226512 1161 0 2100 7298 5 6\ncpu0 536049 0 47482 114786 289 0 892 3557 0 0\n": 72980 * time.Millisecond,
		"cpu  0 0 0 0 0 0 0 0 0 0\n": 0,
		"cpu  1 2 3 4\n":             0, // of a kernel that does not count it
		"":                           0,
	} {
		if got := stolenSince([]byte(text)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
