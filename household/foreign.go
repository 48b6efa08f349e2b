package household

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxForeignConfig bounds what is read of another program's configuration, in
// bytes.
const maxForeignConfig = 4 << 20

// Foreign is what another program's configuration says about a family, in our
// words. Nothing of it is in force: the caller shows it, and then takes it with
// Household.Take.
type Foreign struct {
	Clients []ForeignClient
	Lists   []ForeignList // to be added as sources
	Allow   []string      // sites allowed for everyone
	Block   []string      // sites blocked for everyone
	// Left is what has no place here, one sentence each.
	Left []string
}

// ForeignClient is one client of another program.
type ForeignClient struct {
	Name     string
	Child    bool // it was marked as a child's
	Addrs    []netip.Addr
	MACs     []MAC
	Services []string // switched off, by our IDs
	// SafeSearch tells that search engines answer it in their safe mode.
	SafeSearch bool
}

// ForeignList is a list another program downloads.
type ForeignList struct {
	Name, URL string
	Allow     bool
}

// adGuardHome is the part of AdGuardHome.yaml that is about a family, as schema
// version 34 has it. Older ones have what is in filtering now in dns,
// blocked_services as a plain list, safesearch_enabled instead of safe_search,
// and before version 14 the clients as a plain list.
type adGuardHome struct {
	Clients   adGuardClients  `yaml:"clients"`
	Filtering adGuardForAll   `yaml:"filtering"`
	DNS       adGuardForAll   `yaml:"dns"`
	Filters   []adGuardFilter `yaml:"filters"`
	Allowlist []adGuardFilter `yaml:"whitelist_filters"`
	UserRules []string        `yaml:"user_rules"`
}

type adGuardFilter struct {
	Enabled bool   `yaml:"enabled"`
	URL     string `yaml:"url"`
	Name    string `yaml:"name"`
}

// adGuardForAll are the settings of every client that has none of its own.
type adGuardForAll struct {
	Services   adGuardServices `yaml:"blocked_services"`
	SafeSearch adGuardSwitch   `yaml:"safe_search"`
	OldSearch  bool            `yaml:"safesearch_enabled"`
}

type adGuardSwitch struct {
	Enabled bool `yaml:"enabled"`
}

type adGuardClient struct {
	Name          string   `yaml:"name"`
	IDs           []string `yaml:"ids"`
	Tags          []string `yaml:"tags"`
	AsAll         bool     `yaml:"use_global_settings"`
	ServicesAsAll bool     `yaml:"use_global_blocked_services"`
	adGuardForAll `yaml:",inline"`
}

type adGuardClients []adGuardClient

// UnmarshalYAML reads both forms.
func (c *adGuardClients) UnmarshalYAML(n *yaml.Node) error {
	in := struct {
		Persistent *[]adGuardClient `yaml:"persistent"`
	}{(*[]adGuardClient)(c)}
	if n.Kind == yaml.SequenceNode {
		return n.Decode(in.Persistent)
	}
	err := n.Decode(&in)
	if in.Persistent != nil {
		*c = *in.Persistent
	}
	return err
}

// adGuardServices are the services that are switched off, but for the hours of
// the schedule.
type adGuardServices struct {
	IDs      []string
	Schedule bool // there are such hours
}

// UnmarshalYAML reads both forms.
func (s *adGuardServices) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.SequenceNode {
		return n.Decode(&s.IDs)
	}
	var in struct {
		IDs      []string       `yaml:"ids"`
		Schedule map[string]any `yaml:"schedule"` // time_zone, and sun to sat
	}
	err := n.Decode(&in)
	delete(in.Schedule, "time_zone")
	s.IDs, s.Schedule = in.IDs, len(in.Schedule) > 0
	return err
}

// ReadAdGuardHome reads AdGuardHome.yaml. known tells whether there is a service
// of that ID here.
func ReadAdGuardHome(r io.Reader, known func(service string) bool) (*Foreign, error) {
	var config adGuardHome
	if err := yaml.NewDecoder(io.LimitReader(r, maxForeignConfig)).Decode(&config); err != nil {
		return nil, fmt.Errorf("this is no AdGuardHome.yaml: %w", err)
	}
	f := &Foreign{}
	all := config.Filtering
	if len(all.Services.IDs) == 0 {
		all.Services = config.DNS.Services
	}
	all.SafeSearch.Enabled = all.search() || config.DNS.search()
	if len(all.Services.IDs) > 0 {
		f.left("switched off for everyone there, and here for those who have services of their own or are marked as children: %s", strings.Join(all.Services.IDs, ", "))
	}
	for _, c := range config.Clients {
		client := ForeignClient{Name: CleanName(c.Name), Child: slices.Contains(c.Tags, "user_child")}
		// What holds for everyone there makes nobody a child here.
		if c.ServicesAsAll {
			c.Services = adGuardServices{}
			if client.Child {
				c.Services = all.Services
			}
		}
		client.SafeSearch = !c.AsAll && c.search() || c.AsAll && client.Child && all.search()
		if c.Services.Schedule && len(c.Services.IDs) > 0 {
			f.left("%s has hours there in which services are on; here they are off until you set hours", client.Name)
		}
		for _, id := range c.IDs {
			if !client.identify(id) {
				f.left("%s is known as %q there, which is neither an address nor a MAC of one device", client.Name, id)
			}
		}
		for _, id := range c.Services.IDs {
			if ours, ok := ourService(id, known); ok {
				client.Services = append(client.Services, ours)
			} else {
				f.left("%s has the service %q switched off there, which is not known here", client.Name, id)
			}
		}
		f.Clients = append(f.Clients, client)
	}
	for _, l := range config.Filters {
		f.list(l, false)
	}
	for _, l := range config.Allowlist {
		f.list(l, true)
	}
	for _, rule := range config.UserRules {
		f.rule(rule)
	}
	return f, nil
}

func (s adGuardForAll) search() bool { return s.SafeSearch.Enabled || s.OldSearch }

// identify adds an address or a MAC; ok is false if it is neither, or no one
// device's.
func (c *ForeignClient) identify(id string) (ok bool) {
	if addr, err := netip.ParseAddr(id); err == nil && canBeDevice(addr.Unmap()) {
		c.Addrs = append(c.Addrs, addr)
		return true
	}
	mac, err := ParseMAC(id)
	if err != nil || !mac.canBeDevice() {
		return false
	}
	c.MACs = append(c.MACs, mac)
	return true
}

func (f *Foreign) left(format string, args ...any) {
	f.Left = append(f.Left, CleanWords(fmt.Sprintf(format, args...)))
}

func (f *Foreign) list(l adGuardFilter, allow bool) {
	switch {
	case !l.Enabled:
	case !strings.HasPrefix(l.URL, "https://"):
		f.left("the list %q does not come over https", l.URL)
	default:
		f.Lists = append(f.Lists, ForeignList{Name: CleanName(l.Name), URL: l.URL, Allow: allow})
	}
}

// rule reads ||site^ and @@||site^; what else there is cannot be one family's
// rule about a site.
func (f *Foreign) rule(rule string) {
	rule = strings.TrimSpace(rule)
	if rule == "" || rule[0] == '!' || rule[0] == '#' {
		return
	}
	body, allow := strings.CutPrefix(rule, "@@")
	site, anchored := strings.CutPrefix(body, "||")
	site, ended := strings.CutSuffix(strings.TrimSuffix(site, "$important"), "^")
	name, err := Site(site)
	if !anchored || !ended || err != nil || strings.ContainsAny(site, "/:?#") {
		f.left("the rule %q is more than a site", rule)
		return
	}
	if allow {
		f.Allow = append(f.Allow, name)
	} else {
		f.Block = append(f.Block, name)
	}
}

// ourService finds the service by the ID another program has for it.
func ourService(id string, known func(string) bool) (string, bool) {
	other := map[string]string{
		"twitter": "x", "epic_games": "epicgames", "blizzard_entertainment": "battlenet", "activision_blizzard": "activision",
		"riot_games": "leagueoflegends", "prime_video": "primevideo", "amazon_prime_video": "primevideo", "electronic_arts": "ea", "origin": "ea",
		"mail_ru": "", "rockstar_games": "rockstar", "valorant": "leagueoflegends", "hbo_max": "hbomax", "max": "hbomax", "google_play": "google-play",
		"apple_music": "apple-music", "youtube_music": "youtube-music", "facebook_messenger": "messenger", "ok": "odnoklassniki", "ok_ru": "odnoklassniki",
		"character_ai": "character-ai", "9gag": "ninegag", "pluto_tv": "plutotv", "discovery_plus": "discoveryplus", "paramount_plus": "paramountplus",
	}
	for _, try := range []string{other[id], id, strings.ReplaceAll(id, "_", "-"), strings.ReplaceAll(id, "_", "")} {
		if try != "" && known(try) {
			return try, true
		}
	}
	return "", false
}

// Take takes what another program knew about the family: every client becomes a
// device, and one that was a child's, has services switched off or searches in
// safe mode becomes a person too, in the given band, for a parent to look at. Sites allowed or
// blocked for everyone there become rules of each of these people.
func (h *Household) Take(f *Foreign, band BandID, now time.Time) error {
	for _, c := range f.Clients {
		d := Device{Name: c.Name, Addrs: c.Addrs, MACs: c.MACs}
		if c.Child || len(c.Services) > 0 || c.SafeSearch {
			p, err := h.AddPerson(Person{Name: c.Name, Band: band})
			if err != nil {
				return err
			}
			d.Person = p.ID
			if c.SafeSearch {
				p.Search = SearchForced
			}
			for _, service := range c.Services {
				if err := h.SetSwitch(p.ID, service, false); err != nil {
					return err
				}
			}
			for _, site := range f.Allow {
				if err := h.SetName(p.ID, site, true, now, time.Time{}, ""); err != nil {
					return err
				}
			}
			for _, site := range f.Block {
				if err := h.SetName(p.ID, site, false, now, time.Time{}, ""); err != nil {
					return err
				}
			}
		}
		if _, err := h.AddDevice(d); err != nil {
			return err
		}
	}
	return nil
}
