package heap

import (
	"io"
	"math"
	"os"
	"time"

	"github.com/allod-dev/allod/internal/pprofenc"
)

// A ProfileSite is what the blocks come to that one stack allocated, as a
// [Profile] or an [SMP] estimates it and a [Debug] knows it.
type ProfileSite struct {
	// Blocks and Bytes are live.
	Blocks, Bytes int64
	// TotalBlocks and TotalBytes were ever allocated. A Debug forgets what was
	// freed: of it, they are those that are live.
	TotalBlocks, TotalBytes int64
	// Stack is the stack that allocated them, empty if it was not recorded.
	Stack Stack
}

// Sites returns, by stack, what is live, most bytes first.
func (d *Debug) Sites() []ProfileSite {
	e := d.leaks("", 0, math.MaxInt)
	if e == nil {
		return nil
	}
	return e.sites()
}

// sites returns the groups, and blocks of no group as a site without a stack.
func (e *LeakError) sites() []ProfileSite {
	sites := make([]ProfileSite, 0, len(e.Groups)+1)
	blocks, bytes := int64(e.Blocks), int64(e.Bytes)
	for i := range e.Groups {
		g := &e.Groups[i]
		n, size := int64(g.Blocks), int64(g.Bytes)
		sites = append(sites, ProfileSite{n, size, n, size, g.Stack})
		blocks, bytes = blocks-n, bytes-size
	}
	if blocks > 0 {
		sites = append(sites, ProfileSite{blocks, bytes, blocks, bytes, nil})
	}
	return sites
}

// writeSites writes a profile of sites, each of which is the program's: as in
// profiles of Go's heap, the allocator is not seen.
func writeSites(w io.Writer, sites []ProfileSite) error {
	program, _ := os.Executable() // a profile without its name is good enough
	p := pprofenc.New(pprofenc.Heap, program, time.Now())
	for _, s := range sites {
		p.Add(s.Stack.Program(), s.TotalBlocks, s.TotalBytes, s.Blocks, s.Bytes)
	}
	return p.Write(w)
}

// WriteProfile writes the blocks that are live, by the stacks that allocated
// them, as a profile for go tool pprof. It has the sample types that Go's own
// profile of the heap has, the live blocks being all that a Debug knows of, and
// shows their bytes unless told otherwise.
func (d *Debug) WriteProfile(w io.Writer) error { return writeSites(w, d.Sites()) }

// WriteProfile writes the leaked blocks as [Debug.WriteProfile] does those that
// are live. Blocks of no group are a sample without a stack.
func (e *LeakError) WriteProfile(w io.Writer) error { return writeSites(w, e.sites()) }
