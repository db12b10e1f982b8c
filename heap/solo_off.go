//go:build !invariants && !race

package heap

// solo is empty in this build; see solo_on.go.
type solo struct{}

func (*solo) enter(string) {}
func (*solo) leave()       {}

type signature struct{}

func (*signature) sign() {}

func (*signature) signed() Stack { return nil }
