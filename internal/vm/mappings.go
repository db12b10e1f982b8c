package vm

import "sync"

// MaxMappings returns how many mappings the process may have, or 0 where there is
// no limit, or none that can be told. It asks once.
var MaxMappings = sync.OnceValue(maxMappingsOS)
