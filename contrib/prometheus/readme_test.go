package prometheus_test

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/allod-dev/allod/heap"
)

import allodprom "github.com/allod-dev/allod/contrib/prometheus"

// What the README shows is compiled, and not run.
func Example_readme() {
	index := heap.Named(heap.Page{}, "cache/index") // instead of heap.Page{}
	defer index.Close()

	prometheus.MustRegister(allodprom.NewCollector(nil))
}
