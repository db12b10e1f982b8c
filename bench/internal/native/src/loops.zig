// The loops over the allocators of Zig, as Zig programs call them. What they do
// is what the loops in Go do; loops.h says what each is for.
const std = @import("std");
const Allocator = std.mem.Allocator;

const batch = 256;
const kept_every = 1024;
const table_size = 1 << 16;
const op_zero = 2;
const op_free = 3;

const Obj16 = extern struct { first: u64, last: u64 };
const Obj32 = extern struct { first: u64, pad: [2]u64, last: u64 };
const Obj64 = extern struct { first: u64, pad: [6]u64, last: u64 };
const List = struct { next: ?*List, value: u64 };
const Tree = struct { left: ?*Tree, right: ?*Tree, value: u64 };
const Op = extern struct { kind: u32, object: u32, size: u64, old: u64, log2: u32, pad: u32 };
const Slot = extern struct { p: ?[*]u8, size: u32 };
const Window = extern struct { slots: [*]Slot, n: u64, next: u64, drawn: u64, sizes: [*]const u32 };

extern fn corrupt(what: [*:0]const u8) noreturn;
extern fn out_of_memory() noreturn;
extern fn strcmp(a: [*:0]const u8, b: [*:0]const u8) c_int;

extern fn harness(argc: c_int, argv: [*][*:0]u8) c_int;

pub export fn main(argc: c_int, argv: [*][*:0]u8) callconv(.c) c_int {
    return harness(argc, argv);
}

const Variant = enum { smp, arena, pool, page, debug, debug16 };
var variant: Variant = .smp;

export fn loops_init(name: [*:0]const u8) void {
    inline for (@typeInfo(Variant).@"enum".fields) |f| {
        if (strcmp(name, f.name) == 0) variant = @enumFromInt(f.value);
    }
}

export fn library() [*:0]const u8 {
    return "Zig " ++ @import("builtin").zig_version_string;
}

var arena_state: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
var debug_state: std.heap.DebugAllocator(.{}) = .init;
var debug16_state: std.heap.DebugAllocator(.{ .stack_trace_frames = 16, .safety = true }) = .init;

/// Source gives objects of one type; each loop is compiled for each source, so
/// that calls are as direct as in a program that uses only that one.
fn Source(comptime v: Variant) type {
    return struct {
        const bulk = v == .arena;

        inline fn allocator() Allocator {
            return switch (v) {
                .smp => std.heap.smp_allocator,
                .page => std.heap.page_allocator,
                .arena => arena_state.allocator(),
                .debug => debug_state.allocator(),
                .debug16 => debug16_state.allocator(),
                .pool => unreachable,
            };
        }

        fn Pool(comptime T: type) type {
            return struct {
                var pool: std.heap.MemoryPool(T) = .empty;
            };
        }

        inline fn create(comptime T: type) *T {
            if (v == .pool) return Pool(T).pool.create(std.heap.page_allocator) catch out_of_memory();
            return allocator().create(T) catch out_of_memory();
        }

        inline fn destroy(comptime T: type, p: *T) void {
            if (v == .pool) Pool(T).pool.destroy(p) else allocator().destroy(p);
        }

        inline fn reset(comptime T: type) void {
            switch (v) {
                .arena => _ = arena_state.reset(.retain_capacity),
                .pool => _ = Pool(T).pool.reset(std.heap.page_allocator, .retain_capacity),
                else => {},
            }
        }

        inline fn new(comptime T: type, value: u64) *T {
            const p = create(T);
            p.first = value;
            p.last = ~value;
            return p;
        }

        fn pair(comptime T: type, n: usize) void {
            var i: u64 = 0;
            while (i < n) : (i += 1) {
                const p = new(T, i);
                seen(p);
                if (p.first != i or p.last != ~i) corrupt("pair");
                destroy(T, p);
            }
        }

        /// deep calls itself so many times. What comes after the call keeps it one.
        fn deep(calls: c_int, n: usize) void {
            if (calls == 0) return pair(Obj64, n);
            @call(.never_inline, deep, .{ calls - 1, n });
            seen(&n);
        }

        fn random(objects: [*]?*Obj32, order: [*]const u32, n: usize) void {
            for (0..n) |i| objects[i] = new(Obj32, i);
            for (order[0..n]) |i| {
                const p = objects[i].?;
                if (p.first != i or p.last != ~@as(u64, i)) corrupt("random");
                objects[i] = null;
                destroy(Obj32, p);
            }
        }

        fn bytes(size: usize) []u8 {
            return allocator().alloc(u8, size) catch out_of_memory();
        }

        fn fillWindow(w: *Window) void {
            for (w.slots[0..w.n]) |*s| {
                if (s.p == null) {
                    const size = draw(w);
                    put(s, bytes(size));
                }
            }
        }

        fn mix(w: *Window, n: usize) void {
            for (0..n) |_| {
                var x = w.next;
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                w.next = x;
                const s = &w.slots[(x >> 32) * w.n >> 32];
                const old = s.p.?[0..s.size];
                if (std.mem.readInt(u64, old[0..8], .little) != @as(u64, s.size) *% stamp) corrupt("mixed");
                if (old[old.len - 1] != @as(u8, @truncate(s.size)) and s.size > 8) corrupt("mixed");
                s.p = null;
                allocator().free(old);
                put(s, bytes(draw(w)));
            }
        }

        fn phase(kept: [*]*Obj64, each: usize, n: usize) void {
            var done: usize = 0;
            while (done < n) : (done += each) {
                var held: usize = 0;
                for (0..each) |i| {
                    const p = new(Obj64, i);
                    seen(p);
                    if (p.first != i or p.last != ~@as(u64, i)) corrupt("phase");
                    if (i % kept_every == 0) {
                        kept[held] = p;
                        held += 1;
                    }
                }
                for (kept[0..held], 0..) |p, i| {
                    if (p.first != i * kept_every or p.last != ~@as(u64, i * kept_every)) corrupt("phase");
                }
                reset(Obj64);
            }
        }

        fn list(n: usize) void {
            var first: ?*List = null;
            for (0..n) |i| {
                const p = create(List);
                p.* = .{ .next = first, .value = i };
                first = p;
            }
            var sum: u64 = 0;
            var at = first;
            while (at) |p| : (at = p.next) sum += p.value;
            if (sum != @as(u64, n) * (n - 1) / 2) corrupt("list");
            if (bulk) return reset(List);
            while (first) |p| {
                first = p.next;
                destroy(List, p);
            }
        }

        fn grow(depth: c_int) *Tree {
            var l: ?*Tree = null;
            var r: ?*Tree = null;
            if (depth > 0) {
                l = grow(depth - 1);
                r = grow(depth - 1);
            }
            const p = create(Tree);
            p.* = .{ .left = l, .right = r, .value = 1 };
            return p;
        }

        fn count(t: ?*Tree) u64 {
            const p = t orelse return 0;
            return p.value + count(p.left) + count(p.right);
        }

        fn fell(t: ?*Tree) void {
            const p = t orelse return;
            fell(p.left);
            fell(p.right);
            destroy(Tree, p);
        }

        fn tree(depth: c_int, n: usize) void {
            const root = grow(depth);
            if (count(root) != n) corrupt("tree");
            if (bulk) return reset(Tree);
            fell(root);
        }

        fn makeBatch(b: [*]?*Obj64, i: u64) void {
            for (0..batch) |k| b[k] = new(Obj64, i + k);
        }

        fn freeBatch(b: [*]?*Obj64, i: u64) void {
            for (0..batch) |k| {
                const p = b[k].?;
                if (p.first != i + k or p.last != ~(i + k)) corrupt("pipeline");
                destroy(Obj64, p);
                b[k] = null;
            }
        }

        fn growVector(n: usize) void {
            var s: std.ArrayList(u64) = .empty;
            for (0..n) |i| s.append(allocator(), i) catch out_of_memory();
            var i: usize = 0;
            while (i < n) : (i += 4099) if (s.items[i] != i) corrupt("vector");
            s.deinit(allocator());
        }

        fn blocks(size: usize, n: usize) void {
            for (0..n) |_| {
                const p = bytes(size);
                seen(p.ptr);
                allocator().free(p);
            }
        }

        fn touchedBlocks(size: usize, n: usize) void {
            for (0..n) |_| {
                const b = bytes(size);
                const p: [*]volatile u8 = b.ptr;
                var i: usize = 0;
                while (i < size) : (i += 4096) p[i] = @truncate(i >> 12);
                if (p[size - 4096] != @as(u8, @truncate((size - 4096) >> 12))) corrupt("touched");
                allocator().free(b);
            }
        }

        fn trace(ops: []const Op, objects: [*]?[*]u8, untouched: bool) void {
            const a = allocator();
            for (ops) |*o| {
                const b = &objects[o.object];
                const alignment: std.mem.Alignment = @enumFromInt(o.log2);
                if (o.kind == op_free) {
                    if (o.old > 0) {
                        a.rawFree(b.*.?[0..o.old], alignment, 0);
                        b.* = null;
                    }
                    continue;
                }
                if (o.size == 0) continue;
                if (o.old > 0) {
                    const old = b.*.?[0..o.old];
                    if (a.rawResize(old, alignment, o.size, 0)) {
                        // in place
                    } else if (a.rawRemap(old, alignment, o.size, 0)) |p| {
                        b.* = p;
                    } else {
                        const p = a.rawAlloc(o.size, alignment, 0) orelse out_of_memory();
                        const both = @min(o.old, o.size);
                        @memcpy(p[0..both], old[0..both]);
                        a.rawFree(old, alignment, 0);
                        b.* = p;
                    }
                } else {
                    const p = a.rawAlloc(o.size, alignment, 0) orelse out_of_memory();
                    if (o.kind == op_zero) @memset(p[0..o.size], 0);
                    b.* = p;
                }
                if (!untouched and o.size > o.old) touch(b.*.?, o.old, o.size);
            }
        }

        fn freeObject(p: [*]u8, last: *const Op) void {
            allocator().rawFree(p[0..last.size], @enumFromInt(last.log2), 0);
        }
    };
}

/// seen makes the compiler believe that somebody reads what p points to.
inline fn seen(p: anytype) void {
    asm volatile (""
        :
        : [p] "r" (p),
        : .{ .memory = true });
}

const stamp: u64 = 0x9E3779B97F4A7C15;

fn draw(w: *Window) u32 {
    w.drawn += 1;
    return w.sizes[w.drawn & (table_size - 1)];
}

fn put(s: *Slot, b: []u8) void {
    b[b.len - 1] = @truncate(b.len);
    std.mem.writeInt(u64, b[0..8], @as(u64, b.len) *% stamp, .little);
    s.* = .{ .p = b.ptr, .size = @intCast(b.len) };
}

fn touch(p: [*]u8, old: u64, size: u64) void {
    const step: u64 = if (size > 4096) 4096 else 64;
    const v: [*]volatile u8 = p;
    var i = (old + step - 1) & ~(step - 1);
    while (i < size) : (i += step) v[i] = 1;
}

/// anySize are the variants that have a std.mem.Allocator.
fn anySize(comptime v: Variant) bool {
    return v != .pool;
}

export fn pair16(n: usize) void {
    switch (variant) {
        inline else => |v| Source(v).pair(Obj16, n),
    }
}
export fn pair64(n: usize) void {
    switch (variant) {
        inline else => |v| Source(v).pair(Obj64, n),
    }
}
export fn deep64(calls: c_int, n: usize) void {
    switch (variant) {
        inline else => |v| Source(v).deep(calls, n),
    }
}
export fn random32(objects: [*]?*Obj32, order: [*]const u32, n: usize) void {
    switch (variant) {
        inline else => |v| Source(v).random(objects, order, n),
    }
}
export fn fill(w: *Window) void {
    switch (variant) {
        inline else => |v| if (comptime anySize(v)) Source(v).fillWindow(w),
    }
}
export fn mixed(w: *Window, n: usize) void {
    switch (variant) {
        inline else => |v| if (comptime anySize(v)) Source(v).mix(w, n),
    }
}
export fn phases(kept: [*]*Obj64, each: usize, n: usize) void {
    switch (variant) {
        inline else => |v| Source(v).phase(kept, each, n),
    }
}
export fn run_list(n: usize) void {
    switch (variant) {
        inline else => |v| Source(v).list(n),
    }
}
export fn run_tree(depth: c_int, n: usize) void {
    switch (variant) {
        inline else => |v| Source(v).tree(depth, n),
    }
}
export fn produce(b: [*]?*Obj64, i: u64) void {
    switch (variant) {
        inline else => |v| Source(v).makeBatch(b, i),
    }
}
export fn consume(b: [*]?*Obj64, i: u64) void {
    switch (variant) {
        inline else => |v| Source(v).freeBatch(b, i),
    }
}
export fn vector(n: usize) void {
    switch (variant) {
        inline else => |v| if (comptime anySize(v)) Source(v).growVector(n),
    }
}
export fn block(size: usize, n: usize) void {
    switch (variant) {
        inline else => |v| if (comptime anySize(v)) Source(v).blocks(size, n),
    }
}
export fn touched(size: usize, n: usize) void {
    switch (variant) {
        inline else => |v| if (comptime anySize(v)) Source(v).touchedBlocks(size, n),
    }
}
export fn replay(from: [*]const Op, to: [*]const Op, objects: [*]?[*]u8, untouched: c_int) void {
    const n = (@intFromPtr(to) - @intFromPtr(from)) / @sizeOf(Op);
    switch (variant) {
        inline else => |v| if (comptime anySize(v)) Source(v).trace(from[0..n], objects, untouched != 0),
    }
}
export fn free_object(p: [*]u8, last: *const Op) void {
    switch (variant) {
        inline else => |v| if (comptime anySize(v)) Source(v).freeObject(p, last),
    }
}
