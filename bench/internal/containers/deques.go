package containers

import (
	"container/list"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
)

// A queueLoops is a queue with two ends in which loops are written out.
type queueLoops struct {
	queue func(n int) uint64 // n pushes at the back and pops at the front
	fill  func(n int)
	drain func() uint64
	stack func(n int) uint64 // n pushes and pops at the back; nil if it is none
	at    func(n int) uint64 // n elements by index
}

const waveLength = 100_000

func ofDeque(m *meter, q queueLoops) {
	const window, ops = 1000, 10_000
	m.settle()
	q.fill(window)
	m.repeat("queue", ops, func() { m.sum += q.queue(ops) })
	if q.at != nil {
		m.repeat("at", ops, func() { m.sum += q.at(ops) })
	}
	m.sum += q.drain()
	n := m.n(waveLength)
	m.repeat("wave", n, func() {
		q.fill(n)
		m.sum += q.drain()
	})
	if q.stack != nil {
		m.repeat("stack", ops, func() { m.sum += q.stack(ops) })
	}
}

func ourDeque() queueLoops { return loopsOf(generic.NewDeque[uint64](heap.Default())) }

func loopsOf(d *generic.Deque[uint64]) queueLoops {
	return queueLoops{
		queue: func(n int) (sum uint64) {
			for i := range n {
				if err := d.PushBack(uint64(i)); err != nil {
					panic(err)
				}
				v, _ := d.PopFront()
				sum += v
			}
			return sum
		},
		fill: func(n int) {
			for i := range n {
				if err := d.PushBack(uint64(i)); err != nil {
					panic(err)
				}
			}
		},
		drain: func() (sum uint64) {
			for {
				v, ok := d.PopFront()
				if !ok {
					return sum
				}
				sum += v
			}
		},
		stack: func(n int) (sum uint64) {
			for i := range n {
				if err := d.PushBack(uint64(i)); err != nil {
					panic(err)
				}
				if i%4 == 3 {
					for range 4 {
						v, _ := d.PopBack()
						sum += v
					}
				}
			}
			return sum
		},
		at: func(n int) (sum uint64) {
			for i := range n {
				sum += d.At(i % 1000)
			}
			return sum
		},
	}
}

// boundedDeque is ourDeque with room for all, and a push that relies on it.
func boundedDeque() queueLoops {
	d := generic.NewDeque[uint64](heap.Default())
	must(d.EnsureTotalCapacity(waveLength))
	q := loopsOf(d)
	q.queue = func(n int) (sum uint64) {
		for i := range n {
			if err := d.PushBackBounded(uint64(i)); err != nil {
				panic(err)
			}
			v, _ := d.PopFront()
			sum += v
		}
		return sum
	}
	q.fill = func(n int) {
		for i := range n {
			if err := d.PushBackBounded(uint64(i)); err != nil {
				panic(err)
			}
		}
	}
	q.stack = func(n int) (sum uint64) {
		for i := range n {
			if err := d.PushBackBounded(uint64(i)); err != nil {
				panic(err)
			}
			if i%4 == 3 {
				for range 4 {
					v, _ := d.PopBack()
					sum += v
				}
			}
		}
		return sum
	}
	return q
}

func goRing() queueLoops {
	var r ring[uint64]
	return queueLoops{
		queue: func(n int) (sum uint64) {
			for i := range n {
				r.pushBack(uint64(i))
				v, _ := r.popFront()
				sum += v
			}
			return sum
		},
		fill: func(n int) {
			for i := range n {
				r.pushBack(uint64(i))
			}
		},
		drain: func() (sum uint64) {
			for {
				v, ok := r.popFront()
				if !ok {
					return sum
				}
				sum += v
			}
		},
		stack: func(n int) (sum uint64) {
			for i := range n {
				r.pushBack(uint64(i))
				if i%4 == 3 {
					for range 4 {
						v, _ := r.popBack()
						sum += v
					}
				}
			}
			return sum
		},
		at: func(n int) (sum uint64) {
			for i := range n {
				sum += r.at(i % 1000)
			}
			return sum
		},
	}
}

func goSlice() queueLoops {
	var q sliceQueue[uint64]
	return queueLoops{
		queue: func(n int) (sum uint64) {
			for i := range n {
				q.pushBack(uint64(i))
				v, _ := q.popFront()
				sum += v
			}
			return sum
		},
		fill: func(n int) {
			for i := range n {
				q.pushBack(uint64(i))
			}
		},
		drain: func() (sum uint64) {
			for {
				v, ok := q.popFront()
				if !ok {
					return sum
				}
				sum += v
			}
		},
	}
}

func goContainerList() queueLoops {
	l := list.New()
	return queueLoops{
		queue: func(n int) (sum uint64) {
			for i := range n {
				l.PushBack(uint64(i))
				sum += l.Remove(l.Front()).(uint64)
			}
			return sum
		},
		fill: func(n int) {
			for i := range n {
				l.PushBack(uint64(i))
			}
		},
		drain: func() (sum uint64) {
			for l.Len() > 0 {
				sum += l.Remove(l.Front()).(uint64)
			}
			return sum
		},
		stack: func(n int) (sum uint64) {
			for i := range n {
				l.PushBack(uint64(i))
				if i%4 == 3 {
					for range 4 {
						sum += l.Remove(l.Back()).(uint64)
					}
				}
			}
			return sum
		},
	}
}
