package forgotten

import _ "embed"

// Source is the text of the program, for showing it beside what it is told.
//
//go:embed forgotten.go
var Source string
