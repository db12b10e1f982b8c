package heap

import "github.com/allod-dev/allod/mem"

// Page takes every block from the operating system by itself, in whole pages,
// and gives it back when it is freed. Want it as the child of an allocator that
// cuts large blocks into small ones, and for a few large blocks of long life;
// for many small ones each costs a page and a system call or two.
//
// Memory comes from mmap, or VirtualAlloc on Windows. Where there is no such
// call (js, wasip1, plan9), and under the race detector, which could not see
// into such memory, it comes from the Go heap; such blocks are limited to 1 GiB,
// or 256 MiB on 32-bit systems and WebAssembly. All memory is zero when it is
// new, and takes no room in RAM before it is touched. Go's collector does not
// scan it, and its memory limit does not count it. On 32-bit systems no block is
// larger than 1 GiB, however much is free. On other Unix systems blocks of up to
// four pages are cut from sixteen that are mapped at once.
//
// Free unmaps the block at once; touching it afterwards ends the process. On
// 32-bit systems, where Go's heap might come to lie at the same addresses, and
// where the system refuses to unmap, the pages are given back but the addresses
// are kept, and used again.
//
// Only Free ends a block's life, or Remap, which moves a block to other
// addresses without copying it, on systems that can. Resize gives whole pages
// at the end of a block back, and adds pages if the addresses after it are free.
// A block that Remap lets grow to several MiB by steps is made of huge pages where
// the system has them: see [PageOptions].
//
// Page is safe for concurrent use. The zero value is all there is: it has no
// fields, and copies are the same allocator. For options see [NewPages].
type Page struct{}

var _ mem.Allocator = Page{}

// page is what every Page{} stands for.
var page Pages

// Alloc implements [mem.Allocator]. The block is zero whether asked for or not.
func (Page) Alloc(size int, l mem.Layout) ([]byte, error) {
	return page.alloc("heap: Page.Alloc", size, l)
}

// Resize implements [mem.Allocator]. It succeeds whenever the number of pages
// stays the same or falls; a block made of the Go heap keeps half its pages.
func (Page) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	return page.resize("heap: Page.Resize", b, l, size, false)
}

// Remap implements [mem.Allocator].
func (Page) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	return page.resize("heap: Page.Remap", b, l, size, true)
}

// Free implements [mem.Allocator].
func (Page) Free(b []byte, _ mem.Layout) { page.release("heap: Page.Free", b) }

// Pointers returns [mem.PlainOnly].
func (Page) Pointers() mem.Pointers { return mem.PlainOnly }

// Owns implements [mem.Owner]. The answer for the start of a block, and for an
// address outside all memory that Page ever had, takes constant time; any other
// a time that grows with the number of blocks.
func (Page) Owns(b []byte) bool { return page.Owns(b) }

// GoodSize implements [mem.GoodSizer]; see [Pages.GoodSize].
func (Page) GoodSize(size int, l mem.Layout) int { return page.GoodSize(size, l) }

// Trim implements [mem.Trimmer]. It asks the system once more to take the
// addresses that it refused to take when their block was freed.
func (Page) Trim() int { return page.Trim() }

// Stats returns how much memory Page holds; see [Pages.Stats].
func (Page) Stats() PageStats { return page.Stats() }
