package containers

import "slices"

// A goal says how one of our containers should compare with its peers, of which
// the best counts: the ratio of what both take is at most must, and better at
// most aim. 0 is no demand.
type goal struct {
	task, figure string
	ours         string
	peers        []string
	must, aim    float64
}

// most is a goal for a figure by itself, in its unit. The peer is shown beside.
type most struct {
	task, figure, ours string
	must               float64
	// over, if set, is the figure that it is a multiple of.
	over string
}

var (
	plainMap  = []string{"map"}
	zigMap    = []string{"zig-autohashmap"}
	trees     = []string{"google", "tidwall", "tidwall-g"}
	goRings   = []string{"go-ring"}
	goLists   = []string{"go-list", "container/list"}
	goBitSets = []string{"go-bitset"}
	goSlices  = []string{"slice"}
	bitPeers  = []string{"go-bitset", "slice"}
	binHeap   = []string{"container/heap"}
	lockedOne = []string{"rwmutex+map", "sync.Map"}
)

// goals is what allod wants of its containers.
var goals = []goal{
	{"map", "insert", "hashmap-huge", plainMap, 0.75, 0.55},
	{"map", "hit", "hashmap-huge", plainMap, 0.65, 0.40},
	{"map", "miss", "hashmap-huge", plainMap, 1.0, 0.80},
	{"map", "delete", "hashmap-huge", plainMap, 0.60, 0.35},
	{"map", "iterate", "hashmap-huge", plainMap, 0.5, 0},
	{"map", "RSS", "hashmap-huge", plainMap, 0.75, 0},
	{"map", "insert", "hashmap-huge", zigMap, 1.0, 0},
	{"map", "hit", "hashmap-huge", zigMap, 1.0, 0},
	{"string-map", "hit", "stringhashmap-huge", plainMap, 0.9, 0},
	{"string-map", "insert", "stringhashmap-huge", plainMap, 0.9, 0},
	{"string-map", "RSS", "stringhashmap-huge", plainMap, 0.75, 0},
	{"held", "alloc 64", "stringhashmap", plainMap, 1.0, 0},
	{"list-append", "first", "arraylist", []string{"append"}, 0.5, 0},
	{"list-append", "append", "arraylist", []string{"append"}, 0.5, 0},
	{"list-append", "first", "arraylist-smp", []string{"append"}, 0.5, 0},
	{"list-append", "append", "arraylist-smp", []string{"append"}, 0.5, 0},
	{"list-append", "peak", "arraylist", []string{"append"}, 0.25, 0},
	{"list-append", "peak", "arraylist-smp", []string{"append"}, 0.25, 0},
	{"list-append", "append", "arraylist", []string{"zig-arraylist"}, 0, 1.0},
	{"btree", "insert", "btreemap", trees, 1.0, 0},
	{"btree", "get", "btreemap", trees, 1.0, 0},
	{"btree", "range", "btreemap", trees, 1.0, 0},
	{"queue-small", "push+pop", "priorityqueue", binHeap, 0.8, 0},
	{"queue", "push+pop", "priorityqueue", binHeap, 0.8, 0},
	{"deque", "queue", "deque", goRings, 1.0, 0},
	{"deque", "wave", "deque", goRings, 1.0, 0},
	{"deque", "stack", "deque", goRings, 1.0, 0},
	{"deque", "at", "deque", goRings, 1.0, 0},
	{"linked", "push", "intrusive", goLists, 1.0, 0},
	{"linked", "iterate", "intrusive", goLists, 1.0, 0},
	{"linked", "remove", "intrusive", goLists, 1.0, 0},
	{"linked", "queue", "intrusive", goLists, 1.0, 0},
	{"linked", "replace", "intrusive", goLists, 1.0, 0},
	{"linked", "stack", "intrusive", goLists, 1.0, 0},
	{"linked", "push", "linkedlist-cache", goLists, 1.0, 0},
	{"linked", "iterate", "linkedlist-cache", goLists, 1.0, 0},
	{"linked", "remove", "linkedlist-cache", goLists, 1.0, 0},
	{"linked", "queue", "linkedlist-cache", goLists, 1.0, 0},
	{"linked", "replace", "linkedlist-cache", goLists, 1.0, 0},
	{"linked", "stack", "linkedlist-cache", goLists, 1.0, 0},
	{"bits", "set", "bitset", goBitSets, 1.0, 0},
	{"bits", "set", "bitset", goSlices, 0, 1.0},
	{"bits", "test", "bitset", goBitSets, 1.0, 0},
	{"bits", "test", "bitset", goSlices, 0, 1.0},
	{"bits", "union", "bitset", bitPeers, 1.0, 0},
	{"bits", "count", "bitset", bitPeers, 1.0, 0},
	{"bits", "iterate", "bitset", goBitSets, 1.0, 0},
	{"bits", "iterate", "bitset", goSlices, 0, 1.0},
	{"concurrent-map", "read", "concurrentmap", lockedOne, 0, 1.0},
	{"concurrent-map", "mixed", "concurrentmap", lockedOne, 0, 1.0},
	{"cache", "get", "cache", []string{"mutex+lru"}, 0, 1.0},
}

var limits = []most{
	{"held", "collection", "stringhashmap", 2, ""},
	{"held", "longest CPU", "stringhashmap", 1000, ""},
	{"held", "10th CPU", "stringhashmap", 1000, ""},
	{"held", "peak", "stringhashmap", 1.25, "RSS"},
	{"map", "peak", "hashmap", 1.25, "RSS"},
}

// A check is a goal with what was measured.
type check struct {
	goal
	peer                    string
	ratio, ofLeast, ofCPU   float64
	value, peerValue        float64
	unit                    string
	hasPeer, hasCPU, isMost bool
}

func (c check) verdict() string {
	switch {
	case c.aim > 0 && c.ratio <= c.aim:
		return "aim"
	case c.must > 0 && c.ratio <= c.must:
		return "must"
	case c.must > 0:
		return "missed"
	}
	return "aim missed"
}

// checks returns the goals for which there are figures.
func (r *Report) checks() (all []check) {
	for _, g := range goals {
		ours, ok := r.stats(g.task, g.ours, g.figure)
		if !ok {
			continue
		}
		c := check{goal: g, value: ours.median, unit: ours.unit}
		for _, name := range g.peers {
			peer, ok := r.stats(g.task, name, g.figure)
			if !ok || peer.median == 0 || c.hasPeer && peer.median >= c.peerValue {
				continue
			}
			c.hasPeer, c.peer, c.peerValue = true, name, peer.median
			c.ratio, c.ofLeast = ours.median/peer.median, ours.least/peer.least
			if c.hasCPU = ours.leastCPU > 0 && peer.leastCPU > 0; c.hasCPU {
				c.ofCPU = ours.leastCPU / peer.leastCPU
			}
		}
		if c.hasPeer {
			all = append(all, c)
		}
	}
	for _, l := range limits {
		ours, ok := r.stats(l.task, l.ours, l.figure)
		if !ok {
			continue
		}
		c := check{goal: goal{task: l.task, figure: l.figure, ours: l.ours, must: l.must}, isMost: true,
			ratio: ours.median, ofLeast: ours.least, unit: ours.unit}
		if l.over != "" {
			base, _ := r.stats(l.task, l.ours, l.over)
			c.ratio, c.ofLeast, c.unit = ours.median/base.median, ours.least/base.least, "× "+l.over
		}
		all = append(all, c)
	}
	slices.SortStableFunc(all, func(a, b check) int { return taskIndex(a.task) - taskIndex(b.task) })
	return all
}

func taskIndex(name string) int {
	return slices.IndexFunc(Tasks, func(t Task) bool { return t.Name == name })
}
