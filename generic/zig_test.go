package generic_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/allod-dev/allod/generic"
)

// What the table for users of Zig says to call is there to be called.
func TestZigNames(t *testing.T) {
	text, err := os.ReadFile("../docs/zig-containers.md")
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]reflect.Type{
		"IntrusiveSinglyLinkedList": reflect.TypeFor[*generic.IntrusiveSinglyLinkedList[task, *task]](),
		"IntrusiveDoublyLinkedList": reflect.TypeFor[*generic.IntrusiveDoublyLinkedList[task, *task]](),
	}
	for _, in := range injections {
		types[nameOf(in.of)] = in.of
	}
	other := map[string]bool{"Context": true, "Buffer": true, "StringBuilder": true, "SinglyLinks": true, "DoublyLinks": true}
	name := regexp.MustCompile("`([A-Z][A-Za-z]*)`")
	found := 0
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		heading, rest, _ := strings.Cut(section, "\n")
		typ := types[heading]
		if typ == nil {
			t.Errorf("there is no %s", heading)
			continue
		}
		for _, row := range strings.Split(rest, "\n") {
			cells := strings.Split(row, "|")
			if len(cells) != 4 {
				continue
			}
			for _, m := range name.FindAllStringSubmatch(cells[2], -1) {
				found++
				if _, ok := typ.MethodByName(m[1]); !ok && !other[m[1]] {
					t.Errorf("%s has no method %s", heading, m[1])
				}
			}
		}
	}
	if found < 150 {
		t.Errorf("%d names", found)
	}
}
