package heap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/allod-dev/allod/internal/guard"
	"github.com/allod-dev/allod/internal/stack"
	"github.com/allod-dev/allod/internal/vm"
)

// A fault that nobody catches ends the process before it can tell whose the block
// was. So what is known of guarded blocks can be kept in a file, as memory that is
// shared with it: that costs no system call, and stays when the process is gone.
//
// The file is a table of records of recordWords words, each of one place. The
// first one tells what wrote them.

const (
	recordWords  = 32
	recordSize   = recordWords * 8
	recordPlaces = 32 << 10
	recordFrames = (recordWords - 4) / 2 // of each stack
	recordMagic  = 0x31_64_6f_6c_6c_61   // "allod1"
)

// The words of a record: address and size of the block, 1 if it is live and 2 if
// its end is guarded, how many frames its stacks have, then the frames of the
// allocation and those of the free.
const (
	recordAddr = iota
	recordBytes
	recordState
	recordDepths
	recordStacks
)

// ErrCrashRecord is wrapped by the errors of [RecordGuarded] and [ReadCrash] that
// tell that something cannot be recorded, or read.
var ErrCrashRecord = errors.New("heap: no crash record")

var crashRecord struct {
	mu sync.Mutex
	on bool
}

// RecordGuarded keeps in a file what is known of the guarded blocks of all Debugs
// of this process, those that were freed included: should a fault that nobody
// catches end the process, [ReadCrash] tells what the block was. The file takes up
// to 8 MiB, for the blocks in 32 Ki places, whose stacks it has up to 14 frames
// of; when there are more, the newest are known. It needs a system that maps files
// to memory, as Unixes do, and one call at a time: it fails with
// [ErrCrashRecord] otherwise.
//
// Each Alloc and Free of a guarded block takes some 50 ns more until stop is
// called. The file remains the caller's, and may be closed meanwhile.
func RecordGuarded(file *os.File) (stop func(), err error) {
	crashRecord.mu.Lock()
	defer crashRecord.mu.Unlock()
	if crashRecord.on {
		return nil, fmt.Errorf("%w: another file is written already", ErrCrashRecord)
	}
	b, err := vm.MapFile(file, (recordPlaces+1)*recordSize/vm.PageSize()*vm.PageSize()+vm.PageSize())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCrashRecord, err)
	}
	clear(b[:recordSize])
	for i, w := range recordHeader() {
		putRecord(b, i, w)
	}
	debugStacks() // not when a pool is locked
	debugPlaces.Watch(func(place int, t *guard.Tenant) { record(b, place, t) })
	crashRecord.on = true
	return sync.OnceFunc(func() {
		crashRecord.mu.Lock()
		defer crashRecord.mu.Unlock()
		debugPlaces.Watch(nil)
		crashRecord.on = false
		_ = vm.UnmapFile(b) // a range that stays mapped does no harm
	}), nil
}

// recordHeader returns what the first record says. An executable may be loaded
// anywhere, but two functions are as far apart in the one that reads.
func recordHeader() []uint64 {
	one, other := reflect.ValueOf(RecordGuarded).Pointer(), reflect.ValueOf(runtime.GC).Pointer()
	return []uint64{recordMagic, bits.UintSize, uint64(one), uint64(one - other)}
}

// record writes what is known of a place.
//
//go:norace
func record(b []byte, place int, t *guard.Tenant) {
	b = b[(place%recordPlaces+1)*recordSize:][:recordSize]
	state := uint64(0)
	if t.Live {
		state |= 1
	}
	if t.Side == guard.End {
		state |= 2
	}
	var pcs [recordFrames]uintptr
	n := debugStacks().Read(t.Alloc, pcs[:])
	for i := range n {
		putRecord(b, recordStacks+i, uint64(pcs[i]))
	}
	m := debugStacks().Read(t.Free, pcs[:])
	for i := range m {
		putRecord(b, recordStacks+recordFrames+i, uint64(pcs[i]))
	}
	putRecord(b, recordAddr, uint64(t.Addr))
	putRecord(b, recordBytes, uint64(t.Size))
	putRecord(b, recordState, state)
	putRecord(b, recordDepths, uint64(n)<<8|uint64(m))
}

//go:norace
func putRecord(b []byte, word int, v uint64) { binary.NativeEndian.PutUint64(b[8*word:], v) }

// ReadCrash reads the file that [RecordGuarded] has written in a process that a
// fault has ended, and what the process printed when it ended, as Go does to
// standard error, and to the file given to [debug.SetCrashOutput]. It returns what
// the fault was, with the stacks of the block's allocation and free; that of the
// access is in the output. It must be called by the same executable, which alone
// knows its functions by address: by the process that has started the other one,
// or the next time that the program starts.
//
// The error wraps [ErrCrashRecord] if the process ended otherwise, or not because
// of a guarded block.
func ReadCrash(file io.Reader, output string) (*Fault, error) {
	b, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	addr, ok := faultAddress(output)
	if !ok {
		return nil, fmt.Errorf("%w: the output tells of no fault", ErrCrashRecord)
	}
	word := func(record []byte, i int) uint64 { return binary.NativeEndian.Uint64(record[8*i:]) }
	here := recordHeader()
	if len(b) < recordSize || word(b, 0) != here[0] || word(b, 1) != here[1] || word(b, 3) != here[3] {
		return nil, fmt.Errorf("%w: the file was not written by this executable", ErrCrashRecord)
	}
	moved := uintptr(here[2] - word(b, 2))
	var best []byte
	var tenant guard.Tenant
	least := guard.Unlikely
	for len(b) >= 2*recordSize {
		b = b[recordSize:]
		t := guard.Tenant{Addr: uintptr(word(b, recordAddr)), Size: int(word(b, recordBytes)), Live: word(b, recordState)&1 != 0}
		t.Side = guard.Side(word(b, recordState)&2 != 0)
		if n := t.Doubt(addr); t.Size > 0 && n < least {
			best, tenant, least = b, t, n
		}
	}
	if best == nil {
		return nil, fmt.Errorf("%w: nothing is known of a block at %#x", ErrCrashRecord, addr)
	}
	pcs := func(from int, n uint64) Stack {
		var s []uintptr
		for i := range int(min(n, recordFrames)) {
			s = append(s, uintptr(word(best, from+i))+moved)
		}
		return stack.Logical(s)
	}
	f := newFault("heap: crash", addr, tenant, nil)
	f.Alloc = pcs(recordStacks, word(best, recordDepths)>>8)
	f.Free = pcs(recordStacks+recordFrames, word(best, recordDepths)&0xFF)
	return f, nil
}

// faultAddress returns the address in what Go prints of a fault: "[signal SIGSEGV:
// segmentation violation code=0x1 addr=0x7f0397402000 pc=0x4a2b3a]".
func faultAddress(output string) (addr uintptr, ok bool) {
	for line := range strings.Lines(output) {
		if !strings.HasPrefix(line, "[signal ") {
			continue
		}
		_, text, _ := strings.Cut(line, " addr=0x")
		text, _, _ = strings.Cut(text, " ")
		if n, err := strconv.ParseUint(text, 16, bits.UintSize); err == nil {
			return uintptr(n), true
		}
	}
	return 0, false
}
