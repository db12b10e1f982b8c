//go:build cgo && unix

package mmapbench

/*
#include <stddef.h>
#include <sys/mman.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

static int pairs(long n, size_t size) {
	for (long i = 0; i < n; i++) {
		void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED || munmap(p, size) != 0) {
			return 0;
		}
	}
	return 1;
}
*/
import "C"

// Pairs maps and unmaps size bytes n times, in one call of C, and tells whether
// all went well.
func Pairs(n, size int) bool { return C.pairs(C.long(n), C.size_t(size)) != 0 }
