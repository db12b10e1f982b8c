package vm

const remapMayMove = 0 // NetBSD moves unless told not to

// growOS refuses: to grow in place, NetBSD would unmap what is in the way.
func growOS([]byte, int) error { return ErrUnsupported }
