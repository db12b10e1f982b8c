package allocatortest_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// defect is what is wrong with a pile; right is nothing.
type defect int

const (
	right defect = iota
	leaksOnFailure
	swallowsFailure
	unknownError
	panicsOnFailure
	closeNeedsMemory
	staleLength
	losesElement
	halfBulk
	closeForgetsElements
	closeForgetsTable
	removeForgets
	closeFreesTwice
	freesElementTwice
	freesPart
	freesShifted
	freesOtherType
	freesElsewhere
	growsWithAppend
	keepsOldTable
	clearKeepsTable
	writesPast
	writesBefore
	readsUnwritten
	readsFreed
	asksByTheDay
	retryLeaks
	defects
)

// A pile is a container as people write them: a table that grows, of elements
// that have memory of their own. What is wrong with it is up to its defect.
type pile struct {
	a      mem.Allocator
	defect defect
	sizes  []int64  // of the elements
	table  [][]byte // the elements
}

var days int // for asksByTheDay

// add puts a copy of text on top.
func (p *pile) add(text string) error {
	copied, err := p.copy(text)
	if err != nil {
		return p.failed(err)
	}
	if err := p.grow(); err != nil {
		if p.defect != leaksOnFailure {
			mem.Free(p.a, copied)
		}
		if p.defect == losesElement && len(p.table) > 0 {
			p.remove()
		}
		return p.failed(err)
	}
	p.sizes = p.sizes[:len(p.table)+1]
	p.table = append(p.table, copied) // there is room
	p.sizes[len(p.table)-1] = int64(len(text))
	return nil
}

func (p *pile) failed(err error) error {
	switch p.defect {
	case swallowsFailure:
		return nil
	case unknownError:
		return errors.New("no room")
	case panicsOnFailure:
		panic("no room")
	}
	return err
}

// copy returns text as a block.
func (p *pile) copy(text string) ([]byte, error) {
	days++
	if p.defect == asksByTheDay && days%2 == 0 {
		text += "!"
	}
	b, err := mem.AllocUninit[byte](p.a, len(text)+1)
	if err != nil && p.defect == retryLeaks {
		if b, err = mem.AllocUninit[byte](p.a, 2*len(text)); err == nil {
			return nil, mem.ErrOutOfMemory // and b
		}
	}
	if err != nil {
		return nil, err
	}
	copy(b, text)
	switch p.defect {
	case writesPast:
		*at(b, len(b)) = 0
	case writesBefore:
		*at(b, -1) = 0
	}
	if p.defect != readsUnwritten {
		b[len(text)] = 0
	}
	return b, nil
}

// grow makes room for one more in both tables.
func (p *pile) grow() error {
	if len(p.table) < cap(p.table) && len(p.table) < cap(p.sizes) {
		return nil
	}
	n := 2 + 2*len(p.table)
	sizes, err := mem.Alloc[int64](p.a, n)
	if err != nil {
		return err
	}
	table, err := mem.Alloc[[]byte](p.a, n)
	if err != nil && p.defect == staleLength {
		copy(sizes, p.sizes)
		mem.Free(p.a, p.sizes)
		p.sizes = sizes[:len(p.table)+1]
		return err
	}
	if err != nil {
		mem.Free(p.a, sizes)
		return err
	}
	copy(sizes, p.sizes)
	copy(table, p.table)
	old := p.sizes
	mem.Free(p.a, p.table)
	mem.Free(p.a, old)
	p.table = table[:len(p.table)]
	p.sizes = sizes[:len(p.sizes)]
	if p.defect == keepsOldTable && cap(old) > 0 {
		old[:1][0] = 7
	}
	return nil
}

// addAll puts all texts on top, or none.
func (p *pile) addAll(texts ...string) error {
	for i, text := range texts {
		if err := p.add(text); err != nil {
			for range i {
				if p.defect != halfBulk {
					p.remove()
				}
			}
			return err
		}
	}
	return nil
}

// remove takes one off the top, and returns its first byte.
func (p *pile) remove() byte {
	n := len(p.table) - 1
	top := p.table[n]
	p.table, p.sizes = p.table[:n], p.sizes[:n]
	first := top[0]
	if p.defect != removeForgets {
		mem.Free(p.a, top)
	}
	if p.defect == freesElementTwice {
		mem.Free(p.a, top)
	}
	if p.defect == readsFreed {
		first = top[0]
	}
	return first
}

// clear empties p, which can be used again.
func (p *pile) clear() {
	for len(p.table) > 0 {
		p.remove()
	}
	mem.Free(p.a, p.table)
	mem.Free(p.a, p.sizes)
	if p.defect != clearKeepsTable {
		p.table, p.sizes = nil, nil
	}
}

// text is what is in p, with the byte after each element.
func (p *pile) text() string {
	var b strings.Builder
	for _, e := range p.table {
		fmt.Fprintf(&b, "%q %d,", e, len(e))
	}
	return b.String()
}

func (p *pile) close() {
	if p.defect == closeNeedsMemory {
		b := mem.Must(mem.Alloc[byte](p.a, 8))
		defer mem.Free(p.a, b)
	}
	if p.defect == closeForgetsElements {
		p.table = p.table[:0]
	}
	for len(p.table) > 0 {
		p.remove()
	}
	if p.defect != closeForgetsTable {
		mem.Free(p.a, p.table)
	}
	switch p.defect {
	case closeFreesTwice:
		mem.Free(p.a, p.sizes)
	case freesPart:
		if n := cap(p.sizes); n > 1 {
			p.sizes = p.sizes[: 0 : n-1]
		}
	case freesShifted:
		if cap(p.sizes) > 1 {
			p.sizes = p.sizes[:1][1:]
		}
	case freesOtherType:
		if b := mem.SliceAsBytes(p.sizes[:cap(p.sizes)]); len(b) > 0 {
			p.a.Free(b, mem.Layout{Align: mem.AlignOf[int64](), Type: mem.TypeFor[[2]uint32]()})
		}
		return
	case freesElsewhere:
		heap.GC{}.Free(mem.SliceAsBytes(p.sizes[:cap(p.sizes)]), mem.LayoutOf[int64]()) // as if it were Go's
		return
	case growsWithAppend:
		p.sizes = append(p.sizes[:cap(p.sizes)], 1)
	}
	mem.Free(p.a, p.sizes)
}

// What a library author would write to test the pile.

// useOn is a program that uses everything and is sure to have memory.
func (d defect) useOn(a mem.Allocator) error {
	p := &pile{a: a, defect: d}
	defer p.close()
	for i := range 5 {
		if err := p.add(strings.Repeat("x", 1+i)); err != nil {
			return err
		}
	}
	p.remove()
	if err := p.addAll("aloud", "allowed"); err != nil {
		return err
	}
	p.clear()
	return p.add("again")
}

func (d defect) checkUse(tb allocatortest.TB) { d.useOn(allocatortest.New(tb)) }

func (d defect) checkFailures(tb allocatortest.TB) {
	allocatortest.CheckFailures(tb, allocatortest.FailureOptions{Pairs: true}, d.useOn)
}

func (d defect) operation(run func(*pile) error) allocatortest.Operation[*pile] {
	return allocatortest.Operation[*pile]{
		Setup: func(a mem.Allocator) (*pile, error) {
			p := &pile{a: a, defect: d}
			return p, errors.Join(p.add("one"), p.add("two")) // and the next one grows
		},
		Run:      run,
		Snapshot: func(p *pile) any { return []any{slices.Clone(p.sizes), p.text()} },
		Teardown: (*pile).close,
	}
}

func (d defect) checkAdd(tb allocatortest.TB) {
	allocatortest.CheckUnchanged(tb, d.operation(func(p *pile) error { return p.add("three") }))
}

func (d defect) checkAddAll(tb allocatortest.TB) {
	allocatortest.CheckUnchanged(tb, d.operation(func(p *pile) error { return p.addAll("three", "four", "five") }))
}

func (d defect) checkText(tb allocatortest.TB) {
	allocatortest.CheckFills(tb, func(a mem.Allocator) (string, error) {
		p := &pile{a: a, defect: d}
		defer p.close()
		if err := p.addAll("one", "two", "three"); err != nil {
			return "", err
		}
		return string(p.remove()) + p.text(), nil
	})
}

// containers are the broken ones, and the check that must find each.
var containers = []struct {
	name   string
	defect defect
	check  func(defect, allocatortest.TB)
	says   string
}{
	{"LeaksOnFailure", leaksOnFailure, defect.checkFailures, "leaked 1 block"},
	{"SwallowsFailure", swallowsFailure, defect.checkFailures, "the failure was swallowed"},
	{"OtherError", unknownError, defect.checkFailures, `error "no room", which does not wrap mem.ErrOutOfMemory`},
	{"PanicsOnFailure", panicsOnFailure, defect.checkFailures, "panic: no room"},
	{"CloseNeedsMemory", closeNeedsMemory, defect.checkFailures, "panic: "},
	{"AsksByTheDay", asksByTheDay, defect.checkFailures, "in the first run"},
	{"RetryLeaks", retryLeaks, defect.checkFailures, "leaked 1 block"},
	{"StaleLength", staleLength, defect.checkAdd, "left something changed"},
	{"LosesElement", losesElement, defect.checkAdd, "left something changed"},
	{"HalfBulk", halfBulk, defect.checkAddAll, "left something changed"},
	{"CloseForgetsElements", closeForgetsElements, defect.checkUse, "leaked"},
	{"CloseForgetsTable", closeForgetsTable, defect.checkUse, "leaked"},
	{"RemoveForgets", removeForgets, defect.checkUse, "leaked"},
	{"FreesTwice", closeFreesTwice, defect.checkUse, "double free"},
	{"FreesElementTwice", freesElementTwice, defect.checkUse, "double free"},
	{"FreesPart", freesPart, defect.checkUse, "size mismatch"},
	{"FreesShifted", freesShifted, defect.checkUse, "interior pointer"},
	{"FreesOtherType", freesOtherType, defect.checkUse, "type mismatch"},
	{"FreesElsewhere", freesElsewhere, defect.checkUse, "leaked"},
	{"GrowsWithAppend", growsWithAppend, defect.checkUse, "append may have moved it"},
	{"KeepsOldTable", keepsOldTable, defect.checkUse, "write after free"},
	{"ClearKeepsTable", clearKeepsTable, defect.checkUse, "double free"},
	{"WritesPast", writesPast, defect.checkUse, "write past the end"},
	{"WritesBefore", writesBefore, defect.checkUse, "write before the start"},
	{"ReadsUnwritten", readsUnwritten, defect.checkText, "it depends on the block allocated by"},
	{"ReadsFreed", readsFreed, defect.checkText, "it depends on memory that was freed"},
}

// TestContainers has each broken container killed by the check that is for it,
// and the right one by none.
func TestContainers(t *testing.T) {
	if len(containers) != int(defects)-1 {
		t.Errorf("%d defects are tested, of %d", len(containers), defects-1)
	}
	for _, c := range containers {
		t.Run(c.name, func(t *testing.T) {
			r := allocatortest.NewRecorder()
			func() {
				defer r.Finish()
				defer func() {
					if v := recover(); v != nil {
						r.Errorf("panic: %v", v)
					}
				}()
				c.check(c.defect, r)
			}()
			if all := strings.Join(r.Failures(), "\n"); !strings.Contains(all, c.says) {
				t.Errorf("found %q, want %q", all, c.says)
			}
			c.check(right, t)
		})
	}
}
