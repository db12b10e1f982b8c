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
	defer arenas.Close()

	sum := func(w http.ResponseWriter, r *http.Request) {
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
	server := arenas.Wrap(http.HandlerFunc(sum))

	w := httptest.NewRecorder()
	server.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Print(w.Body)
	// Output:
	// 332833500
}
