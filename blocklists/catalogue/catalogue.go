package catalogue

import (
	_ "embed"
	"strings"

	"github.com/treehouse-dns/treehouse/filter"
)

//go:embed text/categories.txt
var categories string

//go:embed text/services.txt
var services string

//go:embed text/safesearch.txt
var safeSearch string

//go:embed text/lifeline.txt
var lifeline string

//go:embed text/kids.txt
var kids string

//go:embed text/protected.txt
var protected string

// all hands every line of every file to visit, in an order that stays the same.
// The data is part of the program and a test reads it, so an error is a
// programmer's.
func all(visit func(line) bool) {
	going := true
	for _, f := range [...]struct{ name, text string }{
		{"categories.txt", categories},
		{"services.txt", services},
		{"safesearch.txt", safeSearch},
		{"lifeline.txt", lifeline},
		{"kids.txt", kids},
		{"protected.txt", protected},
	} {
		err := walk(f.name, f.text, func(l line) bool {
			going = visit(l)
			return going
		})
		if err != nil {
			panic(err)
		}
		if !going {
			return
		}
	}
}

// Topics are all topics of the catalogue, in an order that is stable within a
// Version. IDs are unique.
func Topics() []filter.Topic {
	var topics []filter.Topic
	all(func(l line) bool {
		switch {
		case l.topic.protected:
		case l.word == "":
			topics = append(topics, l.topic.Topic)
		case l.fact == "target":
			topics[len(topics)-1].Target = l.word
		}
		return true
	})
	return topics
}

// Entries yields every name of every topic, topic by topic in the order of
// Topics and not sorted by name, until yield returns false. Each name is a copy
// of its own, so it may be kept.
func Entries(yield func(topicID string, name filter.Name, mode filter.Mode) bool) {
	all(func(l line) bool {
		if l.topic.protected || l.fact != "" || l.word == "" {
			return true
		}
		name, mode, err := entry(l.word)
		if err != nil {
			panic(err) // a test reads every name
		}
		return yield(l.topic.ID, name, mode)
	})
}

// Protected yields the names that no category may take, the must-not-block set:
// news, libraries, education, health, support and what the internet hangs on.
// Each stands for itself and everything below it that a list does not name
// itself.
func Protected(yield func(filter.Name) bool) {
	ProtectedKinds(func(_, _ string, name filter.Name) bool { return yield(name) })
}

// ProtectedKinds is Protected with each name's kind ("sexual-health") and the
// kind's title.
func ProtectedKinds(yield func(kind, title string, name filter.Name) bool) {
	all(func(l line) bool {
		if !l.topic.protected || l.word == "" {
			return true
		}
		name, _, err := entry(l.word)
		if err != nil {
			panic(err)
		}
		return yield(l.topic.ID, l.topic.Title, name)
	})
}

// UT1 gives the topic that a category of the Université Toulouse Capitole's
// lists belongs to, by the name of its folder ("drogue"). Categories that are no
// reason to block anything ("press", "bank", "sports") have none.
func UT1(category string) (topicID string, ok bool) { return source("ut1", category) }

// V2fly gives the topic that a file of v2fly's domain-list-community belongs to,
// by its name ("category-porn", "tiktok"). A file with a service's own ID is
// that service, unless the catalogue knows better.
func V2fly(file string) (topicID string, ok bool) {
	if topicID, ok = source("v2fly", file); ok || !mentioned(file) {
		return topicID, ok
	}
	all(func(l line) bool {
		switch {
		case l.fact == "not-v2fly" && l.word == file:
			topicID, ok = "", false
			return false
		case l.topic.Kind == filter.KindService && l.topic.ID == file:
			topicID, ok = file, true
		}
		return true
	})
	return topicID, ok
}

// source finds the topic under which a fact has the value.
func source(fact, value string) (topicID string, ok bool) {
	if !mentioned(value) {
		return "", false
	}
	all(func(l line) bool {
		ok = l.fact == fact && l.word == value
		if ok {
			topicID = l.topic.ID
		}
		return !ok
	})
	return topicID, ok
}

// mentioned tells whether a word can be an ID or a fact's value at all. Most of
// the 1,500 files of v2fly are not, and looking that up is thirty times quicker.
func mentioned(word string) bool {
	for _, text := range [...]string{categories, services, lifeline, kids} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}
