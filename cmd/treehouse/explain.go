package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/treehouse-dns/treehouse/blocklists"
	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
)

// explanation is what would happen to a name, and why.
type explanation struct {
	Name   string    `json:"name"`
	Person string    `json:"person"` // or "new device", for the default profile
	Band   string    `json:"band"`
	At     time.Time `json:"at"`

	Action string   `json:"action"`
	Rule   string   `json:"rule"`            // the line of the answering order that won
	Topic  string   `json:"topic,omitempty"` // its ID
	Title  string   `json:"title,omitempty"`
	Why    string   `json:"why"`
	Listed []listed `json:"listed,omitempty"` // who says so
	Target string   `json:"target,omitempty"` // the safe host

	Until  time.Time `json:"until,omitzero"` // when something else happens to the name by itself
	Then   string    `json:"then,omitempty"` // what that is
	Change string    `json:"change"`         // what a parent can do
}

// listed is one source's word on a name.
type listed struct {
	Source  string `json:"source"`            // "catalogue" for what the catalogue says
	Edition string `json:"edition,omitempty"` // of the catalogue, if it is not the built-in one
	Name    string `json:"name"`
	Topic   string `json:"topic"`
}

func (a *app) explainCommand() *cobra.Command {
	var who, at string
	c := &cobra.Command{
		Use: "explain NAME", Short: "Say what happens to a name, and why", Args: exactly("NAME"),
		Example: `  treehouse explain www.example.com --person Ana --at "Sat 21:30"`,
		RunE: func(_ *cobra.Command, args []string) error {
			config, err := a.config()
			if err != nil {
				return err
			}
			e, err := a.explain(config, args[0], who, at)
			if err != nil {
				return err
			}
			return a.print(e, func(w io.Writer) { printExplanation(w, e) })
		},
	}
	c.Flags().StringVar(&who, "person", "", "for whom; without it, for a device nobody has assigned")
	c.Flags().StringVar(&at, "at", "", `when, such as "21:30", "Sat 21:30" or "2026-12-24 21:30"; without it, now`)
	return c
}

func (a *app) explain(c *Config, site, who, at string) (*explanation, error) {
	when, err := parseWhen(at, a.now().In(c.Time.Zone))
	if err != nil {
		return nil, &usageError{err}
	}
	if _, err := household.Site(hostOf(site)); err != nil { // an address, or no name at all
		return nil, &usageError{err}
	}
	name, err := filter.ParseName(hostOf(site))
	if err != nil {
		return nil, &usageError{fmt.Errorf("%q: %w", site, err)}
	}
	h, err := a.household(c)
	if err != nil {
		return nil, err
	}
	var client filter.Client
	if who != "" {
		p, err := person(h, who)
		if err != nil {
			return nil, inFolder(c, err)
		}
		client.Policy = p.ID
	}
	library, err := a.openLibrary(c)
	if err != nil {
		return nil, err
	}
	trie, err := library.Snapshot()
	if trie == nil {
		return nil, err
	}
	origins, err := library.Find(name)
	if err != nil {
		return nil, err
	}
	return newExplanation(filter.NewSnapshot(trie, nil, h.Policies()), client, name, when, origins), nil
}

func newExplanation(snap *filter.Snapshot, client filter.Client, name filter.Name, at time.Time, origins []blocklists.Origin) *explanation {
	v, policy := snap.DecideAt(client, name, at), snap.Policy(client)
	e := &explanation{
		Name: plain(name), Person: policy.Person, Band: policy.Band, At: at,
		Action: v.Action.String(), Rule: v.Rule.String(), Target: plain(v.Target),
	}
	var topic filter.Topic
	if v.HasTopic {
		topic = snap.Trie().Topic(v.Topic)
		e.Topic, e.Title = topic.ID, topic.Title
	}
	if v.Rule != filter.RuleSealed { // nobody may ask a sealed list what is on it
		for _, o := range origins {
			if o.Topic != "" && (o.Topic == e.Topic || e.Topic == "") {
				source := o.Source
				if source == "" {
					source = "catalogue"
				}
				e.Listed = append(e.Listed, listed{source, o.Said, plain(o.Name), o.Topic})
			}
		}
	}
	e.Why = why(v, policy, topic, name, at)
	e.Change = remedy(v, policy, topic, e.Name, plain(name[len(name)-int(v.Matched):]))
	edge := v.Until
	for range edgesAhead {
		if edge.IsZero() {
			break
		}
		then := snap.DecideAt(client, name, edge)
		if then.Action != v.Action || then.Rule != v.Rule {
			e.Until, e.Then = edge, then.Action.String()
			if then.Rule != filter.RuleNone {
				e.Then += " by the rule " + then.Rule.String()
			}
			break
		}
		edge = then.Until
	}
	return e
}

// edgesAhead is how many changes of a person's rules are looked at for one that
// is about the name: those of two weeks with nine a day, and most are not.
const edgesAhead = 128

// why says in a sentence how the rule came to win.
func why(v filter.Verdict, p filter.Policy, topic filter.Topic, name filter.Name, at time.Time) string {
	matched := plain(name[len(name)-int(v.Matched):])
	switch v.Rule {
	case filter.RuleSealed:
		return "The law or the internet provider demands it."
	case filter.RuleLifeline:
		return fmt.Sprintf("%s is on the lifeline: it is always answered, never counted and never logged.", matched)
	case filter.RulePaused:
		return p.Person + " is paused."
	case filter.RuleBedtime:
		return "It is night for " + p.Person + "."
	case filter.RuleAllow:
		if v.HasTopic {
			return fmt.Sprintf("%s is switched on for %s.", topic.Title, p.Person)
		}
		return fmt.Sprintf("A parent allowed %s for %s.", matched, p.Person)
	case filter.RuleBlock:
		return fmt.Sprintf("A parent blocked %s for %s.", matched, p.Person)
	case filter.RuleService, filter.RuleCategory:
		reason := fmt.Sprintf("%s belongs to %s, which is off for %s.", matched, topic.Title, p.Person)
		if r, ok := p.RuleAbout(topic, at); ok && r.Why != "" {
			reason += " " + r.Why
		}
		return reason
	case filter.RuleAllowList:
		return fmt.Sprintf("Only chosen sites are open for %s, and this is none of them.", p.Person)
	case filter.RuleSafeSearch:
		return fmt.Sprintf("Searching is in its safe mode for %s.", p.Person)
	}
	return "No rule is about it."
}

// remedy says what a parent can do to change the verdict.
// site is what was asked for, and ruled what a rule of the person's own is about.
func remedy(v filter.Verdict, p filter.Policy, topic filter.Topic, site, ruled string) string {
	if p.ID == 0 {
		switch v.Rule {
		case filter.RuleSealed, filter.RuleLifeline:
		default:
			return "say whose the device is: treehouse devices assign DEVICE PERSON"
		}
	}
	who := p.Person
	if strings.ContainsAny(who, " '\"") {
		who = fmt.Sprintf("%q", who)
	}
	switch v.Rule {
	case filter.RuleSealed:
		return "nobody at home can; the provider says how to complain"
	case filter.RuleLifeline:
		return "nothing: help is always open"
	case filter.RulePaused:
		return fmt.Sprintf("treehouse resume %s, or treehouse resume %s", who, household.Everyone)
	case filter.RuleBedtime:
		return "treehouse more-time 30m --person " + who
	case filter.RuleAllow, filter.RuleBlock:
		if v.HasTopic {
			return fmt.Sprintf("treehouse switch %s default --person %s", topic.ID, who)
		}
		return fmt.Sprintf("treehouse forget %s --person %s", ruled, who)
	case filter.RuleService:
		return fmt.Sprintf("treehouse switch %s on --person %s", topic.ID, who)
	case filter.RuleCategory, filter.RuleAllowList:
		return fmt.Sprintf("treehouse allow %s --person %s", site, who)
	case filter.RuleSafeSearch:
		return fmt.Sprintf("treehouse switch %s off --person %s", topic.ID, who)
	}
	return fmt.Sprintf("treehouse block %s --person %s", site, who)
}

func printExplanation(w io.Writer, e *explanation) {
	fmt.Fprintf(w, "%s for %s (%s) on %s: %s\n\n", e.Name, e.Person, e.Band, e.At.Format("Monday 2 January 2006 at 15:04"), e.Action)
	row := func(label, format string, args ...any) {
		fmt.Fprintf(w, "  %-10s %s\n", label, fmt.Sprintf(format, args...))
	}
	row("rule", "%s", e.Rule)
	row("why", "%s", e.Why)
	if e.Topic != "" {
		row("topic", "%s (%s)", e.Topic, e.Title)
	}
	for _, l := range e.Listed {
		source := l.Source
		if l.Edition != "" {
			source += " of " + l.Edition
		}
		row("source", "%s lists %s under %s", source, l.Name, l.Topic)
	}
	if e.Target != "" {
		row("answer", "the address of %s", e.Target)
	}
	if !e.Until.IsZero() {
		row("until", "%s, then %s", e.Until.In(e.At.Location()).Format("Mon 2 Jan 15:04"), e.Then)
	}
	row("to change", "%s", e.Change)
}

// plain is a name without its final dot, as people write it.
func plain(n filter.Name) string { return strings.TrimSuffix(n.String(), ".") }

// hostOf is the host in what people type or paste, "https://bücher.example/page"
// perhaps, with other scripts as A-labels (RFC 5890 §2.3.2.1).
func hostOf(site string) string {
	if _, rest, ok := strings.Cut(site, "://"); ok {
		site = rest
	}
	if end := strings.IndexAny(site, "/?#:"); end >= 0 {
		site = site[:end]
	}
	if ascii, err := toASCII(site); err == nil {
		return ascii
	}
	return site // whoever reads it as a name says what is wrong
}
