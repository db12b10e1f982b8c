//go:build !linux

package demo

import "time"

// A pacer sleeps as exactly as the system lets it.
type pacer struct{}

func newPacer() (pacer, error) { return pacer{}, nil }

func (pacer) sleep(d time.Duration) { time.Sleep(d) }
func (pacer) close()                {}
