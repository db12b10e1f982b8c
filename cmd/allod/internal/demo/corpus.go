package demo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/allod-dev/allod/cmd/allod/internal/exit"
	"github.com/allod-dev/allod/cmd/allod/internal/say"
)

// A corpus is the list of documents to index, in an order that every process
// agrees on.
type corpus struct {
	root string
	docs []string // paths below root; with a scale above 1 a file comes repeatedly
}

// maxFile bounds a document, so that 32 bits count its bytes and words.
const maxFile = 1 << 30

// errNoCorpus is wrapped by every reason why a folder cannot be indexed at all.
var errNoCorpus = exit.UsageError(errors.New("nothing to index"))

// openCorpus lists the regular files below root. Scale says how many documents
// to make of them: 1 is every file once, 0.1 every tenth file, 2 every file
// twice.
func openCorpus(root string, scale float64) (*corpus, error) {
	root, err := filepath.EvalSymlinks(root) // WalkDir does not follow a link
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoCorpus, err)
	}
	info, err := os.Stat(root)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoCorpus, err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%w: %s is not a folder", errNoCorpus, root)
	}
	var files []string
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type().IsRegular() {
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			files = append(files, rel)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	n := int(float64(len(files))*scale + 0.5)
	if n == 0 {
		return nil, fmt.Errorf("%w: %s holds %s, of which a scale of %g leaves none",
			errNoCorpus, root, say.Plural(len(files), "file"), scale)
	}
	docs := make([]string, n)
	for i := range docs {
		if n < len(files) {
			docs[i] = files[int(float64(i)/float64(n)*float64(len(files)))]
		} else {
			docs[i] = files[i%len(files)]
		}
	}
	return &corpus{root, docs}, nil
}

// read returns the contents of a document in memory of s.
func (c *corpus) read(doc int, s *scratch) (_ []byte, err error) {
	f, err := os.Open(filepath.Join(c.root, c.docs[doc]))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s: %d bytes are more than this index can count", f.Name(), info.Size())
	}
	content, err := s.content(int(info.Size()))
	if err != nil {
		return nil, err
	}
	n, err := io.ReadFull(f, content)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil // the file was cut meanwhile: what is there is the document
	}
	return content[:n], err
}

// warm reads every document once, so that what is measured afterwards is the
// index and not the disk. It returns their size in bytes.
func (c *corpus) warm(progress func(done, total int)) (size int64, err error) {
	var s scratch
	for doc := range c.docs {
		content, err := c.read(doc, &s)
		if err != nil {
			return 0, &buildError{doc, c.docs[doc], err}
		}
		size += int64(len(content))
		progress(doc+1, len(c.docs))
	}
	return size, nil
}
