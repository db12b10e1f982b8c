package vm

import (
	"sync"

	"github.com/allod-dev/allod/internal/race"
)

// Mapping sixteen pages takes the system hardly longer than mapping one. Small
// ranges are therefore cut from a larger one, the stock; each is unmapped alone,
// as ever. What is left of the stock has no memory behind it, and counts as
// nobody's.
const (
	stocked      = hasOS && canSplit && !keepAll
	stockPages   = 16
	stockLargest = 4 // pages of a range that is taken from the stock
)

var stock struct {
	mu   sync.Mutex
	addr uintptr
	n    int // bytes
}

// As with the keeper, the lock is hidden from the race detector, and what it
// guards, too.

//go:norace
func lockStock() {
	race.Disable()
	stock.mu.Lock()
}

//go:norace
func unlockStock() {
	stock.mu.Unlock()
	race.Enable()
}

// takeStock returns n bytes from the stock, which it fills up if it must, or nil
// if that fails or n is too large.
//
//go:norace
func takeStock(n int) []byte {
	if !stocked || n > stockLargest*osPageSize {
		return nil
	}
	var b []byte
	lockStock()
	if n <= stock.n {
		b = at(stock.addr, n)
		stock.addr += uintptr(n)
		stock.n -= n
	}
	unlockStock()
	if b != nil {
		return b
	}
	b, err := mapAligned(stockPages*osPageSize, osPageSize)
	if err != nil {
		return nil
	}
	setStock(address(b)+uintptr(n), len(b)-n)
	return b[:n:n]
}

// takeStockAt takes n bytes that follow b, if they are the next of the stock.
//
//go:norace
func takeStockAt(b []byte, n int) bool {
	if !stocked {
		return false
	}
	lockStock()
	ok := stock.addr == address(b)+uintptr(len(b)) && n <= stock.n
	if ok {
		stock.addr += uintptr(n)
		stock.n -= n
	}
	unlockStock()
	return ok
}

// setStock makes the n bytes at addr the stock, and gives back what was left.
//
//go:norace
func setStock(addr uintptr, n int) {
	lockStock()
	addr, stock.addr = stock.addr, addr
	n, stock.n = stock.n, n
	unlockStock()
	if n > 0 {
		release(at(addr, n))
	}
}
