// Package say writes figures as people read them.
package say

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Count writes n with commas: 16,872,401.
func Count[N int | int64 | uint64](n N) string {
	text := strconv.FormatUint(uint64(n), 10)
	var b strings.Builder
	for i, d := range text {
		if i > 0 && (len(text)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// Plural writes n of what: 1 file, 11,500 files.
func Plural[N int | int64](n N, what string) string {
	return Count(n) + " " + what + Pick(n == 1, "", "s")
}

// Duration writes d with three digits: 57.4 ms.
func Duration(d time.Duration) string {
	switch {
	case d >= time.Second:
		return Digits(d.Seconds()) + " s"
	case d >= time.Millisecond:
		return Digits(d.Seconds()*1e3) + " ms"
	}
	return Digits(d.Seconds()*1e6) + " µs"
}

// Size writes n bytes with three digits, as the page of heaphttp does: 339 MiB.
func Size(n int64) string {
	switch {
	case n == 0:
		return "0"
	case n < 1<<10:
		return Plural(n, "byte")
	case n >= 1<<30:
		return Digits(float64(n)/(1<<30)) + " GiB"
	case n >= 1<<20:
		return Digits(float64(n)/(1<<20)) + " MiB"
	}
	return Digits(float64(n)/(1<<10)) + " KiB"
}

// FlagSize writes n as ParseSize reads it: 64MiB.
func FlagSize(n int64) string {
	if n%(1<<20) == 0 {
		return strconv.FormatInt(n>>20, 10) + "MiB"
	}
	if n%(1<<10) == 0 {
		return strconv.FormatInt(n>>10, 10) + "KiB"
	}
	return strconv.FormatInt(n, 10) + "B"
}

// ParseSize reads a size in bytes: 1000, 64MiB, 1.5GB.
func ParseSize(s string) (int64, error) {
	number := strings.TrimRight(s, "BKMGikmgb")
	unit, known := map[string]float64{
		"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9,
		"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30,
	}[strings.ToLower(s[len(number):])]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !known || !(n > 0) || n*unit > math.MaxInt64/2 {
		return 0, fmt.Errorf("%q is not a size; write 64MiB, 1.5GB or a number of bytes", s)
	}
	return int64(n * unit), nil
}

// Digits writes x with at least three significant digits.
func Digits(x float64) string {
	switch {
	case x >= 99.95:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case x >= 9.995:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return strconv.FormatFloat(x, 'f', 2, 64)
}

// Pick returns yes or no.
func Pick(cond bool, yes, no string) string {
	if cond {
		return yes
	}
	return no
}

// Wrap breaks s between words into lines of at most so many columns.
func Wrap(s string, columns int) string {
	var b strings.Builder
	at := 0
	for word := range strings.FieldsSeq(s) {
		n := utf8.RuneCountInString(word)
		switch {
		case at == 0:
		case at+1+n > columns:
			b.WriteByte('\n')
			at = 0
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}
