package heap

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// countdowns tell which blocks are taken into the sample of a [Profile]: those with
// the byte that a countdown ends at. How many bytes it goes over is drawn each
// time, from the exponential distribution, so that a block of s bytes is taken with
// the probability 1-exp(-s/rate), wherever the countdown is: that distribution does
// not know what came before.
//
// There are many, and a goroutine uses the one that its stack hashes to. So two that
// allocate at one time seldom use the same, and they are neither locked nor atomic.
// If two do, one may undo what the other counts off, and a sample comes a block or
// so later: of those allocations whose few instructions here coincide, some are not
// counted. The zero value is ready to use.
//
// Throwing dice for every block needs no countdowns; but to throw takes a call, and
// twice the time of all that Alloc does here.
type countdowns [1 << countdownLog2]struct {
	countdown
	_ [64 - bits.UintSize/8]byte
}

const countdownLog2 = 8

// A countdown is how many bytes are passed over, and 1 more; 0 before it is drawn.
type countdown int

// mine returns the countdown of the calling goroutine, at this moment.
//
//go:norace
func (c *countdowns) mine() *countdown {
	const multiplier = 0x9E3779B1 // Fibonacci hashing, of 32 bits
	return &c[uint32(stackAddress()>>10)*multiplier>>(32-countdownLog2)].countdown
}

// passes counts off a block of size bytes, and tells whether the countdown goes on.
// If it does not, it is as before.
//
//go:norace
func (c *countdown) passes(size int) bool {
	rest := *c - countdown(size)
	if rest <= 0 {
		return false
	}
	*c = rest
	return true
}

// ends begins anew, and tells whether a block of size bytes, which did not pass, is
// in the sample: not if nothing had been drawn, and it passes now.
//
//go:norace
func (c *countdown) ends(s *sampler, size int) bool {
	if *c == 0 {
		*c = s.draw()
		if c.passes(size) {
			return false
		}
	}
	*c = s.draw()
	return true
}

// chooses tells whether a block of size bytes is in the sample.
//
//go:norace
func (c *countdown) chooses(s *sampler, size int) bool { return !c.passes(size) && c.ends(s, size) }

// draw returns a countdown, which no block passes that is in the sample for sure.
//
//go:norace
func (s *sampler) draw() countdown {
	return countdown(min(rand.ExpFloat64()*s.rate, float64(min(s.sure, math.MaxInt32)-1))) + 1
}
