package demo

import (
	"slices"
	"testing"
	"time"
)

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
