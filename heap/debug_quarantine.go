package heap

import "github.com/allod-dev/allod/internal/race"

// Freed blocks wait in quarantine, so that what still uses them is found.

// bury ends the life of a block that is busy, and keeps it in quarantine if keep
// is set. If another leaves quarantine for it, it is copied to old.
func (d *Debug) bury(k *debugBlock, keep bool, old *debugBlock) debugFate {
	d.table.lock()
	defer d.table.unlock()
	return d.table.die(k, keep, d.o.QuarantineBlocks, d.o.QuarantineBytes, old)
}

// makeRoom takes leave of old, if another block pushed it out of quarantine, and
// of more if that was not enough.
func (d *Debug) makeRoom(op string, fate debugFate, old *debugBlock) {
	if fate >= debugSuperseded {
		d.bid(op, old)
	}
	if fate == debugCrowded {
		d.evict(op, d.o.QuarantineBlocks, d.o.QuarantineBytes)
	}
}

// flush gives everything in quarantine to the child, and returns how many bytes.
func (d *Debug) flush() int { return d.evict("heap: Debug.Free", 0, 0) }

// evict gives blocks in quarantine back to the child until no more than that
// many blocks and bytes are left, and returns how many bytes it gave.
func (d *Debug) evict(op string, blocks, most int) (given int) {
	for {
		var k debugBlock
		if !d.table.evict(blocks, most, &k) {
			return given
		}
		given += d.bid(op, &k)
	}
}

// bid takes leave of a block that was in quarantine, and returns how many bytes
// of the child it had.
func (d *Debug) bid(op string, k *debugBlock) (given int) {
	if !k.flags.guarded() {
		race.Alloc(k.base)
		given = len(k.base)
	}
	d.unpoison(k)
	if h := d.autopsy(k); h != nil {
		defer d.hurt(op, k.addr(), k.size, k, h)
	}
	d.giveBack(k)
	return given
}
