package heaphttp

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/pprofenc"
)

// A sample is a line of a profile.
type sample struct {
	allocator string
	site      heap.ProfileSite
}

// collect returns what the sources say.
func collect(sources []source) map[siteKey]sample {
	all := make(map[siteKey]sample)
	for _, s := range sources {
		for _, site := range s.sites() {
			key := keyOf(&s, &site)
			if had, ok := all[key]; ok {
				site = plus(had.site, site, 1)
			}
			all[key] = sample{s.name, site}
		}
	}
	return all
}

// plus returns a with b added so many times.
func plus(a, b heap.ProfileSite, times int64) heap.ProfileSite {
	a.Blocks += times * b.Blocks
	a.Bytes += times * b.Bytes
	a.TotalBlocks += times * b.TotalBlocks
	a.TotalBytes += times * b.TotalBytes
	return a
}

// subtract takes what was before off all, and what has not changed away. What was
// ever allocated does not get less, though whoever knew of it may have been closed,
// and a Debug only knows of what is live.
func subtract(all, before map[siteKey]sample) {
	for key, b := range before {
		a, ok := all[key]
		if !ok { // of a stack that is gone, the blocks are
			a.allocator, a.site.Stack = b.allocator, b.site.Stack
		}
		a.site = plus(a.site, b.site, -1)
		a.site.TotalBlocks, a.site.TotalBytes = max(a.site.TotalBlocks, 0), max(a.site.TotalBytes, 0)
		all[key] = a
	}
	for key, s := range all {
		if s.site.Blocks == 0 && s.site.Bytes == 0 && s.site.TotalBlocks == 0 && s.site.TotalBytes == 0 {
			delete(all, key)
		}
	}
}

// writeProfile writes what go tool pprof reads. A duration of 0 is that of a
// profile which is of one moment.
func writeProfile(w io.Writer, all map[siteKey]sample, at time.Time, took time.Duration) error {
	program, _ := os.Executable() // a profile without its name is good enough
	p := pprofenc.New(pprofenc.Heap, program, at)
	p.Took(took)
	for _, s := range sorted(all) {
		labels := []pprofenc.Label{{Key: "allocator", Text: s.allocator}}
		if s.site.TotalBlocks > 0 && s.site.TotalBytes > 0 { // as Go's own profile has it
			labels = append(labels, pprofenc.Label{Key: "bytes", Number: s.site.TotalBytes / s.site.TotalBlocks, Unit: "bytes"})
		}
		p.AddLabeled(labels, s.site.Stack.Program(), s.site.TotalBlocks, s.site.TotalBytes, s.site.Blocks, s.site.Bytes)
	}
	return p.Write(w)
}

// writeText writes what people read, in the format of package runtime/pprof,
// which go tool pprof reads, too.
func writeText(w io.Writer, all map[siteKey]sample) error {
	var sum heap.ProfileSite
	for _, s := range all {
		sum = plus(sum, s.site, 1)
	}
	b := bufio.NewWriter(w)
	line := func(s heap.ProfileSite) {
		fmt.Fprintf(b, "%d: %d [%d: %d] @", s.Blocks, s.Bytes, s.TotalBlocks, s.TotalBytes)
	}
	b.WriteString("heap profile: ")
	line(sum)
	b.WriteString(" heapprofile\n") // heap/1024 would say that estimates are counts
	for _, s := range sorted(all) {
		line(s.site)
		stack := s.site.Stack.Program()
		for _, pc := range stack {
			fmt.Fprintf(b, " %#x", pc)
		}
		fmt.Fprintf(b, "\n#\tallocator %q\n", s.allocator)
		for _, f := range frames(stack) {
			fmt.Fprintf(b, "#\t%s\t%s:%d\n", f.Function, f.File, f.Line)
		}
		b.WriteByte('\n')
	}
	return b.Flush() // the first error of them all
}

// Heap serves a profile of all blocks that [DefaultMonitor] knows stacks of; see
// the package documentation.
func Heap(w http.ResponseWriter, r *http.Request) {
	if allowed(w, r) {
		DefaultMonitor.serveHeap(w, r)
	}
}

const mostSeconds = 600

// waits has the server wait for an answer that takes so long, as net/http/pprof
// has it. It cannot if what wraps w hides what that takes.
func waits(w http.ResponseWriter, r *http.Request, took time.Duration) bool {
	s, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok || s.WriteTimeout <= 0 || took == 0 {
		return true
	}
	return http.NewResponseController(w).SetWriteDeadline(time.Now().Add(took+s.WriteTimeout)) == nil || took < s.WriteTimeout
}

func (m *Monitor) serveHeap(w http.ResponseWriter, r *http.Request) {
	seconds, ok := number(w, r, "seconds", 0, 0, mostSeconds)
	if !ok {
		return
	}
	text, ok := number(w, r, "debug", 0, 0, 2)
	if !ok {
		return
	}
	if text > 0 && seconds > 0 {
		refuse(w, http.StatusBadRequest, "seconds and debug do not go together")
		return
	}
	name := parameter(r, "allocator")
	if !m.knows(w, name) {
		return
	}
	took := time.Duration(seconds) * time.Second
	if !waits(w, r, took) {
		refuse(w, http.StatusBadRequest, "seconds is more than the server's WriteTimeout")
		return
	}
	header := w.Header()
	if text > 0 {
		header.Set("Content-Type", "text/plain; charset=utf-8")
	} else {
		header.Set("Content-Type", "application/octet-stream")
		header.Set("Content-Disposition", `attachment; filename="heap"`)
	}
	if r.Method == http.MethodHead {
		return // for which nobody waits
	}
	if text > 0 {
		_ = writeText(w, collect(m.profiles(name))) // who asked is gone
		return
	}
	at := time.Now()
	var before map[siteKey]sample
	if took > 0 {
		before = collect(m.profiles(name))
		t := time.NewTimer(took)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
			header.Del("Content-Disposition")
			refuse(w, http.StatusServiceUnavailable, "who asked did not wait")
			return
		}
		header.Set("Content-Disposition", `attachment; filename="heap-delta"`)
	}
	all := collect(m.profiles(name))
	if took > 0 {
		took = time.Since(at)
		subtract(all, before)
	}
	_ = writeProfile(w, all, at, took) // who asked is gone
}
