package catalogue

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// File is one text of a catalogue. Its name is what errors call it.
type File struct{ Name, Text string }

// About is what an edition says of itself.
type About struct {
	Title   string    // for people, "Example Telecom"
	Number  uint64    // rises with each edition of one keeper; 0: not numbered
	Expires time.Time // when it should no longer be taken; zero: never
	Partial bool      // its services stand beside the built-in ones instead of replacing them
}

// String is how logs and explain name the edition.
func (a About) String() string {
	if a.Number == 0 {
		return a.Title
	}
	return a.Title + " " + strconv.FormatUint(a.Number, 10)
}

// Edition is a catalogue: the built-in one, or one that takes its place. What it
// defines, it defines whole: topics, groups and names. Of the built-in one these
// stay in force in any case:
//
//   - the names of the lifeline and those that no category may take;
//   - topics other than services that the edition does not define;
//   - the services of a group in which the edition has none, and all of them
//     where it is Partial;
//   - every other service, without a group: nobody is offered it, and a rule
//     that names it goes on holding.
//
// An Edition is immutable and may be read by any number of goroutines. It holds
// text, which each call reads again.
type Edition struct {
	About
	files  []File
	under  *Edition        // the built-in one; nil for that itself
	topics map[string]bool // its own, by ID
	groups map[string]bool // of its own services
}

// BuiltIn is the edition that comes with the program.
func BuiltIn() *Edition {
	return &Edition{About: About{Title: "built-in " + Version}, files: []File{
		{"categories.txt", categories},
		{"services.txt", services},
		{"safesearch.txt", safeSearch},
		{"lifeline.txt", lifeline},
		{"kids.txt", kids},
		{"protected.txt", protected},
	}}
}

// IsBuiltIn tells whether the edition is the program's own.
func (e *Edition) IsBuiltIn() bool { return e.under == nil }

// Files are the edition's own texts.
func (e *Edition) Files() []File { return e.files }

// New is an edition of files over the built-in one, nil for none. It is read and
// not checked; an error names file and line.
func New(about About, files []File, under *Edition) (*Edition, error) {
	e := &Edition{About: about, files: files, under: under, topics: map[string]bool{}, groups: map[string]bool{}}
	err := e.own(func(l line) bool {
		if l.word == "" && !l.topic.protected {
			e.topics[l.topic.ID] = true
			e.groups[l.topic.Group] = true
		}
		return true
	})
	delete(e.groups, "")
	if len(e.groups) == 0 {
		e.Partial = true // nothing is said of services, so those that are known stay
	}
	return e, err
}

// Defines tells whether a topic is the edition's own.
func (e *Edition) Defines(topicID string) bool { return e.topics[topicID] }

// own hands every line of the edition's own files to visit, in an order that
// stays the same, until visit returns false.
func (e *Edition) own(visit func(line) bool) error {
	going := true
	topics := map[string]*topic{}
	for _, f := range e.files {
		err := walk(f.Name, f.Text, topics, func(l line) bool {
			going = visit(l)
			return going
		})
		if err != nil || !going {
			return err
		}
	}
	return nil
}

// all hands every line that is in force to visit: the edition's own, then what
// stays of the built-in one. New has read them, so an error is a programmer's.
func (e *Edition) all(visit func(line) bool) {
	going := true
	err := e.own(func(l line) bool {
		going = visit(l)
		return going
	})
	if err == nil && going && e.under != nil {
		err = e.under.own(func(l line) bool {
			l.builtIn = true
			return !e.leaves(l) || visit(l)
		})
	}
	if err != nil {
		panic(err)
	}
}

// leaves tells whether a line of the built-in edition stays in force. It takes
// the group off a service that is not offered any more.
func (e *Edition) leaves(l line) bool {
	t := l.topic
	switch {
	case t.protected:
		return true
	case e.topics[t.ID]:
		return t.Kind == filter.KindLifeline && l.word != ""
	case l.word == "" && !e.Partial && e.groups[t.Group]:
		t.Group = ""
	}
	return true
}

// Topics are all topics in force, in an order that stays the same. IDs are
// unique. A service without a group is one of the built-in edition that this one
// no longer has.
func (e *Edition) Topics() []filter.Topic {
	var topics []filter.Topic
	e.all(func(l line) bool {
		switch {
		case l.topic.protected:
		case l.word == "":
			topics = append(topics, l.topic.Topic)
		case l.fact == "target":
			topics[slices.IndexFunc(topics, func(t filter.Topic) bool { return t.ID == l.topic.ID })].Target = l.word
		}
		return true
	})
	return topics
}

// Claim is a name in a catalogue.
type Claim struct {
	Topic   string // ID; "" for a name that no category may take
	Kind    filter.Kind
	Name    filter.Name // a copy of its own
	Mode    filter.Mode
	BuiltIn bool   // it is the built-in edition's
	File    string // where it stands
	Line    int
}

// at is where the claim stands, for errors.
func (c Claim) at() string {
	if c.BuiltIn {
		return fmt.Sprintf("the built-in %s line %d", c.File, c.Line)
	}
	return fmt.Sprintf("%s line %d", c.File, c.Line)
}

// Claims yields every name in force, topic by topic and not sorted by name,
// until yield returns false. The protected ones have no topic.
func (e *Edition) Claims(yield func(Claim) bool) {
	e.claims(func(_ *topic, c Claim) bool { return yield(c) })
}

func (e *Edition) claims(yield func(*topic, Claim) bool) {
	e.all(func(l line) bool {
		if l.fact != "" || l.word == "" {
			return true
		}
		name, mode, err := entry(l.word)
		if err != nil {
			panic(err) // Check, or a test, has read every name
		}
		c := Claim{Topic: l.topic.ID, Kind: l.topic.Kind, Name: name, Mode: mode, BuiltIn: l.builtIn, File: l.file, Line: l.number}
		if l.topic.protected {
			c.Topic = ""
		}
		return yield(l.topic, c)
	})
}

// Entries yields every name of every topic, as Claims without the protected ones.
func (e *Edition) Entries(yield func(topicID string, name filter.Name, mode filter.Mode) bool) {
	e.Claims(func(c Claim) bool { return c.Topic == "" || yield(c.Topic, c.Name, c.Mode) })
}

// Protected yields the names that no category may take, the must-not-block set:
// news, libraries, education, health, support and what the internet hangs on.
// Each stands for itself and everything below it that a list does not name
// itself.
func (e *Edition) Protected(yield func(filter.Name) bool) {
	e.Claims(func(c Claim) bool { return c.Topic != "" || yield(c.Name) })
}

// ProtectedKinds is Protected with each name's kind ("sexual-health") and the
// kind's title.
func (e *Edition) ProtectedKinds(yield func(kind, title string, name filter.Name) bool) {
	e.claims(func(t *topic, c Claim) bool { return !t.protected || yield(t.ID, t.Title, c.Name) })
}

// UT1 gives the topic that a category of the Université Toulouse Capitole's
// lists belongs to, by the name of its folder ("drogue"). Categories that are no
// reason to block anything ("press", "bank", "sports") have none.
func (e *Edition) UT1(category string) (topicID string, ok bool) {
	return e.source("ut1", category)
}

// V2fly gives the topic that a file of v2fly's domain-list-community belongs to,
// by its name ("category-porn", "tiktok"). A file with a service's own ID is
// that service, unless the catalogue knows better.
func (e *Edition) V2fly(file string) (topicID string, ok bool) {
	if topicID, ok = e.source("v2fly", file); ok || e.IsNoService(file) || !e.mentions(file) {
		return topicID, ok
	}
	e.all(func(l line) bool {
		ok = l.topic.Kind == filter.KindService && l.topic.ID == file
		return !ok
	})
	if ok {
		topicID = file
	}
	return topicID, ok
}

// IsNoService tells whether the catalogue says of a file of v2fly's that it is
// no service, whatever its name: "google" is a company with many.
func (e *Edition) IsNoService(file string) bool {
	_, ok := e.source("not-v2fly", file)
	return ok
}

// source finds the topic under which a fact has the value.
func (e *Edition) source(fact, value string) (topicID string, ok bool) {
	if !e.mentions(value) {
		return "", false
	}
	e.all(func(l line) bool {
		ok = l.fact == fact && l.word == value
		if ok {
			topicID = l.topic.ID
		}
		return !ok
	})
	return topicID, ok
}

// mentions tells whether a word can be an ID or a fact's value at all. Most of
// the 1,500 files of v2fly are not, and looking that up is thirty times quicker.
func (e *Edition) mentions(word string) bool {
	return slices.ContainsFunc(e.files, func(f File) bool { return strings.Contains(f.Text, word) }) ||
		e.under != nil && e.under.mentions(word)
}

// Extract is the text of the topics in force that want chooses, as a file of
// theirs would have it. Services keep their group.
func (e *Edition) Extract(want func(filter.Topic) bool) string {
	var out strings.Builder
	taken := map[string]bool{}
	e.all(func(l line) bool {
		t := l.topic
		if t.protected {
			return true
		}
		if l.word == "" {
			if taken[t.ID] = want(t.Topic); taken[t.ID] {
				fmt.Fprintf(&out, "@kind %s\n", t.Kind)
				if t.Group != "" {
					fmt.Fprintf(&out, "@group %s\n", t.Group)
				}
				fmt.Fprintf(&out, "%s = %s\n", t.ID, t.Title)
			}
		} else if taken[t.ID] {
			switch {
			case l.fact != "":
				fmt.Fprintf(&out, "  %s: %s\n", l.fact, l.word)
			default:
				fmt.Fprintf(&out, "  %s\n", l.word)
			}
		}
		return true
	})
	return out.String()
}
