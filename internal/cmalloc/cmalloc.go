//go:build cgo

package cmalloc

/*
#cgo noescape allod_alloc
#cgo nocallback allod_alloc
#cgo noescape allod_free
#cgo nocallback allod_free
#cgo noescape allod_usable
#cgo nocallback allod_usable
#cgo noescape allod_realloc
#cgo nocallback allod_realloc

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { allod_max_align = _Alignof(max_align_t) };

#if defined(_WIN32)

// Windows frees what is aligned by another function than what is not. All
// blocks are of the first kind, so that one function frees them all.
#include <malloc.h>

static void *allod_alloc(size_t size, size_t align, int zero) {
	void *p = _aligned_malloc(size, align < allod_max_align ? allod_max_align : align);
	if (p != NULL && zero) {
		memset(p, 0, size);
	}
	return p;
}

static void allod_free(void *p) { _aligned_free(p); }

static size_t allod_usable(void *p, size_t size) { return size; }

static void *allod_realloc(void *p, size_t size) { return _aligned_realloc(p, size, allod_max_align); }

#else

#if defined(__APPLE__)
#include <malloc/malloc.h>
static size_t allod_usable(void *p, size_t size) { return malloc_size(p); }
#elif defined(__linux__)
#include <malloc.h>
static size_t allod_usable(void *p, size_t size) { return malloc_usable_size(p); }
#elif defined(__FreeBSD__)
#include <malloc_np.h>
static size_t allod_usable(void *p, size_t size) { return malloc_usable_size(p); }
#else
static size_t allod_usable(void *p, size_t size) { return size; }
#endif

static void *allod_alloc(size_t size, size_t align, int zero) {
	void *p;
	if (align <= allod_max_align) {
		return zero ? calloc(1, size) : malloc(size);
	}
	if (posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align, size) != 0) {
		return NULL;
	}
	if (zero) {
		memset(p, 0, size);
	}
	return p;
}

static void allod_free(void *p) { free(p); }

static void *allod_realloc(void *p, size_t size) { return realloc(p, size); }

#endif
*/
import "C"

import "unsafe"

// MaxAlign is the largest alignment in bytes that malloc and realloc give.
const MaxAlign = C.allod_max_align

// Alloc returns a block of size > 0 bytes at a multiple of align, a power of
// two, or nil if there is no memory. It reads as zero if zero is set.
func Alloc(size, align int, zero bool) []byte {
	z := C.int(0)
	if zero {
		z = 1
	}
	return block(C.allod_alloc(alignable(size, align), C.size_t(align), z), size)
}

// alignable returns a size that malloc aligns to align, if it does at all: it
// aligns for every type that fits the block, and no further if that is small.
func alignable(size, align int) C.size_t { return C.size_t(max(size, min(align, MaxAlign))) }

// Free frees the block b.
func Free(b []byte) { C.allod_free(start(b)) }

// Usable returns how many bytes the block b can be extended to in place; len(b)
// where the library does not tell.
func Usable(b []byte) int { return int(C.allod_usable(start(b), C.size_t(len(b)))) }

// Realloc changes the size of the block b, whose contents may move. It returns
// nil if there is no memory; b is then unchanged. The alignment must not be above
// MaxAlign.
func Realloc(b []byte, size, align int) []byte {
	return block(C.allod_realloc(start(b), alignable(size, align)), size)
}

func start(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

// block returns the size bytes at p, nil for NULL.
func block(p unsafe.Pointer, size int) []byte {
	if p == nil {
		return nil
	}
	// Valid: the C library says that there are size bytes at p.
	return unsafe.Slice((*byte)(p), size)
}
