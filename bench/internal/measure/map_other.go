//go:build !unix

package measure

import "os"

// File returns the contents of a file.
func File(name string) ([]byte, error) { return os.ReadFile(name) }
