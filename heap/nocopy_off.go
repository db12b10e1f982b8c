//go:build !invariants && !race

package heap

// self is empty in this build; see nocopy_on.go.
type self struct{}

func (*self) moved() bool { return false }
