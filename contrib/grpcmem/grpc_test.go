package grpcmem_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/allod-dev/allod/contrib/grpcmem"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// echo is a service that returns what it is sent.
var echo = grpc.ServiceDesc{
	ServiceName: "Echo",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Echo",
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			m := new(wrapperspb.BytesValue)
			return m, decode(m)
		},
	}},
}

// calls makes n calls over loopback, from four callers, with up to 128 KiB each,
// all buffers of client and server from pool.
func calls(pool mem.BufferPool, n int) error {
	experimental.SetDefaultBufferPool(pool)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer(experimental.BufferPool(pool))
	server.RegisterService(&echo, nil)
	served := make(chan error, 1)
	go func() { served <- server.Serve(lis) }()
	conn, err := grpc.NewClient(lis.Addr().String(), experimental.WithBufferPool(pool),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	const callers = 4
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			body := bytes.Repeat([]byte{byte(c)}, 128<<10)
			for i := range n / callers {
				want := body[:(i*977+c*31)%len(body)]
				got := new(wrapperspb.BytesValue)
				if err := conn.Invoke(context.Background(), "/Echo/Echo", wrapperspb.Bytes(want), got); err != nil {
					errs[c] = err
					return
				}
				if !bytes.Equal(got.Value, want) {
					errs[c] = fmt.Errorf("call %d: %d bytes came back otherwise", i, len(want))
					return
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	if err := conn.Close(); err != nil {
		return err
	}
	server.GracefulStop()
	return <-served
}

// Client and server over loopback give back every buffer, and write to none that
// they gave back.
func TestGRPC(t *testing.T) {
	n := 2000
	if testing.Short() {
		n = 400
	}
	defer experimental.SetDefaultBufferPool(mem.DefaultBufferPool())
	d := heap.NewDebug(heap.Default(), heap.DebugOptions{})
	p := grpcmem.NewWith(d, grpcmem.Options{Retain: -1})
	if err := calls(p, n); err != nil {
		t.Fatal(err)
	}
	untilNone(func() int { return d.Stats().Blocks })
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if n := d.Stats().Allocs; n < 1000 && !testing.Short() {
		t.Errorf("only %d buffers were asked for", n)
	}
}

// With next to no memory for buffers the service goes on.
func TestGRPCLimit(t *testing.T) {
	defer experimental.SetDefaultBufferPool(mem.DefaultBufferPool())
	limit := heap.NewLimit(allocatortest.New(t), 100_000)
	p := grpcmem.New(limit)
	if err := calls(p, 400); err != nil {
		t.Fatal(err)
	}
	if p.Stats().Refused == 0 {
		t.Error("no buffer was refused")
	}
	untilNone(func() int {
		p.Trim()
		return limit.Used()
	})
}

// untilNone waits until live says 0: the last buffers go when connections have
// ended, which nobody can wait for. It gives up after a minute.
func untilNone(live func() int) {
	for end := time.Now().Add(time.Minute); live() > 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
}

// pools are compared by BenchmarkGRPC, each in a process of its own.
var pools = map[string]func() mem.BufferPool{
	"tiered": func() mem.BufferPool { return mem.DefaultBufferPool() },
	"none":   func() mem.BufferPool { return mem.NopBufferPool{} },
	"allod":  func() mem.BufferPool { return grpcmem.New(heap.Default()) },
}

func TestMain(m *testing.M) {
	pool := pools[os.Getenv("GRPCMEM_POOL")]
	if pool == nil {
		os.Exit(m.Run())
	}
	start := time.Now()
	if err := calls(pool(), 20_000); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	fmt.Println(time.Since(start).Seconds(), peakRSS(), s.NumGC, s.TotalAlloc>>20)
	os.Exit(0)
}

// peakRSS returns the largest amount of memory that the process had, in KiB, or 0
// where that is not told.
func peakRSS() int {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if v, ok := strings.CutPrefix(s.Text(), "VmHWM:"); ok {
			n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(v), " kB"))
			return n
		}
	}
	return 0
}

// BenchmarkGRPC makes 20,000 calls in a process of its own. What is left on the Go
// heap without buffers is so little that the collector runs four times as often:
// with twice the GOGC there is still less memory.
func BenchmarkGRPC(b *testing.B) {
	for _, c := range []struct{ impl, gogc string }{{"tiered", "100"}, {"none", "100"}, {"allod", "100"}, {"allod", "200"}} {
		b.Run("impl="+c.impl+"/gogc="+c.gogc, func(b *testing.B) {
			var seconds, cpu, rss, gcs, mb float64
			for b.Loop() {
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), "GRPCMEM_POOL="+c.impl, "GOGC="+c.gogc)
				out, err := cmd.Output()
				if err != nil {
					b.Fatalf("%v: %s", err, out)
				}
				var s, r, g, m float64
				if _, err := fmt.Sscan(string(out), &s, &r, &g, &m); err != nil {
					b.Fatalf("%v: %s", err, out)
				}
				seconds, rss, gcs, mb = seconds+s, rss+r, gcs+g, mb+m
				cpu += (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
			}
			n := float64(b.N)
			b.ReportMetric(seconds/n, "sec/run")
			b.ReportMetric(cpu/n, "cpu-sec/run")
			b.ReportMetric(rss/n/1024, "peak-MiB")
			b.ReportMetric(gcs/n, "GCs")
			b.ReportMetric(mb/n, "Go-MiB")
		})
	}
}
