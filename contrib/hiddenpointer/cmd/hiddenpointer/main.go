// Command hiddenpointer runs the analyzer of that name, alone or from go vet:
//
//	go vet -vettool=$(which hiddenpointer) ./...
package main

import (
	"golang.org/x/tools/go/analysis/singlechecker"

	"github.com/allod-dev/allod/contrib/hiddenpointer"
)

func main() { singlechecker.Main(hiddenpointer.Analyzer) }
