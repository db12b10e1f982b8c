// Request serves HTTP requests out of arenas. What a handler needs for one
// request comes from an arena and goes at once when the response is written,
// and the arena's memory is warm for the next request.
//
//	go run ./examples/request
//
// and in another terminal
//
//	curl --data 'to be or not to be' localhost:8080/words
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

func main() {
	addr := flag.String("http", "localhost:8080", "address to serve at")
	flag.Parse()
	http.HandleFunc("POST /words", serveWords)
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("serving; try: curl --data 'to be or not to be' http://%s/words\n", l.Addr())
	log.Fatal(http.Serve(l, nil))
}

// arenas are those that no request is using. The pool may drop one at any time
// without closing it: that is right for arenas over heap.GC, whose memory the
// collector then finds. Arenas over heap.Page would leak; keep those in a
// channel.
var arenas = sync.Pool{New: func() any { return heap.NewArena(heap.GC{}) }}

const (
	maxBody = 16 << 20 // what one request may ask for
	maxKeep = 1 << 20  // what an idle arena keeps: a large request is no reason to keep more
)

// serveWords answers with the words of the body, each once, in order.
func serveWords(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength < 0 || r.ContentLength > maxBody {
		http.Error(w, "send Content-Length, 16 MiB at most", http.StatusBadRequest)
		return
	}
	arena := arenas.Get().(*heap.Arena)
	defer func() {
		arena.ResetTo(maxKeep) // body and words are dead from here on
		arenas.Put(arena)
	}()
	body, err := mem.AllocUninit[byte](arena, int(r.ContentLength))
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	if _, err := io.ReadFull(r.Body, body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	words, err := distinct(arena, body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	for _, word := range words {
		fmt.Fprintf(w, "%s\n", word)
	}
}

// distinct returns the words of text, each once, in order, in memory of a. They
// are parts of text.
func distinct(a mem.Allocator, text []byte) (words [][]byte, err error) {
	for word := range bytes.FieldsSeq(text) {
		if words, err = mem.Append(a, words, word); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(words, bytes.Compare)
	return slices.CompactFunc(words, bytes.Equal), nil
}
