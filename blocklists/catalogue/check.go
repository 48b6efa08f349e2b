package catalogue

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/treehouse-dns/treehouse/filter"
)

// Limits of an edition.
const (
	maxTopics = 2048   // with the built-in ones still half of what a snapshot holds
	maxNames  = 200000 // what curated lists have ten times over; long lists are sources
	maxID     = 63     // bytes, as a snapshot's
	maxTitle  = 80     // bytes: it stands on a button
)

// KeptFile holds topics of an earlier edition that a family's rules still name.
// Its services need no group.
const KeptFile = "kept.txt"

// Check holds an edition to what the built-in one is held to by its tests. The
// error names the file and line to mend. clean says what is wrong with a name
// beside its syntax, "" if nothing is.
func (e *Edition) Check(clean func(filter.Name) string) error {
	if err := e.checkLines(clean); err != nil {
		return err
	}
	if err := e.checkProtected(); err != nil {
		return err
	}
	return e.checkApart()
}

// CheckNames reads every name of an edition that Check has taken before, or is
// about to: all but Topics panic at one that is none.
func (e *Edition) CheckNames() (wrong error) {
	err := e.own(func(l line) bool {
		if l.word != "" && l.fact == "" {
			if _, _, err := entry(l.word); err != nil {
				wrong = errorAt(l.file, l.number, "%.80q is not a name: %v", l.word, err)
			}
		}
		return wrong == nil
	})
	return errors.Join(err, wrong)
}

// checkLines reads the edition's own lines, each by itself.
func (e *Edition) checkLines(clean func(filter.Name) string) error {
	kinds := map[string]filter.Kind{}
	if e.under != nil {
		for _, t := range e.under.Topics() {
			kinds[t.ID] = t.Kind
		}
	}
	var wrong error
	topics, names := 0, 0
	seen := map[string]bool{}       // topic and name
	targets := map[*topic]bool{}    // of safe search, those that have one
	var search []line               // the safe-search topics
	facts := map[[2]string]string{} // what belongs to which topic
	err := e.own(func(l line) bool {
		bad := func(format string, args ...any) bool {
			wrong = errorAt(l.file, l.number, format, args...)
			return false
		}
		t := l.topic
		if l.word == "" {
			if topics++; topics > maxTopics {
				return bad("there are more than %d topics", maxTopics)
			}
			if t.Kind == filter.KindSafeSearch {
				search = append(search, l)
			}
			kind, known := kinds[t.ID]
			switch {
			case !isID(t.ID):
				return bad("the ID %.80q is not of lower-case letters, digits and dashes, %d at most", t.ID, maxID)
			case !isTitle(t.Title):
				return bad("a title has 1 to %d bytes of printable text", maxTitle)
			case t.Kind != filter.KindService && t.Group != "":
				return bad("only services have a group; put %s under another @kind", t.ID)
			case t.Kind == filter.KindService && t.Group == "" && l.file != KeptFile:
				return bad("the service %s needs a @group above it", t.ID)
			case t.Group != "" && !isID(t.Group):
				return bad("the group %.80q is not of lower-case letters, digits and dashes, %d at most", t.Group, maxID)
			case known && kind != t.Kind:
				return bad("%s is a %s in the built-in catalogue and cannot be a %s", t.ID, kind, t.Kind)
			}
			return true
		}
		switch l.fact {
		case "":
		case "target":
			if name, err := filter.ParseName(l.word); err != nil || clean(name) != "" || t.Kind != filter.KindSafeSearch || targets[t] {
				return bad("a target is one host's name, for a topic of safe search")
			}
			targets[t] = true
			return true
		case "ut1", "v2fly", "not-v2fly":
			key := [2]string{l.fact, l.word}
			if other, ok := facts[key]; ok || t.protected || t.Kind == filter.KindSafeSearch {
				if ok {
					return bad("%s %s is %s's already", l.fact, l.word, other)
				}
				return bad("no list may add to %s", t.ID)
			}
			facts[key] = t.ID
			return true
		default:
			return bad("there is no fact %.80q; it is target, ut1, v2fly or not-v2fly", l.fact)
		}
		if names++; names > maxNames {
			return bad("there are more than %d names; put long lists into lists.sources", maxNames)
		}
		name, mode, err := entry(l.word)
		if err != nil {
			return bad("%.80q is not a name: %v", l.word, err)
		}
		what := clean(name)
		if t.protected && name.Labels() > 1 {
			what = "" // a state's own suffix is protected, gov.ie
		}
		if what != "" {
			return bad("%s is %s", l.word, what)
		}
		key := t.ID + " " + string(name)
		switch {
		case seen[key]:
			return bad("%s stands twice under %s", strings.TrimLeft(l.word, "=!"), t.ID)
		case mode == filter.Except && (t.protected || t.Kind == filter.KindLifeline):
			return bad("nothing can be taken out of %s", t.ID)
		case mode != filter.Exact && t.Kind == filter.KindSafeSearch:
			return bad("%s must be exact, =%[1]s: an engine's other hosts have no safe twin", strings.TrimLeft(l.word, "!"))
		}
		seen[key] = true
		return true
	})
	if err != nil {
		return err
	}
	for _, l := range search {
		if wrong == nil && !targets[l.topic] {
			wrong = errorAt(l.file, l.number, "%s needs a target: the host that answers in its place", l.topic.ID)
		}
	}
	return wrong
}

// checkProtected refuses a category that would take a name of the lifeline or of
// the must-not-block set, or its www. A name further below is the category's to
// judge, as it is a list's.
func (e *Edition) checkProtected() (wrong error) {
	safe := map[string]bool{}
	www := filter.MustName("www")[:4]
	e.Claims(func(c Claim) bool {
		if c.Topic == "" || c.Kind == filter.KindLifeline {
			safe[string(c.Name)] = true
			safe[string(www)+string(c.Name)] = true
		}
		return true
	})
	e.Claims(func(c Claim) bool {
		if c.Kind == filter.KindCategory && c.Topic != "" && c.Mode != filter.Except && safe[string(c.Name)] {
			wrong = fmt.Errorf("catalogue: %s: %s may not be in the category %s: it is protected, or on the lifeline", c.at(), text(c.Name), c.Topic)
		}
		return wrong == nil
	})
	return wrong
}

// checkApart holds that turning one service off leaves every name of every other
// one working: no service has a name at or above another's, unless an exception
// between takes it out again. Services without a group are nobody's to turn off
// any more, and pass.
func (e *Edition) checkApart() (wrong error) {
	offered := map[string]bool{}
	for _, t := range e.Topics() {
		offered[t.ID] = t.Kind == filter.KindService && t.Group != ""
	}
	byName := map[string][]Claim{}
	e.Claims(func(c Claim) bool {
		if offered[c.Topic] {
			byName[string(c.Name)] = append(byName[string(c.Name)], c)
		}
		return true
	})
	e.Claims(func(c Claim) bool {
		if !offered[c.Topic] || c.Mode == filter.Except {
			return true
		}
		if other, ok := covering(c, byName); ok {
			wrong = fmt.Errorf("catalogue: %s: %s of %s would stop with %s, which has %s (%s); leave it out of one, or write !%[2]s under %[4]s",
				c.at(), text(c.Name), c.Topic, other.Topic, text(other.Name), other.at())
		}
		return wrong == nil
	})
	return wrong
}

// covering finds another topic's claim that takes c's name. For each topic the
// deepest word on the way up counts, and an exception before what stands beside it.
func covering(c Claim, byName map[string][]Claim) (Claim, bool) {
	var except []string // topics that have taken the name out
	for at := c.Name; len(at) > 1; at = at.Parent() {
		for _, o := range byName[string(at)] {
			if o.Mode == filter.Except {
				except = append(except, o.Topic)
			}
		}
		for _, o := range byName[string(at)] {
			covers := o.Mode == filter.Suffix || o.Mode == filter.Exact && len(at) == len(c.Name)
			if covers && o.Topic != c.Topic && !slices.Contains(except, o.Topic) {
				return o, true
			}
		}
	}
	return Claim{}, false
}

func text(n filter.Name) string { return strings.TrimSuffix(n.String(), ".") }

// isID tells whether a topic or a group can be called so.
func isID(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= maxID
}

// isTitle tells whether people can be shown a text: it comes from strangers.
func isTitle(s string) bool {
	if s == "" || len(s) > maxTitle || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
