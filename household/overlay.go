package household

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/treehouse-dns/treehouse/filter"
)

//go:embed overlays.yaml
var overlaysYAML []byte

// Overlay is what a country's law says, on top of the bands.
type Overlay struct {
	ID      string   `yaml:"id"`
	Country string   `yaml:"country"` // ISO 3166-1, "AU"
	Title   string   `yaml:"title"`
	Law     string   `yaml:"law"` // its name, and since when
	Source  string   `yaml:"source"`
	Bands   []BandID `yaml:"bands"` // whom it is about
	Off     []string `yaml:"off"`   // services
	Why     string   `yaml:"why"`   // in words for a child
}

// Overlays are the overlays of all countries.
func Overlays() []Overlay {
	var t struct {
		Overlays []Overlay `yaml:"overlays"`
	}
	d := yaml.NewDecoder(bytes.NewReader(overlaysYAML))
	d.KnownFields(true)
	if err := d.Decode(&t); err != nil {
		panic(err) // a test reads it
	}
	return t.Overlays
}

// SetOverlay puts an overlay in force or takes it back. What a parent has
// switched for one person comes first still.
func (h *Household) SetOverlay(id string, on bool) error {
	var ids []string
	for _, o := range Overlays() {
		ids = append(ids, o.ID)
	}
	if !slices.Contains(ids, id) {
		return fmt.Errorf("there is no overlay %q; there is %s", id, strings.Join(ids, ", "))
	}
	h.Settings.Overlays = slices.DeleteFunc(h.Settings.Overlays, func(o string) bool { return o == id })
	if on {
		h.Settings.Overlays = append(h.Settings.Overlays, id)
	}
	return nil
}

// overlaid are the rules of the overlays in force that are about a band.
func (h *Household) overlaid(band BandID) []filter.TopicRule {
	if len(h.Settings.Overlays) == 0 {
		return nil
	}
	var rules []filter.TopicRule
	for _, o := range Overlays() {
		if !slices.Contains(h.Settings.Overlays, o.ID) || !slices.Contains(o.Bands, band) {
			continue
		}
		for _, service := range o.Off {
			rules = append(rules, filter.TopicRule{Topic: service, Why: o.Why})
		}
	}
	return rules
}
