// Package allocatortest tests programs that use allocators, and allocators.
//
// # Does it leak? Does it write where it may not?
//
// A test that allocates through [New] fails when something is left at its end,
// and says where it came from:
//
//	func TestIndex(t *testing.T) {
//		a := allocatortest.New(t)
//		x := must(NewIndex(a))
//		defer x.Close()
//		// ...
//	}
//
// So do freeing twice, freeing what never was a block or with another size,
// alignment or type, and writing past the end of a block, before its start, or
// after it was freed: the allocator is a [heap.Debug]. A block that was not asked
// to be zero is filled with 0xAA, and one that was freed with 0xDD, so that code
// which reads what it should not is found out.
//
// [VerifyNone] does the same for allocators that a program made for itself, and
// [VerifyTestMain] for all that are there when the tests are over.
//
// # Does it survive running out of memory?
//
// [CheckAllFailures] runs a function again and again, and makes each of its
// allocations fail in turn:
//
//	allocatortest.CheckAllFailures(t, func(a mem.Allocator) error {
//		x, err := NewIndex(a)
//		if err != nil {
//			return err
//		}
//		defer x.Close()
//		return x.Add("word", 1)
//	})
//
// It reports leaks, errors that were swallowed, panics, and runs that differ
// from one another, and with each the flag that runs this case and no other:
//
//	to run only this: go test -run '^TestIndex$' -allod.fail=17
//
// [CheckUnchanged] also compares what an operation that failed left behind with
// what was there before. [CheckFailures] chooses the requests by size or caller,
// fails pairs of them, or by chance. [CheckSystemFailures] is for programs that
// take pages by themselves: the operating system refuses.
//
// # Does it read what nobody wrote?
//
// [CheckFills] runs a function over memory filled with this and that. If the
// results differ, it names the block that was read before it was written.
//
// # Does it notice misuse?
//
// [ExpectMisuse] wants a call to be reported as misuse of one kind, and
// [NoMisuse] wants none; [ExpectLeaks] and [ExpectFault] want leaks, and faults
// of guarded memory:
//
//	allocatortest.ExpectMisuse(t, heap.ForeignFree, func() {
//		mem.Free(a, append(block, 1)) // moved to the Go heap
//	})
//
// # Does my allocator keep the contract?
//
// [Run] holds an allocator to every clause of [mem.Allocator], and [Fuzz] plays
// random programs with it, against a model:
//
//	func TestRing(t *testing.T) {
//		allocatortest.Run(t, func(t *testing.T) mem.Allocator {
//			return NewRing(allocatortest.New(t))
//		})
//	}
//
//	func FuzzRing(f *testing.F) {
//		allocatortest.Fuzz(f, func(t *testing.T) mem.Allocator {
//			return NewRing(allocatortest.New(t))
//		})
//	}
//
// What an allocator promises beyond the contract, and what it cannot do, is told
// to [RunWith]. A [Shadow] runs a whole program on it beside an allocator that is
// known to be right. A [Tracer] writes down what a program asks for, and
// [Trace.Shrink] finds the few calls that a failure needs.
//
// # Which test was that?
//
// Whatever fails here ends with the line that runs it, and no other test, again:
//
//	to run only this: go test -run '^TestIndex$/^empty$'
//
// What the name of the test does not tell is a flag: -allod.fail, or -allod.seed
// for the random programs of [Run].
//
// Everything here may be used in a bubble of testing/synctest, and takes its test
// as a [TB], which other test frameworks have as well; only Run and Fuzz, which
// make subtests, know the package testing.
package allocatortest
