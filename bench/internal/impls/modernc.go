//go:build !js && !wasip1

package impls

import (
	"github.com/allod-dev/allod/bench/internal/load"
	"github.com/allod-dev/allod/bench/internal/load/modernc"
	"github.com/allod-dev/allod/bench/internal/load/moderncmutex"
	"github.com/allod-dev/allod/bench/internal/spec"
)

var mmapped = []Impl{{
	Name: "modernc", Group: spec.Go, About: "modernc.org/memory, behind a mutex where goroutines share it", Kinds: all,
	Open: func(j *load.Job) load.Rig {
		switch j.Kind {
		case spec.Threads, spec.Windows, spec.Handover, spec.Pipeline:
			return moderncmutex.New(j, moderncmutex.Open{})
		}
		return modernc.New(j, modernc.Open{})
	},
}}
