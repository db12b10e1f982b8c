// Package allocatortest tests allocators, and programs that use them.
//
// # Does it leak?
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
// from one another. [CheckUnchanged] also compares what an operation that
// failed left behind with what was there before.
//
// # Does my allocator keep the contract?
//
// [Run] holds an allocator to every clause of [mem.Allocator]:
//
//	func TestRing(t *testing.T) {
//		allocatortest.Run(t, func(t *testing.T) mem.Allocator {
//			return NewRing(allocatortest.New(t))
//		})
//	}
//
// What an allocator promises beyond the contract, and what it cannot do, is told
// to [RunWith]. [Play] runs a program of operations against a model, for fuzzing.
//
// # Does it notice misuse?
//
// [ExpectMisuse] wants a call to be reported as misuse of one kind, [NoMisuse]
// wants none:
//
//	allocatortest.ExpectMisuse(t, heap.ForeignFree, func() {
//		mem.Free(a, append(block, 1)) // moved to the Go heap
//	})
package allocatortest
