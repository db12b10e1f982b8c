//go:build goexperiment.arenas

package impls

import (
	"github.com/allod-dev/allod/bench/internal/load"
	"github.com/allod-dev/allod/bench/internal/load/goarena"
)

func openArena(j *load.Job) load.Rig { return goarena.New(j, goarena.Open{}) }
