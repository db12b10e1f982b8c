//go:build unix

package measure

import (
	"os"

	"golang.org/x/sys/unix"
)

// File returns the contents of a file, in memory that Go's collector neither
// sees nor counts.
func File(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_PRIVATE|populate)
}
