// The loops over malloc and free, as C programs call them. They are linked once
// with each allocator. What they do is what the loops in Go do.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "loops.h"

static inline void *check(void *p) { if (!p) out_of_memory(); return p; }
// seen makes the compiler believe that somebody reads what p points to.
static inline void seen(void *p) { __asm__ volatile("" : : "r"(p) : "memory"); }

void loops_init(const char *variant) { (void)variant; }

// library says where malloc is from.
const char *library(void) {
	Dl_info where = {0};
	dladdr((void *)malloc, &where);
	return where.dli_fname ? where.dli_fname : "";
}

static inline obj16 *new16(uint64_t v) { obj16 *p = check(malloc(sizeof *p)); p->first = v; p->last = ~v; return p; }
static inline obj32 *new32(uint64_t v) { obj32 *p = check(malloc(sizeof *p)); p->first = v; p->last = ~v; return p; }
static inline obj64 *new64(uint64_t v) { obj64 *p = check(malloc(sizeof *p)); p->first = v; p->last = ~v; return p; }

void pair16(size_t n) {
	for (uint64_t i = 0; i < n; i++) {
		obj16 *p = new16(i);
		seen(p);
		if (p->first != i || p->last != ~i) corrupt("pair");
		free(p);
	}
}
void pair64(size_t n) {
	for (uint64_t i = 0; i < n; i++) {
		obj64 *p = new64(i);
		seen(p);
		if (p->first != i || p->last != ~i) corrupt("pair");
		free(p);
	}
}

// deep64 calls itself so many times. What comes after the call keeps it one.
__attribute__((noinline)) void deep64(int calls, size_t n) {
	if (!calls) { pair64(n); return; }
	deep64(calls - 1, n);
	seen(&n);
}

void random32(obj32 **objects, const uint32_t *order, size_t n) {
	for (uint64_t i = 0; i < n; i++) objects[i] = new32(i);
	for (size_t k = 0; k < n; k++) {
		uint64_t i = order[k];
		obj32 *p = objects[i];
		if (p->first != i || p->last != ~i) corrupt("random");
		objects[i] = 0;
		free(p);
	}
}

static void put(slot *s, void *p, uint32_t size) {
	((unsigned char *)p)[size - 1] = (unsigned char)size;
	*(uint64_t *)p = (uint64_t)size * 0x9E3779B97F4A7C15u;
	s->p = p;
	s->size = size;
}
static uint32_t draw(window *w) { w->drawn++; return w->sizes[w->drawn & (TABLE - 1)]; }
void fill(window *w) {
	for (uint64_t k = 0; k < w->n; k++)
		if (!w->slots[k].p) { uint32_t size = draw(w); put(&w->slots[k], check(malloc(size)), size); }
}
void mixed(window *w, size_t n) {
	for (; n > 0; n--) {
		uint64_t x = w->next;
		x ^= x << 13; x ^= x >> 7; x ^= x << 17;
		w->next = x;
		slot *s = &w->slots[(x >> 32) * w->n >> 32];
		if (*(uint64_t *)s->p != (uint64_t)s->size * 0x9E3779B97F4A7C15u) corrupt("mixed");
		if (((unsigned char *)s->p)[s->size - 1] != (unsigned char)s->size && s->size > 8) corrupt("mixed");
		void *p = s->p;
		s->p = 0;
		free(p);
		uint32_t size = draw(w);
		put(s, check(malloc(size)), size);
	}
}

void run_list(size_t n) {
	list *first = 0;
	for (uint64_t i = 0; i < n; i++) { list *p = check(malloc(sizeof *p)); p->next = first; p->value = i; first = p; }
	uint64_t sum = 0;
	for (list *p = first; p; p = p->next) sum += p->value;
	if (sum != (uint64_t)n * (n - 1) / 2) corrupt("list");
	while (first) { list *next = first->next; free(first); first = next; }
}

static tree *grow(int depth) {
	tree *l = 0, *r = 0;
	if (depth) { l = grow(depth - 1); r = grow(depth - 1); }
	tree *p = check(malloc(sizeof *p));
	p->left = l; p->right = r; p->value = 1;
	return p;
}
static uint64_t count(tree *p) { return p ? p->value + count(p->left) + count(p->right) : 0; }
static void fell(tree *p) { if (!p) return; fell(p->left); fell(p->right); free(p); }
void run_tree(int depth, size_t n) {
	tree *root = grow(depth);
	if (count(root) != n) corrupt("tree");
	fell(root);
}


void produce(obj64 **b, uint64_t i) { for (uint64_t k = 0; k < BATCH; k++) b[k] = new64(i + k); }
void consume(obj64 **b, uint64_t i) {
	for (uint64_t k = 0; k < BATCH; k++) {
		if (b[k]->first != i + k || b[k]->last != ~(i + k)) corrupt("pipeline");
		free(b[k]);
		b[k] = 0;
	}
}

void vector(size_t n) {
	size_t cap = 16;
	uint64_t *s = check(malloc(8 * cap));
	for (uint64_t i = 0; i < n; i++) {
		if (i == cap) { cap *= 2; s = check(realloc(s, 8 * cap)); }
		s[i] = i;
	}
	for (uint64_t i = 0; i < n; i += 4099) if (s[i] != i) corrupt("vector");
	free(s);
}

void block(size_t size, size_t n) { for (; n > 0; n--) { void *p = check(malloc(size)); seen(p); free(p); } }
void touched(size_t size, size_t n) {
	for (; n > 0; n--) {
		volatile unsigned char *p = check(malloc(size));
		for (size_t i = 0; i < size; i += 4096) p[i] = (unsigned char)(i >> 12);
		if (p[size - 4096] != (unsigned char)((size - 4096) >> 12)) corrupt("touched");
		free((void *)p);
	}
}

static void touch(void *b, uint64_t old, uint64_t size) {
	uint64_t step = size > 4096 ? 4096 : 64;
	for (uint64_t i = (old + step - 1) & ~(step - 1); i < size; i += step) ((volatile char *)b)[i] = 1;
}
void replay(const op *o, const op *stop, void **blocks, int untouched) {
	for (; o < stop; o++) {
		void **b = &blocks[o->object];
		if (o->kind == OP_FREE) {
			if (o->old) { free(*b); *b = 0; }
			continue;
		}
		if (!o->size) continue;
		if (o->old) *b = check(realloc(*b, o->size));
		else if (o->log2 > 4) { if (posix_memalign(b, (size_t)1 << o->log2, o->size)) out_of_memory(); if (o->kind == OP_ZERO) memset(*b, 0, o->size); }
		else if (o->kind == OP_ZERO) *b = check(calloc(1, o->size));
		else *b = check(malloc(o->size));
		if (!untouched && o->size > o->old) touch(*b, o->old, o->size);
	}
}

void free_object(void *p, const op *last) { (void)last; free(p); }
// C has no way to give up a phase at once.
void phases(obj64 **kept, size_t each, size_t n) { (void)kept; (void)each; (void)n; abort(); }
