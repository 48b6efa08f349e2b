package firewall

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestSpansAreSortedAndApart(t *testing.T) {
	tests := []struct {
		name   string
		in     []netip.Prefix
		v4, v6 string
	}{
		{"nothing", nil, "", ""},
		{"one address", prefixes("9.9.9.9/32"), "9.9.9.9-9.9.9.9", ""},
		{"out of order, both families", prefixes("9.9.9.9/32", "2620:fe::fe/128", "1.1.1.1/32"), "1.1.1.1-1.1.1.1 9.9.9.9-9.9.9.9", "2620:fe::fe-2620:fe::fe"},
		{"twice", prefixes("1.1.1.1/32", "1.1.1.1/32"), "1.1.1.1-1.1.1.1", ""},
		{"one inside the other", prefixes("10.0.0.0/8", "10.1.0.0/16"), "10.0.0.0-10.255.255.255", ""},
		{"next to each other", prefixes("10.0.0.0/9", "10.128.0.0/9"), "10.0.0.0-10.255.255.255", ""},
		{"host bits set", prefixes("10.1.2.3/8"), "10.0.0.0-10.255.255.255", ""},
		{"everything, and something after it", prefixes("0.0.0.0/0", "255.255.255.255/32"), "0.0.0.0-255.255.255.255", ""},
		{"the last address", prefixes("ffff::/16", "ffff:ffff::/32"), "", "ffff::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
		{"IPv4 in IPv6's clothes", prefixes("::ffff:8.8.8.8/128"), "8.8.8.8-8.8.8.8", ""},
	}
	text := func(spans []span) string {
		var out []string
		for _, s := range spans {
			out = append(out, s.first.String()+"-"+s.last.String())
		}
		return strings.Join(out, " ")
	}
	for _, test := range tests {
		v4, v6 := spans(test.in)
		if text(v4) != test.v4 || text(v6) != test.v6 {
			t.Errorf("%s: spans are %q and %q, want %q and %q", test.name, text(v4), text(v6), test.v4, test.v6)
		}
	}
}

func TestRulesThatCannotBeAreNamed(t *testing.T) {
	tests := []struct {
		rules Rules
		says  string
	}{
		{Rules{Interfaces: []string{""}}, "interface name"},
		{Rules{Interfaces: []string{"much-too-long-a-name"}}, "much-too-long-a-name"},
		{Rules{Interfaces: make([]string, MaxSources+1)}, "65 interfaces"},
		{Rules{Networks: make([]netip.Prefix, MaxSources+1)}, "65 networks"},
		{Rules{Networks: make([]netip.Prefix, 1)}, "networks holds an empty prefix"},
		{Rules{Blocked: make([]netip.Prefix, 1)}, "blocked holds an empty prefix"},
		{Rules{Blocked: make([]netip.Prefix, MaxBlocked+1)}, "16385 blocked"},
		{Rules{Paused: []Device{{}}}, "paused holds the MAC address"},
		{Rules{Paused: []Device{{MAC: ana, For: -time.Second}}}, "02:00:00:00:00:0a ended 1s ago"},
		{Rules{Paused: make([]Device, MaxDevices+1)}, "1025 paused"},
		{Rules{Exempt: []net.HardwareAddr{make([]byte, 8)}}, "exempt holds the MAC address"},
		{Rules{Paused: []Device{{MAC: make([]byte, 6)}}}, "00:00:00:00:00:00, which is no device's"},
		{Rules{Paused: []Device{{MAC: []byte{0x33, 0x33, 0, 0, 0, 1}}}}, "33:33:00:00:00:01, which is no device's"},
	}
	for _, test := range tests {
		err := Apply(test.rules) // fails before it touches anything
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("the error is %v, want one that says %q", err, test.says)
		}
	}
}

// The MAC addresses of the children's devices in all tests.
var (
	ana = net.HardwareAddr{2, 0, 0, 0, 0, 0x0a}
	ben = net.HardwareAddr{2, 0, 0, 0, 0, 0x0b}
)

func TestWhoIsPaused(t *testing.T) {
	addr := netip.MustParseAddr
	known := map[mac][]netip.Addr{
		mac(ana): {addr("192.168.1.10"), addr("fd01::a"), addr("2001:db8:1::a"), addr("fe80::a"), addr("203.0.113.80"), addr("2001:db8:80::1")},
		mac(ben): {addr("192.168.1.11")},
	}
	links := prefixes("192.168.1.1/24", "2001:db8:1::1/64")
	tests := []struct {
		name  string
		rules Rules
		macs  int
		addrs []string
	}{
		{"nobody", Rules{}, 0, nil},
		{"a device with what the kernel knows, but nothing of one link only, and no server's",
			Rules{Paused: []Device{{MAC: ana}}}, 1, []string{"192.168.1.10", "2001:db8:1::a", "fd01::a"}},
		{"and what the caller knows",
			Rules{Paused: []Device{{MAC: ana, Addresses: []netip.Addr{addr("::ffff:192.168.1.20")}}}}, 1, []string{"192.168.1.10", "192.168.1.20", "2001:db8:1::a", "fd01::a"}},
		{"an exempt one is not", Rules{Paused: []Device{{MAC: ana}, {MAC: ben}}, Exempt: []net.HardwareAddr{ana}}, 1, []string{"192.168.1.11"}},
		{"nor by an address that it has taken over",
			Rules{Paused: []Device{{MAC: ana, Addresses: []netip.Addr{addr("192.168.1.11")}}}, Exempt: []net.HardwareAddr{ben}}, 1, []string{"192.168.1.10", "2001:db8:1::a", "fd01::a"}},
	}
	for _, test := range tests {
		macs, addrs := test.rules.pauses(known, links)
		var got []string
		for a := range addrs {
			got = append(got, a.String())
		}
		slices.Sort(got)
		if len(macs) != test.macs || !slices.Equal(got, test.addrs) {
			t.Errorf("%s: %d devices and %v, want %d and %v", test.name, len(macs), got, test.macs, test.addrs)
		}
	}
}

func TestTheLongerPauseWins(t *testing.T) {
	for _, test := range []struct{ first, second, want time.Duration }{
		{time.Hour, time.Minute, time.Hour},
		{time.Minute, time.Hour, time.Hour},
		{0, time.Hour, 0}, // zero has no end
		{time.Hour, 0, 0},
		{time.Hour, MaxPause + 1, 0},
	} {
		macs, _ := Rules{Paused: []Device{{MAC: ana, For: test.first}, {MAC: ana, For: test.second}}}.pauses(nil, nil)
		if got := macs[mac(ana)]; got != test.want {
			t.Errorf("paused for %s and for %s it is %s, want %s", test.first, test.second, got, test.want)
		}
	}
}

func TestResolversOfOurOwn(t *testing.T) {
	list := Resolvers()
	for _, want := range prefixes("1.1.1.1/32", "8.8.8.8/32", "9.9.9.9/32", "2620:fe::fe/128", "45.90.28.0/24") {
		if !slices.Contains(list, want) {
			t.Errorf("%s is not in resolvers.txt", want)
		}
	}
	seen := map[netip.Prefix]bool{}
	for _, p := range list {
		if seen[p] {
			t.Errorf("%s is there twice", p)
		}
		seen[p] = true
	}
}

// TestBlockedLists holds that a wrong line is named and costs only itself.
func TestBlockedLists(t *testing.T) {
	const text = "# a list\n\n 9.9.9.9   # dns.example\r\n2620:fe::/48\ndns.example\n::ffff:8.8.8.8\n0.0.0.0/0\n10.1.2.3/24\n::/0\nfe80::1%eth0\n"
	list, err := ReadBlocked(strings.NewReader(text), "doh.txt")
	if want := prefixes("9.9.9.9/32", "2620:fe::/48", "8.8.8.8/32", "10.1.2.0/24", "fe80::1/128"); !slices.Equal(list, want) {
		t.Errorf("the list is %v, want %v", list, want)
	}
	for _, says := range []string{
		`doh.txt:5: "dns.example" is neither an address nor a network`,
		`doh.txt:7: "0.0.0.0/0" is too large to be a resolver's`, `doh.txt:9: "::/0" is too large`,
	} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("the error is %v, want one that says %s", err, says)
		}
	}
	list, err = ReadBlocked(strings.NewReader(strings.Repeat("9.9.9.9\n", MaxBlocked+1)), "doh.txt")
	if len(list) != MaxBlocked || err == nil || !strings.Contains(err.Error(), "more than 16384") {
		t.Errorf("of too long a list, %d are taken (%v)", len(list), err)
	}
	if _, err = ReadBlocked(strings.NewReader(strings.Repeat("x\n", 1000)), "doh.txt"); len(err.Error()) > 1000 || !strings.Contains(err.Error(), "995 more lines") {
		t.Errorf("of another kind of file it says %v", err)
	}
}

func FuzzReadBlocked(f *testing.F) {
	f.Add("9.9.9.9 # quad\n2620:fe::/48\n")
	f.Add("::ffff:1.2.3.4/120\nfe80::1%eth0/64\n\x00\n10.0.0.0/99\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, _ := ReadBlocked(strings.NewReader(text), "f")
		if err := (Rules{Blocked: list}).check(); err != nil {
			t.Error(err)
		}
		spans(list)
	})
}
