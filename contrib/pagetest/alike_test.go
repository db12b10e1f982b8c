package pagetest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// What looks the same is there as often as it is.
func TestAlike(t *testing.T) {
	v := open(t, 1100, 900)
	for i := range 3 {
		d := heap.NewDebug(heap.Page{}, heap.DebugOptions{})
		a := v.registry.Named(d, "connection")
		b := mem.Must(a.Alloc(1000<<i, mem.Layout{}))
		defer func() { a.Free(b, mem.Layout{}); a.Close(); d.Close() }()
	}
	held := `[...document.querySelectorAll("#debugs tbody tr")].filter(r => r.cells[0].innerText === "connection").map(r => r.cells[1].title).join(" ")`
	v.until(held + `!== ""`)
	once := value[string](v, held)
	if strings.Count(once, "bytes") != 3 {
		t.Errorf("three Debugs of one name hold %q", once)
	}
	ready := value[string](v, `document.documentElement.dataset.ready`)
	v.until(fmt.Sprintf(`document.documentElement.dataset.ready > %s + 5`, ready))
	if then := value[string](v, held); then != once {
		t.Errorf("they hold %q, and then %q", once, then)
	}

	a := v.index
	x, y := mem.Must(a.Alloc(70_001, mem.Layout{})), mem.Must(a.Alloc(70_002, mem.Layout{})) // in one line
	defer func() { a.Free(x, mem.Layout{}); a.Free(y, mem.Layout{}) }()
	in := `[...document.querySelectorAll("#leaks tbody tr")].filter(r => r.cells[0].innerText.includes("alike_test.go")).map(r => r.cells[1].title)`
	v.until(in + `.includes("70,002 bytes")`)
	if sites := value[[]string](v, in); !slices.Contains(sites, "70,001 bytes") {
		t.Errorf("of two calls in a line, there is %q", sites)
	}
	v.clean()
}
