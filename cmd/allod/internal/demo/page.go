package demo

import (
	"fmt"
	"os"
	"path/filepath"
)

// A pageFile takes the name it was created under only once it is complete: until
// then the file that has the name stays.
type pageFile struct {
	*os.File
	target string
}

func createPage(name string) (*pageFile, error) {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target // not the link is to be replaced
	}
	beside := name
	if info, err := os.Stat(name); err != nil || info.Mode().IsRegular() { // not /dev/null
		beside = fmt.Sprintf("%s.%d.tmp", name, os.Getpid())
	}
	f, err := os.Create(beside)
	if err != nil {
		return nil, err
	}
	return &pageFile{f, name}, nil
}

// keep gives p its name.
func (p *pageFile) keep() error {
	if err := p.Close(); err != nil || p.Name() == p.target {
		return err
	}
	return os.Rename(p.Name(), p.target)
}

// discard removes p unless it was kept.
func (p *pageFile) discard() {
	p.Close()
	if p.Name() != p.target {
		os.Remove(p.Name())
	}
}
