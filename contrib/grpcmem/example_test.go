package grpcmem_test

import (
	"fmt"
	"net/http/httputil"
	"net/url"

	"google.golang.org/grpc"
	"google.golang.org/grpc/experimental"

	"github.com/allod-dev/allod/contrib/grpcmem"
	"github.com/allod-dev/allod/heap"
)

// A server and whatever it marshals have their buffers off the Go heap, 64 MiB at
// most; beyond that they come from the Go heap.
func ExamplePool() {
	pool := grpcmem.New(heap.NewLimit(heap.Default(), 64<<20))
	experimental.SetDefaultBufferPool(pool) // what is marshaled
	server := grpc.NewServer(experimental.BufferPool(pool))
	defer server.Stop()

	b := pool.Get(5000)
	fmt.Println(len(*b), cap(*b))
	pool.Put(b)
	fmt.Println(pool.Stats().Kept, pool.Trim(), pool.Stats().Kept)
	// Output:
	// 5000 8192
	// 8192 8192 0
}

// A reverse proxy copies through buffers of the pool.
func ExamplePool_Proxy() {
	pool := grpcmem.New(heap.Default())
	target, _ := url.Parse("http://127.0.0.1:8080")
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.BufferPool = pool.Proxy(64 << 10)
	fmt.Println(len(proxy.BufferPool.Get()))
	// Output:
	// 65536
}
