package catalogue

import (
	"fmt"
	"strings"

	"github.com/treehouse-dns/treehouse/filter"
)

// A catalogue's files have five kinds of line:
//
//	# a comment
//	@kind service              what the topics from here on are
//	@group social              the group of the services from here on
//	tiktok = TikTok            a topic: its ID and its title; without a title: more of
//	                           a topic above
//	  tiktok.com =t.co !x.com  indented: names; = exact, ! an exception
//	  target: safe.example     indented: a fact about the topic (target, ut1, v2fly, not-v2fly)

// topic is one topic as its file has it.
type topic struct {
	filter.Topic
	protected bool
}

// line is one thing a file says about the topic it stands under: a name or a fact.
type line struct {
	topic   *topic
	word    string // the name, with its mark, or the fact's value; empty for the topic itself
	fact    string // "target", "ut1", "v2fly", "not-v2fly"; empty for a name
	file    string
	number  int  // from 1
	builtIn bool // it is the built-in edition's, under another
}

// kinds are the words after @kind. protected names are no topic's.
func kindOf(word string) (kind filter.Kind, protected, ok bool) {
	if word == "protected" {
		return 0, true, true
	}
	for k := filter.KindCategory; k < filter.KindSealed; k++ { // a sealed list is never ours
		if k.String() == word {
			return k, false, true
		}
	}
	return 0, false, false
}

// errorAt is a mistake in a catalogue, in words for whoever wrote it.
func errorAt(file string, number int, format string, args ...any) error {
	return fmt.Errorf("catalogue: %s line %d: %s", file, number, fmt.Sprintf(format, args...))
}

// walk reads text and hands each topic (with an empty word) and then each of its
// words to visit, until visit returns false. topics are those that the files
// before have defined; the text's are put among them. An error names file and
// line.
func walk(file, text string, topics map[string]*topic, visit func(line) bool) error {
	var at topic
	current := (*topic)(nil)
	number := 0
	for raw := range strings.Lines(text) {
		number++
		body := strings.TrimRight(raw, " \t\r\n")
		indented := strings.HasPrefix(body, " ") || strings.HasPrefix(body, "\t")
		body = strings.TrimSpace(body)
		wrong := func(format string, args ...any) error { return errorAt(file, number, format, args...) }

		switch {
		case body == "" || body[0] == '#':
		case body[0] == '@':
			word, value, _ := strings.Cut(body[1:], " ")
			switch word {
			case "kind":
				kind, protected, ok := kindOf(value)
				if !ok {
					return wrong("unknown kind %q", value)
				}
				at = topic{Topic: filter.Topic{Kind: kind}, protected: protected}
			case "group":
				at.Group = value
			default:
				return wrong("unknown directive @%s", word)
			}
			current = nil
		case !indented:
			id, title, ok := strings.Cut(body, " = ")
			if current = topics[id]; current != nil && !ok {
				continue // more of it
			}
			switch {
			case !ok:
				return wrong("a topic is written “id = Title”")
			case current != nil:
				return wrong("the topic %s stands twice", id)
			case at.Kind == 0 && !at.protected:
				return wrong("a topic needs @kind above it")
			}
			next := at
			next.ID, next.Title = id, title
			current = &next
			topics[id] = current
			if !visit(line{topic: current, file: file, number: number}) {
				return nil
			}
		case current == nil:
			return wrong("a name needs a topic above it")
		default:
			body, _, _ = strings.Cut(body, " #")
			fact, values, ok := strings.Cut(body, ": ")
			if !ok {
				fact, values = "", body
			}
			for word := range strings.FieldsSeq(values) {
				if !visit(line{topic: current, word: word, fact: fact, file: file, number: number}) {
					return nil
				}
			}
		}
	}
	return nil
}

// entry reads a name with its mark.
func entry(word string) (filter.Name, filter.Mode, error) {
	mode := filter.Suffix
	switch word[0] {
	case '=':
		mode, word = filter.Exact, word[1:]
	case '!':
		mode, word = filter.Except, word[1:]
	}
	name, err := filter.ParseName(word)
	return name, mode, err
}
