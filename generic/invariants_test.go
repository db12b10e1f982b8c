package generic

import (
	"fmt"
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
)

// Every container looks at itself after each mutation, in builds that do: it
// notices what is broken here by hand. A list that is linked one way has nothing
// that could disagree; sets, builders and the managed and concurrent forms are
// made of what is broken here.
func TestInvariants(t *testing.T) {
	if !invariant.Enabled {
		t.Skip("a build without invariants")
	}
	a := heap.GC{}
	var list ArrayListUnmanaged[int]
	var multi MultiArrayListUnmanaged[[2]int]
	var segmented SegmentedListUnmanaged[int]
	var deque DequeUnmanaged[int]
	var ring RingBufferUnmanaged[int]
	var queue PriorityQueueUnmanaged[int, Ascending[int]]
	var dequeue PriorityDequeueUnmanaged[int, Ascending[int]]
	var tree BTreeMapUnmanaged[int, int, Ascending[int]]
	var doubly DoublyLinkedListUnmanaged[int]
	var singly SinglyLinkedListUnmanaged[int]
	var table HashMapUnmanaged[int, int]
	var strs StringHashMapUnmanaged[int]
	var set HashSetUnmanaged[int]
	var array ArrayHashMapUnmanaged[int, int]
	var bufs BufMapUnmanaged
	var pool StringPoolUnmanaged
	var buffer BufferUnmanaged
	var bits DynamicBitSetUnmanaged
	var stack BitStackUnmanaged
	cache := NewCache(a, 1000)
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(ring.SetCapacity(a, 9))
	must(bits.Resize(a, 70, true))
	for i := range 20 {
		s := fmt.Sprint(i)
		must(list.Append(a, i))
		must(multi.Append(a, [2]int{i}))
		must(segmented.Append(a, i))
		must(deque.PushBack(a, i))
		ring.PushOverwrite(i)
		must(queue.Push(a, i))
		must(dequeue.Push(a, i))
		must(tree.Put(a, i, i))
		_, err := doubly.PushBack(a, i)
		must(err)
		_, err = singly.PushFront(a, i)
		must(err)
		must(table.Put(a, i, i))
		_, err = strs.Put(a, s, i)
		must(err)
		_, err = set.Add(a, i)
		must(err)
		must(array.Put(a, i, i))
		must(bufs.Put(a, s, s))
		_, err = pool.Intern(a, s)
		must(err)
		must(buffer.AppendByte(a, 'x'))
		must(stack.Push(a, true))
		must(cache.Put(s, nil))
	}
	group := table.t.ctrlOf(&table.t.first)[table.t.mask+1:]
	sgroup := strs.t.ctrlOf(&strs.t.first)[strs.t.mask+1:]
	tgroup := set.t.ctrlOf(&set.t.first)[set.t.mask+1:]
	spare := singly.nodes.newest.free
	for name, c := range map[string]struct {
		spoil, mend func()
		mutate      func()
	}{
		"ArrayList":        {func() { list.from = 0 }, func() { list.from = originOf(a) }, func() { list.Pop() }},
		"MultiArrayList":   {func() { multi.from = 0 }, func() { multi.from = originOf(a) }, func() { multi.Pop() }},
		"SegmentedList":    {func() { segmented.from = 0 }, func() { segmented.from = originOf(a) }, func() { segmented.Pop() }},
		"Deque":            {func() { deque.r.from = 0 }, func() { deque.r.from = originOf(a) }, func() { deque.PopBack() }},
		"RingBuffer":       {func() { ring.r.tail += 99 }, func() { ring.r.tail -= 99 }, func() { ring.r.check() }},
		"PriorityQueue":    {func() { queue.items.items[1] = -7 }, func() { queue.items.items[1] = 1 }, func() { queue.check() }},
		"PriorityDequeue":  {func() { dequeue.items.items[9] = -7 }, func() {}, func() { dequeue.check() }},
		"BTreeMap":         {func() { tree.n++ }, func() { tree.n-- }, func() { tree.Remove(a, 3) }},
		"DoublyLinkedList": {func() { doubly.l.n++ }, func() { doubly.l.n-- }, func() { doubly.PopBack(a) }},
		"SinglyLinkedList": {func() { singly.nodes.newest.free = spare.next }, func() { singly.nodes.newest.free = spare }, func() { singly.check() }},
		"HashMap":          {func() { group[0] ^= 1 }, func() { group[0] ^= 1 }, func() { table.check() }},
		"StringHashMap":    {func() { sgroup[0] ^= 1 }, func() { sgroup[0] ^= 1 }, func() { strs.check() }},
		"HashSet":          {func() { tgroup[0] ^= 1 }, func() { tgroup[0] ^= 1 }, func() { set.check() }},
		"ArrayHashMap":     {func() { array.index.slots[array.index.slotOf(array.hash(&array.keys.items[0]), 0)] = 0 }, func() {}, func() { array.check() }},
		"BufMap":           {func() { bufs.index.n++ }, func() { bufs.index.n-- }, func() { bufs.Remove(a, "3") }},
		"StringPool":       {func() { pool.index.n++ }, func() { pool.index.n-- }, func() { pool.Intern(a, "new") }},
		"Buffer":           {func() { buffer.off = 99 }, func() { buffer.off = 0 }, func() { buffer.check() }},
		"DynamicBitSet":    {func() { bits.words.items[len(bits.words.items)-1] = ^uint(0) }, func() { bits.trim() }, func() { bits.SetRange(0, 1, true) }},
		"BitStack":         {func() { stack.n = 999 }, func() { stack.n = 20 }, func() { stack.check() }},
		"Cache":            {func() { cache.shards[0].bytes++ }, func() { cache.shards[0].bytes-- }, func() { cache.shards[0].check() }},
	} {
		func() {
			c.spoil()
			defer c.mend()
			defer func() {
				if r := fmt.Sprint(recover()); !strings.HasPrefix(r, "invariant broken: generic: ") {
					t.Errorf("%s: %s", name, r)
				}
			}()
			c.mutate()
		}()
	}
}
