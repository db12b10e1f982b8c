package demo

// A token is a word of a document: content[start:end].
type token struct{ start, end uint32 }

// inWord marks the bytes that words are made of. Words are taken as they are
// written: in source code Reader and reader are two things.
var inWord = func() (t [256]bool) {
	for c := range t {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_':
			t[c] = true
		}
	}
	return t
}()

// tokenize returns the words of content, in memory of s.
func tokenize(content []byte, s *scratch) ([]token, error) {
	tokens := s.tokens[:0]
	for i := 0; i < len(content); i++ {
		if !inWord[content[i]] {
			continue
		}
		start := i
		for i < len(content) && inWord[content[i]] {
			i++
		}
		var err error
		tokens, err = push(s.a, tokens, token{uint32(start), uint32(i)})
		if err != nil {
			return nil, err
		}
	}
	if s.a == nil {
		s.tokens = tokens // for the next document
	}
	return tokens, nil
}
