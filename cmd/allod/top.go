package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/allod-dev/allod/cmd/allod/internal/exit"
	"github.com/allod-dev/allod/cmd/allod/internal/top"
)

// topEnviron is where the URL is taken from if none was given.
const topEnviron = "ALLOD_URL"

func topCommand() *cobra.Command {
	var o top.Options
	cmd := &cobra.Command{
		Use:   "top [url]",
		Short: "watch what a running program's allocators hold",
		Long: `Shows what the named allocators of a program hold, and how that changes, as the
program's page at /debug/allod/ tells. A Go program serves the page with the
package github.com/allod-dev/allod/heap/heaphttp:

	heaphttp.Register(mux)

The URL may be short: localhost:6060 and :6060 stand for
http://localhost:6060/debug/allod/, which is also what is taken without any.

On a terminal the figures are shown in place, and h tells what can be pressed.
They stay, with the reason, while the program does not answer. Where standard
output is no terminal, the figures of one moment are printed, or of --count.

LIVE is what is allocated and not freed, GROWN by how much that is more than
when allod top first looked, FAILED how many requests were refused. COMMITTED is
the memory behind a name, with what shares it, and UNUSED the share of it in
which nothing lives. What is below a name is counted for it, too.`,
		Example: `  allod top
  allod top --sort grown staging:6060
  allod top --json :6060 | jq .stats.memory.off_heap
  allod top --count 60 --interval 1m http://db7/internal/allod/ >> memory.log`,
		Annotations: map[string]string{
			statusNote: status(statusOK+", also if it was ended with q or Ctrl-C on a terminal", "1    there is no answer, or it is none of a page of allod",
				statusUsage, statusCtrlC+", elsewhere"),
			environ: topEnviron + "  the URL, if none is given\nHTTP_PROXY, HTTPS_PROXY, NO_PROXY  how to get there",
			seeAlso: "the page itself, in a browser; go tool pprof and /debug/allod/heap, for stacks",
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if len(args) > 1 {
				return exit.UsageError(fmt.Errorf("one URL at most, not %d", len(args)))
			}
			address := cmp.Or(os.Getenv(topEnviron), top.DefaultURL)
			if len(args) == 1 {
				address = args[0]
			}
			if o.Page, err = top.ParseURL(address); err != nil {
				return exit.UsageError(err)
			}
			switch {
			case o.Interval < 100*time.Millisecond:
				return exit.UsageError(fmt.Errorf("--interval: %v is less than 100ms", o.Interval))
			case o.Count < 0:
				return exit.UsageError(fmt.Errorf("--count: %d is less than 0", o.Count))
			case o.Once && o.Count > 1:
				return exit.UsageError(fmt.Errorf("--once and --count %d: one or the other", o.Count))
			case o.Stacks < 0 || o.Stacks > 1000:
				return exit.UsageError(fmt.Errorf("--stacks: %d is not between 0 and 1000", o.Stacks))
			case !slices.Contains(top.Orders(), o.Sort):
				return exit.UsageError(fmt.Errorf("--sort: no %q, but %s", o.Sort, strings.Join(top.Orders(), ", ")))
			}
			return top.Run(cmd.Context(), o, cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.DurationVarP(&o.Interval, "interval", "i", 2*time.Second, "`time` from one look to the next")
	flags.IntVarP(&o.Count, "count", "n", 0, "`number` of updates to print, one below the other; 0 is one, unless standard output is a terminal")
	flags.BoolVar(&o.Once, "once", false, "print one update and end, as --count 1")
	flags.StringVarP(&o.Sort, "sort", "s", "name", "sort by this `column`: "+strings.Join(top.Orders(), ", "))
	flags.BoolVarP(&o.Reverse, "reverse", "r", false, "turn the order around")
	flags.IntVar(&o.Stacks, "stacks", 5, "also print so many of the `stacks` that hold the most; 0 for none, and 20 on the live screen")
	flags.BoolVar(&o.JSON, "json", false, "print each update as a line of JSON: what the page serves as stats and leaks")
	completeWords(cmd, "sort", top.Orders())
	return cmd
}
