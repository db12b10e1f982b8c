package heaphttp

import (
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/allod-dev/allod/heap"
)

//go:embed page
var assets embed.FS

// policy lets the page load what comes with it, and nothing else from anywhere.
// Nothing that a program gives as a name, and no function's name, can become a
// script: there are none but that one file.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// ServeHTTP serves what is behind the last slash of the path: the page, or a
// part of it; see the package documentation.
func (m *Monitor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !allowed(w, r) {
		return
	}
	switch name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]; name {
	case "":
		serveAsset(w, r, "index.html")
	case "page.js", "page.css", "icon.svg":
		serveAsset(w, r, name)
	case "stats":
		m.serveStats(w, r)
	case "history":
		m.serveHistory(w, r)
	case "leaks":
		m.serveLeaks(w, r)
	case "heap":
		m.serveHeap(w, r)
	default:
		refuse(w, http.StatusNotFound, "there is no such page; there are stats, history, leaks and heap")
	}
}

// allowed sets the headers that every answer has, and tells whether the method
// is one that only looks.
func allowed(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", policy)
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	h.Set("Allow", "GET, HEAD")
	refuse(w, http.StatusMethodNotAllowed, "only GET and HEAD")
	return false
}

// refuse answers with an error that people read, go tool pprof's users among
// them.
func refuse(w http.ResponseWriter, status int, why string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Go-Pprof", "1") // makes go tool pprof show it
	w.WriteHeader(status)
	fmt.Fprintln(w, why)
}

func serveAsset(w http.ResponseWriter, r *http.Request, name string) {
	http.ServeFileFS(w, r, assets, "page/"+name)
}

func serveJSON(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)+1))
	_, _ = w.Write(append(b, '\n')) // who asked is gone
}

// parameter returns what the URL says that name is, or "". A body is not read,
// which may be large.
func parameter(r *http.Request, name string) string { return r.URL.Query().Get(name) }

// number returns a parameter that is a whole number between least and most.
// Without a value it is the default.
func number(w http.ResponseWriter, r *http.Request, name string, otherwise, least, most int) (n int, ok bool) {
	s := parameter(r, name)
	if s == "" {
		return otherwise, true
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("%s is a whole number from %d to %d", name, least, most))
		return 0, false
	}
	return n, true
}

// knows tells whether there are stacks of an allocator's blocks, and answers if
// not.
func (m *Monitor) knows(w http.ResponseWriter, name string) bool {
	if name == "" || len(m.profiles(name)) > 0 {
		return true
	}
	refuse(w, http.StatusNotFound, "no heap.Profile or heap.Debug is known by that name, or below it")
	return false
}

// sorted returns the samples, most live bytes first.
func sorted(all map[siteKey]sample) []sample {
	return slices.SortedFunc(maps.Values(all), func(a, b sample) int {
		return cmp.Or(cmp.Compare(b.site.Bytes, a.site.Bytes), cmp.Compare(b.site.TotalBytes, a.site.TotalBytes),
			strings.Compare(a.allocator, b.allocator), slices.Compare(a.site.Stack, b.site.Stack))
	})
}

// frames returns the calls of a stack, innermost first.
func frames(s heap.Stack) (all []Frame) {
	all = []Frame{}
	if len(s) == 0 {
		return all
	}
	for calls := runtime.CallersFrames(s); ; {
		f, more := calls.Next()
		all = append(all, Frame{f.Function, f.File, f.Line})
		if !more {
			return all
		}
	}
}
