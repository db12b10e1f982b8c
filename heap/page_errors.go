package heap

import (
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

// pageErrors has an error ready for every error of the operating system, so that
// running out of memory takes no memory.
var pageErrors = func() map[error]error {
	m := make(map[error]error)
	for _, err := range vm.Errors() {
		m[err] = newPageError(err)
	}
	m[vm.ErrTooLarge] = mem.ErrTooLarge
	m[vm.ErrLimit] = mem.NewError("heap: Page: the limit of the budget is reached", mem.ErrLimit)
	return m
}()

// pageError returns the error of a Page or Pages for one of package vm. It wraps
// the error of the operating system and, where that says so, mem.ErrOutOfMemory.
func pageError(err error) error {
	if e := pageErrors[err]; e != nil {
		return e
	}
	return newPageError(err)
}

func newPageError(err error) error {
	text := "heap: Page: " + err.Error()
	if vm.NoMemory(err) {
		return mem.NewError(text, mem.ErrOutOfMemory, err)
	}
	return mem.NewError(text, err)
}
