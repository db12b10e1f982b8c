// The program around the loops: it does what the worker in Go does.
//
// Arguments: variant kind size n fixed budget-ms threads untouched data-file
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "loops.h"

static const char *kind;
static size_t size, n_job;
static int threads, untouched;
static void *data;
static size_t data_bytes;

static void fail(const char *what) { fprintf(stderr, "%s\n", what); exit(1); }
void corrupt(const char *what) { fprintf(stderr, "%s: memory has not what was written\n", what); exit(1); }
void out_of_memory(void) { fail("out of memory"); }
static int is(const char *k) { return strcmp(kind, k) == 0; }

static uint64_t clock_of(clockid_t id) {
	struct timespec t;
	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

static uint64_t now(void) { return clock_of(CLOCK_MONOTONIC); }

// field reads a number of kB from a file of /proc, without malloc.
static long field(const char *file, const char *name) {
	static char text[1 << 16];
	int fd = open(file, O_RDONLY);
	if (fd < 0) return 0;
	ssize_t got = 0, k;
	while ((k = read(fd, text + got, sizeof text - 1 - got)) > 0) got += k;
	close(fd);
	text[got] = 0;
	char *at = strstr(text, name);
	return at ? atol(at + strlen(name)) * 1024 : 0;
}
static long rss(void) { return field("/proc/self/smaps_rollup", "\nRss:"); }
static long peak_rss(void) { return field("/proc/self/status", "\nVmHWM:"); }
static void reset_peak(void) {
	int fd = open("/proc/self/clear_refs", O_WRONLY);
	if (fd >= 0) { if (write(fd, "5", 1) != 1) {} close(fd); }
}

// table returns memory for the loop's own use, from the system and written to.
static void *table(size_t bytes) {
	void *p = mmap(0, bytes ? bytes : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) fail("mmap");
	memset(p, 1, bytes);
	memset(p, 0, bytes);
	return p;
}


static obj32 **objects;
static obj64 **kept;
static void **blocks;
static void init_window(window *w, int n, int number) {
	w->slots = table(n * sizeof(slot));
	w->n = n;
	w->next = 0x853C49E6748FEA9Bu + number;
	w->drawn = number * 7919;
	w->sizes = data;
}

// A channel of pointers, as Go's.
typedef struct { pthread_mutex_t mu; pthread_cond_t change; void *ring[64]; int head, count, cap; } channel;
static void init_channel(channel *c, int cap) {
	memset(c, 0, sizeof *c);
	pthread_mutex_init(&c->mu, 0);
	pthread_cond_init(&c->change, 0);
	c->cap = cap;
	if (cap > 64) fail("channel too large");
}
static void push(channel *c, void *p) {
	pthread_mutex_lock(&c->mu);
	while (c->count == c->cap) pthread_cond_wait(&c->change, &c->mu);
	c->ring[(c->head + c->count++) % c->cap] = p;
	pthread_cond_signal(&c->change);
	pthread_mutex_unlock(&c->mu);
}
static void *pull(channel *c) {
	pthread_mutex_lock(&c->mu);
	while (!c->count) pthread_cond_wait(&c->change, &c->mu);
	void *p = c->ring[c->head];
	c->head = (c->head + 1) % c->cap;
	c->count--;
	pthread_cond_signal(&c->change);
	pthread_mutex_unlock(&c->mu);
	return p;
}

static window *windows;
static channel *channels;
typedef struct { int i; size_t n; } task;

static void *work_pair(void *a) { task *t = a; pair16(t->n); return 0; }
static void *work_windows(void *a) { task *t = a; mixed(&windows[t->i], t->n); return 0; }
static void *work_handover(void *a) {
	task *t = a;
	for (size_t k = 0; k < t->n / TURNS; k++) {
		window *w = pull(&channels[t->i]);
		mixed(w, TURNS);
		push(&channels[(t->i + 1) % threads], w);
	}
	return 0;
}
static void *work_pipeline(void *a) {
	task *t = a;
	channel *full = &channels[t->i / 2 * 2], *empty = full + 1;
	for (uint64_t i = 0; i < t->n / BATCH; i++) {
		obj64 **b;
		if (t->i % 2 == 0) {
			b = pull(empty);
			produce(b, i);
			push(full, b);
		} else {
			b = pull(full);
			consume(b, i);
			push(empty, b);
		}
	}
	return 0;
}

// The threads of all rounds are the same ones: a round is a turn of two barriers.
static pthread_barrier_t begin, done;
static void *(*work)(void *);
static task tasks[64];
static void *worker(void *a) {
	for (;;) {
		pthread_barrier_wait(&begin);
		work(a);
		pthread_barrier_wait(&done);
	}
	return 0;
}
static void start_threads(void *(*f)(void *)) {
	work = f;
	pthread_barrier_init(&begin, 0, threads + 1);
	pthread_barrier_init(&done, 0, threads + 1);
	for (int i = 0; i < threads; i++) {
		pthread_t id;
		tasks[i].i = i;
		if (pthread_create(&id, 0, worker, &tasks[i])) fail("pthread_create");
	}
}
static void each(size_t n) {
	for (int i = 0; i < threads; i++) tasks[i].n = n;
	pthread_barrier_wait(&begin);
	pthread_barrier_wait(&done);
}

static long sampled;
static void run_trace(int sampling) {
	op *o = data, *stop = o + data_bytes / sizeof *o;
	if (!sampling) { replay(o, stop, blocks, untouched); return; }
	int64_t live = 0, most = 0;
	op *peak = o;
	for (op *k = o; k < stop; k++) { live += (int64_t)k->size - (int64_t)k->old; if (live > most) { most = live; peak = k + 1; } }
	for (op *from = o; from < stop;) {
		op *to = from + (stop - o) / 64 + 1;
		if (to > stop) to = stop;
		if (from < peak && peak < to) to = peak;
		replay(from, to, blocks, untouched);
		long r = rss();
		if (r > sampled) sampled = r;
		from = to;
	}
}
static void free_rest(void) {
	op *o = data, *stop = o + data_bytes / sizeof *o;
	while (stop-- > o) {
		void **b = &blocks[stop->object];
		if (*b) free_object(*b, stop);
		*b = 0;
	}
}

static void prepare(void) {
	if (is("random")) objects = table(n_job * sizeof *objects);
	if (is("phase")) kept = table((n_job / KEPT_EVERY + 1) * sizeof *kept);
	if (is("mixed")) { windows = table(sizeof *windows); init_window(windows, WINDOW, 0); }
	if (is("trace")) {
		uint32_t most = 0;
		for (op *o = data; o < (op *)data + data_bytes / sizeof *o; o++) if (o->object > most) most = o->object;
		blocks = table((most + 1) * sizeof *blocks);
	}
	if (is("pipeline")) threads = threads < 2 ? 2 : threads / 2 * 2;
	if (is("threads")) start_threads(work_pair);
	if (is("windows") || is("handover")) {
		windows = table(threads * sizeof *windows);
		for (int i = 0; i < threads; i++) init_window(&windows[i], is("handover") ? HANDOVER : WINDOW, i);
		start_threads(is("handover") ? work_handover : work_windows);
	}
	if (is("handover")) {
		channels = table(threads * sizeof *channels);
		for (int i = 0; i < threads; i++) init_channel(&channels[i], threads);
	}
	if (is("pipeline")) {
		channels = table(threads * sizeof *channels);
		for (int i = 0; i < threads; i += 2) {
			init_channel(&channels[i], AHEAD);
			init_channel(&channels[i + 1], AHEAD + 2);
			for (int k = 0; k < AHEAD + 2; k++) push(&channels[i + 1], table(BATCH * sizeof(obj64 *)));
		}
		start_threads(work_pipeline);
	}
}

// round_of performs n operations, or as many as the workload has, and returns
// how many; *took is for how long, and cpu for how long on processors.
static uint64_t cpu;
static size_t round_of(size_t n, int sampling, uint64_t *took) {
	if (windows) for (int i = 0; i < (is("mixed") ? 1 : threads); i++) fill(&windows[i]);
	uint64_t cpu_before = clock_of(CLOCK_PROCESS_CPUTIME_ID), start = now();
	if (is("pair")) { if (size == 16) pair16(n); else pair64(n); }
	else if (is("deep")) deep64(DEEP, n);
	else if (is("random")) { n = n_job; random32(objects, data, n); }
	else if (is("phase")) { n = (n + n_job - 1) / n_job * n_job; phases(kept, n_job, n); }
	else if (is("mixed")) mixed(windows, n);
	else if (is("list")) { n = n_job; run_list(n); }
	else if (is("tree")) { n = n_job; run_tree((int)size, n); }
	else if (is("threads") || is("windows")) each(n);
	else if (is("handover")) {
		n = (n + TURNS - 1) / TURNS * TURNS;
		for (int i = 0; i < threads; i++) push(&channels[i], &windows[i]);
		each(n);
		for (int i = 0; i < threads; i++) pull(&channels[i]);
	}
	else if (is("pipeline")) { n = (n + BATCH - 1) / BATCH * BATCH; each(n); }
	else if (is("vector")) { n = n_job; vector(n); }
	else if (is("block")) block(size, n);
	else if (is("touched")) touched(size, n);
	else if (is("trace")) { n = data_bytes / sizeof(op); run_trace(sampling); }
	else fail("no such kind");
	*took = now() - start;
	cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu_before;
	if (is("trace")) free_rest();
	return n;
}

int harness(int argc, char **argv) {
	if (argc != 10) fail("wrong arguments");
	loops_init(argv[1]);
	kind = argv[2];
	size = strtoull(argv[3], 0, 10);
	n_job = strtoull(argv[4], 0, 10);
	int fixed = atoi(argv[5]);
	uint64_t budget = strtoull(argv[6], 0, 10) * 1000000u;
	threads = atoi(argv[7]);
	untouched = atoi(argv[8]);
	if (threads > 64) threads = 64;
	if (*argv[9]) {
		struct stat st;
		int fd = open(argv[9], O_RDONLY);
		if (fd < 0 || fstat(fd, &st)) fail("no data file");
		data_bytes = st.st_size;
		data = mmap(0, data_bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
		if (data == MAP_FAILED) fail("mmap");
		close(fd);
	}
	prepare();

	reset_peak();
	long base = rss();
	uint64_t t, took = 0, took_cpu = 0;
	size_t n = n_job, ops = 0;
	int rounds = 0;
	round_of(n, 1, &t);
	if (!fixed) {
		for (;;) {
			size_t k = round_of(n, 0, &t);
			if (t < budget / 16 && n < (1u << 30)) { n *= 2; continue; }
			n = (size_t)((double)k * (budget / 4) / (t ? t : 1));
			if (!n) n = 1;
			break;
		}
	}
	uint64_t start = now();
	while (rounds < 2 || now() - start < budget) { ops += round_of(n, 0, &t); took += t; took_cpu += cpu; rounds++; }
	int shares = is("threads") || is("windows") || is("handover") ? threads : 1;
	long peak = sampled ? sampled : peak_rss();
	printf("{\"ns_per_op\":%.4f,\"cpu_per_op\":%.4f,\"ops\":%zu,\"rounds\":%d,\"peak_rss\":%ld,\"base_rss\":%ld,\"library\":\"%s\"}\n",
		(double)took / ops, (double)took_cpu / ops / shares, ops, rounds, peak, base, library());
	return 0;
}

#ifndef MAIN_ELSEWHERE
int main(int argc, char **argv) { return harness(argc, argv); }
#endif
