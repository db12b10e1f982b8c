package pagetest_test

import (
	"bytes"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/pprof/driver"
	"github.com/google/pprof/profile"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/heap/heaphttp"
	"github.com/allod-dev/allod/mem"
)

//go:noinline
func keepsForProfile(a mem.Allocator) func() {
	b := mem.Must(a.Alloc(3000, mem.Layout{}))
	a.Free(mem.Must(a.Alloc(1000, mem.Layout{})), mem.Layout{})
	return func() { a.Free(b, mem.Layout{}) }
}

// profiles returns a profile of each thing that writes one, in each of which
// keepsForProfile has 3000 bytes, and had 1000 more if that is known.
func profiles(t *testing.T) map[string][]byte {
	t.Helper()
	var r heap.Registry
	smp := heap.NewSMP(heap.SMPOptions{ProfileRate: 1})
	p := heap.NewProfileWith(heap.Page{}, heap.ProfileOptions{Rate: 1})
	d := heap.NewDebug(heap.Page{}, heap.DebugOptions{})
	defer d.Close()
	defer smp.Close()
	for _, a := range []mem.Allocator{smp, p, d, r.Named(heap.NewProfileWith(heap.Page{}, heap.ProfileOptions{Rate: 1}), "cache/index")} {
		defer keepsForProfile(a)()
	}
	all := map[string][]byte{}
	for name, w := range map[string]interface{ WriteProfile(io.Writer) error }{"SMP": smp, "Profile": p, "Debug": d} {
		var b bytes.Buffer
		if err := w.WriteProfile(&b); err != nil {
			t.Fatal(err)
		}
		all[name] = b.Bytes()
	}
	w := httptest.NewRecorder()
	heaphttp.NewMonitor(heaphttp.Options{Registry: &r}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/heap?allocator=cache", nil))
	all["handler"] = w.Body.Bytes()
	return all
}

// What pprof's own package makes of profiles is what they say.
func TestProfileParses(t *testing.T) {
	for name, b := range profiles(t) {
		p, err := profile.ParseData(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := p.CheckValid(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var types []string
		for _, s := range p.SampleType {
			types = append(types, s.Type+"/"+s.Unit)
		}
		if want := []string{"alloc_objects/count", "alloc_space/bytes", "inuse_objects/count", "inuse_space/bytes"}; !slices.Equal(types, want) {
			t.Errorf("%s: sample types %v", name, types)
		}
		if p.DefaultSampleType != "inuse_space" || len(p.Mapping) == 0 || !p.HasFunctions() || !p.HasFileLines() || p.TimeNanos == 0 {
			t.Errorf("%s: %s", name, p)
		}
		var live [2]int64
		for _, s := range p.Sample {
			for _, l := range s.Location {
				if l.Mapping == nil || l.Address == 0 {
					t.Errorf("%s: %+v", name, l)
				}
			}
			if f := s.Location[0].Line[0].Function; strings.HasSuffix(f.Name, ".keepsForProfile") && strings.HasSuffix(f.Filename, "profile_test.go") {
				live[0] += s.Value[2]
				live[1] += s.Value[3]
			}
		}
		if live != [2]int64{1, 3000} {
			t.Errorf("%s: %d live blocks of keepsForProfile, %d bytes; of\n%s", name, live[0], live[1], p)
		}
		if name == "handler" && (len(p.Sample[0].Label["allocator"]) != 1 || p.Sample[0].Label["allocator"][0] != "cache/index") {
			t.Errorf("labels %v", p.Sample[0].Label)
		}
		var again bytes.Buffer
		if err := p.Compact().Write(&again); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The web pages of pprof, which go tool pprof -http serves, show them.
func TestProfileWeb(t *testing.T) {
	for name, b := range profiles(t) {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		served := false
		err := driver.PProf(&driver.Options{
			Flagset: &flags{flag.NewFlagSet("pprof", flag.ContinueOnError), []string{"-no_browser", "-http=localhost:0", file}},
			UI:      quiet{t},
			HTTPServer: func(args *driver.HTTPServerArgs) error { // instead of serving without end
				served = true
				for _, page := range []string{"/top", "/flamegraph", "/top?si=alloc_objects", "/peek?f=keepsForProfile"} {
					path, _, _ := strings.Cut(page, "?")
					w := httptest.NewRecorder()
					args.Handlers[path].ServeHTTP(w, httptest.NewRequest(http.MethodGet, page, nil))
					if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "keepsForProfile") {
						t.Errorf("%s: %s: status %d, %d bytes without keepsForProfile", name, page, w.Code, w.Body.Len())
					}
				}
				return nil
			},
		})
		if err != nil || !served {
			t.Errorf("%s: %v, served: %t", name, err, served)
		}
	}
}

// flags are a command line as package driver wants one.
type flags struct {
	*flag.FlagSet
	args []string
}

func (f *flags) StringList(name, value, usage string) *[]*string {
	return &[]*string{f.String(name, value, usage)}
}
func (f *flags) ExtraUsage() string    { return "" }
func (f *flags) AddExtraUsage(string)  {}
func (f *flags) Parse(func()) []string { _ = f.FlagSet.Parse(f.args); return f.Args() }

// quiet is a terminal that nobody sits at.
type quiet struct{ t *testing.T }

func (q quiet) ReadLine(string) (string, error)     { return "", io.EOF }
func (q quiet) Print(all ...any)                    { q.t.Log(all...) }
func (q quiet) PrintErr(all ...any)                 { q.t.Log(all...) }
func (q quiet) IsTerminal() bool                    { return false }
func (q quiet) WantBrowser() bool                   { return false }
func (q quiet) SetAutoComplete(func(string) string) {}
