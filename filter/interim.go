package filter

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"io"
	"slices"
)

// This file stands in for the real trie while the rest of the house is built
// against its interface. It is a map; it is thrown away.

// Trie is the compiled lists.
type Trie struct{ g gobTrie }

type gobTrie struct {
	Topics []Topic
	Sets   [][]TopicID
	Nodes  map[string][2]SetID // self, below
}

// BuildOptions bounds a build.
type BuildOptions struct {
	Memory int // bytes the builder may hold at once; 0 is 16 MiB
}

// BuildStats tells what a build did.
type BuildStats struct {
	Names, Nodes int
	Bytes        int64
}

// Entries yields entries sorted by Name.Compare, the same ones each time it is called.
type Entries func(yield func(Entry) bool) error

// BuildTrie writes the trie of entries to w.
func BuildTrie(w io.Writer, topics []Topic, entries Entries, _ BuildOptions) (BuildStats, error) {
	g := gobTrie{Topics: topics, Sets: [][]TopicID{nil}, Nodes: map[string][2]SetID{}}
	self, below := map[string]map[TopicID]bool{}, map[string]map[TopicID]bool{}
	var order []string
	err := entries(func(e Entry) bool {
		k := string(e.Name)
		if self[k] == nil {
			self[k], below[k] = map[TopicID]bool{}, map[TopicID]bool{}
			for p := e.Name.Parent(); ; p = p.Parent() {
				if b, ok := below[string(p)]; ok {
					for t := range b {
						self[k][t], below[k][t] = true, true
					}
					break
				}
				if p.IsRoot() {
					break
				}
			}
			order = append(order, k)
		}
		switch e.Mode &^ Important {
		case Except:
			for t := range self[k] {
				if t == e.Topic || e.Topic == AnyCategory && topics[t].Kind == KindCategory {
					delete(self[k], t)
					delete(below[k], t)
				}
			}
		case Exact:
			self[k][e.Topic] = true
		default:
			self[k][e.Topic], below[k][e.Topic] = true, true
		}
		return true
	})
	if err != nil {
		return BuildStats{}, err
	}
	id := func(m map[TopicID]bool) SetID {
		var s []TopicID
		for t := range m {
			s = append(s, t)
		}
		slices.Sort(s)
		for i, o := range g.Sets {
			if slices.Equal(o, s) {
				return SetID(i)
			}
		}
		g.Sets = append(g.Sets, s)
		return SetID(len(g.Sets) - 1)
	}
	for _, k := range order {
		g.Nodes[k] = [2]SetID{id(self[k]), id(below[k])}
	}
	var buf bytes.Buffer
	if err := gob.NewEncoder(&buf).Encode(g); err != nil {
		return BuildStats{}, err
	}
	n, err := w.Write(buf.Bytes())
	return BuildStats{Names: len(order), Nodes: len(order), Bytes: int64(n)}, err
}

// OpenTrie reads a trie in place.
func OpenTrie(b []byte) (*Trie, error) {
	t := &Trie{}
	if err := gob.NewDecoder(bytes.NewReader(b)).Decode(&t.g); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return t, nil
}

// Lookup finds the deepest suffix of n.
func (t *Trie) Lookup(n Name) Match {
	for p, i := n, 1; len(p) > 1; p, i = p.Parent(), 0 {
		if v, ok := t.g.Nodes[string(p)]; ok {
			return Match{Set: v[1-i], Len: uint8(len(p))}
		}
	}
	return Match{}
}

// Topics counts the topics.
func (t *Trie) Topics() int { return len(t.g.Topics) }

// Topic is one topic.
func (t *Trie) Topic(id TopicID) Topic { return t.g.Topics[id] }

// Sets counts the topic sets, the empty one included.
func (t *Trie) Sets() int { return len(t.g.Sets) }

// Set is the topics of a set, ascending. Read-only.
func (t *Trie) Set(id SetID) []TopicID { return t.g.Sets[id] }

// Names counts the names.
func (t *Trie) Names() int { return len(t.g.Nodes) }

// Size is the trie's bytes.
func (t *Trie) Size() int { return 0 }
