package allocatortest

import (
	"strconv"
	"testing"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// testModel plays random programs, the same in every run. A failure names the
// seed of its program.
func testModel(p *probe) {
	rounds, length := 6, 3000
	if p.MaxSize > 0 {
		rounds, length = 10, 600
	}
	if race.Enabled || testing.Short() {
		rounds = (rounds + 1) / 2
	}
	first := uint64(0)
	if text := given(seedFlag); text != "" {
		var err error
		if first, err = strconv.ParseUint(text, 10, 64); err != nil {
			p.Fatalf("-%s=%s: want a number", seedFlag, text)
		}
		rounds = 1
	}
	for seed := first; seed < first+uint64(rounds); seed++ {
		p.renew()
		p.seed = strconv.FormatUint(seed, 10)
		m := &model{a: p.a, program: randomProgram(seed, length), tb: p}
		m.served = func(size int, l mem.Layout, err error) {
			p.Helper()
			if err != nil && p.MaxSize == 0 && l.Align.Compare(p.MaxAlign) <= 0 {
				p.Errorf("%v: %v", request(size, l), err)
			}
		}
		m.play()
		if m.failed {
			return
		}
	}
}

// randomProgram returns a program for model, always the same for a seed.
func randomProgram(seed uint64, length int) []byte {
	program := make([]byte, length)
	for i := range program {
		program[i] = byte(mix(seed<<32+uint64(i)) >> 32)
	}
	return program
}
