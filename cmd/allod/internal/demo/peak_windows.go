package demo

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// processMemoryCounters is PROCESS_MEMORY_COUNTERS of the Windows API.
type processMemoryCounters struct {
	size                       uint32
	pageFaults                 uint32
	peakWorkingSet, workingSet uintptr
	pools                      [4]uintptr
	pagefile, peakPagefile     uintptr
}

// peakRSS returns the most physical memory that this process ever had, in
// bytes.
func peakRSS() (int64, error) {
	c := processMemoryCounters{size: uint32(unsafe.Sizeof(processMemoryCounters{}))}
	info := windows.NewLazySystemDLL("kernel32.dll").NewProc("K32GetProcessMemoryInfo")
	// Valid: the call writes no more than size bytes at the address of c.
	ok, _, err := info.Call(uintptr(windows.CurrentProcess()), uintptr(unsafe.Pointer(&c)), uintptr(c.size))
	if ok == 0 {
		return 0, err
	}
	return int64(c.peakWorkingSet), nil
}
