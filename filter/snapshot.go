package filter

import (
	"sync/atomic"
	"time"
)

// Snapshot is everything one query is decided by: the compiled lists and every
// person's rules, bound to each other. It is made when lists or rules change,
// never altered, and read by any number of goroutines at once.
type Snapshot struct {
	trie     *Trie
	sealed   *Trie // nil where nobody has sealed lists
	policies []*bound
	setRules []setKind // by SetID: what the whole set is, whoever asks
	targets  []Name    // by TopicID: the safe host of a safe-search topic
}

// setKind is what holds for a topic set whoever asks.
type setKind struct {
	lifeline bool
	topic    TopicID // the lifeline topic
}

// NewSnapshot binds policies to the compiled lists. sealed may be nil. The
// policy with ID 0 is the default profile and has to be there; where an ID is
// missing or unknown, a question is decided by the default profile.
func NewSnapshot(trie, sealed *Trie, policies []Policy) *Snapshot {
	s := &Snapshot{trie: trie, sealed: sealed, setRules: make([]setKind, trie.Sets()), targets: make([]Name, trie.Topics())}
	for id := range s.targets {
		if t := trie.Topic(TopicID(id)); t.Kind == KindSafeSearch {
			s.targets[id], _ = ParseName(t.Target) // the builder refused bad ones
		}
	}
	for id := range s.setRules {
		for _, t := range trie.Set(SetID(id)) {
			if trie.Topic(t).Kind == KindLifeline {
				s.setRules[id] = setKind{lifeline: true, topic: t}
				break
			}
		}
	}
	topics := newIndex(trie)
	highest := PolicyID(0)
	for _, p := range policies {
		highest = max(highest, p.ID)
	}
	s.policies = make([]*bound, int(highest)+1)
	for _, p := range policies {
		s.policies[p.ID] = bind(p, trie, topics)
	}
	if s.policies[0] == nil {
		s.policies[0] = bind(Policy{Person: "nobody", OnlyListed: true, Supervised: true}, trie, topics)
	}
	return s
}

// Trie is the compiled lists of the snapshot.
func (s *Snapshot) Trie() *Trie { return s.trie }

// Policy is the policy that decides for c.
func (s *Snapshot) Policy(c Client) Policy { return s.policy(c).Policy }

func (s *Snapshot) policy(c Client) *bound {
	if int(c.Policy) < len(s.policies) && s.policies[c.Policy] != nil {
		return s.policies[c.Policy]
	}
	return s.policies[0]
}

// Decide judges a name for a client at a moment: one walk through the trie and
// one index into the client's rules, no allocation. The package comment has the
// order; this is it, line by line.
func (s *Snapshot) Decide(c Client, name Name, now time.Time) Verdict {
	p := s.policy(c)
	return s.decide(p, p.current(now), name)
}

// DecideAt is Decide for another moment than the present: what would happen on
// Saturday at 21:30? It leaves what Decide keeps at hand alone.
func (s *Snapshot) DecideAt(c Client, name Name, at time.Time) Verdict {
	p := s.policy(c)
	return s.decide(p, p.moment(at), name)
}

func (s *Snapshot) decide(p *bound, m *moment, name Name) Verdict {
	v := Verdict{Until: m.until, Supervised: p.Supervised, Rule: RuleNone}

	if s.sealed != nil {
		if hit := s.sealed.Lookup(name); hit.Set != 0 {
			v.Action, v.Rule, v.Matched = Block, RuleSealed, hit.Len
			return v
		}
	}
	hit := s.trie.Lookup(name)
	if of := s.setRules[hit.Set]; of.lifeline {
		v.Rule, v.Topic, v.HasTopic, v.Matched = RuleLifeline, of.topic, true, hit.Len
		return v
	}
	if m.closed != 0 {
		v.Action, v.Rule = Block, m.closed
		return v
	}
	if n := m.allow.covers(name); n > 0 {
		v.Rule, v.Matched = RuleAllow, n
		return v
	}
	if n := m.block.covers(name); n > 0 {
		v.Action, v.Rule, v.Matched = Block, RuleBlock, n
		return v
	}
	if o := m.table[hit.Set]; o.rule != 0 {
		v.Action, v.Rule, v.Topic, v.HasTopic, v.Matched = o.action, o.rule, o.topic, o.hasTopic, hit.Len
		if o.action == Rewrite {
			v.Target = s.targets[o.topic]
		}
	}
	return v
}

// Live holds the snapshot in force: one writer replaces it, any number of
// readers take it, once per query. The zero Live holds none.
type Live struct {
	p atomic.Pointer[Snapshot]
}

// Load is the snapshot in force, nil before the first Store.
func (l *Live) Load() *Snapshot { return l.p.Load() }

// Store puts s in force for every query that starts from now on.
func (l *Live) Store(s *Snapshot) { l.p.Store(s) }
