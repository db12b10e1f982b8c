// Package allod is the front door of an allocator framework: memory that a Go
// program holds outright, whose size, place and end of life the program
// decides, not the garbage collector.
//
// Allocators are values. A function that needs memory is handed a
// [github.com/allod-dev/allod/mem.Allocator]; allocators wrap one another;
// running out is an ordinary error; tests find leaks. The model is Zig's
// std.mem.Allocator and std.heap.
//
// The rooms:
//
//   - mem: what an allocator is, and typed memory from any of them: start here.
//   - heap: the allocators. Its documentation says which one to want.
//   - heap/heaphttp: what allocators hold, over HTTP: a page, JSON, profiles.
//   - generic: containers that are handed an allocator.
//   - testing/allocatortest: tests that fail on leaks, the contract suite for
//     allocators of your own, and out-of-memory injection.
//   - testing/alloctrace: what a program allocates, recorded.
//
// Guides are in the folder docs, and adapters for other people's libraries in
// contrib, each a module of its own.
//
// This package holds no code.
package allod
