// Package mem defines what an allocator is, and gives programs typed memory
// from any of them.
package mem
