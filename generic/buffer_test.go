package generic_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// bufferProgram runs a tape on a buffer and on one of package bytes, and on a
// builder and one of package strings.
func bufferProgram(t *testing.T, a *checked, p *tape) {
	b, s := generic.NewBuffer(a), generic.NewStringBuilder(a)
	defer func() { b.Close(); s.Close() }()
	var model bytes.Buffer
	var text strings.Builder
	for p.more() {
		op := p.next() % 14
		v := slice(p, 40, func(b byte) byte { return b })
		var err error
		switch op {
		case 0, 1, 2:
			if _, err = b.Write(v); err == nil {
				model.Write(v)
			}
			if _, serr := s.WriteString(string(v)); serr == nil {
				text.Write(v)
			}
		case 3:
			r := rune(p.next()) << (p.next() % 12)
			var n int
			if n, err = b.WriteRune(r); err == nil {
				if want, _ := model.WriteRune(r); n != want {
					t.Fatalf("WriteRune: %d, want %d", n, want)
				}
			}
			if _, serr := s.WriteRune(r); serr == nil {
				text.WriteRune(r)
			}
		case 4:
			if err = b.WriteByte(op); err == nil {
				model.WriteByte(op)
			}
			if s.WriteByte(op) == nil {
				text.WriteByte(op)
			}
		case 5, 6:
			got, want := make([]byte, len(v)), make([]byte, len(v))
			n, gerr := b.Read(got)
			m, werr := model.Read(want)
			if n != m || gerr != werr || !bytes.Equal(got, want) {
				t.Fatalf("Read: %d, %v; want %d, %v", n, gerr, m, werr)
			}
			if (b.UnreadByte() == nil) != (model.UnreadByte() == nil) && len(v) > 0 {
				t.Fatal("UnreadByte")
			}
		case 7:
			r, n, gerr := b.ReadRune()
			wr, wn, werr := model.ReadRune()
			if r != wr || n != wn || gerr != werr {
				t.Fatalf("ReadRune: %v, %d, %v; want %v, %d, %v", r, n, gerr, wr, wn, werr)
			}
			if p.next()%2 == 0 && (b.UnreadRune() == nil) != (model.UnreadRune() == nil) {
				t.Fatal("UnreadRune")
			}
		case 8:
			if got, want := b.Next(len(v)), model.Next(len(v)); !bytes.Equal(got, want) {
				t.Fatalf("Next: %q, want %q", got, want)
			}
		case 9:
			n := p.index(model.Len() + 1)
			b.Truncate(n)
			model.Truncate(n)
		case 10:
			var n int64
			before := b.Len()
			n, err = b.ReadFrom(iotest.HalfReader(bytes.NewReader(v)))
			model.Write(v[:n])
			if b.Len() != before+int(n) {
				t.Fatalf("ReadFrom: %d, %d more", n, b.Len()-before)
			}
		case 11:
			var got bytes.Buffer
			if n, werr := b.WriteTo(&got); werr != nil || int(n) != model.Len() || !bytes.Equal(got.Bytes(), model.Bytes()) {
				t.Fatalf("WriteTo: %d, %v", n, werr)
			}
			model.Reset()
		case 12: // itself
			if _, err = b.Write(b.Bytes()); err == nil {
				model.Write(bytes.Clone(model.Bytes()))
			}
			if _, serr := s.WriteString(s.String()); serr == nil {
				text.WriteString(strings.Clone(text.String()))
			}
		case 13:
			var c *generic.Buffer
			if c, err = b.Clone(); err == nil {
				b.Close()
				b = c
			}
			var owned string
			if owned, err = s.ToOwnedString(); err == nil {
				if owned != text.String() {
					t.Fatalf("ToOwnedString: %q, want %q", owned, text.String())
				}
				mem.FreeString(a, owned)
				text.Reset()
			}
		}
		mustSucceed(t, a, op, err)
		if !bytes.Equal(b.Bytes(), model.Bytes()) || b.Len() != model.Len() {
			t.Fatalf("operation %d: %q, want %q", op, b.Bytes(), model.Bytes())
		}
		if s.String() != text.String() || s.Len() != text.Len() {
			t.Fatalf("operation %d: %q, want %q", op, s.String(), text.String())
		}
		if model.Len() > 2000 {
			b.Clear()
			model.Reset()
		}
		if s.Len() > 2000 {
			s.Clear()
			text.Reset()
		}
	}
}

func TestBufferModel(t *testing.T) { testModel(t, bufferProgram) }

func FuzzBuffer(f *testing.F) { fuzzModel(f, bufferProgram) }

// What takes a reader or a writer takes these.
func TestBufferWithPackages(t *testing.T) {
	a := allocatortest.New(t)
	b := generic.NewBuffer(a)
	defer b.Close()
	if err := json.NewEncoder(b).Encode(map[string]int{"acres": 120}); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(b, "%s %d\n", "roods", 4)
	w := bufio.NewWriter(b)
	w.WriteString("perches\n")
	w.Flush()
	var v map[string]int
	if err := json.NewDecoder(io.LimitReader(b, 14)).Decode(&v); err != nil || v["acres"] != 120 {
		t.Error(v, err)
	}
	lines := bufio.NewScanner(b)
	for _, want := range []string{"roods 4", "perches"} {
		if !lines.Scan() || lines.Text() != want {
			t.Errorf("%q, want %q", lines.Text(), want)
		}
	}
	text := strings.Repeat("the quick brown fox ", 50)
	b.WriteString(text)
	if err := iotest.TestReader(b, []byte(text)); err != nil {
		t.Error(err)
	}
	if _, err := io.Copy(b, strings.NewReader(text)); err != nil || b.String() != text {
		t.Error(err)
	}
	c := generic.NewBuffer(a)
	defer c.Close()
	if n, err := io.Copy(c, b); err != nil || int(n) != len(text) || b.Len() != 0 {
		t.Error(n, err)
	}
	if _, err := c.ReadFrom(iotest.ErrReader(io.ErrNoProgress)); err != io.ErrNoProgress || c.Len() != len(text) {
		t.Error(err)
	}
	if n, err := c.WriteTo(shortWriter{}); n != 10 || err != io.ErrShortWrite || c.Len() != len(text)-10 {
		t.Error(n, err, c.Len())
	}
}

type shortWriter struct{}

func (shortWriter) Write(p []byte) (int, error) { return 10, nil }

type liar struct{}

func (liar) Write(p []byte) (int, error) { return len(p) + 1, nil }
func (liar) Read(p []byte) (int, error)  { return -1, nil }

func TestBufferEdges(t *testing.T) {
	b := generic.NewBuffer(allocatortest.New(t, allocatortest.Child(heap.Page{})))
	defer b.Close()
	if _, err := b.ReadByte(); err != io.EOF || b.UnreadByte() == nil || b.UnreadRune() == nil {
		t.Error(err)
	}
	b.FromBuffer(make([]byte, 8))
	if _, err := b.WriteString("12345678"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.WriteString("9"); err != mem.ErrLimit || b.WriteByte('9') != mem.ErrLimit {
		t.Error(err)
	}
	b.Next(3) // makes room
	if _, err := b.WriteString("9ab"); err != nil || b.String() != "456789ab" {
		t.Error(err, b.String())
	}
	if c, err := b.ReadByte(); c != '4' || err != nil || b.UnreadByte() != nil || b.UnreadByte() == nil {
		t.Error(c, err)
	}
	for name, f := range map[string]func(){
		"Truncate(9)": func() { b.Truncate(9) }, "Next(-1)": func() { b.Next(-1) },
		"EnsureUnusedCapacity(-1)": func() { b.EnsureUnusedCapacity(-1) },
		"WriteTo":                  func() { b.WriteTo(liar{}) },
		"NewBuffer":                func() { generic.NewBuffer(nil) },
		"NewStringBuilder":         func() { generic.NewStringBuilder(nil) },
	} {
		mustPanic(t, name, f)
		if b.String() != "456789ab" {
			t.Fatalf("%s: %q", name, b.String())
		}
	}
	b.Close()
	mustPanic(t, "ReadFrom", func() { b.ReadFrom(liar{}) }, "impossible count")
	s := generic.NewStringBuilder(heap.GC{})
	s.FromBuffer(make([]byte, 2))
	if _, err := s.WriteRune('€'); err != mem.ErrLimit || s.Len() != 0 || utf8.RuneLen('€') != 3 {
		t.Error(err)
	}
}

// A buffer that cannot grow takes all that fits.
func TestBufferFillsUp(t *testing.T) {
	b := generic.NewBuffer(heap.GC{})
	b.FromBuffer(make([]byte, 40))
	s := generic.NewStringBuilder(heap.GC{})
	s.FromBuffer(make([]byte, 6))
	for _, r := range []rune{'a', 'é', -1} { // the last one is written as U+FFFD
		_, err := b.WriteRune(r)
		if _, serr := s.WriteRune(r); err != nil || serr != nil {
			t.Errorf("WriteRune(%q): %v, %v", r, err, serr)
		}
	}
	if s.Len() != s.Cap() {
		t.Errorf("%d of %d bytes", s.Len(), s.Cap())
	}
	if n, err := b.ReadFrom(strings.NewReader(strings.Repeat("x", 20))); n != 20 || err != nil {
		t.Errorf("ReadFrom of 20 bytes: %d, %v", n, err)
	}
	b.Next(3) // makes room
	if n, err := b.ReadFrom(iotest.OneByteReader(strings.NewReader(strings.Repeat("y", 16)))); n != 16 || err != nil {
		t.Errorf("ReadFrom of 16 bytes: %d, %v", n, err)
	}
	if n, err := b.ReadFrom(strings.NewReader("zz")); n != 1 || err != mem.ErrLimit {
		t.Errorf("ReadFrom of more than fits: %d, %v", n, err)
	}
	if want := "\ufffd" + strings.Repeat("x", 20) + strings.Repeat("y", 16) + "z"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

// builderProgram runs a tape on a builder and on a slice of bytes.
func builderProgram(t *testing.T, a *checked, p *tape) {
	var b generic.StringBuilderUnmanaged
	defer func() { b.Close(a) }()
	var model []byte
	for p.more() {
		op, k := p.next()%9, words(p.next())
		var err error
		switch op {
		case 0, 1:
			if err = b.AppendString(a, k); err == nil {
				model = append(model, k...)
			}
		case 2:
			if err = b.Append(a, []byte(k)); err == nil {
				model = append(model, k...)
			}
		case 3:
			if len(model) > 1000 {
				b.Clear()
				model = model[:0]
			}
			if err = b.AppendString(a, b.String()); err == nil { // of itself
				model = append(model, model...)
			}
		case 4:
			c := p.next()
			if err = b.AppendByte(a, c); err == nil {
				model = append(model, c)
			}
		case 5:
			r, n := rune(p.next())<<rune(p.next()%9), 0
			if n, err = b.AppendRune(a, r); err == nil {
				before := len(model)
				if model = utf8.AppendRune(model, r); n != len(model)-before {
					t.Fatalf("AppendRune(%q): %d bytes", r, n)
				}
			}
		case 6:
			n := p.index(len(model) + 1)
			b.Truncate(n)
			model = model[:n]
		case 7:
			var c generic.StringBuilderUnmanaged
			if c, err = b.Clone(a); err == nil {
				b.Close(a)
				b = c
			}
		case 8:
			var s string
			if s, err = b.ToOwnedString(a); err == nil {
				if s != string(model) {
					t.Fatalf("ToOwnedString: %q, want %q", s, model)
				}
				mem.FreeString(a, s)
				model = nil
			}
		}
		mustSucceed(t, a, op, err)
		if b.String() != string(model) || b.Len() != len(model) || b.Cap() < b.Len() {
			t.Fatalf("operation %d: %q, want %q", op, b.String(), model)
		}
	}
}

func TestStringBuilderModel(t *testing.T) { testModel(t, builderProgram) }
func FuzzStringBuilder(f *testing.F)      { fuzzModel(f, builderProgram) }
