package generic

// What sorts columns, or two slices at once, is told how to compare and to swap
// elements by their indexes, and has no memory to put one aside.

// heapSort sorts elements i to j-1.
func heapSort(i, j int, cmp func(i, j int) int, swap func(i, j int)) {
	n := j - i
	down := func(at, n int) {
		for {
			child := 2*at + 1
			if child >= n {
				return
			}
			if child+1 < n && cmp(i+child, i+child+1) < 0 {
				child++
			}
			if cmp(i+at, i+child) >= 0 {
				return
			}
			swap(i+at, i+child)
			at = child
		}
	}
	for at := n/2 - 1; at >= 0; at-- {
		down(at, n)
	}
	for n--; n > 0; n-- {
		swap(i, i+n)
		down(0, n)
	}
}

// stableSort sorts elements from to to-1, and keeps the order of those that are
// equal: it sorts short runs by insertion and merges neighbouring runs in place.
func stableSort(from, to int, cmp func(i, j int) int, swap func(i, j int)) {
	const run = 16
	for i := from; i < to; i += run {
		for j := i + 1; j < min(i+run, to); j++ {
			for k := j; k > i && cmp(k-1, k) > 0; k-- {
				swap(k-1, k)
			}
		}
	}
	for size := run; size < to-from; size *= 2 {
		for i := from; i < to-size; i += 2 * size {
			mergeRuns(i, i+size, min(i+2*size, to), cmp, swap)
		}
	}
}

// mergeRuns merges the sorted runs i to m-1 and m to j-1: it finds where the
// middle element of the longer one belongs in the other, has what is between the
// two change places, by which that element is where it stays, and goes on with
// what is left and right of it. The idea is that of SymMerge (Kim and Kutzner,
// 2004).
func mergeRuns(i, m, j int, cmp func(i, j int) int, swap func(i, j int)) {
	for i < m && m < j && cmp(m-1, m) > 0 {
		var p, q, mid int // p to m-1 and m to q-1 change places; mid stays
		if m-i >= j-m {
			p = i + (m-i)/2
			q = firstNot(m, j, func(k int) bool { return cmp(k, p) < 0 })
			mid = p + q - m
		} else {
			q = m + (j-m)/2 + 1
			p = firstNot(i, m, func(k int) bool { return cmp(k, q-1) <= 0 })
			mid = p + q - m - 1
		}
		rotateBy(p, m, q, swap)
		mergeRuns(i, p, mid, cmp, swap)
		i, m = mid+1, q
	}
}

// firstNot returns the first of i to j-1 for which is returns false, or j. It
// returns true for those before.
func firstNot(i, j int, is func(k int) bool) int {
	for i < j {
		if mid := int(uint(i+j) >> 1); is(mid) {
			i = mid + 1
		} else {
			j = mid
		}
	}
	return i
}

// rotateBy moves elements m to j-1 in front of i to m-1, by three reversals.
func rotateBy(i, m, j int, swap func(i, j int)) {
	reverse := func(i, j int) {
		for j--; i < j; i, j = i+1, j-1 {
			swap(i, j)
		}
	}
	reverse(i, m)
	reverse(m, j)
	reverse(i, j)
}
