package household

import (
	"bytes"
	_ "embed"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/treehouse-dns/treehouse/filter"
)

//go:embed bands.yaml
var bandsYAML []byte

// BandID names an age band: "0-5", "6-9", "10-12", "13-15", "16-17", "adult".
type BandID string

// The bands that the program itself speaks of.
const (
	// DefaultBand is what a device nobody has assigned gets, until a family
	// chooses otherwise: safe, and still most of the internet.
	DefaultBand BandID = "10-12"
	Adult       BandID = "adult"
)

// Mode is how much of the internet a band starts from.
type Mode string

// The modes.
const (
	ModeListed     Mode = "listed"     // only listed sites
	ModeCategories Mode = "categories" // everything but what is blocked
	ModeLight      Mode = "light"      // like categories, with little blocked
)

// Search is whether search engines answer in their safe mode.
type Search string

// The search settings.
const (
	SearchForced Search = "forced" // a parent's to change
	SearchChoice Search = "choice" // on until the person turns it off
	SearchOff    Search = "off"
)

// YouTube is the mode YouTube answers in, where the service itself is on.
type YouTube string

// The YouTube settings.
const (
	YouTubeStrict   YouTube = "strict"
	YouTubeModerate YouTube = "moderate"
	YouTubeOff      YouTube = "off" // as YouTube likes it
)

// The topics of YouTube's two restricted modes.
const (
	youTubeStrict   = "youtube-strict"
	youTubeModerate = "youtube-moderate"
)

// Sees is what a parent sees of what a person does.
type Sees string

// What a parent may see.
const (
	SeesWeekly  Sees = "weekly"  // counts by category, a week at a time
	SeesTotals  Sees = "totals"  // how many names were blocked, no more
	SeesNothing Sees = "nothing" // nothing
)

// Reason is one default: a topic or a group, and why, in one line for a child.
type Reason struct {
	Topic string `yaml:"topic"`
	Group string `yaml:"group"`
	Why   string `yaml:"why"`
}

// Subject is the topic's ID, or the group's name after "group:", as overrides
// spell it.
func (r Reason) Subject() string {
	if r.Group != "" {
		return GroupPrefix + r.Group
	}
	return r.Topic
}

// Hours is a stretch of the day on some days.
type Hours struct {
	Days DayKind `yaml:"days" json:"days"`
	From Clock   `yaml:"from" json:"from"`
	To   Clock   `yaml:"to" json:"to"`
}

// Timed is a group that is open at some hours only.
type Timed struct {
	Group string  `yaml:"group"`
	Open  []Hours `yaml:"open"`
	Night bool    `yaml:"night"` // an exception from the night is one from this too
	Why   string  `yaml:"why"`
}

// Night is when a person sleeps: nothing but the lifeline answers.
type Night struct {
	From Clock  `yaml:"from" json:"from"`
	To   Clock  `yaml:"to" json:"to"`
	Why  string `yaml:"why" json:"why,omitempty"`
}

// Asking is what is open without asking for a person whose unknown sites ask.
type Asking struct {
	Listed []string `yaml:"listed"` // topics of listed names
	Open   []string `yaml:"open"`   // services and groups, as Subject spells them
}

// Band is the defaults of an age.
type Band struct {
	ID      BandID   `yaml:"id"`
	From    int      `yaml:"from"` // years of age at which it begins
	Mode    Mode     `yaml:"mode"`
	Listed  []string `yaml:"listed"` // topics of allow-list mode
	Off     []Reason `yaml:"off"`
	On      []Reason `yaml:"on"` // services that are on although their group is off
	Timed   []Timed  `yaml:"timed"`
	Notice  []Reason `yaml:"notice"` // on, and the child is told something
	Asking  Asking   `yaml:"asking"` // zero: unknown sites cannot ask in this band
	Unsafe  bool     `yaml:"unsafe"` // search engines without a safe mode are blocked
	Search  Search   `yaml:"search"`
	YouTube YouTube  `yaml:"youtube"`
	Night   Night    `yaml:"night"` // zero: none
	Sees    Sees     `yaml:"sees"`
}

// Child tells whether the band is a child's.
func (b Band) Child() bool { return b.ID != Adult }

// Bands is the whole table of defaults. Treat it as read-only.
type Bands struct {
	Version string   `yaml:"version"`
	Harm    []Reason `yaml:"harm"`
	Search  []string `yaml:"search"` // the safe-search topics
	Bands   []Band   `yaml:"bands"`  // by age, youngest first
}

// DefaultBands is the table that comes with the program.
func DefaultBands() *Bands {
	b, err := ParseBands(bandsYAML)
	if err != nil {
		panic(err) // a test reads it
	}
	return b
}

// ParseBands reads a table of defaults. The error names the line or the band.
func ParseBands(text []byte) (*Bands, error) {
	var t Bands
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&t); err != nil {
		return nil, fmt.Errorf("age bands: %w", err)
	}
	before := -1
	for _, b := range t.Bands {
		if b.From <= before {
			return nil, fmt.Errorf("age bands: %s has to begin after %d years", b.ID, before)
		}
		before = b.From
		for _, timed := range b.Timed {
			if len(timed.Open) == 0 {
				return nil, fmt.Errorf("age bands: %s: %s has no open hours; put it under off", b.ID, timed.Group)
			}
		}
	}
	if len(t.Bands) == 0 || t.Bands[0].From != 0 {
		return nil, fmt.Errorf("age bands: the first one has to begin at 0 years")
	}
	for _, need := range []BandID{DefaultBand, Adult} {
		if _, ok := t.Band(need); !ok {
			return nil, fmt.Errorf("age bands: there is no band %s", need)
		}
	}
	return &t, nil
}

// Band finds a band by its ID.
func (t *Bands) Band(id BandID) (Band, bool) {
	for _, b := range t.Bands {
		if b.ID == id {
			return b, true
		}
	}
	return Band{}, false
}

// ForAge is the band of an age in years.
func (t *Bands) ForAge(years int) Band {
	band := t.Bands[0]
	for _, b := range t.Bands {
		if years >= b.From {
			band = b
		}
	}
	return band
}

// Reasons are everything that is off in a band, harm first.
func (t *Bands) Reasons(b Band) []Reason {
	var all []Reason
	if b.Child() {
		all = append(all, t.Harm...)
	}
	all = append(all, b.Off...)
	if b.Unsafe {
		all = append(all, Reason{Topic: "unsafe-search", Why: "This search has no safe mode. Others have one."})
	}
	return all
}

// before tells whether a comes before b by age.
func (t *Bands) before(a, b BandID) bool {
	x, _ := t.Band(a)
	y, _ := t.Band(b)
	return x.From < y.From
}

// GroupPrefix stands before a group's name where a topic's ID or a group may stand.
const GroupPrefix = "group:"

// topicRule is the filter's rule about a subject.
func topicRule(subject, why string) filter.TopicRule {
	if group, ok := cutGroup(subject); ok {
		return filter.TopicRule{Group: group, Why: why}
	}
	return filter.TopicRule{Topic: subject, Why: why}
}
