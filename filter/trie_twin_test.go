package filter

import (
	"maps"
	"slices"
)

// twin is the trie as one would write it without a thought for bytes: a map and
// a walk along the parents. It shares nothing with the trie but the entries.
type twin struct {
	topics []Topic
	names  map[string][]Entry
}

func newTwin(topics []Topic, entries []Entry) twin {
	w := twin{topics, map[string][]Entry{}}
	for _, e := range entries {
		if e.Mode != Witness {
			w.names[string(e.Name)] = append(w.names[string(e.Name)], e)
		}
	}
	return w
}

// holding is topics in force, and whether importantly so.
type holding map[TopicID]bool

func (h holding) topics() []TopicID { return slices.Sorted(maps.Keys(h)) }

// lookup gives the topics of a name and the length of the suffix that decides.
func (w twin) lookup(n Name) (topics []TopicID, length int) {
	var suffixes []Name
	for p := n; len(p) > 1; p = p.Parent() {
		suffixes = append(suffixes, p)
	}
	below, self := holding{}, holding{}
	for _, s := range slices.Backward(suffixes) {
		above := below.topics()
		self, below = w.at(w.names[string(s)], maps.Clone(below)), w.at(suffixOnly(w.names[string(s)]), below)
		if !slices.Equal(self.topics(), above) || !slices.Equal(below.topics(), above) {
			length = len(s)
		}
	}
	return self.topics(), length
}

// at is what holds where entries meet what is inherited.
func (w twin) at(entries []Entry, h holding) holding {
	for _, e := range entries {
		if e.Mode&^Important != Except {
			h[e.Topic] = h[e.Topic] || e.Mode&Important != 0
		}
	}
	for _, e := range entries {
		maps.DeleteFunc(h, func(t TopicID, important bool) bool {
			meant := t == e.Topic || e.Topic == AnyCategory && w.topics[t].Kind == KindCategory
			return e.Mode&^Important == Except && meant && (!important || e.Mode&Important != 0)
		})
	}
	return h
}

func suffixOnly(entries []Entry) []Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return e.Mode&^Important == Exact })
}
