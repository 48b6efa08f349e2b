package filter

import (
	"sync/atomic"
	"time"
)

// bound is a Policy bound to a Trie: its topic rules turned into a table from
// topic set to outcome. Only the table of the present moment is kept.
type bound struct {
	Policy
	trie  *Trie
	rules [][]TopicID // by rule of Policy.Topics: the topics it is about
	now   atomic.Pointer[moment]
}

// moment is a policy between two of its edges. Immutable.
type moment struct {
	from, until time.Time // from ≤ now < until; a zero until has no end
	closed      Rule      // RulePaused or RuleBedtime, or 0
	allow       nameSet
	block       nameSet
	table       []outcome // by SetID
}

// outcome is what a topic set comes to in one moment of one policy.
type outcome struct {
	topic    TopicID
	action   Action
	rule     Rule // 0: nothing applies
	hasTopic bool
}

// index finds topics by what rules say of them. One is made for all policies of
// a snapshot, and they share its slices.
type index struct {
	byID    map[string][]TopicID // one each
	byGroup map[string][]TopicID // services only
}

func newIndex(trie *Trie) index {
	x := index{byID: map[string][]TopicID{}, byGroup: map[string][]TopicID{}}
	for i := range trie.Topics() {
		t := trie.Topic(TopicID(i))
		x.byID[t.ID] = []TopicID{TopicID(i)}
		if t.Kind == KindService && t.Group != "" {
			x.byGroup[t.Group] = append(x.byGroup[t.Group], TopicID(i))
		}
	}
	return x
}

// about are the topics that a rule is about, as TopicRule.matches has it.
func (x index) about(r TopicRule) []TopicID {
	if r.Topic != "" {
		return x.byID[r.Topic]
	}
	return x.byGroup[r.Group]
}

func bind(p Policy, trie *Trie, topics index) *bound {
	b := &bound{Policy: p, trie: trie, rules: make([][]TopicID, len(p.Topics))}
	if b.Zone == nil {
		b.Zone = time.UTC
	}
	for i, r := range p.Topics {
		b.rules[i] = topics.about(r)
	}
	return b
}

// current is the moment that holds now, made when the last one has ended.
func (b *bound) current(now time.Time) *moment {
	m := b.now.Load()
	if m == nil || now.Before(m.from) || (!m.until.IsZero() && !now.Before(m.until)) {
		m = b.moment(now)
		b.now.Store(m)
	}
	return m
}

// moment works out the rules that hold at a time.
func (b *bound) moment(at time.Time) *moment {
	local := at.In(b.Zone)
	m := &moment{from: at}

	if asleep, until := b.Bedtime.At(local); asleep {
		m.closed, m.until = RuleBedtime, until
	} else {
		m.until = until
	}
	if b.Paused.Contains(at) {
		m.closed = RulePaused
	}
	m.until = earlier(m.until, b.Paused.nextEdge(at))
	m.allow = m.names(b.Allow, at)
	m.block = m.names(b.Block, at)

	active := make([][]TopicID, len(b.rules)) // by rule: its topics, if it applies now
	for i, r := range b.Topics {
		on, until := r.at(local)
		if on {
			active[i] = b.rules[i]
		}
		m.until = earlier(m.until, until)
	}
	m.table = b.table(active)
	return m
}

// names collects the rules that hold at a time, and lets the moment end where
// the first of them begins or ends.
func (m *moment) names(rules []NameRule, at time.Time) nameSet {
	var set nameSet
	for _, r := range rules {
		if r.When == nil || r.When.Contains(at) {
			if set == nil {
				set = nameSet{}
			}
			set[string(r.Name)] = struct{}{}
		}
		if r.When != nil {
			m.until = earlier(m.until, r.When.nextEdge(at))
		}
	}
	return set
}

// table works out, for every topic set, the first line of the answering order
// that applies.
func (b *bound) table(active [][]TopicID) []outcome {
	byTopic := make([]outcome, b.trie.Topics())
	listed := make([]bool, b.trie.Topics())
	letIn := make([]bool, b.trie.Topics())
	decided := make([]bool, b.trie.Topics())
	for i, topics := range active {
		for _, id := range topics {
			if decided[id] {
				continue
			}
			decided[id] = true
			kind := b.trie.Topic(id).Kind
			if b.Topics[i].Allow {
				letIn[id] = kind == KindService
				continue
			}
			switch kind {
			case KindService:
				byTopic[id] = outcome{topic: id, action: Block, rule: RuleService, hasTopic: true}
			case KindCategory:
				byTopic[id] = outcome{topic: id, action: Block, rule: RuleCategory, hasTopic: true}
			case KindSafeSearch:
				byTopic[id] = outcome{topic: id, action: Rewrite, rule: RuleSafeSearch, hasTopic: true}
			case KindListed:
				listed[id] = true
			} // sealed and lifeline are not the person's to change
		}
	}
	table := make([]outcome, b.trie.Sets())
	for id := range table {
		table[id] = b.first(SetID(id), byTopic, listed, letIn)
	}
	return table
}

// first is the first line of the answering order that applies to a topic set.
func (b *bound) first(set SetID, byTopic []outcome, listed, letIn []bool) outcome {
	var first, allowed outcome
	isListed := false
	for _, t := range b.trie.Set(set) {
		isListed = isListed || listed[t]
		if letIn[t] {
			allowed = outcome{topic: t, action: Pass, rule: RuleAllow, hasTopic: true}
		}
	}
	for _, t := range b.trie.Set(set) {
		o := byTopic[t]
		if o.rule == 0 || (o.rule == RuleService && allowed.rule != 0) {
			continue
		}
		if first.rule == 0 || o.rule < first.rule {
			first = o
		}
	}
	switch {
	case first.rule == RuleService || first.rule == RuleCategory:
		return first
	case b.OnlyListed && !isListed && allowed.rule == 0:
		return outcome{action: Block, rule: RuleAllowList}
	case first.rule != 0:
		return first
	}
	return allowed
}

// nameSet is a set of names that each stand for everything below them too.
type nameSet map[string]struct{}

// covers gives the length of the longest suffix of the name in the set, or 0.
func (s nameSet) covers(n Name) uint8 {
	if len(s) == 0 {
		return 0
	}
	for len(n) > 1 {
		if _, ok := s[string(n)]; ok {
			return uint8(len(n))
		}
		n = n.Parent()
	}
	return 0
}
