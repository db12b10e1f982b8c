// The containers of Zig that those of Go are measured beside. It is told a task
// and how many entries, and writes what one process of package containers does.
const std = @import("std");

const timespec = extern struct { sec: i64, nsec: i64 };
extern fn clock_gettime(clock: c_int, t: *timespec) c_int;
extern fn printf(format: [*:0]const u8, ...) c_int;
extern fn strcmp(a: [*:0]const u8, b: [*:0]const u8) c_int;
extern fn strtoul(s: [*:0]const u8, end: ?*anyopaque, base: c_int) c_ulong;
extern fn fopen(name: [*:0]const u8, mode: [*:0]const u8) ?*anyopaque;
extern fn fgets(line: [*]u8, n: c_int, f: *anyopaque) ?[*]u8;
extern fn fclose(f: *anyopaque) c_int;
extern fn sscanf(s: [*]const u8, format: [*:0]const u8, ...) c_int;

const a = std.heap.page_allocator;

fn now(clock: c_int) f64 {
    var t: timespec = undefined;
    _ = clock_gettime(clock, &t);
    return @as(f64, @floatFromInt(t.sec)) * 1e9 + @as(f64, @floatFromInt(t.nsec));
}

/// Figure is the least time of several rounds, on the clock and of the processor.
const Figure = struct {
    wall: f64 = 1e300,
    cpu: f64 = 1e300,
    wall0: f64 = 0,
    cpu0: f64 = 0,

    fn start(f: *Figure) void {
        f.cpu0 = now(2);
        f.wall0 = now(1);
    }
    fn stop(f: *Figure, n: usize) void {
        const of: f64 = @floatFromInt(n);
        f.wall = @min(f.wall, (now(1) - f.wall0) / of);
        f.cpu = @min(f.cpu, (now(2) - f.cpu0) / of);
    }
    fn write(f: Figure, name: [*:0]const u8) void {
        _ = printf("\"%s\":{\"value\":%.4f,\"cpu\":%.4f,\"unit\":\"ns\"},", name, f.wall, f.cpu);
    }
};

fn status(name: [*:0]const u8) f64 {
    const f = fopen("/proc/self/status", "r") orelse return 0;
    defer _ = fclose(f);
    var line: [256]u8 = undefined;
    while (fgets(&line, line.len, f)) |s| {
        var kib: c_ulong = 0;
        if (sscanf(s, name, &kib) == 1) return @as(f64, @floatFromInt(kib)) / 1024;
    }
    return 0;
}

const rss = "VmRSS: %lu kB";
const peak = "VmHWM: %lu kB";

/// numbers makes n random ones.
fn numbers(n: usize, seed: u64) []u64 {
    var r = std.Random.DefaultPrng.init(seed);
    const s = a.alloc(u64, n) catch @panic("out of memory");
    for (s) |*v| v.* = r.random().int(u64);
    return s;
}

fn map(n: usize) void {
    const keys = numbers(n, 1);
    const absent = numbers(n, 2);
    const order = a.dupe(u64, keys) catch @panic("out of memory");
    var r = std.Random.DefaultPrng.init(3);
    r.random().shuffle(u64, order);
    const base = status(rss);
    var held: f64 = 0;
    var most: f64 = 0;
    var insert: Figure = .{};
    var hit: Figure = .{};
    var miss: Figure = .{};
    var walk: Figure = .{};
    var remove: Figure = .{};
    var sum: u64 = 0;
    for (0..2) |round| {
        var m: std.AutoHashMap(u64, u64) = .init(a);
        insert.start();
        for (keys) |k| m.put(k, k) catch @panic("out of memory");
        insert.stop(n);
        if (round == 0) {
            held = status(rss) - base;
            most = status(peak) - base;
        }
        for (0..2) |_| {
            hit.start();
            for (order) |k| sum +%= m.get(k) orelse 0;
            hit.stop(n);
            miss.start();
            for (absent) |k| {
                if (m.get(k) != null) @panic("a key that was not put");
            }
            miss.stop(n);
            walk.start();
            var it = m.iterator();
            while (it.next()) |e| sum +%= e.key_ptr.* ^ e.value_ptr.* +% 1;
            walk.stop(n);
        }
        remove.start();
        for (order) |k| {
            if (!m.remove(k)) @panic("a key is missing");
        }
        remove.stop(n);
        m.deinit();
    }
    insert.write("insert");
    hit.write("hit");
    miss.write("miss");
    walk.write("iterate");
    remove.write("delete");
    _ = printf("\"RSS\":{\"value\":%.4f,\"unit\":\"MiB\"},\"peak\":{\"value\":%.4f,\"unit\":\"MiB\"}", held, most);
    std.mem.doNotOptimizeAway(sum);
}

fn list(n: usize) void {
    const base = status(rss);
    var append: Figure = .{};
    for (0..5) |_| {
        var l: std.ArrayList(u64) = .empty;
        append.start();
        for (0..n) |i| l.append(a, i) catch @panic("out of memory");
        append.stop(n);
        std.mem.doNotOptimizeAway(l.items.ptr);
        l.deinit(a);
    }
    append.write("append");
    _ = printf("\"peak\":{\"value\":%.4f,\"unit\":\"MiB\"}", status(peak) - base);
}

pub export fn main(argc: c_int, argv: [*][*:0]u8) callconv(.c) c_int {
    if (argc != 3) return 2;
    const n: usize = strtoul(argv[2], null, 10);
    _ = printf("{\"figures\":{");
    if (strcmp(argv[1], "map") == 0) map(n) else list(n);
    _ = printf("}}\n");
    return 0;
}
