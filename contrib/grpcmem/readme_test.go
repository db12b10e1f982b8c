package grpcmem_test

import (
	"fmt"
	"net/http/httputil"

	"google.golang.org/grpc"
	"google.golang.org/grpc/experimental"

	"github.com/allod-dev/allod/contrib/grpcmem"
	"github.com/allod-dev/allod/heap"
)

// What the README shows is compiled, and not run.
func Example_readme() {
	var (
		target string
		proxy  httputil.ReverseProxy
	)
	pool := grpcmem.New(heap.Default())
	experimental.SetDefaultBufferPool(pool) // what is marshaled
	conn, err := grpc.NewClient(target, experimental.WithBufferPool(pool))
	server := grpc.NewServer(experimental.BufferPool(pool))
	proxy.BufferPool = pool.Proxy(0)
	fmt.Println(conn, err, server)
}
