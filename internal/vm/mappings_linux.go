package vm

import "golang.org/x/sys/unix"

// maxMappingsOS returns vm.max_map_count.
func maxMappingsOS() (n int) {
	fd, err := unix.Open("/proc/sys/vm/max_map_count", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	var text [32]byte
	got, err := unix.Read(fd, text[:])
	if err != nil {
		return 0
	}
	for _, c := range text[:got] {
		if c < '0' || c > '9' {
			break
		}
		n = 10*n + int(c-'0')
	}
	return n
}
