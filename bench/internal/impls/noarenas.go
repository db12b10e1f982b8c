//go:build !goexperiment.arenas

package impls

import "github.com/allod-dev/allod/bench/internal/load"

// openArena cannot be.
var openArena func(*load.Job) load.Rig
