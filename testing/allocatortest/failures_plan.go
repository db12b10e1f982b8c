package allocatortest

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"github.com/allod-dev/allod/heap"
)

// A plan says which requests of a run fail.
type plan struct {
	op      pointOp // which kind; none fails if it is 0
	at      int     // the first to fail, of its kind
	onwards bool    // and all later ones of its kind
	second  int     // or this one as well, if it is more than at
	chance  bool    // or those of all kinds that the seed chooses; op is opAlloc
	seed    uint64
	refuse  bool // Resize and Remap refuse always
}

// String describes p in words.
func (p plan) String() string {
	refuse := ""
	if p.refuse {
		refuse = "Resize and Remap refused"
	}
	s := ""
	switch {
	case p.op == 0 && p.refuse:
		return "no request failed, but " + refuse
	case p.op == 0:
		return "no request failed"
	case p.chance:
		s = fmt.Sprintf("requests failed by chance, of seed %d", p.seed)
	case p.second > p.at:
		s = fmt.Sprintf("%v number %d failed, and number %d", p.op, p.at+1, p.second+1)
	case p.onwards:
		s = fmt.Sprintf("%v number %d failed, and all later ones", p.op, p.at+1)
	default:
		s = fmt.Sprintf("%v number %d failed", p.op, p.at+1)
	}
	if p.refuse {
		s += ", and " + refuse
	}
	return s
}

// What -allod.fail says is a plan in short:
//
//	17           Alloc number 17 fails
//	17+          and all later ones
//	17,23        numbers 17 and 23 fail
//	remap2       Remap number 2 fails; resize2 the same
//	seed9        requests fail by chance
//	none         none fails
//	17-noresize  and Resize and Remap refuse always

const noResize = "-noresize"

// flag returns the value of -allod.fail that stands for p.
func (p plan) flag() string {
	s := "none"
	switch {
	case p.chance:
		s = "seed" + strconv.FormatUint(p.seed, 10)
	case p.op != 0:
		if p.op != opAlloc {
			s = strings.ToLower(p.op.String())
		} else {
			s = ""
		}
		s += strconv.Itoa(p.at + 1)
		if p.onwards {
			s += "+"
		} else if p.second > p.at {
			s += "," + strconv.Itoa(p.second+1)
		}
	}
	if p.refuse {
		s += noResize
	}
	return s
}

// parsePlan is the inverse of flag.
func parsePlan(s string) (p plan, err error) {
	bad := fmt.Errorf("-allod.fail=%s: want the number of a request, like 17, 17+, 17,23, remap2 or seed9", s)
	s, p.refuse = strings.CutSuffix(s, noResize)
	if s == "none" {
		return p, nil
	}
	p.op = opAlloc
	if seed, ok := strings.CutPrefix(s, "seed"); ok {
		p.chance = true
		if p.seed, err = strconv.ParseUint(seed, 10, 64); err != nil {
			return p, bad
		}
		return p, nil
	}
	for _, op := range []pointOp{opResize, opRemap} {
		if n, ok := strings.CutPrefix(s, strings.ToLower(op.String())); ok {
			s, p.op = n, op
		}
	}
	s, p.onwards = strings.CutSuffix(s, "+")
	s, second, pair := strings.Cut(s, ",")
	if pair {
		if p.second, err = strconv.Atoi(second); err != nil || p.onwards {
			return p, bad
		}
		p.second--
	}
	p.at, err = strconv.Atoi(s)
	p.at--
	if err != nil || p.at < 0 || pair && p.second <= p.at {
		return p, bad
	}
	return p, nil
}

// pointOp is the kind of a request.
type pointOp uint8

const (
	opAlloc pointOp = iota + 1
	opResize
	opRemap
)

func (o pointOp) String() string { return [...]string{"", "Alloc", "Resize", "Remap"}[o] }

// A point is a request that was made.
type point struct {
	op    pointOp
	size  int
	stack heap.Stack
}

// calledBy tells whether a function on the stack has the text in its name.
func (p point) calledBy(text string) bool {
	frames := runtime.CallersFrames(p.stack)
	for {
		f, more := frames.Next()
		if strings.Contains(f.Function, text) {
			return true
		}
		if !more {
			return false
		}
	}
}

func (p point) equal(q point) bool {
	return p.op == q.op && p.size == q.size && sameStack(p.stack, q.stack)
}

// sameStack compares two stacks up to where they enter the checker, which calls
// the function from more than one line.
func sameStack(x, y heap.Stack) bool {
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return ours(x[i]) && ours(y[i])
		}
	}
	return len(x) == len(y)
}

func ours(pc uintptr) bool {
	f := runtime.FuncForPC(pc - 1)
	return f != nil && strings.Contains(f.Name(), "/allocatortest.(*checker).")
}
