package heap

import "github.com/allod-dev/allod/internal/invariant"

// noCopy makes go vet report copies of the struct that holds it as a field. In
// builds with invariants it reports them itself, where vet did not look; see
// nocopy_on.go.
type noCopy struct{ self self }

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// check reports that the struct was copied after its first use, and tells whether
// it was.
func (n *noCopy) check(op string) (copied bool) {
	if invariant.Enabled && n.self.moved() {
		report(&Misuse{Kind: Copied, Op: op, Hint: "use a pointer to the original"})
		return true
	}
	return false
}
