package heap

import (
	"io"
	"math"
	"os"
	"time"

	"github.com/allod-dev/allod/internal/pprofenc"
)

// WriteProfile writes the blocks that are live, by the stacks that allocated
// them, as a profile for go tool pprof. It has the sample types that Go's own
// profile of the heap has, the live blocks being all that a Debug knows of, and
// shows their bytes unless told otherwise.
func (d *Debug) WriteProfile(w io.Writer) error {
	e := d.leaks("", 0, math.MaxInt)
	if e == nil {
		e = &LeakError{}
	}
	return e.WriteProfile(w)
}

// WriteProfile writes the leaked blocks as [Debug.WriteProfile] does those that
// are live. Blocks of no group are a sample without a stack.
func (e *LeakError) WriteProfile(w io.Writer) error {
	program, _ := os.Executable() // a profile without its name is good enough
	p := pprofenc.New(pprofenc.Heap, program, time.Now())
	blocks, bytes := int64(e.Blocks), int64(e.Bytes)
	for i := range e.Groups {
		g := &e.Groups[i]
		n, size := int64(g.Blocks), int64(g.Bytes)
		p.Add(g.Stack, n, size, n, size)
		blocks, bytes = blocks-n, bytes-size
	}
	if blocks > 0 {
		p.Add(nil, blocks, bytes, blocks, bytes)
	}
	return p.Write(w)
}
