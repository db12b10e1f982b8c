package heap_test

import (
	"math/rand/v2"
	"testing"

	"github.com/allod-dev/allod/heap"
)

// Pages in a row are the first that there are, whatever is in use.
func TestSMPFindFree(t *testing.T) {
	pages := heap.SMPSegmentPages
	slow := func(used map[int]bool, n, align int) int {
		for first := 0; first+n <= pages; first += align {
			free := 0
			for free < n && !used[first+free] {
				free++
			}
			if free == n {
				return first
			}
		}
		return -1
	}
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		used := map[int]bool{}
		var list []int
		for page := 0; page < pages; { // runs of up to 2, 4, 8 ... pages
			page += random.IntN(2 << (round % 9))
			for end := page + random.IntN(1+pages>>(round%7)); page < min(end, pages); page++ {
				used[page], list = true, append(list, page)
			}
		}
		for _, n := range []int{1, 2, 3, 5, 8, 31, 32, 33, 63, 64, 65, 100, pages} {
			for align := 1; align <= pages; align *= 2 {
				if got, want := heap.SMPFindFree(list, n, align), slow(used, n, align); got != want {
					t.Fatalf("%d pages, a multiple of %d, are found at %d, want %d, beside %v", n, align, got, want, list)
				}
			}
		}
	}
}
