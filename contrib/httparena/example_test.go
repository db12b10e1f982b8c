package httparena_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/allod-dev/allod/contrib/httparena"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// What the handler allocates is gone when it has returned.
func ExampleArenas() {
	arenas := httparena.New(heap.Default(), httparena.Options{})
	http.Handle("/sum", arenas.Wrap(http.HandlerFunc(sum)))
	defer arenas.Close()

	w := httptest.NewRecorder()
	http.DefaultServeMux.ServeHTTP(w, httptest.NewRequest("GET", "/sum", nil))
	fmt.Print(w.Body)
	// Output:
	// 332833500
}

func sum(w http.ResponseWriter, r *http.Request) {
	a := httparena.From(r.Context())
	squares, err := mem.Alloc[int](a, 1000) // need not be freed
	if err != nil {
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	}
	total := 0
	for i := range squares {
		squares[i] = i * i
		total += squares[i]
	}
	fmt.Fprintln(w, total)
}
