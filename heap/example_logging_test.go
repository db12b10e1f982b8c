package heap_test

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// Every call of a part of a program, with failures louder than the rest.
func ExampleLogging() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "addr" {
				return slog.Attr{} // differ from run to run
			}
			return a
		},
	}))
	a := heap.NewLogging(heap.NewLimit(heap.Page{}, 100), heap.LoggingOptions{
		Logger:       logger,
		Name:         "cache",
		SuccessLevel: slog.LevelInfo,
	})

	s, err := mem.Alloc[int32](a, 10)
	if err != nil {
		fmt.Println(err)
	}
	if _, err := mem.Alloc[int32](a, 20); err != nil {
		fmt.Println(err)
	}
	mem.Free(a, s)
	// Output:
	// level=INFO msg=alloc allocator=cache size=40 align=4 type=int32 kind=plain zero=true
	// level=ERROR msg="alloc failed" allocator=cache size=80 align=4 type=int32 kind=plain zero=true err="heap: Limit: 100 bytes reached"
	// heap: Limit: 100 bytes reached
	// level=INFO msg=free allocator=cache size=40 align=4 type=int32
}
