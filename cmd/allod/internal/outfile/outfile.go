// Package outfile writes files that are there as a whole or not at all.
package outfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// A File takes the name it was created under only once it is complete: until
// then the file that has the name stays.
type File struct {
	*os.File
	target string
}

// Create begins a file of that name.
func Create(name string) (*File, error) {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target // not the link is to be replaced
	}
	beside := name
	if info, err := os.Stat(name); err != nil || info.Mode().IsRegular() { // not /dev/null
		beside = fmt.Sprintf("%s.%d.tmp", name, os.Getpid())
	}
	f, err := os.Create(beside)
	if err != nil {
		if e, ok := errors.AsType[*os.PathError](err); ok {
			e.Path = name
		}
		return nil, err
	}
	return &File{f, name}, nil
}

// Keep gives p its name.
func (p *File) Keep() error {
	if err := p.Close(); err != nil || p.Name() == p.target {
		return err
	}
	return os.Rename(p.Name(), p.target)
}

// Discard removes p unless it was kept.
func (p *File) Discard() {
	p.Close()
	if p.Name() != p.target {
		os.Remove(p.Name())
	}
}
