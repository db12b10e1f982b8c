package vm

import (
	"math"
	"sync"
)

// PhysicalMemory returns how many bytes of memory the machine has, or 0 where
// that cannot be told. It asks once.
var PhysicalMemory = sync.OnceValue(func() int {
	return int(min(physicalOS(), math.MaxInt))
})
