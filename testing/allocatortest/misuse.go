package allocatortest

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"sync"

	"github.com/allod-dev/allod/heap"
)

// ExpectMisuse calls fn and fails the test unless it is reported as misuse of
// the given kind, and of no other. It returns the first such report, or nil.
//
// Reports of heap's handler (see [heap.OnMisuse]), of an [Allocator] of this
// package, and a panic of fn with a [*heap.Misuse] count. After a report to the
// handler the misused call returns as if nothing had happened, and fn goes on.
//
// The handler is one for the whole process: while fn runs, ExpectMisuse takes
// its place, sorts out the reports by goroutine, and passes those of unrelated
// goroutines on. Tests in parallel may use it. A goroutine started by a
// goroutine of fn is unrelated, unless fn is the only one that is waiting.
func ExpectMisuse(tb TB, kind heap.MisuseKind, fn func()) *heap.Misuse {
	tb.Helper()
	var found *heap.Misuse
	for _, m := range watch(fn) {
		if m.Kind != kind {
			fail(tb, "misuse reported: %s; want %v\n%s", line(m), kind, describe(m))
		} else if found == nil {
			found = m
		}
	}
	if found == nil {
		fail(tb, "no misuse reported, want %v", kind)
	}
	return found
}

// NoMisuse calls fn and fails the test if any misuse is reported: the twin of
// [ExpectMisuse], for the same code without the mistake.
func NoMisuse(tb TB, fn func()) {
	tb.Helper()
	for _, m := range watch(fn) {
		fail(tb, "misuse reported: %s; want none\n%s", line(m), describe(m))
	}
}

// watch calls fn and returns the misuses that were reported meanwhile.
func watch(fn func()) (found []*heap.Misuse) {
	w := &watcher{goroutine: self()}
	watchers.add(w)
	defer func() {
		watchers.remove(w)
		found = w.found
		if r := recover(); r != nil {
			m, ok := r.(*heap.Misuse)
			if !ok {
				panic(r)
			}
			found = append(found, m)
		}
	}()
	fn()
	return
}

// watcher collects the misuses of one goroutine and those that it started.
type watcher struct {
	goroutine uint64
	found     []*heap.Misuse // guarded by watchers
}

// watchers are all that wait for reports at the moment. While there are any, the
// handler of package heap is theirs.
var watchers registry

type registry struct {
	mu     sync.Mutex
	all    []*watcher
	before func(*heap.Misuse)
}

func (s *registry) add(w *watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) == 0 {
		s.before = heap.OnMisuse(s.handle)
	}
	s.all = append(s.all, w)
}

func (s *registry) remove(w *watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.all {
		if s.all[i] == w {
			s.all = append(s.all[:i:i], s.all[i+1:]...)
			break
		}
	}
	if len(s.all) == 0 {
		heap.OnMisuse(s.before)
		s.before = nil
	}
}

// handle is what package heap reports to.
func (s *registry) handle(m *heap.Misuse) {
	if deliver(m) {
		return
	}
	s.mu.Lock()
	before := s.before
	s.mu.Unlock()
	if before == nil {
		panic(m)
	}
	before(m)
}

// deliver hands m to whoever waits for the reports of this goroutine.
func deliver(m *heap.Misuse) bool {
	s := &watchers
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) == 0 {
		return false
	}
	me, parent := lineage()
	for _, id := range [...]uint64{me, parent} {
		// The innermost first: watchers nest.
		for i := len(s.all) - 1; i >= 0; i-- {
			if s.all[i].goroutine == id {
				s.all[i].found = append(s.all[i].found, m)
				return true
			}
		}
	}
	if len(s.all) == 1 {
		s.all[0].found = append(s.all[0].found, m)
		return true
	}
	return false
}

// self returns the number of the calling goroutine.
func self() uint64 {
	me, _ := lineage()
	return me
}

// lineage returns the numbers of the calling goroutine and of the one that
// started it, 0 if it is not known. The runtime tells them to nobody but
// readers of stack traces.
func lineage() (me, parent uint64) {
	buf := make([]byte, 16<<10)
	for {
		n := runtime.Stack(buf, false)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	me = numberAfter(buf, "goroutine ")
	if i := bytes.LastIndex(buf, []byte(" in goroutine ")); i >= 0 {
		parent = numberAfter(buf[i:], " in goroutine ")
	}
	return me, parent
}

func numberAfter(b []byte, prefix string) uint64 {
	b, ok := bytes.CutPrefix(b, []byte(prefix))
	if !ok {
		panic(fmt.Sprintf("allocatortest: no goroutine number in %q", b))
	}
	end := 0
	for end < len(b) && '0' <= b[end] && b[end] <= '9' {
		end++
	}
	n, err := strconv.ParseUint(string(b[:end]), 10, 64)
	if err != nil {
		panic("allocatortest: no goroutine number: " + err.Error())
	}
	return n
}
