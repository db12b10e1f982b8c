// Program is run as WebAssembly. It fills memory, frees it, and fills it again,
// under a garbage collector of its own, and prints what came out.
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

type node struct {
	Name     string
	Children []*node
}

func tree(name string, depth int) *node {
	n := &node{Name: name}
	if depth > 0 {
		for i := range 6 {
			n.Children = append(n.Children, tree(fmt.Sprint(name, "/", i), depth-1))
		}
	}
	return n
}

func main() {
	for round := range 3 {
		text, err := json.Marshal(tree("root", 4))
		if err != nil {
			panic(err)
		}
		words := strings.Split(string(text), `"`)
		slices.Sort(words)
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		io.WriteString(w, strings.Join(words, "\n"))
		w.Close()
		r, err := gzip.NewReader(&packed)
		if err != nil {
			panic(err)
		}
		back, err := io.ReadAll(r)
		if err != nil {
			panic(err)
		}
		fmt.Printf("round %d: %d words, %x\n", round, len(words), sha256.Sum256(back))
	}
}
