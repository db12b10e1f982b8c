// What is measured outside Go: the loops, which stand once in C and once in Zig,
// and what they share with the program around them.
#include <stddef.h>
#include <stdint.h>

enum { WINDOW = 10000, HANDOVER = 1000, TURNS = 10000, BATCH = 256, AHEAD = 16, DEEP = 20, KEPT_EVERY = 1024, TABLE = 1 << 16 };
enum { OP_ZERO = 2, OP_FREE = 3 };

typedef struct { uint64_t first, last; } obj16;
typedef struct { uint64_t first, pad[2], last; } obj32;
typedef struct { uint64_t first, pad[6], last; } obj64;
typedef struct list { struct list *next; uint64_t value; } list;
typedef struct tree { struct tree *left, *right; uint64_t value; } tree;
typedef struct { uint32_t kind, object; uint64_t size, old; uint32_t log2, pad; } op;
typedef struct { void *p; uint32_t size; } slot;
typedef struct { slot *slots; uint64_t n, next, drawn; const uint32_t *sizes; } window;

// corrupt and out_of_memory end the process.
void corrupt(const char *what);
void out_of_memory(void);

void loops_init(const char *variant);
const char *library(void);
void pair16(size_t n);
void pair64(size_t n);
void deep64(int calls, size_t n);
void random32(obj32 **objects, const uint32_t *order, size_t n);
void fill(window *w);
void mixed(window *w, size_t n);
void phases(obj64 **kept, size_t each, size_t n);
void run_list(size_t n);
void run_tree(int depth, size_t n);
void produce(obj64 **batch, uint64_t i);
void consume(obj64 **batch, uint64_t i);
void vector(size_t n);
void block(size_t size, size_t n);
void touched(size_t size, size_t n);
void replay(const op *from, const op *to, void **blocks, int untouched);
void free_object(void *p, const op *last);

// harness is main.
int harness(int argc, char **argv);
