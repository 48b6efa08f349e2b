package household

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// TestReaches: how the packets of each device are known, by everything that is
// known, and never by what stands for others too.
func TestReaches(t *testing.T) {
	addr := netip.MustParseAddr
	television, stranger, group := MAC{0x4c, 0x5e, 0x0c, 0, 0, 4}, MAC{2, 0, 0, 0, 0, 9}, MAC{0x33, 0x33, 0, 0, 0, 1}
	h := New(DefaultBands(), nil)
	must(t, twoPeople(h))
	for _, d := range []Device{
		{Name: "television", Addrs: []netip.Addr{addr("192.168.1.40")}},
		{Name: "console", Person: 1, Addrs: []netip.Addr{addr("192.168.1.41")}},
	} {
		_, err := h.AddDevice(d)
		must(t, err)
	}
	must(t, h.KeepConnection(3, true))
	if h.KeepConnection(9, true) == nil {
		t.Error("a device that is not there keeps its connection")
	}
	const written = "1 of 1: 4c:5e:0c:00:00:01; 2 of 2: 4c:5e:0c:00:00:02 at 192.168.1.2"
	for _, c := range []struct {
		what    string
		network *Network
		want    string
	}{
		{"nothing is seen", nil, written},
		{"seen where it is", &Network{Neighbours: map[netip.Addr]MAC{anaAddr: anaMAC, slaac: anaMAC}, Leases: []Lease{{Addr: addr("192.168.1.21"), MAC: anaMAC}}},
			"1 of 1: 4c:5e:0c:00:00:01 at 192.168.1.20,192.168.1.21,fd00::20; 2 of 2: 4c:5e:0c:00:00:02 at 192.168.1.2"},
		{"another at an address that was Maria's", &Network{Neighbours: map[netip.Addr]MAC{mariaAddr: anaMAC}},
			"1 of 1: 4c:5e:0c:00:00:01 at 192.168.1.2; 2 of 2: 4c:5e:0c:00:00:02"},
		{"known by its address alone", &Network{Neighbours: map[netip.Addr]MAC{addr("192.168.1.40"): television, addr("fd00::40"): television}},
			written + "; 3 of 0 keeps: 4c:5e:0c:00:00:04 at 192.168.1.40"},
		{"two behind one repeater", &Network{Neighbours: map[netip.Addr]MAC{addr("192.168.1.40"): television, addr("192.168.1.41"): television}}, written},
		{"a stranger, an address of a group, nobody, and a gateway outside", &Network{Neighbours: map[netip.Addr]MAC{
			addr("192.168.1.50"): stranger, addr("192.168.1.51"): group, addr("192.168.1.52"): {}, addr("203.0.113.1"): madeUp,
		}}, written + "; 0 of 0: 02:00:00:00:00:09"},
	} {
		var got []string
		for _, r := range h.reaches(c.network) {
			line := fmt.Sprintf("%d of %d", r.Device, r.Person)
			if r.Keeps {
				line += " keeps"
			}
			line += ":"
			for _, m := range r.MACs {
				line += " " + m.String()
			}
			var at []string
			for _, a := range r.Addrs {
				at = append(at, a.String())
			}
			if at != nil {
				line += " at " + strings.Join(at, ",")
			}
			got = append(got, line)
		}
		if got := strings.Join(got, "; "); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.what, got, c.want)
		}
	}
}

// TestADeviceThatKeepsItsConnection has the rules of whose it is, and no nights.
func TestADeviceThatKeepsItsConnection(t *testing.T) {
	h := New(DefaultBands(), nil)
	must(t, twoPeople(h))
	must(t, h.PauseEveryone(monday, time.Time{}))
	trie := compiled(t)
	decide := func(mac MAC, name string) filter.Rule {
		snap := filter.NewSnapshot(trie, nil, h.Policies())
		return snap.Decide(h.Clients(nil).Identify(anaAddr, mac[:]), filter.MustName(name), monday).Rule
	}
	if r := decide(anaMAC, "weather.example"); r != filter.RulePaused {
		t.Errorf("her tablet: %v", r)
	}
	must(t, h.KeepConnection(1, true))
	if r := decide(anaMAC, "weather.example"); r != filter.RuleNone {
		t.Errorf("and when it keeps its connection: %v", r)
	}
	if r := decide(anaMAC, "adult.example"); r != filter.RuleCategory {
		t.Errorf("what it asks for is judged as ever: %v", r)
	}
	if r := decide(madeUp, "weather.example"); r != filter.RulePaused {
		t.Errorf("another device: %v", r)
	}
	must(t, h.SetCounting(1, true))
	var tally Tally
	tally.Bind(h, trie)
	tally.Observe(h.Clients(nil).Identify(anaAddr, anaMAC[:]), filter.Verdict{Rule: filter.RuleCategory})
	if c := tally.take()[1]; c == nil || c.Blocked != 1 {
		t.Errorf("what is blocked there counts as Ana's: %v", c)
	}
	must(t, h.KeepConnection(1, false))
	if r := decide(anaMAC, "weather.example"); r != filter.RulePaused || len(h.Policies()) != 3 {
		t.Errorf("and as before: %v, %d policies", r, len(h.Policies()))
	}
}

func TestClosed(t *testing.T) {
	h, _ := one(t, time.UTC, Person{Name: "Ana", Band: "6-9"}, nil) // 20:00–06:30
	bedtime, morning := monday.Add(8*time.Hour), monday.Add(18*time.Hour+30*time.Minute)
	check := func(at time.Time, closed bool, until time.Time) {
		t.Helper()
		if c, u := Closed(h.Policies()[1], at); c != closed || !u.Equal(until) {
			t.Errorf("at %s: closed %t until %s, want %t until %s", at, c, u, closed, until)
		}
	}
	check(monday, false, bedtime)
	check(bedtime.Add(-1), false, bedtime)
	check(bedtime, true, morning)
	must(t, h.Pause(1, monday, bedtime.Add(time.Hour))) // it ends while she sleeps
	check(monday, true, morning)
	must(t, h.Pause(1, monday, time.Time{}))
	check(monday, true, time.Time{})
	must(t, h.Resume(1))
	must(t, h.SetNights(1, []Hours{}))
	check(monday, false, time.Time{})
}
