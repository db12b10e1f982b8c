package demo

import (
	"encoding/json"
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"strings"
)

// The service answers queries as a service behind HTTP does: a request comes as
// JSON with the headers and the session that such requests carry, is decoded,
// answered, and the response is encoded. Decoding and encoding use the Go heap
// in every variant: it is the load under which the collector has to run.
type service struct {
	ix       index
	docs     []string
	requests [][]byte
}

type request struct {
	ID      string            `json:"id"`
	Query   query             `json:"query"`
	Limit   int               `json:"limit"`
	Headers map[string]string `json:"headers"`
	Session map[string]any    `json:"session"`
}

type response struct {
	ID      string            `json:"id"`
	Total   int               `json:"total"`
	Results []responseMatch   `json:"results"`
	Headers map[string]string `json:"headers"`
}

type responseMatch struct {
	File string `json:"file"`
	Hits uint32 `json:"hits"`
}

// newService prepares a request for each query.
func newService(ix index, docs []string, queries []query) (*service, error) {
	s := &service{ix: ix, docs: docs}
	rnd := rand.New(rand.NewPCG(seed, uint64(len(queries))))
	for i, q := range queries {
		r := request{
			ID:      fmt.Sprintf("%016x", rnd.Uint64()),
			Query:   q,
			Limit:   25,
			Headers: make(map[string]string),
			Session: make(map[string]any),
		}
		for _, name := range []string{"Accept", "Accept-Encoding", "Accept-Language", "Authorization",
			"Cookie", "Host", "Origin", "Referer", "Traceparent", "User-Agent"} {
			r.Headers[name] = fmt.Sprintf("%s of request %d: %x", name, i, rnd.Uint64())
		}
		var seen []any
		for range 50 {
			seen = append(seen, map[string]any{"doc": rnd.IntN(len(docs)), "at": rnd.Uint32(), "by": "search"})
		}
		r.Session["user"], r.Session["seen"] = fmt.Sprint("user-", rnd.IntN(1000)), seen
		b, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		s.requests = append(s.requests, b)
	}
	return s, nil
}

// handle serves one request and returns the encoded response.
func (s *service) handle(body []byte, memory *scratch) ([]byte, error) {
	defer memory.reset()
	var r request
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, err
	}
	matches, err := answer(s.ix, r.Query, memory)
	if err != nil {
		return nil, err
	}
	out := response{ID: r.ID, Total: len(matches), Headers: r.Headers}
	for _, m := range matches[:min(r.Limit, len(matches))] {
		out.Results = append(out.Results, responseMatch{s.docs[m.doc], m.hits})
	}
	return json.Marshal(out)
}

// digest returns a hash over the complete answers to queries, which are in
// memory of s in turn. Variants that answer alike have the same; that others
// have it, too, is as unlikely as a hash of 64 bits makes it.
func digest(ix index, queries []query, s *scratch) (string, error) {
	h := fnv.New64a()
	for _, q := range queries {
		matches, err := answer(ix, q, s)
		if err != nil {
			return "", err
		}
		writeMatches(h, matches)
		s.reset()
	}
	return fmt.Sprintf("%016x", h.Sum64()), nil
}

func writeMatches(h hash.Hash64, matches []match) {
	var b [4]byte
	put := func(v uint32) {
		b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
		h.Write(b[:])
	}
	put(uint32(len(matches)))
	for _, m := range matches {
		put(m.doc)
		put(m.hits)
	}
}

// seed makes every run choose the same queries and the same arrivals.
const seed = 0xa110d

// What one query may cost, so that the latency measured is that of memory
// management and not that of an odd query.
const (
	maxRarest      = 2000 // postings of the rarest word of a phrase
	maxCompletions = 100  // words that a prefix may stand for
)

// chooseQueries picks phrases, and prefixes if asked for, out of the documents
// of c. Indexes of the same documents get the same queries.
func chooseQueries(ix index, c *corpus, count int, prefixes bool) ([]query, error) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	var queries []query
	var s scratch
	for tries := 0; len(queries) < count && tries < 20*count; tries++ {
		content, err := c.read(rnd.IntN(len(c.docs)), &s)
		if err != nil {
			return nil, err
		}
		tokens, err := tokenize(content, &s)
		if err != nil {
			return nil, err
		}
		length := 2 + rnd.IntN(2)
		if len(tokens) < length {
			continue
		}
		at := rnd.IntN(len(tokens) - length + 1)
		words := make([]string, length)
		for i, t := range tokens[at : at+length] {
			words[i] = string(content[t.start:t.end])
		}
		q := query{phraseQuery, strings.Join(words, " ")}
		if prefixes && len(queries)%4 == 3 {
			q = query{prefixQuery, words[0][:min(len(words[0]), 5)]}
		}
		if isCheap(ix, q) {
			queries = append(queries, q)
		}
	}
	if len(queries) == 0 {
		return nil, fmt.Errorf("%w: %s holds too few words to ask for", errNoCorpus, c.root)
	}
	return queries, nil
}

func isCheap(ix index, q query) bool {
	if q.Kind == prefixQuery {
		words, postings := completions(ix, q.Text), 0
		if len(words) > maxCompletions {
			return false
		}
		for _, word := range words {
			_, n := ix.find(word)
			postings += n
		}
		return postings <= maxRarest
	}
	for word := range strings.FieldsSeq(q.Text) {
		if _, n := ix.find(word); n <= maxRarest {
			return true
		}
	}
	return false
}
