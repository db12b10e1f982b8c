package demo

import (
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// A bar shows progress on a terminal, and nothing elsewhere.
type bar struct{ p *progressbar.ProgressBar }

const barSteps = 1000

func newBar(f *os.File) *bar {
	var w io.Writer = f
	if !term.IsTerminal(int(f.Fd())) {
		w = io.Discard
	}
	return &bar{progressbar.NewOptions(barSteps,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetWidth(30),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░"}),
	)}
}

// share returns a function that shows which share of the named work is done.
func (b *bar) share(name string) func(float64) {
	b.p.Reset()
	b.p.Describe(name)
	return func(done float64) { b.p.Set(min(int(done*barSteps), barSteps-1)) }
}

// stage is share in steps.
func (b *bar) stage(name string) func(done, total int) {
	set := b.share(name)
	return func(done, total int) { set(float64(done) / float64(total)) }
}

// clear removes the bar until it moves again.
func (b *bar) clear() { b.p.Clear() }

// finish removes the bar.
func (b *bar) finish() { b.p.Finish() }
