// Package pprofenc writes profiles that go tool pprof reads.
//
// The format is that of profile.proto of github.com/google/pprof, gzipped. Of it
// there is what a profile of memory needs: samples of some values each, with a
// stack. Functions, files and lines are in the profile, so that whoever reads it
// does not need the program.
package pprofenc

import (
	"compress/gzip"
	"io"
	"runtime"
	"time"
)

// A ValueType says what one of the values of a sample is: "inuse_space" in
// "bytes".
type ValueType struct{ Type, Unit string }

// Heap are the types of a profile of memory, in the order that the Go runtime
// has them in. The tool shows the last unless told otherwise.
var Heap = []ValueType{{"alloc_objects", "count"}, {"alloc_space", "bytes"}, {"inuse_objects", "count"}, {"inuse_space", "bytes"}}

// A Profile is built with New, filled with Add and written with Write. It is not
// safe for concurrent use.
type Profile struct {
	types     int
	head      buffer // fields of the message that are known at the start
	samples   buffer
	locations buffer
	functions buffer

	strings    map[string]int
	texts      []string
	functionID map[function]uint64
	locationID map[location]uint64
}

type function struct{ name, file string }

type location struct {
	pc   uintptr
	fn   uint64
	line int
}

// The numbers of the fields.
const (
	profileSampleType        = 1
	profileSample            = 2
	profileMapping           = 3
	profileLocation          = 4
	profileFunction          = 5
	profileStringTable       = 6
	profileTimeNanos         = 9
	profileDurationNanos     = 10
	profilePeriodType        = 11
	profilePeriod            = 12
	profileDefaultSampleType = 14

	valueTypeType = 1
	valueTypeUnit = 2

	sampleLocation = 1
	sampleValue    = 2
	sampleLabel    = 3

	labelKey    = 1
	labelText   = 2
	labelNumber = 3
	labelUnit   = 4

	mappingID          = 1
	mappingFilename    = 5
	mappingFunctions   = 7
	mappingFilenames   = 8
	mappingLineNumbers = 9

	locationID      = 1
	locationMapping = 2
	locationAddress = 3
	locationLine    = 4

	lineFunction = 1
	lineLine     = 2

	functionID         = 1
	functionName       = 2
	functionSystemName = 3
	functionFilename   = 4
)

// New returns a profile without samples. The last of the types is the one that is
// shown unless told otherwise, and what the period is of, which is 1. Program is
// the name of the file that runs, and may be empty.
func New(types []ValueType, program string, at time.Time) *Profile {
	p := &Profile{types: len(types), strings: map[string]int{}, functionID: map[function]uint64{}, locationID: map[location]uint64{}}
	p.text("") // must be the first
	for _, t := range types {
		p.head.message(profileSampleType, p.valueType(t))
	}
	var m buffer
	m.number(mappingID, 1)
	m.number(mappingFilename, uint64(p.text(program)))
	m.number(mappingFunctions, 1)
	m.number(mappingFilenames, 1)
	m.number(mappingLineNumbers, 1)
	p.head.message(profileMapping, m)
	p.head.number(profileTimeNanos, uint64(at.UnixNano()))
	if len(types) > 0 {
		last := types[len(types)-1]
		p.head.message(profilePeriodType, p.valueType(last))
		p.head.number(profilePeriod, 1)
		p.head.number(profileDefaultSampleType, uint64(p.text(last.Type)))
	}
	return p
}

// Took says how long a time the profile is of, rather than of one moment.
func (p *Profile) Took(d time.Duration) { p.head.number(profileDurationNanos, uint64(max(d, 0))) }

// A Label says something about a sample: a Text or else a Number, and its Unit.
type Label struct {
	Key, Text string
	Number    int64
	Unit      string
}

// Add adds a sample: a stack as [runtime.Callers] returns it, and a value for
// each of the types.
func (p *Profile) Add(stack []uintptr, values ...int64) { p.AddLabeled(nil, stack, values...) }

// AddLabeled is Add of a sample with labels.
func (p *Profile) AddLabeled(labels []Label, stack []uintptr, values ...int64) {
	if len(values) != p.types {
		panic("pprofenc: Add: wrong number of values")
	}
	var ids, vals, s buffer
	if len(stack) > 0 {
		frames := runtime.CallersFrames(stack)
		for {
			f, more := frames.Next()
			ids.varint(p.location(&f))
			if !more {
				break
			}
		}
	}
	for _, v := range values {
		vals.varint(uint64(v))
	}
	s.message(sampleLocation, ids)
	s.message(sampleValue, vals)
	for _, l := range labels {
		var b buffer
		b.number(labelKey, uint64(p.text(l.Key)))
		b.number(labelText, uint64(p.text(l.Text)))
		b.number(labelNumber, uint64(l.Number))
		b.number(labelUnit, uint64(p.text(l.Unit)))
		s.message(sampleLabel, b)
	}
	p.samples.message(profileSample, s)
}

// Write writes the profile. More may be added after that, and all be written
// again.
func (p *Profile) Write(w io.Writer) error {
	z := gzip.NewWriter(w)
	var table buffer
	for _, s := range p.texts {
		table.bytes(profileStringTable, s)
	}
	for _, b := range []buffer{p.head, p.samples, p.locations, p.functions, table} {
		if _, err := z.Write(b); err != nil {
			return err
		}
	}
	return z.Close()
}

// valueType returns the message for t.
func (p *Profile) valueType(t ValueType) (b buffer) {
	b.number(valueTypeType, uint64(p.text(t.Type)))
	b.number(valueTypeUnit, uint64(p.text(t.Unit)))
	return b
}

// text returns the number of s in the table of strings.
func (p *Profile) text(s string) int {
	i, ok := p.strings[s]
	if !ok {
		i = len(p.texts)
		p.strings[s] = i
		p.texts = append(p.texts, s)
	}
	return i
}

// location returns the ID of a frame.
func (p *Profile) location(f *runtime.Frame) uint64 {
	l := location{f.PC, p.function(f), f.Line}
	id, ok := p.locationID[l]
	if ok {
		return id
	}
	id = uint64(len(p.locationID) + 1)
	p.locationID[l] = id
	var line, b buffer
	line.number(lineFunction, l.fn)
	line.number(lineLine, uint64(f.Line))
	b.number(locationID, id)
	b.number(locationMapping, 1)
	b.number(locationAddress, uint64(f.PC))
	b.message(locationLine, line)
	p.locations.message(profileLocation, b)
	return id
}

// function returns the ID of the function that f is in.
func (p *Profile) function(f *runtime.Frame) uint64 {
	fn := function{f.Function, f.File}
	id, ok := p.functionID[fn]
	if ok {
		return id
	}
	id = uint64(len(p.functionID) + 1)
	p.functionID[fn] = id
	name := uint64(p.text(f.Function))
	var b buffer
	b.number(functionID, id)
	b.number(functionName, name)
	b.number(functionSystemName, name)
	b.number(functionFilename, uint64(p.text(f.File)))
	p.functions.message(profileFunction, b)
	return id
}

// A buffer is a message of protocol buffers, or a part of one.
type buffer []byte

func (b *buffer) varint(v uint64) {
	for ; v >= 0x80; v >>= 7 {
		*b = append(*b, byte(v)|0x80)
	}
	*b = append(*b, byte(v))
}

// number appends a number, or nothing for 0, which is what is read then.
func (b *buffer) number(field int, v uint64) {
	if v != 0 {
		b.varint(uint64(field) << 3)
		b.varint(v)
	}
}

// message appends a message, or numbers in packed form.
func (b *buffer) message(field int, m buffer) { b.bytes(field, string(m)) }

func (b *buffer) bytes(field int, s string) {
	b.varint(uint64(field)<<3 | 2)
	b.varint(uint64(len(s)))
	*b = append(*b, s...)
}
