package vm

import (
	"errors"
	"os"
)

// MapFile makes the first n bytes of a file, which it makes n bytes long, memory
// that is shared with it: what is written there is in the file, even if the
// process ends at once. It is no range, and is not counted.
func MapFile(f *os.File, n int) ([]byte, error) {
	checkLength("MapFile", n)
	if err := f.Truncate(int64(n)); err != nil {
		return nil, err
	}
	c, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	if err := fault(CallMap); err != nil {
		return nil, err
	}
	var b []byte
	failed := errors.New("vm: MapFile: not called")
	if err := c.Control(func(fd uintptr) { b, failed = mapFile(fd, n) }); err != nil {
		return nil, err
	}
	return b, failed
}

// UnmapFile ends MapFile. Nobody may access b any more.
func UnmapFile(b []byte) error { return unmapFile(b) }
