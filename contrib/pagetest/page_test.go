package pagetest_test

import (
	"context"
	"flag"
	"fmt"
	"math"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/heap/heaphttp"
	"github.com/allod-dev/allod/mem"
)

var shots = flag.String("shots", "", "folder to leave pictures of the page in")

// hostile is a name that would be a script in a page that does not escape.
const hostile = `<img src=x onerror="alert(1)"><script>alert(2)</script>"'&`

// A visit is a page that is open in a browser, and what it shows.
type visit struct {
	t      *testing.T
	ctx    context.Context
	server *httptest.Server
	index  *heap.NamedAllocator

	registry heap.Registry // the program's

	mu    sync.Mutex
	wrong []string // what the browser complained about, or should not have done
	asked []string // URLs
}

// patience is how long a browser may take to start.
const patience = 2 * time.Minute

// browser is what all tests open their tabs in, or nil if there is none here.
var browser context.Context

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(withBrowser(m.Run))
}

// withBrowser starts the browser, if there is one, and ends it after run.
func withBrowser(run func() int) int {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		// Some systems have a program of that name which says how to get the browser.
		if p, err := exec.LookPath(name); err == nil && exec.Command(p, "--version").Run() == nil {
			path = p
			break
		}
	}
	if path == "" {
		return run()
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("no-proxy-server", true), chromedp.WSURLReadTimeout(patience))
	ctx, cancel := chromedp.NewContext(context.Background(), chromedp.WithAllocatorOptions(options...))
	defer cancel()
	late := time.AfterFunc(patience, cancel) // the timeout of go test begins with the first test
	if err := chromedp.Do(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "%s does not start: %v\n", path, err)
		return 1
	}
	late.Stop()
	browser = ctx
	defer chromedp.Cancel(ctx) // waits for it to be gone
	return run()
}

// open opens the page of a program that has something of everything.
func open(t *testing.T, width, height int64) *visit {
	t.Helper()
	if browser == nil {
		t.Skip("SKIPPED: there is no chromium here: the page was not tested in a browser")
	}
	v := &visit{t: t}
	v.serve()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // of a tab, which a timeout must not be of
		t.Fatal(err)
	}
	v.ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	if err := chromedp.Listen(v.ctx, v.hear); err != nil {
		t.Fatal(err)
	}
	call(v, network.Enable, network.EnableParams{})
	v.do(chromedp.EmulateViewport(width, height), chromedp.Navigate(v.server.URL+"/debug/allod/?every=200"))
	v.until(`document.documentElement.dataset.ready >= 2`)
	return v
}

// call sends a command of the DevTools protocol.
func call[P, R any](v *visit, command cdp.Command[P, R], params P) R {
	v.t.Helper()
	r, err := chromedp.Call(v.ctx, command, params)
	if err != nil {
		v.t.Fatal(err)
	}
	return r
}

// serve starts the program.
func (v *visit) serve() {
	r := &v.registry
	m := heaphttp.NewMonitor(heaphttp.Options{Registry: r, Interval: 100 * time.Millisecond})
	smp := heap.NewSMP(heap.SMPOptions{})
	named := func(name string) *heap.NamedAllocator {
		return r.Named(heap.NewProfileWith(smp, heap.ProfileOptions{Rate: 1}), name)
	}
	v.index = named("cache/index")
	for _, a := range []*heap.NamedAllocator{v.index, named("cache/data"), named("queue"), named(hostile)} {
		for i := range 50 {
			mem.Must(a.Alloc(100+100*i, mem.Layout{}))
		}
	}
	arena := heap.NewArena(r.Named(heap.Page{}, "requests"))
	stop := r.Watch(arena, "arena of requests")
	mem.Must(arena.Alloc(30_000, mem.Layout{}))
	arena.Reset()
	v.server = httptest.NewServer(m)
	v.t.Cleanup(func() {
		v.server.Close()
		stop()
		arena.Close()
		smp.Close()
	})
}

// hear notes what must not happen.
func (v *visit) hear(event any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		v.wrong = append(v.wrong, fmt.Sprintf("exception: %+v", e.ExceptionDetails))
	case *log.EventEntryAdded:
		v.wrong = append(v.wrong, "log: "+e.Entry.Text)
	case *page.EventJavascriptDialogOpening:
		v.wrong = append(v.wrong, "dialog: "+e.Message)
		go chromedp.Call(v.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
	case *network.EventRequestWillBeSent:
		v.asked = append(v.asked, e.Request.URL)
	}
}

// clean wants nothing to have gone wrong so far, and nothing asked of elsewhere.
func (v *visit) clean() {
	v.t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, w := range v.wrong {
		v.t.Error(w)
	}
	for _, url := range v.asked {
		if !strings.HasPrefix(url, v.server.URL+"/debug/allod/") {
			v.t.Errorf("the page asks for %s", url)
		}
	}
}

func (v *visit) do(actions ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	if err := chromedp.Do(v.ctx, actions...); err != nil {
		v.t.Fatal(err)
	}
}

// until waits until an expression is true.
func (v *visit) until(expression string) {
	v.t.Helper()
	poll := chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(time.Minute))
	if err := chromedp.Do(v.ctx, poll); err != nil {
		v.t.Fatalf("%s: %v", expression, err)
	}
}

// value returns what an expression is.
func value[T any](v *visit, expression string) T {
	v.t.Helper()
	x, err := chromedp.Run(v.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		v.t.Fatalf("%s: %v", expression, err)
	}
	return x
}

// picture leaves one of the whole page, if anybody wants to see it.
func (v *visit) picture(name string) {
	v.t.Helper()
	if *shots == "" {
		return
	}
	png, err := chromedp.Run(v.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		v.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*shots, name+".png"), png, 0o644); err != nil {
		v.t.Fatal(err)
	}
}

// texts is an expression for the texts of all elements that match.
func texts(selector string) string {
	return fmt.Sprintf("[...document.querySelectorAll(%q)].map(e => e.innerText.trim())", selector)
}

func TestPage(t *testing.T) {
	v := open(t, 1100, 900)
	names := value[[]string](v, texts("#tree tbody tr:not([hidden]) .pick"))
	if got := strings.Join(names, "|"); !strings.Contains(got, "cache|data|index|queue|requests") {
		t.Errorf("names: %q", names)
	}
	live := value[string](v, `[...document.querySelectorAll("#tree tbody tr")].find(r => r.querySelector(".pick").title === "cache").cells[1].title`)
	if live != "255,000 bytes" { // twice 50 blocks of 100 to 5000 bytes
		t.Errorf("cache holds %s", live)
	}
	for what, selector := range map[string]string{
		"areas of the chart":  "#chart path.area",
		"lines below it":      "#lines tbody tr",
		"trends":              "#tree path.spark",
		"stacks":              "#leaks tbody tr",
		"footprints":          "#fill tbody tr",
		"size classes":        "#classes tbody tr",
		"parts of the budget": "#budget span",
	} {
		if n := value[int](v, fmt.Sprintf("document.querySelectorAll(%q).length", selector)); n < 2 {
			t.Errorf("%d %s", n, what)
		}
	}
	if s := value[string](v, `document.querySelector("#leaks summary").innerText`); !strings.Contains(s, "page_test.go") {
		t.Errorf("the stack that holds the most: %s", s)
	}
	v.clean()
	v.picture("light")
}

// A name is text, whatever is in it.
func TestHostile(t *testing.T) {
	v := open(t, 1100, 900)
	if got := value[string](v, `document.querySelector("#tree tbody tr .pick").title`); !strings.HasPrefix(hostile, got) || got == "" {
		t.Errorf("the first name is %q", got)
	}
	found := value[bool](v, fmt.Sprintf("[...document.querySelectorAll('#tree .pick')].some(e => e.title === %q)", hostile))
	if !found {
		t.Error("the name is not there as it is")
	}
	if n := value[int](v, `document.querySelectorAll("img, script:not([src='page.js']), iframe, style").length`); n != 0 {
		t.Errorf("%d elements came out of a name", n)
	}
	// It can be chosen like any other.
	v.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf("[...document.querySelectorAll('#tree .pick')].find(e => e.title === %q).click()", hostile)))
	v.until(`document.querySelector("#time-of").innerText.includes("<script>") && document.querySelectorAll("#leaks tbody tr").length === 1`)
	v.clean()
}

// What is inline would not run: the policy is in force, and the page does without.
func TestPolicy(t *testing.T) {
	v := open(t, 800, 600)
	if n := value[int](v, `[...document.querySelectorAll("*")].filter(e => [...e.attributes].some(a => a.name.startsWith("on"))).length`); n != 0 {
		t.Errorf("%d elements have handlers in the markup", n)
	}
	v.clean()
	ran := value[bool](v, `(() => { const s = document.createElement("script"); s.textContent = "window.ran = true"; document.body.append(s); return Boolean(window.ran) })()`)
	if ran {
		t.Error("a script that was put into the page ran")
	}
}

// All can be done with the keyboard, and the focus stays where it is while the
// figures change.
func TestKeyboard(t *testing.T) {
	v := open(t, 1100, 900)
	focused := func() string {
		return value[string](v, `(document.activeElement.getAttribute("aria-label") ?? document.activeElement.title) || document.activeElement.id || document.activeElement.innerText`)
	}
	reach := func(what string) {
		t.Helper()
		for range 80 {
			v.do(chromedp.KeyEvent(kb.Tab))
			if focused() == what {
				return
			}
		}
		t.Fatalf("the keyboard does not lead to %q", what)
	}
	v.do(chromedp.KeyEvent(kb.Tab))
	if got := value[string](v, `getComputedStyle(document.activeElement).left`); focused() != "Skip to the figures" || strings.HasPrefix(got, "-") {
		t.Errorf("the first stop is %q at %s", focused(), got)
	}
	reach("pause")
	v.do(chromedp.KeyEvent(" "))
	v.until(`document.querySelector("#status").innerText === "Paused"`)
	v.do(chromedp.KeyEvent(" "))
	v.until(`document.querySelector("#status").innerText === "Live"`)

	reach("moment")
	v.until(`document.querySelector("#moment").max >= 2`)
	v.do(chromedp.KeyEvent(kb.Home))
	v.until(`document.querySelector("#lines-at").innerText.startsWith("At ") && document.querySelector("#moment").getAttribute("aria-valuetext").includes("KiB")`)
	v.do(chromedp.KeyEvent(kb.End))
	v.until(`document.querySelector("#lines-at").innerText === "Now"`)

	reach("What is below cache")
	v.do(chromedp.KeyEvent(kb.Enter))
	shown := `[...document.querySelectorAll("#tree tbody tr:not([hidden]) .pick")].map(e => e.title).join()`
	if got := value[string](v, shown); strings.Contains(got, "cache/index") || !strings.Contains(got, "cache") {
		t.Errorf("folded, there are %s", got)
	}
	v.do(chromedp.KeyEvent(kb.Enter))
	reach("cache/index")
	v.do(chromedp.KeyEvent(kb.Enter))
	v.until(`document.activeElement.getAttribute("aria-pressed") === "true" && document.querySelectorAll("#leaks tbody tr").length === 1`)
	v.mu.Lock()
	if asked := strings.Join(v.asked, "\n"); !strings.Contains(asked, "leaks?by=live&allocator=cache%2Findex") {
		t.Errorf("nobody asked for its stacks:\n%s", asked)
	}
	v.mu.Unlock()

	mem.Must(v.index.Alloc(1<<20, mem.Layout{}))
	v.until(`document.querySelector("tr.chosen").cells[1].innerText === "1.12 MiB"`)
	if got := focused(); got != "cache/index" {
		t.Errorf("the focus went to %q", got)
	}
	v.clean()
}

// The stacks are sorted by what is asked for.
func TestSort(t *testing.T) {
	v := open(t, 1100, 900)
	mem.Must(v.index.Alloc(4000, mem.Layout{})) // which has a stack of its own
	sorted := func() string {
		return value[string](v, `document.querySelector("#leaks [aria-sort]").innerText.trim()`)
	}
	if got := sorted(); !strings.HasPrefix(got, "Live") {
		t.Errorf("at first by %q", got)
	}
	v.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#by-grown").click()`))
	v.until(`document.querySelector("#leaks tbody tr td:nth-child(3)").innerText === "+3.91 KiB"`)
	if got := sorted(); !strings.HasPrefix(got, "Grown") {
		t.Errorf("then by %q", got)
	}
	v.clean()
}

// What was not known at first looks like the rest once it is, and is not shown when
// it is not known any more.
func TestKnownLater(t *testing.T) {
	v := open(t, 1100, 900)
	smp := heap.NewSMP(heap.SMPOptions{})
	defer smp.Close()
	late := v.registry.Named(smp, "late")
	defer late.Close()
	unused := `[...document.querySelectorAll("#tree tbody tr")].find(r => r.querySelector(".pick").title === "late")?.cells[9]`
	v.until(unused + `?.innerText === "–"`)
	late.Free(mem.Must(late.Alloc(1000, mem.Layout{})), mem.Layout{})
	v.until(unused + `.innerText.endsWith("%")`)
	if value[bool](v, unused+`.classList.contains("zero")`) {
		t.Error("it is grey as if there were nothing")
	}
	elsewhere := v.registry.Named(heap.Page{}, "late/elsewhere") // and is no part of what is committed for it
	defer elsewhere.Close()
	b := mem.Must(elsewhere.Alloc(1<<20, mem.Layout{}))
	defer elsewhere.Free(b, mem.Layout{})
	v.until(unused + `.innerText === "–"`)
	v.clean()
}

// What is open stays open while the figures change.
func TestStacks(t *testing.T) {
	v := open(t, 1100, 900)
	v.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#leaks summary").click()`))
	ready := value[string](v, `document.documentElement.dataset.ready`)
	v.until(fmt.Sprintf(`document.documentElement.dataset.ready > %s + 3`, ready))
	calls := value[[]string](v, texts("#leaks details[open] li"))
	if len(calls) < 2 || !strings.Contains(calls[0], "pagetest_test.(*visit).serve") || !strings.Contains(calls[0], "page_test.go:") {
		t.Errorf("%q", calls)
	}
	v.clean()
}

// A screen reader is told what everything is.
func TestAccessible(t *testing.T) {
	v := open(t, 1100, 900)
	nodes := call(v, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes
	text := func(x *accessibility.Value) string {
		if x == nil {
			return ""
		}
		return strings.Trim(string(x.Value), `"`)
	}
	count := map[string]int{}
	images := map[string]bool{}
	for _, n := range nodes {
		if n.Ignored {
			continue
		}
		role, name := text(n.Role), text(n.Name)
		count[role]++
		switch role {
		case "button", "link", "slider", "table", "region", "img", "image", "columnheader", "rowheader", "heading":
			if strings.TrimSpace(name) == "" {
				t.Errorf("a %s has no name", role)
			}
			if role != "link" && strings.Contains(name, "JSON") {
				t.Errorf("a %s is called %q: the link beside it is part of its name", role, name)
			}
		}
		if role == "img" || role == "image" {
			images[name] = true
		}
	}
	for role, least := range map[string]int{"table": 5, "columnheader": 20, "rowheader": 10, "heading": 6, "slider": 1, "main": 1, "status": 1, "button": 5} {
		if count[role] < least {
			t.Errorf("%d of role %s, want %d: %v", count[role], role, least, count)
		}
	}
	budget := false
	for name := range images {
		budget = budget || strings.Contains(name, "off the heap")
	}
	if !budget || !images["Live bytes over time"] {
		t.Errorf("images are %v", images)
	}
	v.clean()
}

// In the dark, and on a telephone, there is enough contrast, and nothing that
// does not fit.
func TestLooks(t *testing.T) {
	for _, c := range []struct {
		name, scheme string
		width        int64
	}{{"light-wide", "light", 1280}, {"dark", "dark", 1280}, {"narrow", "light", 360}, {"narrow-dark", "dark", 320}} {
		t.Run(c.name, func(t *testing.T) {
			v := open(t, c.width, 900)
			call(v, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: c.scheme}},
			})
			v.until(fmt.Sprintf(`matchMedia("(prefers-color-scheme: %s)").matches`, c.scheme))
			if over := value[float64](v, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
				t.Errorf("the page is %v pixels too wide", over)
			}
			type colours struct {
				What     string
				Ink, For []float64
			}
			for _, x := range value[[]colours](v, contrasts) {
				if r := contrast(x.Ink, x.For); r < 4.5 {
					t.Errorf("%s: contrast %.2f of %v on %v", x.What, r, x.Ink, x.For)
				}
			}
			v.clean()
			v.picture(c.name)
		})
	}
}

// contrasts is an expression for the colours of all text, and of what is behind.
const contrasts = `(() => {
	const rgb = (s) => s.match(/[\d.]+/g).map(Number);
	const behind = (e) => {
		for (; e; e = e.parentElement) {
			const c = rgb(getComputedStyle(e).backgroundColor);
			if (c.length < 4 || c[3] === 1) return c.slice(0, 3);
		}
		return [255, 255, 255];
	};
	const seen = new Map();
	for (const e of document.querySelectorAll("body *")) {
		if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.getClientRects().length || e.closest(".hidden, svg, noscript")) continue;
		const x = { what: e.tagName + "." + e.className, ink: rgb(getComputedStyle(e).color).slice(0, 3), for: behind(e) };
		seen.set(x.ink + " " + x.for, x);
	}
	const text = document.querySelector("svg text");
	seen.set("svg", { what: "svg text", ink: rgb(getComputedStyle(text).fill).slice(0, 3), for: behind(text.closest("section")) });
	return [...seen.values()];
})()`

// contrast is that of WCAG 2.2 between two colours.
func contrast(a, b []float64) float64 {
	luminance := func(c []float64) (sum float64) {
		for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
			x := c[i] / 255
			if x <= 0.04045 {
				x /= 12.92
			} else {
				x = math.Pow((x+0.055)/1.055, 2.4)
			}
			sum += weight * x
		}
		return sum
	}
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// The budget is told of in words, and drawn to scale.
func TestBudget(t *testing.T) {
	b, err := heap.NewBudget(1<<30, heap.BudgetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Reserve(512 << 20); err != nil {
		t.Fatal(err)
	}
	v := open(t, 1100, 900)
	text := value[string](v, `document.querySelector("#budget-text").innerText`)
	if !strings.Contains(text, "of a budget of 1.00 GiB") || !strings.Contains(text, "512 MiB are reserved") {
		t.Errorf("%s", text)
	}
	share := value[float64](v, `document.querySelector("#budget .off").getBoundingClientRect().width / document.querySelector("#budget").getBoundingClientRect().width`)
	if share < 0.49 || share > 0.75 {
		t.Errorf("half of the budget and a little are %.2f of the bar", share)
	}
	if err := b.Reserve(768 << 20); err != nil {
		t.Fatal(err)
	}
	v.until(`document.querySelector("#budget-text .bad") !== null && !document.querySelector("#budget .limit").hidden`)
	v.clean()
}

// When the program is gone, the page says so.
func TestGone(t *testing.T) {
	v := open(t, 800, 600)
	v.server.CloseClientConnections()
	v.server.Close()
	v.until(`document.querySelector("#status").innerText.startsWith("No answer") && document.querySelector("#status").className === "bad"`)
}
