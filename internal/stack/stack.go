// Package stack records where calls come from, at a price that a debugging
// allocator can pay for every block.
//
// [Callers] follows the frame pointers, where the platform keeps them, and
// yields raw return addresses: one for each function that was not inlined.
// A [Table] keeps each stack once and names it by 32 bits. [Logical] turns raw
// addresses into what [runtime.Callers] would have given, when somebody reads a
// report.
package stack
