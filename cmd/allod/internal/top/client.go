// Package top is what the command allod top does.
package top

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/allod-dev/allod/heap/heaphttp"
)

// DefaultURL is where a page is looked for that nobody told of.
const DefaultURL = "localhost:6060"

const usualPath = "/debug/allod/"

// ParseURL returns the address of a page. It may be short: localhost:6060 and
// :6060 stand for http://localhost:6060/debug/allod/.
func ParseURL(s string) (*url.URL, error) {
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return nil, fmt.Errorf("%q is no URL: %w", s, err)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is no URL of a page: it begins with %s, not with http or https", s, u.Scheme)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, fmt.Errorf("%q is no URL: there is no port %s", s, port)
		}
	}
	switch {
	case u.Host == "":
		return nil, fmt.Errorf("%q is no URL: there is no host in it", s)
	case u.Hostname() == "":
		u.Host = net.JoinHostPort("localhost", u.Port())
	}
	switch {
	case u.Path == "" || u.Path == "/":
		u.Path = usualPath
	case !strings.HasSuffix(u.Path, "/"):
		u.Path += "/"
	}
	u.RawQuery, u.Fragment = "", ""
	return u, nil
}

// A client asks a page.
type client struct {
	page *url.URL
	http *http.Client
}

const patience = 5 * time.Second

func newClient(page *url.URL) *client {
	return &client{page, &http.Client{Timeout: patience}}
}

// A Snapshot is what a page said at one time.
type Snapshot struct {
	Stats *heaphttp.Stats `json:"stats"`
	Leaks *heaphttp.Leaks `json:"leaks,omitempty"` // nil if nobody asked
}

// snapshot asks for what is held, and for that many stacks.
func (c *client) snapshot(ctx context.Context, stacks int) (*Snapshot, error) {
	s := &Snapshot{Stats: new(heaphttp.Stats)}
	if err := c.get(ctx, "stats", nil, s.Stats); err != nil {
		return nil, err
	}
	if s.Stats.Time.IsZero() {
		return nil, fmt.Errorf("what is at %s is no page of allod", c.page.Redacted())
	}
	if stacks > 0 {
		s.Leaks = new(heaphttp.Leaks)
		if err := c.get(ctx, "leaks", url.Values{"n": {strconv.Itoa(stacks)}}, s.Leaks); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// most bounds what is read of an answer.
const most = 64 << 20

// get reads the JSON of a part of the page into v.
func (c *client) get(ctx context.Context, part string, query url.Values, v any) error {
	u := c.page.JoinPath(part)
	u.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	answer, err := c.http.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return c.unreachable(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, most))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return c.unreachable(err)
	case answer.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s answers, but there is no page of allod at %s: the program mounts it with heaphttp.Register, or elsewhere", c.page.Host, c.page.Path)
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("%s answers %s", u.Redacted(), answer.Status)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("what is at %s is no page of allod: %w", c.page.Redacted(), err)
	}
	return nil
}

// unreachable says in words why there was no answer.
func (c *client) unreachable(err error) error {
	host := c.page.Host
	var dns *net.DNSError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens at %s: does the program run, and serve the page of heap/heaphttp there?", host)
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Errorf("there is no host %s", c.page.Hostname())
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%s does not answer within %v", host, patience)
	}
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	return fmt.Errorf("%s: %w", host, err)
}
