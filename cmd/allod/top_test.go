package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/allod-dev/allod/cmd/allod/internal/top"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/heap/heaphttp"
	"github.com/allod-dev/allod/mem"
)

// shop serves the page of a program with some names.
func shop(t *testing.T) *httptest.Server {
	t.Helper()
	var registry heap.Registry
	smp := heap.NewSMP(heap.SMPOptions{ProfileRate: 1})
	t.Cleanup(func() { smp.Close() })
	cache, index := registry.Named(smp, "shop/cache"), registry.Named(smp, "shop/cache/index")
	b, c := mem.Must(cache.Alloc(5000, mem.Layout{})), mem.Must(index.Alloc(70_000, mem.Layout{}))
	t.Cleanup(func() { cache.Free(b, mem.Layout{}); index.Free(c, mem.Layout{}) })
	mux := http.NewServeMux()
	heaphttp.NewMonitor(heaphttp.Options{Registry: &registry}).Register(mux)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func TestTop(t *testing.T) {
	server := shop(t)
	stdout, stderr, code := allod(t, "top", server.URL)
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	for _, want := range []string{
		"off the Go heap", "\nNAME ", "\nshop ", "\n  cache ", "\n    index ", "68.4 KiB", "73.2 KiB",
		"1 block of shop/cache, shop/cache/index", "allod.shop  top_test.go:",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if strings.ContainsAny(stdout, "\r\x1b") {
		t.Errorf("control characters, and this is no terminal: %q", stdout)
	}
	stdout, _, code = allod(t, "top", "--once", "--sort=bytes", "--reverse", "--stacks=0", server.URL)
	if first, last := strings.Index(stdout, "shop/cache/index "), strings.Index(stdout, "shop "); code != 0 || first < 0 || last < first ||
		!strings.Contains(stdout, "▲LIVE") || strings.Contains(stdout, "top_test.go") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	stdout, _, code = allod(t, "top", "--count=2", "--interval=100ms", server.URL)
	if n := strings.Count(stdout, "NAME "); code != 0 || n != 2 {
		t.Errorf("exit code %d, %d tables\n%s", code, n, stdout)
	}
}

func TestTopJSON(t *testing.T) {
	server := shop(t)
	t.Setenv("ALLOD_URL", server.URL)
	stdout, stderr, code := allod(t, "top", "--json", "--count=2", "--interval=100ms")
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	for _, line := range lines {
		var s top.Snapshot
		if err := json.Unmarshal([]byte(line), &s); err != nil || len(s.Stats.Allocators) != 3 || len(s.Leaks.Sites) == 0 {
			t.Errorf("%v in %s", err, line)
		}
	}
	if len(lines) != 2 {
		t.Errorf("%d lines", len(lines))
	}
}

func TestTopExitCodes(t *testing.T) {
	nobody, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	says := func(status int, text string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, text)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"nobody":         {[]string{nobody.Addr().String()}, 1, "nothing listens at"},
		"no host":        {[]string{"http://nowhere.invalid/"}, 1, "nowhere.invalid"},
		"no page":        {[]string{says(404, "")}, 1, "there is no page of allod at /debug/allod/"},
		"refused":        {[]string{says(403, "")}, 1, "403 Forbidden"},
		"another page":   {[]string{says(200, "<html>")}, 1, "is no page of allod"},
		"password":       {[]string{strings.Replace(says(200, "<html>"), "://", "://me:secret@", 1)}, 1, "me:xxxxx@"},
		"another JSON":   {[]string{says(200, `{"stats": 1}`)}, 1, "is no page of allod"},
		"two":            {[]string{"a", "b"}, 2, "one URL"},
		"scheme":         {[]string{"ftp://x"}, 2, "http or https"},
		"no URL":         {[]string{"http://[::1"}, 2, "is no URL"},
		"port":           {[]string{"localhost:99999"}, 2, "no port 99999"},
		"sort":           {[]string{"--sort=colour"}, 2, "colour"},
		"interval":       {[]string{"--interval=1ms"}, 2, "--interval"},
		"count":          {[]string{"--count=-1"}, 2, "--count"},
		"once and count": {[]string{"--once", "--count=2"}, 2, "--once and --count"},
		"stacks":         {[]string{"--stacks=-1"}, 2, "--stacks"},
		"flag":           {[]string{"--fast"}, 2, "--fast"},
	} {
		stdout, stderr, code := allod(t, append([]string{"top"}, test.args...)...)
		if code != test.code || !strings.Contains(stderr, test.want) || stdout != "" || !strings.HasPrefix(stderr, "allod top: ") {
			t.Errorf("%s: exit code %d, want %d and %q\n%s%s", name, code, test.code, test.want, stdout, stderr)
		}
	}
}

// Ctrl-C ends it where it does not have the terminal.
func TestTopInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals to send")
	}
	cmd := exec.Command(os.Args[0], "top", "--json", "--count=1000000", "--interval=100ms", shop(t).URL)
	cmd.Env = append(os.Environ(), "ALLOD_TEST_AS_COMMAND=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, lines)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || stderr.String() != "allod top: interrupted\n" {
		t.Errorf("exit code %d, %q", code, stderr.String())
	}
}
