package vm

const goHeapMax = 256 << 20 // of 4 GiB at most, which browsers seldom give
