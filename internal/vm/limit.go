//go:build !wasm

package vm

import "math/bits"

const goHeapMax = 256 << 20 << (bits.UintSize / 64 * 2) // 1 GiB on 64-bit systems
