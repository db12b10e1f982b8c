package soak

import (
	"errors"
	"fmt"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/vm"
)

// mostLeft is how much address space SMPs that had this much memory may leave
// behind: what they know of segments is a fiftieth of these.
const mostLeft = hardLimit / 32

const hardLimit = 512 << 20

// SMPs returns SMPs of all sorts, which ask the system for pages all the time, and
// a function that is called when all is over, and tells what is wrong then.
func SMPs() (rooms []Room, finish func() error, err error) {
	b, err := heap.NewBudget(4<<30, heap.BudgetOptions{HardLimit: hardLimit, Step: 1 << 20})
	if err != nil {
		return nil, nil, err
	}
	var smps []*heap.SMP
	one := func(o heap.SMPOptions) *heap.SMP {
		s := heap.NewSMP(o)
		smps = append(smps, s)
		return s
	}
	rooms = []Room{
		{"smp", one(heap.SMPOptions{}), 0},
		{"smp that keeps nothing", one(heap.SMPOptions{Retain: 1}), 5000},
		{"smp, hardened", one(heap.SMPOptions{Hardened: true, Retain: 1}), 50_000},
		{"smp with a limit", heap.NewLimit(one(heap.SMPOptions{Retain: 1, ProfileRate: 64 << 10}), 8<<20), 20_000},
	}
	return rooms, func() error {
		var errs []error
		for i, s := range smps {
			s.Trim()
			if st := s.Stats(); st.Blocks != 0 || st.Cached != 0 || st.Committed != 0 {
				errs = append(errs, fmt.Errorf("%s: after all was freed and trimmed: %+v", rooms[i].Name, st))
			}
			errs = append(errs, s.Close())
		}
		// What is mapped yet is address space that a closed SMP leaves to the next.
		if st := vm.ReadStats(); st.Committed != 0 || st.Mapped > mostLeft {
			errs = append(errs, fmt.Errorf("after all: %+v", st))
		}
		return errors.Join(append(errs, b.Close())...)
	}, nil
}
