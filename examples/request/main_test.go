package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// Arenas come from a pool that drops some: the test keeps a list of them, so that
// it can close each, and see that all memory is given back.
func TestServeWords(t *testing.T) {
	memory := allocatortest.New(t)
	var (
		mu  sync.Mutex
		all []*heap.Arena
	)
	before := arenas.New
	arenas = sync.Pool{New: func() any {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, heap.NewArena(memory))
		return all[len(all)-1]
	}}
	defer func() {
		arenas = sync.Pool{New: before}
		for _, a := range all {
			a.Close()
		}
	}()
	var wg sync.WaitGroup
	for client := range 8 {
		wg.Go(func() {
			for i := range 50 {
				name := fmt.Sprintf("client%d.%d", client, i)
				r := httptest.NewRequest("POST", "/words", strings.NewReader(name+" to be or not to be"))
				w := httptest.NewRecorder()
				serveWords(w, r)
				if want := "be\n" + name + "\nnot\nor\nto\n"; w.Body.String() != want {
					t.Errorf("got %q, want %q", w.Body, want)
				}
			}
		})
	}
	wg.Wait()
	if len(all) == 0 {
		t.Error("no request had an arena")
	}
}

func TestServeWordsRefuses(t *testing.T) {
	r := httptest.NewRequest("POST", "/words", strings.NewReader("short"))
	for _, length := range []int64{-1, maxBody + 1, 100} {
		w := httptest.NewRecorder()
		r.ContentLength = length
		if serveWords(w, r); w.Code != http.StatusBadRequest {
			t.Errorf("Content-Length %d: status %d", length, w.Code)
		}
	}
}

// Whatever distinct takes from an arena, closing the arena gives back, also
// when memory runs out on the way. An arena that is refused asks for less, which
// MaySwallow allows.
func TestDistinctRunningOut(t *testing.T) {
	allocatortest.CheckFailures(t, allocatortest.FailureOptions{MaySwallow: true}, func(a mem.Allocator) error {
		arena := heap.NewArena(a)
		defer arena.Close()
		_, err := distinct(arena, []byte(strings.Repeat("to be or not to be ", 1000)))
		return err
	})
}
