package heap_test

import (
	"fmt"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

// What it costs to map a block and unmap it, untouched; beside it the same from
// C and from package syscall, and what make costs. See bench_page_cgo_test.go
// and bench_page_unix_test.go for those.
func BenchmarkPage(b *testing.B) {
	for _, size := range []int{vm.PageSize(), 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("impl=page/size=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m, err := heap.Page{}.Alloc(size, mem.Layout{})
				if err != nil {
					b.Fatal(err)
				}
				heap.Page{}.Free(m, mem.Layout{})
			}
		})
		for _, o := range pageRivals {
			b.Run(fmt.Sprintf("impl=%s/size=%d", o.name, size), func(b *testing.B) {
				b.ReportAllocs()
				o.run(b, size)
			})
		}
		b.Run(fmt.Sprintf("impl=make/size=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sink = make([]byte, size)
			}
		})
	}
}

var sink []byte

type pageRival struct {
	name string
	run  func(b *testing.B, size int)
}

var pageRivals []pageRival
