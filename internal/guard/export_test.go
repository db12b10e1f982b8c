package guard

// KeepMost makes n the number of places that may keep their memory, until the
// function that it returns is called.
func KeepMost(n int) (undo func()) {
	old := keepMost
	keepMost = func() int { return n }
	return func() { keepMost = old }
}
