package demo

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A pacer sleeps to the microsecond. time.Sleep is rounded up to a millisecond
// when the process is idle, which would drown what is measured; a timer file
// wakes the runtime's poller as a packet from the network does.
type pacer struct{ file *os.File }

func newPacer() (pacer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return pacer{}, os.NewSyscallError("timerfd_create", err)
	}
	return pacer{os.NewFile(uintptr(fd), "timerfd")}, nil
}

// sleep returns after d, which is positive.
func (p pacer) sleep(d time.Duration) {
	raw, err := p.file.SyscallConn()
	if err == nil {
		spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
		cerr := raw.Control(func(fd uintptr) { err = unix.TimerfdSettime(int(fd), 0, &spec, nil) })
		err = errors.Join(err, cerr)
	}
	var ticks [8]byte
	if err == nil {
		_, err = p.file.Read(ticks[:])
	}
	if err != nil {
		time.Sleep(d)
	}
}

func (p pacer) close() { p.file.Close() }
