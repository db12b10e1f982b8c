package vm

import "golang.org/x/sys/unix"

// uncommitOS does not map fresh pages over b, as elsewhere: Linux unmaps the old
// ones first, and if it then fails, others may get the addresses.
func uncommitOS(b []byte) error {
	if err := fault(CallUncommit); err != nil {
		return err
	}
	if err := unix.Madvise(b, unix.MADV_DONTNEED); err != nil {
		return err
	}
	_ = unix.Mprotect(b, unix.PROT_NONE) // if it stays accessible, no harm is done
	return nil
}
