package heap

import (
	"log/slog"

	"github.com/allod-dev/allod/internal/stack"
	"github.com/allod-dev/allod/mem"
)

// Resize implements [mem.Allocator].
func (d *Debug) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	const op = "heap: Debug.Resize"
	mem.CheckSize(op, size)
	if d.child == nil {
		zeroValue(op, "NewDebug")
		return b, false
	}
	if d.copies.check(op) {
		return b, false
	}
	d.tick()
	var here stack.ID
	if d.depth != 0 {
		here = d.here()
	}
	r, ok := d.resize(op, false, b, l, size, here)
	if d.verbose != nil {
		d.verbose.log(&event{msg: verb("resize", ok), old: len(b), size: size, layout: l, addr: address(r)}, slog.LevelDebug)
	}
	return r, ok
}

// Remap implements [mem.Allocator].
func (d *Debug) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	const op = "heap: Debug.Remap"
	mem.CheckSize(op, size)
	if d.child == nil {
		zeroValue(op, "NewDebug")
		return b, false
	}
	if d.copies.check(op) {
		return b, false
	}
	d.tick()
	var here stack.ID
	if d.depth != 0 {
		here = d.here()
	}
	r, ok := d.resize(op, true, b, l, size, here)
	if d.verbose != nil {
		d.verbose.log(&event{msg: verb("remap", ok), old: len(b), size: size, layout: l, addr: address(r)}, slog.LevelDebug)
	}
	return r, ok
}

func verb(did string, ok bool) string {
	switch {
	case ok:
		return did
	case did == "resize":
		return "resize refused"
	}
	return "remap refused"
}

// resize looks at the block, reports what is wrong with it, and only then changes
// it: should the handler panic, the caller has the block that it had.
func (d *Debug) resize(op string, move bool, b []byte, l mem.Layout, size int, here stack.ID) ([]byte, bool) {
	c, ok, hurt := d.resized(op, true, move, b, l, size, here)
	if hurt {
		c, ok, _ = d.resized(op, false, move, b, l, size, here)
	}
	return c, ok
}

// resized does the work of resize, but if it is to look at the block, and that is
// damaged, it says so and leaves it.
func (d *Debug) resized(op string, look, move bool, b []byte, l mem.Layout, size int, here stack.ID) (c []byte, ok, hurt bool) {
	grow := size - len(b)
	var k debugBlock
	front, length := d.expect(b, l)
	f, no := d.table.hold(b, l, front, length, &k, grow, d.o.MemoryLimit, here)
	if f.kind != 0 {
		if f.kind == DoubleFree {
			f.kind = UseAfterFree
		}
		d.found(op, b, l, &k, f)
		return b, false, false
	}
	if no != 0 {
		return b, false, false
	}
	// From here on k is the block as it is, and goes back to the table whatever
	// happens.
	landed := false
	defer func() {
		if !landed { // the child panicked
			d.table.land(&k, grow)
		}
	}()
	var (
		lie *Misuse
		h   *damage
	)
	hint := unfit(size, k.kind, k.typ)
	if look && hint == "" {
		h = d.inspect(&k)
	}
	if h == nil && hint == "" {
		ok, lie = d.change(op, move, &k, l, size)
		if ok && d.o.ResizeStacks {
			k.alloc = here
		}
	}
	landed = true
	hurt = d.land(op, b, &k, size, grow, hint, lie, h)
	if hurt || !ok {
		return b, false, hurt
	}
	return k.block(), true, false
}

// land gives k, which was b, back to the table, and reports what was found of it in
// the meantime, and if it overlaps another. It tells whether it is only damaged.
func (d *Debug) land(op string, b []byte, k *debugBlock, size, grow int, hint string, lie *Misuse, h *damage) (hurt bool) {
	other := d.table.land(k, grow)
	switch {
	case hint != "":
		d.misuse(&Misuse{Kind: TypeMismatch, Op: op, Addr: address(b), Size: size, Hint: hint}, k)
	case other != nil:
		if h != nil {
			defer d.deliverAll(d.damages(op, address(b), k.size, k, h))
		}
		d.misuse(&Misuse{Kind: ChildLied, Op: op, Addr: address(k.base), Size: len(k.base), Hint: other.overlapped()}, other)
	case lie != nil:
		d.misuse(lie, k)
	case h != nil:
		d.hurt(op, address(b), k.size, k, h)
		return true
	}
	return false
}

// change asks the child to make k, which belongs to this call, a block of size
// bytes, and changes k accordingly.
func (d *Debug) change(op string, move bool, k *debugBlock, l mem.Layout, size int) (ok bool, lie *Misuse) {
	if k.flags.guarded() {
		return size == k.size, nil
	}
	total, ok := k.total(size, d.zone)
	if !ok {
		return false, nil
	}
	asked := mem.Layout{Align: k.align, Zero: l.Zero || l.Kind != mem.Plain || k.kind != mem.Plain, Kind: k.kind, Type: k.typ}
	base := k.base
	if total != len(base) {
		if move {
			base, ok = d.child.Remap(base, asked, total)
		} else {
			base, ok = d.child.Resize(base, asked, total)
		}
	}
	if !ok {
		return false, nil
	}
	hint := lied(base, total, asked)
	moved := address(base) != address(k.base)
	if hint == "" && moved && !move {
		hint = "the child moved the block in Resize"
	}
	if hint == "" && moved && k.flags.scans() {
		hint = "the child moved a block with pointers, which only the typed layer may copy"
	}
	if hint != "" {
		return false, &Misuse{Kind: ChildLied, Op: op, Addr: address(base), Size: len(base), Hint: hint}
	}
	old := k.size
	k.base, k.size = base, size
	d.dress(k, old, asked.Zero)
	return true, nil
}
