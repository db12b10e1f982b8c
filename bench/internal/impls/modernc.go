//go:build !js && !wasip1

package impls

import (
	"github.com/allod-dev/allod/bench/internal/load"
	"github.com/allod-dev/allod/bench/internal/load/modernc"
	"github.com/allod-dev/allod/bench/internal/spec"
)

var mmapped = []Impl{{
	Name: "modernc", Group: spec.Go, About: "modernc.org/memory, behind a mutex where goroutines share it", Kinds: all,
	Open: func(j *load.Job) load.Rig { return modernc.New(j, modernc.For(j)) },
}}
