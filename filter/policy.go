package filter

import "time"

// PolicyID names a policy for as long as the process runs, whatever snapshot is
// in force. Zero is the household's default profile, which devices that nobody
// has assigned get.
type PolicyID uint16

// Client is who asks, as far as deciding needs to know.
type Client struct {
	Policy PolicyID
}

// Policy is the rules of one person, as the household wrote them and before
// they meet a Trie. It is a value: change it by making another and taking a new
// Snapshot. Nothing in it is secret from explain.
type Policy struct {
	ID     PolicyID
	Person string // for people: "Ana"
	Band   string // for people: "6-9"

	// Supervised is true for a person with any rules; see Verdict.Supervised.
	Supervised bool
	// Zone is where the person's clock is read; nil is UTC.
	Zone *time.Location

	Paused  Span     // zero, which is never: not paused
	Bedtime Schedule // zero, which is never: no bedtime

	Allow []NameRule // own allow rules and grants
	Block []NameRule // own block rules

	// Topics are the rules about services, categories, safe search and the
	// allow-list. The answering order sorts them by kind; about one topic the
	// first rule that applies at the moment decides.
	Topics []TopicRule
	// OnlyListed is allow-list mode: a name in no KindListed topic of Topics is
	// not answered.
	OnlyListed bool
}

// NameRule is one of a person's own rules: a name and everything below it.
type NameRule struct {
	Name Name
	When *Span // nil: always
}

// TopicRule makes a topic, or every service of a group, matter for a person.
// What it does follows from the topic's kind: services and categories are
// blocked, safe-search hosts are rewritten, listed names are let through
// allow-list mode.
type TopicRule struct {
	Topic string    // a topic's ID; or
	Group string    // a group's name, for all services in it
	When  *Schedule // nil: always
	Why   string    // the one-line reason, for people

	// Allow turns the rule round: the topic is not blocked or rewritten by any
	// later rule, so that one service of a group that is off can be on. A service
	// is let through allow-list mode too; categories and safe search still apply
	// to its names.
	Allow bool
}

// matches tells whether the rule is about the topic.
func (r TopicRule) matches(t Topic) bool {
	if r.Topic != "" {
		return r.Topic == t.ID
	}
	return r.Group != "" && t.Kind == KindService && r.Group == t.Group
}

// at tells whether the rule applies at t, and when that may change.
func (r TopicRule) at(t time.Time) (on bool, until time.Time) {
	if r.When == nil {
		return true, time.Time{}
	}
	return r.When.At(t)
}

// RuleAbout is the rule that decides about a topic at a moment, the first that
// applies then; ok is false if none does. Its Why is the reason to give.
func (p Policy) RuleAbout(t Topic, at time.Time) (rule TopicRule, ok bool) {
	zone := p.Zone
	if zone == nil {
		zone = time.UTC
	}
	for _, r := range p.Topics {
		if on, _ := r.at(at.In(zone)); on && r.matches(t) {
			return r, true
		}
	}
	return TopicRule{}, false
}
