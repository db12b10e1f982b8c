package otel_test

import (
	"fmt"

	"go.opentelemetry.io/otel"

	"github.com/allod-dev/allod/heap"
)

import allodotel "github.com/allod-dev/allod/contrib/otel"

// What the README shows is compiled, and not run.
func Example_readme() {
	index := heap.Named(heap.Page{}, "cache/index") // instead of heap.Page{}
	defer index.Close()

	registration, err := allodotel.Register(otel.Meter("allod"), nil)
	fmt.Println(registration, err)
}
