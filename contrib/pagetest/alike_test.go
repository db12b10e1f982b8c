package pagetest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

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

// A name may be one that every object of JavaScript has.
func TestNamesOfObjects(t *testing.T) {
	v := open(t, 1100, 900)
	name := func(name string, size int) {
		a := v.registry.Named(heap.Page{}, name)
		b := mem.Must(a.Alloc(size, mem.Layout{}))
		t.Cleanup(func() { a.Free(b, mem.Layout{}) })
	}
	name("constructor", 1)
	v.until(`history.bytes.has("constructor")`)
	for i := range 110 { // which push the smallest out of the history
		name(fmt.Sprint("n", i), 1000)
	}
	v.until(`history.bytes.has("n0")`)
	ready := value[string](v, `document.documentElement.dataset.ready`)
	v.until(fmt.Sprintf(`document.documentElement.dataset.ready > %s + 2`, ready))
	if s := value[string](v, `document.querySelector("#status").innerText`); s != "Live" {
		t.Error(s)
	}
	v.clean()
}

// However seldom the page shall ask, it does not ask all the time.
func TestEvery(t *testing.T) {
	v := open(t, 800, 600)
	v.do(chromedp.Navigate(v.server.URL + "/debug/allod/?every=1e12"))
	v.until(`document.documentElement.dataset.ready >= 1`)
	time.Sleep(500 * time.Millisecond)
	if ready := value[string](v, `document.documentElement.dataset.ready`); ready != "1" {
		t.Errorf("it has asked %s times", ready)
	}
	v.clean()
}
