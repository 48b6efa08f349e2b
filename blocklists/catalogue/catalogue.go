package catalogue

import (
	_ "embed"

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

// Topics are all topics of the built-in edition, in an order that is stable
// within a Version. IDs are unique.
func Topics() []filter.Topic { return BuiltIn().Topics() }

// Entries yields every name of every topic of the built-in edition, topic by
// topic in the order of Topics and not sorted by name, until yield returns
// false. Each name is a copy of its own, so it may be kept.
func Entries(yield func(topicID string, name filter.Name, mode filter.Mode) bool) {
	BuiltIn().Entries(yield)
}
