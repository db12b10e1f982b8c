package heap

import "encoding/json"

// Reports are values; this is how they look to programs that are not Go. A name
// that is there once stays, and means the same.

// jsonFrame is a call in a Stack.
type jsonFrame struct {
	Function string `json:"function"`
	File     string `json:"file"`
	Line     int    `json:"line"`
}

// MarshalJSON returns the frames, innermost first, each an object with the
// fields function, file and line.
func (s Stack) MarshalJSON() ([]byte, error) {
	all := make([]jsonFrame, 0, len(s))
	for f := range s.frames {
		all = append(all, jsonFrame{f.Function, f.File, f.Line})
	}
	return json.Marshal(all)
}

// MarshalJSON returns an object with the fields kind, op, addr, size, hint,
// here, alloc, free and other. An address is a string of hexadecimal digits with 0x in
// front. What is empty is left out, but for kind, op, addr and size.
func (m *Misuse) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Kind  string `json:"kind"`
		Op    string `json:"op"`
		Addr  string `json:"addr"`
		Size  int    `json:"size"`
		Hint  string `json:"hint,omitempty"`
		Here  Stack  `json:"here,omitempty"`
		Alloc Stack  `json:"alloc,omitempty"`
		Free  Stack  `json:"free,omitempty"`
		Other Stack  `json:"other,omitempty"`
	}{m.Kind.String(), m.Op, hex(m.Addr), m.Size, m.Hint, m.Here, m.Alloc, m.Free, m.Other})
}

// MarshalJSON returns an object with the fields kind, addr, block, size, here,
// alloc and free, as those of a [Misuse] are.
func (f *Fault) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Kind  string `json:"kind"`
		Addr  string `json:"addr"`
		Block string `json:"block"`
		Size  int    `json:"size"`
		Here  Stack  `json:"here,omitempty"`
		Alloc Stack  `json:"alloc,omitempty"`
		Free  Stack  `json:"free,omitempty"`
	}{f.Kind.String(), hex(f.Addr), hex(f.Block), f.Size, f.Here, f.Alloc, f.Free})
}

// MarshalJSON returns an object with the fields op, blocks, bytes, and groups,
// each with blocks, bytes, type and stack.
func (e *LeakError) MarshalJSON() ([]byte, error) {
	type group struct {
		Blocks int    `json:"blocks"`
		Bytes  int    `json:"bytes"`
		Type   string `json:"type,omitempty"`
		Stack  Stack  `json:"stack,omitempty"`
	}
	groups := make([]group, len(e.Groups))
	for i, g := range e.Groups {
		groups[i] = group(g)
	}
	return json.Marshal(struct {
		Op     string  `json:"op,omitempty"`
		Blocks int     `json:"blocks"`
		Bytes  int     `json:"bytes"`
		Groups []group `json:"groups,omitempty"`
	}{e.Op, e.Blocks, e.Bytes, groups})
}
