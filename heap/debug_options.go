package heap

import "log/slog"

// DebugOptions are the settings of [NewDebug]. The zero value is the one to want
// at first.
type DebugOptions struct {
	// StackDepth is how many frames are kept of each stack: 0 for 16, at most 64,
	// negative for none. Functions that are inlined into others do not count.
	StackDepth int
	// ResizeStacks makes the stack of the last Resize or Remap stand for that of
	// the allocation in reports.
	ResizeStacks bool
	// MemoryLimit is how many bytes may be live, as asked for: beyond it Alloc
	// returns [mem.ErrLimit], and Resize and Remap refuse. 0 is no limit.
	MemoryLimit int
	// QuarantineBytes and QuarantineBlocks bound what is kept of freed memory, by
	// the bytes that it takes in the child and by the number of blocks: 0 for 1
	// MiB and 4096 blocks, negative for no quarantine. The oldest blocks leave
	// first, and a block larger than all of QuarantineBytes is not kept.
	QuarantineBytes  int
	QuarantineBlocks int
	// Remember is how many blocks that went back to the child are remembered, the
	// last ones, so that to free one of them again is told as what it is: 0 for
	// 512, negative for none. Each takes 24 bytes. What is not remembered is
	// ForeignFree.
	Remember int
	// Redzone is how many bytes on either side of a block are watched: 0 for 32,
	// negative for none. Blocks with pointers have as many elements as it takes.
	Redzone int
	// Fresh fills blocks that are not asked to be zero, 0 standing for 0xAA, and
	// Freed those in quarantine, 0 standing for 0xDD. NoFill leaves both alone,
	// and so finds no write after free.
	Fresh, Freed byte
	NoFill       bool
	// Guard puts each block against a page that nobody can access, at its end or
	// its start, so that a read or write beyond it ends the process at once, or
	// the call of [Catch]. See the comment on guarded blocks of [Debug].
	Guard DebugGuard
	// CheckEvery makes every n-th call check all blocks, as [Debug.Check] does,
	// and report what is found. 0 is never.
	CheckEvery int
	// Holds tells whether something other than local blocks keeps alive what is at
	// an address of the collected heap: an arena that has its memory there, say. A
	// pointer to such an address is not reported as [HiddenPointer]. Blocks of open
	// Debugs, pages, and the buffers of FixedBuffers below Debugs need not be told.
	// Should it panic, Free has freed the block, but Check and Close are cut short.
	// NoHidden reports none at all.
	Holds    func(addr uintptr) bool
	NoHidden bool
	// MaxReports is how many reports of misuse are handed over in all, 0 for 1000,
	// negative for as many as there are. The rest is counted. A call for whose
	// reports the handler panicked a thousand times hands over no more of them.
	MaxReports int
	// OnMisuse is told of misuse and damage. Nil means the handler set with the
	// function [OnMisuse], which panics unless told otherwise. It may be called from
	// any goroutine, and may use the Debug.
	OnMisuse func(*Misuse)
	// OnLeak is told of the leak that Close finds. Nil means to print it to
	// standard error.
	OnLeak func(*LeakError)
	// Logger, if not nil, gets a record of every call, at debug level, and at
	// error level if memory ran out. A call that is logged allocates.
	Logger *slog.Logger
}

// DebugStats are the counters of a [Debug].
type DebugStats struct {
	Blocks     int // live
	Bytes      int // in live blocks, as asked for
	PeakBlocks int // the most that were live at a time
	PeakBytes  int // the most that were live at a time

	Quarantined      int // freed blocks that are kept
	QuarantinedBytes int // of the child's memory

	Allocs   uint64 // that were served
	Frees    uint64 // that were not refused
	Failures uint64 // Allocs that returned an error

	Guarded   int    // live blocks that are guarded
	Unguarded uint64 // blocks that should have been, and could not
	Stuck     int    // freed guarded blocks, of all Debugs, whose pages the system would not take: they serve no other until it does
	Guarding  string // how pages are guarded: "markers" or "protection"; "" as long as none are

	Reports    int    // of misuse and damage, those beyond MaxReports among them
	StacksLost uint64 // by all Debugs, because there were too many
}
