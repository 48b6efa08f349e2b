package household

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// Limits of what a parent may change for one person. A policy is compiled on
// every change and held in memory.
const (
	MaxNames      = 1000 // own allow and block rules
	MaxSwitches   = 500  // services, groups and categories switched on or off
	MaxExceptions = 100  // exceptions that have not ended
)

// Site reads what a person types for a site, "https://www.example.com/page"
// perhaps, and gives the name a rule should be about: in lower case, without
// "www.", without a final dot. Names in other scripts have to be A-labels
// already.
func Site(typed string) (string, error) {
	s := strings.TrimSpace(typed)
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
	}
	s, _, _ = strings.Cut(s, "/")
	s, _, _ = strings.Cut(s, "?")
	s, _, _ = strings.Cut(s, "#")
	s, _, _ = strings.Cut(s, ":")
	s = strings.TrimSuffix(s, ".")
	if _, err := netip.ParseAddr(s); err == nil {
		return "", fmt.Errorf("%s is an address; rules are about names, like example.com", s)
	}
	name, err := filter.ParseName(s)
	if err != nil {
		return "", fmt.Errorf("%.60q is no site: %w", typed, err)
	}
	for i := 0; i < len(s); i++ {
		if c := s[i] | 0x20; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || s[i] == '-' || s[i] == '.' || s[i] == '_') {
			return "", fmt.Errorf("%.60q is no site; write it like example.com", typed)
		}
	}
	if name.Labels() > 2 && strings.HasPrefix(strings.ToLower(s), "www.") {
		name = name.Parent()
	}
	if name.Labels() < 2 {
		return "", fmt.Errorf("%q would be every site below it; name one, like example.com", s)
	}
	return strings.TrimSuffix(name.String(), "."), nil
}

// SetName gives a person a rule of their own about a site, in place of any they
// had about it. until zero is for good.
func (h *Household) SetName(id filter.PolicyID, site string, allow bool, now, until time.Time, why string) error {
	p := h.Person(id)
	if p == nil {
		return noPerson(id)
	}
	name, err := Site(site)
	if err != nil {
		return err
	}
	if !until.IsZero() && !until.After(now) {
		return fmt.Errorf("the rule about %s would end before it begins; give a later time", name)
	}
	p.forget(name)
	if len(p.Names) >= MaxNames {
		return fmt.Errorf("%s already has %d rules of their own; remove one first", p.Name, MaxNames)
	}
	rule := NameRule{Name: name, Allow: allow, Until: until, Why: CleanWords(why)}
	if !until.IsZero() {
		rule.From = now
	}
	p.Names = append(p.Names, rule)
	return nil
}

// ForgetName takes a person's own rule about a site away.
func (h *Household) ForgetName(id filter.PolicyID, site string) error {
	p := h.Person(id)
	if p == nil {
		return noPerson(id)
	}
	name, err := Site(site)
	if err != nil {
		return err
	}
	if !p.forget(name) {
		return fmt.Errorf("%s has no rule about %s", p.Name, name)
	}
	return nil
}

func (p *Person) forget(name string) bool {
	before := len(p.Names)
	p.Names = slices.DeleteFunc(p.Names, func(r NameRule) bool { return r.Name == name })
	return len(p.Names) < before
}

// SetSwitch turns a service, a category ("tiktok", "forums") or a group
// ("group:social") on or off for a person, whatever their band says.
func (h *Household) SetSwitch(id filter.PolicyID, subject string, on bool) error {
	p := h.Person(id)
	if p == nil {
		return noPerson(id)
	}
	if subject == "" || len(subject) > 63+len(GroupPrefix) {
		return fmt.Errorf("%.70q is no service, category or group", subject)
	}
	if _, had := p.Switch[subject]; !had && len(p.Switch) >= MaxSwitches {
		return fmt.Errorf("%s already has %d switches; take one back first", p.Name, MaxSwitches)
	}
	if p.Switch == nil {
		p.Switch = map[string]bool{}
	}
	p.Switch[subject] = on
	return nil
}

// ClearSwitch gives a subject back to the person's band.
func (h *Household) ClearSwitch(id filter.PolicyID, subject string) error {
	p := h.Person(id)
	if p == nil {
		return noPerson(id)
	}
	delete(p.Switch, subject)
	return nil
}
