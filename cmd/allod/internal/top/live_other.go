//go:build js || wasip1

package top

import (
	"context"
	"os"
)

// live shows one update: there is no terminal to take over.
func live(ctx context.Context, c *client, o Options, first *Snapshot, out *os.File) error {
	return o.write(ctx, c, first, out)
}
