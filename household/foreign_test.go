package household

import (
	"strings"
	"testing"

	"github.com/treehouse-dns/treehouse/blocklists/catalogue"
	"github.com/treehouse-dns/treehouse/filter"
)

const adGuardYAML = `
http: {address: 0.0.0.0:3000}
filters:
  - {enabled: true, url: "https://lists.example/ads.txt", name: Ads, id: 1}
  - {enabled: false, url: "https://lists.example/off.txt", name: Off, id: 2}
  - {enabled: true, url: /opt/lists/own.txt, name: Own, id: 3}
whitelist_filters:
  - {enabled: true, url: "https://lists.example/good.txt", name: Good, id: 4}
user_rules:
  - "! a comment"
  - "@@||good.example^"
  - "||bad.example^$important"
  - "||www.worse.example^"
  - "/regexp/"
  - "||wild*.example^"
  - "||ads.example^$client=192.168.1.20"
clients:
  persistent:
    - name: Ana tablet
      ids: [192.168.1.20, "4c:5e:0c:00:00:01", ana-phone, 10.0.0.0/8]
      tags: [device_tablet, user_child]
      blocked_services: {schedule: {time_zone: Local}, ids: [tiktok, epic_games, twitter, no_such_thing]}
    - name: Printer
      ids: [192.168.1.9]
      blocked_services: []
`

func TestReadAdGuardHome(t *testing.T) {
	services := map[string]bool{}
	for _, topic := range catalogue.Topics() {
		services[topic.ID] = topic.Kind == filter.KindService
	}
	f, err := ReadAdGuardHome(strings.NewReader(adGuardYAML), func(id string) bool { return services[id] })
	must(t, err)
	if len(f.Lists) != 2 || f.Lists[0].Allow || !f.Lists[1].Allow || len(f.Left) != 7 {
		t.Errorf("lists %+v, left %q", f.Lists, f.Left)
	}
	if strings.Join(f.Allow, " ") != "good.example" || strings.Join(f.Block, " ") != "bad.example worse.example" {
		t.Errorf("allow %v, block %v", f.Allow, f.Block)
	}
	h := New(DefaultBands(), nil)
	must(t, h.Take(f, "10-12", monday))
	ana := h.PersonNamed("ana tablet")
	if ana == nil || len(ana.Switch) != 3 || ana.Switch["x"] || len(ana.Names) != 3 || len(h.People) != 1 || len(h.Devices) != 2 {
		t.Fatalf("%+v, %d people, %d devices", ana, len(h.People), len(h.Devices))
	}
	snap, who := filter.NewSnapshot(compiled(t), nil, h.Policies()), h.Clients(nil)
	for name, want := range map[string]filter.Rule{"epicgames.com": filter.RuleService, "www.bad.example": filter.RuleBlock, "good.example": filter.RuleAllow} {
		if got := snap.DecideAt(who.Identify(anaAddr, nil), filter.MustName(name), monday).Rule; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for _, bad := range []string{"", "<html>", "clients: 1", "clients: {persistent: [{blocked_services: 3}]}"} {
		if _, err := ReadAdGuardHome(strings.NewReader(bad), func(string) bool { return true }); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// TestReadAdGuardHomeVersions: the newest schema, in which clients follow what
// holds for everyone, and an old one with everything in other places.
func TestReadAdGuardHomeVersions(t *testing.T) {
	const newest = `
schema_version: 34
filtering:
  blocked_services: {schedule: {time_zone: Local}, ids: [tiktok, discord]}
  safe_search: {enabled: true, bing: true, google: true, youtube: true}
clients:
  runtime_sources: {whois: true}
  persistent:
    - {name: Ana, ids: [192.168.1.20], tags: [user_child], use_global_settings: true, use_global_blocked_services: true, blocked_services: {ids: [roblox]}}
    - {name: Ben, ids: [192.168.1.21, "00:00:00:00:00:00", 0.0.0.0], use_global_settings: false, safe_search: {enabled: true}, use_global_blocked_services: false,
       blocked_services: {schedule: {time_zone: Europe/Madrid, sat: {start: 0s, end: 24h}}, ids: [roblox]}}
    - {name: Printer, ids: [192.168.1.9], use_global_settings: true, use_global_blocked_services: true}
    - {name: Laptop, ids: [192.168.1.22], use_global_settings: false, safe_search: {enabled: false}, use_global_blocked_services: false, blocked_services: {ids: []}}
`
	const old = `
dns: {blocked_services: [tiktok, discord], safesearch_enabled: true}
clients:
  - {name: Ana, ids: [192.168.1.20], tags: [user_child], use_global_settings: true, use_global_blocked_services: true, blocked_services: [roblox]}
  - {name: Ben, ids: [192.168.1.21], use_global_settings: false, safesearch_enabled: true, use_global_blocked_services: false, blocked_services: [roblox]}
  - {name: Printer, ids: [192.168.1.9], use_global_settings: true, use_global_blocked_services: true}
  - {name: Laptop, ids: [192.168.1.22], use_global_settings: false, safesearch_enabled: false, use_global_blocked_services: false}
`
	for version, left := range map[string]int{newest: 4, old: 1} {
		f, err := ReadAdGuardHome(strings.NewReader(version), func(string) bool { return true })
		must(t, err)
		h := New(DefaultBands(), nil)
		must(t, h.Take(f, "10-12", monday))
		ana, ben := h.PersonNamed("Ana"), h.PersonNamed("Ben")
		if len(h.People) != 2 || len(h.Devices) != 4 || ana == nil || ben == nil || len(f.Left) != left {
			t.Fatalf("%d people, %d devices, left %q", len(h.People), len(h.Devices), f.Left)
		}
		if on, off := ana.Switch["tiktok"]; on || !off || len(ana.Switch) != 2 || ana.Search != SearchForced {
			t.Errorf("Ana: %v, search %q", ana.Switch, ana.Search)
		}
		if on, off := ben.Switch["roblox"]; on || !off || len(ben.Switch) != 1 || ben.Search != SearchForced {
			t.Errorf("Ben: %v, search %q", ben.Switch, ben.Search)
		}
	}
}

func FuzzReadAdGuardHome(f *testing.F) {
	f.Add(adGuardYAML)
	f.Add("clients: [{name: a, ids: [1.2.3.4], blocked_services: [x]}]\ndns: {blocked_services: [y]}")
	f.Add("user_rules: ['@@||a.b^', '||^', '@@', '||com^']")
	bands := DefaultBands()
	f.Fuzz(func(t *testing.T, text string) {
		foreign, err := ReadAdGuardHome(strings.NewReader(text), func(string) bool { return true })
		if err != nil {
			return
		}
		for _, site := range append(foreign.Allow, foreign.Block...) {
			if again, err := Site(site); err != nil || again != site && !strings.HasPrefix(site, "www.") {
				t.Errorf("the site %q", site)
			}
		}
		_ = New(bands, nil).Take(foreign, DefaultBand, monday) // refused or not, it does not panic
	})
}
