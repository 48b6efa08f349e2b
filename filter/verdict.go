package filter

import "time"

// Action is what the resolver does with a question.
type Action uint8

// The actions. The zero Action blocks nothing and is what most names get.
const (
	Pass    Action = iota // ask the cache and the upstream
	Block                 // answer that there is nothing
	Rewrite               // answer with the address of Verdict.Target
)

// String is the action as explain prints it.
func (a Action) String() string {
	switch a {
	case Pass:
		return "answered"
	case Block:
		return "blocked"
	case Rewrite:
		return "answered with the safe host"
	}
	return "unknown action"
}

// Rule is the line of the answering order that decided; see the package comment.
type Rule uint8

// The rules in their order: a lower one wins over a higher one.
const (
	RuleSealed Rule = iota + 1
	RuleLifeline
	RulePaused
	RuleBedtime
	RuleAllow
	RuleBlock
	RuleService
	RuleCategory
	RuleAllowList
	RuleSafeSearch
	RuleNone // nothing applied: the name passes
)

// String is the rule's name as explain and the API spell it.
func (r Rule) String() string {
	names := [...]string{
		RuleSealed: "sealed", RuleLifeline: "lifeline", RulePaused: "paused", RuleBedtime: "bedtime",
		RuleAllow: "allow", RuleBlock: "block", RuleService: "service", RuleCategory: "category",
		RuleAllowList: "allow-list", RuleSafeSearch: "safe-search", RuleNone: "none",
	}
	if int(r) < len(names) && names[r] != "" {
		return names[r]
	}
	return "unknown rule"
}

// Verdict is the decision about one question. It is never cached: the next
// question is decided anew, so that a parent's change acts at once.
type Verdict struct {
	Action Action
	Rule   Rule // the line of the answering order that won
	// Topic and HasTopic name the topic that decided, for RuleLifeline,
	// RuleService, RuleCategory, RuleSafeSearch and RuleSealed, and for RuleAllow
	// where a service was let through.
	Topic    TopicID
	HasTopic bool
	// Matched is how many bytes at the end of the asked name the trie or the
	// person's own rule covered, the root's byte included; 0 if none did.
	Matched uint8
	// Target is the safe host for Rewrite, nil otherwise. Read-only.
	Target Name
	// Until is when the person's rules next change, or the zero time if they
	// do not change by themselves. A reply's TTL never reaches past it.
	Until time.Time
	// Supervised is set for a person with any rules: their replies carry no
	// TTL over 60 s, so that a Pause is true within a minute.
	Supervised bool
}
