package household

import (
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/filter"
)

func TestOverlays(t *testing.T) {
	services := map[string]bool{}
	for _, topic := range catalogue.Topics() {
		services[topic.ID] = topic.Kind == filter.KindService
	}
	for _, o := range Overlays() {
		if len(o.Country) != 2 || o.Title == "" || o.Law == "" || o.Source == "" || o.Why == "" || len(o.Bands) == 0 {
			t.Errorf("%s lacks something: %+v", o.ID, o)
		}
		for _, id := range o.Off {
			if !services[id] {
				t.Errorf("%s: there is no service %s", o.ID, id)
			}
		}
		for _, id := range o.Bands {
			if _, ok := DefaultBands().Band(id); !ok {
				t.Errorf("%s: there is no band %s", o.ID, id)
			}
		}
	}

	h := New(DefaultBands(), time.UTC)
	for _, p := range []Person{{Name: "Ben", Band: "13-15"}, {Name: "Kim", Band: "16-17"}} {
		_, err := h.AddPerson(p)
		must(t, err)
	}
	trie := compiled(t)
	rule := func(id filter.PolicyID, name string) filter.Rule {
		return filter.NewSnapshot(trie, nil, h.Policies()).DecideAt(filter.Client{Policy: id}, filter.MustName(name), monday).Rule
	}
	if got := rule(1, "tiktok.com"); got != filter.RuleNone {
		t.Errorf("an overlay nobody asked for: %s", got)
	}
	must(t, h.SetOverlay("au-social-16", true))
	must(t, h.SetOverlay("au-social-16", true))
	if ben, kim, chat := rule(1, "tiktok.com"), rule(2, "tiktok.com"), rule(1, "whatsapp.com"); ben != filter.RuleService || kim != filter.RuleNone || chat != filter.RuleNone {
		t.Errorf("with the overlay: Ben %s, Kim %s, WhatsApp %s", ben, kim, chat)
	}
	must(t, h.SetSwitch(1, "tiktok", true))
	if got := rule(1, "tiktok.com"); got != filter.RuleAllow {
		t.Errorf("a parent's switch: %s", got)
	}
	must(t, h.SetOverlay("au-social-16", false))
	if len(h.Settings.Overlays) != 0 || h.SetOverlay("xx", true) == nil {
		t.Errorf("overlays %v", h.Settings.Overlays)
	}
}
