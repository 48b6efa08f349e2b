package household

import (
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// What an Exception may be one from, beside the ID of a service and
// "group:gaming".
const (
	ExceptNight = "night" // bedtime, and what sleeps with the person
	ExceptAll   = "hours" // everything that has hours: night, timed groups, homework
)

// Exception lifts a rule once: "tonight until 22:30", "30 minutes more of games".
type Exception struct {
	Of    string    `json:"of"`
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	Name  string    `json:"name,omitempty"` // "first evening", in the parent's words
}

// span is the exception's as the filter has it.
func (e Exception) span() filter.Span { return filter.Span{From: e.From, To: e.Until} }

// Homework is when some groups pause so that there is quiet to work.
type Homework struct {
	Days   DayKind  `json:"days"`
	From   Clock    `json:"from"`
	To     Clock    `json:"to"`
	Groups []string `json:"groups"` // subjects; empty: social, gaming, video and live streaming
}

// homeworkGroups pause at homework time where a family names none.
var homeworkGroups = [...]string{"group:social", "group:gaming", "group:kids-games", "group:video", "group:kids-video", "group:live-streaming"}
