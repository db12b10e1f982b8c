// Package shown is what people see while they wait.
package shown

import (
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// A Bar shows progress on a terminal, and nothing elsewhere.
type Bar struct{ p *progressbar.ProgressBar }

const barSteps = 1000

// NewBar returns a bar on f.
func NewBar(f *os.File) *Bar {
	var w io.Writer = f
	if !term.IsTerminal(int(f.Fd())) {
		w = io.Discard
	}
	return &Bar{progressbar.NewOptions(barSteps,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetWidth(30),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionUseANSICodes(true), // which also clear a ^C behind the bar
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░"}),
	)}
}

// Share returns a function that shows which share of the named work is done.
func (b *Bar) Share(name string) func(float64) {
	b.p.Reset()
	b.p.Describe(name)
	return func(done float64) { b.p.Set(min(int(done*barSteps), barSteps-1)) }
}

// Stage is [Bar.Share] in steps.
func (b *Bar) Stage(name string) func(done, total int) {
	set := b.Share(name)
	return func(done, total int) { set(float64(done) / float64(total)) }
}

// Clear removes the bar until it moves again.
func (b *Bar) Clear() { b.p.Clear() }

// Finish removes the bar.
func (b *Bar) Finish() { b.p.Finish() }
