package mem_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/mem"
)

func TestAsBytes(t *testing.T) {
	p := point{1, 2}
	b := mem.AsBytes(&p)
	if len(b) != 8 || cap(b) != 8 {
		t.Fatalf("AsBytes: len %d, cap %d", len(b), cap(b))
	}
	if q := mem.BytesAs[point](b); q != &p {
		t.Error("BytesAs(AsBytes(p)) is not p")
	}
	s := make([]point, 3, 9)
	if b := mem.SliceAsBytes(s); len(b) != 24 || cap(b) != 24 || &b[0] != (*byte)(unsafe.Pointer(&s[0])) {
		t.Errorf("SliceAsBytes: len %d, cap %d", len(b), cap(b))
	}
	if r := mem.BytesAsSlice[point](mem.SliceAsBytes(s)); len(r) != 3 || &r[0] != &s[0] {
		t.Errorf("BytesAsSlice: len %d", len(r))
	}
	if b := mem.SliceAsBytes([]point(nil)); len(b) != 0 {
		t.Errorf("SliceAsBytes(nil): %v", b)
	}
	if r := mem.BytesAsSlice[uint64](nil); r == nil || len(r) != 0 {
		t.Errorf("BytesAsSlice(nil) = %v", r)
	}
	if r := mem.BytesAsSlice[struct{}](nil); len(r) != 0 {
		t.Errorf("BytesAsSlice[struct{}](nil) = %v", r)
	}
	if e := mem.BytesAs[struct{}](nil); e == nil {
		t.Error("BytesAs[struct{}](nil) = nil")
	}
	if z := mem.Zeroes[point](); z != (point{}) {
		t.Errorf("Zeroes = %v", z)
	}
}

func TestBytesPanics(t *testing.T) {
	b := mem.SliceAsBytes(make([]uint64, 8))
	for want, call := range map[string]func(){
		"mem: AsBytes: mem_test.node holds pointers":                     func() { mem.AsBytes(new(node)) },
		"mem: SliceAsBytes: string holds pointers":                       func() { mem.SliceAsBytes([]string{}) },
		"mem: BytesAs: mem_test.node holds pointers":                     func() { mem.BytesAs[node](b[:unsafe.Sizeof(node{})]) },
		"mem: BytesAs: mem_test.flags holds bools":                       func() { mem.BytesAs[flags](b[:8]) },
		"mem: BytesAs: 7 bytes are not a mem_test.point of 8":            func() { mem.BytesAs[point](b[:7]) },
		"mem: BytesAs: bytes are not aligned for uint32":                 func() { mem.BytesAs[uint32](b[1:5]) },
		"mem: BytesAsSlice: bool holds bools":                            func() { mem.BytesAsSlice[bool](b) },
		"mem: BytesAsSlice: *int holds pointers":                         func() { mem.BytesAsSlice[*int](b) },
		"mem: BytesAsSlice: 9 bytes are not a whole number of uint32 of": func() { mem.BytesAsSlice[uint32](b[:9]) },
		"mem: BytesAsSlice: bytes are not aligned for uint16":            func() { mem.BytesAsSlice[uint16](b[1:9]) },
		"mem: BytesAsSlice: 1 bytes are not a whole number of struct {}": func() { mem.BytesAsSlice[struct{}](b[:1]) },
		"mem: CopyForwards: 2 elements do not fit 1":                     func() { mem.CopyForwards(b[:1], b[:2]) },
		"mem: CopyBackwards: 2 elements do not fit 1":                    func() { mem.CopyBackwards(b[:1], b[:2]) },
		"mem: Windows: size 0 or advance 1 is not positive":              func() { mem.Windows(b, 0, 1) },
		"mem: Windows: size 1 or advance -1 is not positive":             func() { mem.Windows(b, 1, -1) },
		"mem: IsAligned: alignment 3 is not a power of two":              func() { mem.IsAligned(1, 3) },
		"mem: AlignForward: alignment 0 is not a power of two":           func() { mem.AlignForward(1, 0) },
		"mem: AlignForward: the result does not fit":                     func() { mem.AlignForward(uint8(200), 128) },
		"mem: AlignForwardAny: the result does not fit":                  func() { mem.AlignForwardAny(int8(127), 100) },
		"mem: AlignBackward: alignment -8 is not a power of two":         func() { mem.AlignBackward(1, -8) },
		"mem: AlignBackwardAny: alignment 0 is not positive":             func() { mem.AlignBackwardAny(1, 0) },
		"mem: AlignBackwardAny: the result does not fit":                 func() { mem.AlignBackwardAny(int8(-128), 100) },
		"mem: IsAlignedAny: alignment -3 is not positive":                func() { mem.IsAlignedAny(1, -3) },
	} {
		if got := panics(call); !strings.HasPrefix(got, want) {
			t.Errorf("panic %q, want %q", got, want)
		}
	}
}

func TestCopyDirections(t *testing.T) {
	s := []int{1, 2, 3, 4, 5}
	mem.CopyForwards(s[1:], s[:4])
	if want := []int{1, 1, 1, 1, 1}; !slices.Equal(s, want) {
		t.Errorf("CopyForwards onto what follows: %v, want %v", s, want)
	}
	s = []int{1, 2, 3, 4, 5}
	mem.CopyBackwards(s[1:], s[:4])
	if want := []int{1, 1, 2, 3, 4}; !slices.Equal(s, want) {
		t.Errorf("CopyBackwards onto what follows: %v, want %v", s, want)
	}
}

func TestIndexDiff(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", -1}, {"a", "", 0}, {"abc", "abc", -1}, {"abc", "abd", 2}, {"ab", "abc", 2}} {
		if got := mem.IndexDiff([]byte(c.a), []byte(c.b)); got != c.want {
			t.Errorf("IndexDiff(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestWindows(t *testing.T) {
	for _, c := range []struct {
		s             string
		size, advance int
		want          string
	}{
		{"abcde", 3, 1, "abc bcd cde"}, {"abcde", 2, 2, "ab cd e"}, {"abcde", 3, 2, "abc cde"},
		{"abcde", 1, 3, "a d"}, {"ab", 9, 1, "ab"}, {"", 2, 1, ""}, {"abcdef", 5, 3, "abcde def"},
	} {
		var got []string
		for w := range mem.Windows([]byte(c.s), c.size, c.advance) {
			if cap(w) != len(w) {
				t.Errorf("a window has capacity %d for length %d", cap(w), len(w))
			}
			got = append(got, string(w))
		}
		if s := strings.Join(got, " "); s != c.want || len(got) == 0 {
			t.Errorf("Windows(%q, %d, %d) = %q, want %q", c.s, c.size, c.advance, s, c.want)
		}
	}
	for range mem.Windows([]int{1, 2, 3}, 1, 1) {
		break
	}
	for range mem.Windows([]int{1, 2, 3}, 1, math.MaxInt) { // no overflow
	}
}

func TestAlignment(t *testing.T) {
	a := mem.Align(16)
	if a.Bytes() != 16 || a.Log2() != 4 || a.Mask() != 15 || a != mem.AlignLog2(4) {
		t.Errorf("Align(16): %d bytes, log2 %d, mask %d", a.Bytes(), a.Log2(), a.Mask())
	}
	for _, c := range []struct{ addr, forward, backward uintptr }{{0, 0, 0}, {1, 16, 0}, {16, 16, 16}, {31, 32, 16}, {^uintptr(0), 0, ^uintptr(15)}} {
		if f, b := a.Forward(c.addr), a.Backward(c.addr); f != c.forward || b != c.backward {
			t.Errorf("%#x: forward %#x, backward %#x", c.addr, f, b)
		}
		if a.Check(c.addr) != (c.addr == c.backward) || c.addr+uintptr(a.Pad(c.addr)) != c.forward {
			t.Errorf("%#x: Check %t, Pad %d", c.addr, a.Check(c.addr), a.Pad(c.addr))
		}
	}
	b := mem.Align(32)
	if a.Compare(b) != -1 || b.Compare(a) != 1 || a.Compare(a) != 0 || a.Max(b) != b || a.Min(b) != a {
		t.Error("alignments are not ordered by size")
	}
	if z := (mem.Alignment{}); z.Bytes() != 1 || !z.Check(3) {
		t.Error("the zero Alignment is not one byte")
	}
	largest := mem.AlignLog2(int(unsafe.Sizeof(0))*8 - 2)
	if largest.Bytes() <= 0 {
		t.Errorf("the largest Alignment has %d bytes", largest.Bytes())
	}
}

func TestAlignIntegers(t *testing.T) {
	for _, c := range []struct{ n, align, forward, backward int }{
		{0, 8, 0, 0}, {1, 8, 8, 0}, {8, 8, 8, 8}, {-1, 8, 0, -8}, {13, 1, 13, 13}, {math.MaxInt - 7, 8, math.MaxInt - 7, math.MaxInt - 7},
	} {
		if f, b := mem.AlignForward(c.n, c.align), mem.AlignBackward(c.n, c.align); f != c.forward || b != c.backward {
			t.Errorf("%d to %d: %d, %d, want %d, %d", c.n, c.align, f, b, c.forward, c.backward)
		}
		if f, b := mem.AlignForwardAny(c.n, c.align), mem.AlignBackwardAny(c.n, c.align); f != c.forward || b != c.backward {
			t.Errorf("%d to any %d: %d, %d, want %d, %d", c.n, c.align, f, b, c.forward, c.backward)
		}
		if got := mem.IsAligned(c.n, c.align); got != (c.n == c.backward) || mem.IsAlignedAny(c.n, c.align) != got {
			t.Errorf("IsAligned(%d, %d) = %t", c.n, c.align, got)
		}
	}
	if f := mem.AlignForwardAny(int8(-127), 100); f != -100 {
		t.Errorf("AlignForwardAny(-127, 100) = %d, want -100", f)
	}
	if f, b := mem.AlignForwardAny(uint8(250), 7), mem.AlignBackwardAny(-1, 7); f != 252 || b != -7 {
		t.Errorf("any alignment: %d, %d", f, b)
	}
	if mem.IsValidAlign(0) || mem.IsValidAlign(-8) || mem.IsValidAlign(12) || !mem.IsValidAlign(uint8(128)) {
		t.Error("IsValidAlign is wrong")
	}
}

func TestAlignIn(t *testing.T) {
	buf := mem.SliceAsBytes(make([]uint64, 16))
	buf = mem.AlignInBytes(buf, mem.Align(16))
	if len(buf) < 112 || !mem.Align(16).Check(addr(buf)) || cap(buf) != len(buf) {
		t.Fatalf("AlignInBytes: %d bytes at %#x", len(buf), addr(buf))
	}
	if in := mem.AlignInBytes(buf[1:40], mem.Align(16)); len(in) != 16 || &in[0] != &buf[16] {
		t.Errorf("AlignInBytes(buf[1:40]): %d bytes", len(in))
	}
	for _, b := range [][]byte{nil, buf[1:16], buf[1:17], buf[:15]} {
		if in := mem.AlignInBytes(b, mem.Align(16)); in != nil {
			t.Errorf("AlignInBytes(%d bytes): %d bytes", len(b), len(in))
		}
	}
	words := mem.BytesAsSlice[uint32](buf)
	if in := mem.AlignInSlice(words[1:], mem.Align(16)); len(in) != len(words)-4 || &in[0] != &words[4] {
		t.Errorf("AlignInSlice: %d words", len(in))
	}
	if in := mem.AlignInSlice(buf[1:4], mem.Align(16)); in != nil {
		t.Errorf("AlignInSlice of three bytes: %d", len(in))
	}
	if in := mem.AlignInSlice(words[1:], mem.Align(4)); len(in) != len(words)-1 {
		t.Errorf("AlignInSlice of aligned words: %d", len(in))
	}
}
