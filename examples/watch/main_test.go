package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/heap/heaphttp"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// A shop gives back all that it asked for but what is meant to leak.
func TestShop(t *testing.T) {
	const moments = 50
	e := allocatortest.ExpectLeaks(t, moments, func(a mem.Allocator) {
		s := open(a, a)
		defer s.close()
		for n := range moments {
			if err := s.trade(n); err != nil {
				t.Fatal(err)
			}
		}
	})
	if e != nil && !strings.Contains(e.Groups[0].Stack.String(), "(*shop).log") {
		t.Errorf("leaked is more than the log: %v", e)
	}
}

// A shop that traded for a while shows on the page, leak and all.
func TestWatch(t *testing.T) {
	smp := heap.NewSMP(heap.SMPOptions{})
	defer smp.Close()
	s := open(smp, heap.Page{})
	defer s.close()
	for n := range 50 {
		if err := s.trade(n); err != nil {
			t.Fatal(err)
		}
	}
	stats := heaphttp.DefaultMonitor.Stats()
	for _, name := range []string{"shop", "shop/audit", "shop/cache", "shop/jobs", "shop/requests"} {
		found := false
		for _, a := range stats.Allocators {
			found = found || a.Name == name && a.Bytes > 0
		}
		if !found {
			t.Errorf("no %s in %+v", name, stats.Allocators)
		}
	}
	leaks := heaphttp.DefaultMonitor.Leaks("shop/audit", 1)
	if len(leaks.Sites) != 1 || !strings.Contains(leaks.Sites[0].Stack[0].Function, "(*shop).log") {
		t.Errorf("%+v", leaks)
	}
	for _, path := range []string{"/debug/allod/", "/debug/pprof/"} {
		w := httptest.NewRecorder()
		mux().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
