// Package examples is small programs to copy from, each in a folder with tests
// that keep it right:
//
//   - leaktest: a test that fails on leaks, and one that runs out of memory at
//     every allocation in turn.
//   - forgotten: one Free too few, and who allocated the block.
//   - tooearly: one Free too early, and who read, freed and allocated the block.
//   - request: an HTTP handler with an arena per request.
//   - limit: choosing a limit, and making room when it is reached.
//   - cache: a million entries in a cache off the Go heap, bounded by bytes.
//   - invertedindex: words to lists of documents, containers in a container.
//   - graph: ten million edges that no garbage collection looks at.
//   - watch: a page that shows what a program's allocators hold, while it runs.
//   - embed: an allocator of one's own, by embedding another.
//
// Those with a main function (request, cache, graph, watch) run with go run, as
// in go run ./examples/cache; the others are packages with tests and examples, to
// read and to run with go test -v.
//
// A larger program is in cmd/allod/internal/demo: the index that allod demo
// builds on and off the Go heap. This package holds no code.
package examples
