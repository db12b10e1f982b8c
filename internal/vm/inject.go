package vm

import "sync/atomic"

// A Call is a kind of system call.
type Call uint8

// The system calls that this package makes.
const (
	CallMap Call = iota
	CallUnmap
	CallGrow
	CallMove
	CallDecommit
	CallRecommit
	CallAdvise
	CallLock
	CallUnlock
	CallPopulate
	CallName
	CallMark
	CallUnmark
	CallProtect
	CallUnprotect
	CallReserve
	CallCommit
	CallUncommit
	CallCollapse
	Calls // how many there are
)

var callNames = [Calls]string{"map", "unmap", "grow", "move", "decommit", "recommit", "advise", "lock", "unlock", "populate", "name",
	"mark", "unmark", "protect", "unprotect", "reserve", "commit", "uncommit", "collapse"}

// String returns the name of the call.
func (c Call) String() string { return callNames[c] }

var injected atomic.Pointer[func(Call) error]

// Inject makes f stand before every system call: if it returns an error, that is
// what the call returns, and the system is not asked. It returns a function that
// undoes this. It is for tests; f is called by any goroutine.
func Inject(f func(Call) error) (undo func()) {
	old := injected.Swap(&f)
	return func() { injected.Store(old) }
}

// fault returns the error that a test wants of the call. Beside a system call
// the load that this costs is not noticed.
func fault(c Call) error {
	if f := injected.Load(); f != nil {
		return (*f)(c)
	}
	return nil
}
