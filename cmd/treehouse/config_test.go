package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func load(t *testing.T, yaml string, args ...string) (*Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "treehouse.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	addConfigFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return loadConfig(path, flags)
}

func TestReferenceIsAValidConfiguration(t *testing.T) {
	c, err := load(t, string(reference))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.DNS.Listen[0]; got != netip.MustParseAddrPort("127.0.0.1:5353") {
		t.Errorf("dns.listen is %v", got)
	}
	if c.Lists.Memory != 16<<20 || c.DNS.BlockedTTL != 10*time.Second || c.Time.Zone != time.Local {
		t.Errorf("memory %d, blocked TTL %v, zone %v", c.Lists.Memory, c.DNS.BlockedTTL, c.Time.Zone)
	}
}

// TestFlagOverEnvironmentOverFile holds the order in which settings win.
func TestFlagOverEnvironmentOverFile(t *testing.T) {
	const file = "upstream:\n  servers: [192.0.2.1]\n"
	want := func(c *Config, err error, server string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Upstream.Servers) != 1 || c.Upstream.Servers[0].String() != server {
			t.Errorf("upstream.servers is %v, want %s", c.Upstream.Servers, server)
		}
	}
	c, err := load(t, file)
	want(c, err, "192.0.2.1:53")
	t.Setenv("TREEHOUSE_UPSTREAM_SERVERS", "192.0.2.2:5300")
	c, err = load(t, file)
	want(c, err, "192.0.2.2:5300")
	c, err = load(t, file, "--upstream-servers", "192.0.2.3")
	want(c, err, "192.0.2.3:53")
}

// TestMistakes holds the words: each names the line or variable and the remedy.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"wrong key", "dns:\n  lisen: [127.0.0.1:53]\n", `treehouse.yaml:2: there is no option "dns.lisen"; did you mean "dns.listen"?`},
		{"wrong section", "dn:\n  listen: []\n", `treehouse.yaml:1: there is no option "dn"`},
		{"wrong type", "dns:\n\n  blocked_ttl: [1]\n", `treehouse.yaml:3: dns.blocked_ttl: "[1]" is not a length of time`},
		{"wrong address", "dns:\n  listen: [localhost]\n", `treehouse.yaml:2: dns.listen: "localhost" is not an address with a port`},
		{"number for text", "dns:\n  listen: [53]\n", "treehouse.yaml:2: dns.listen: 53 should be text: put it in quotes"},
		{"twice", "log: {level: info}\nlog: {level: warn}\n", "treehouse.yaml:2: log is given twice; keep one"},
		{"scalar section", "dns: 53\n", "treehouse.yaml:1: dns is a section"},
		{"not a map", "- a\n", "treehouse.yaml:1: this should be sections"},
		{"second document", "log: {level: info}\n---\nlog: {level: debug}\n", "treehouse.yaml:3: a second document begins here"},
		{"third document", "log: {level: info}\n---\n# nothing\n---\nlog: {level: debug}\n", "treehouse.yaml:5: a second document begins here"},
		{"far from anything", "frobnicate: 1\n", "treehouse.yaml:1: there is no option \"frobnicate\"; `treehouse config reference` shows all"},
		{"no listen", "dns:\n  listen: []\n", "treehouse.yaml:2: dns.listen: there has to be at least one address"},
		{"size", "lists:\n  memory: lots\n", `treehouse.yaml:2: lists.memory: "lots" is not a size`},
		{"small size", "lists:\n  memory: 1KiB\n", "treehouse.yaml:2: lists.memory: 1KiB is outside 4MiB to 4GiB"},
		{"zone", "time:\n  zone: Mars/Base\n", `treehouse.yaml:2: time.zone: "Mars/Base" is not a time zone`},
		{"choice", "upstream:\n  strategy: best\n", `treehouse.yaml:2: upstream.strategy: "best" is not one of in-order, fastest, parallel`},
		{"source", "lists:\n  sources:\n    - {id: a, ulr: x}\n", `did you mean "url"?`},
		{"source's topic", "lists:\n  sources:\n    - {id: a, url: \"https://a.example/l\", topic: adlt}\n", `there is no topic "adlt"; did you mean "adult"?`},
		{"source's address", "lists:\n  sources:\n    - {id: a, url: \"ftp://a.example/l\", topic: adult}\n", `"ftp://a.example/l" is not an address that begins with https://`},
		{"source's flag", "lists:\n  sources:\n    - {id: a, url: \"https://a.example/l\", topic: adult, exact: \"true\"}\n", "entry 1: exact is true or false"},
		{"too often", "lists: {update_every: 1ms}\n", "lists.update_every: 1ms is too often"},
		{"firewall without a home", "firewall: {enabled: true, redirect_port: 53}\n", "treehouse.yaml:1: firewall.enabled: where is the home?"},
		{"firewall to nowhere", "firewall:\n  enabled: true\n  interfaces: [br-lan]\n", "treehouse.yaml:2: firewall.enabled: the home cannot be led to 127.0.0.1:5353, where only this machine is heard"},
		{"firewall's port", "firewall: {redirect_port: 70000}\n", `firewall.redirect_port: "70000" is not a port`},
		{"firewall's interface", "firewall: {interfaces: [much-too-long-a-name]}\n", `"much-too-long-a-name" is not the name of a network interface`},
		{"tabs", "dns:\n\tlisten: []\n", "treehouse.yaml: line 2: found character that cannot start any token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := load(t, c.yaml)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

// TestWhereTheFirewallLeads: to the port that is asked for, else to ours.
func TestWhereTheFirewallLeads(t *testing.T) {
	const on = "firewall: {enabled: true, interfaces: [br-lan], redirect_port: "
	for yaml, want := range map[string]uint16{
		on + "53}\n":                                53,
		on + "0}\ndns: {listen: [\":5300\"]}\n":     5300,
		on + "54}\ndns: {listen: [\":5300\"]}\n":    54,
		"firewall: {interfaces: [br-lan, guest]}\n": 0,
	} {
		if c, err := load(t, yaml); err != nil || c.Firewall.RedirectPort != want {
			t.Errorf("%s: to %d (%v), want %d", yaml, c.Firewall.RedirectPort, err, want)
		}
	}
}

// TestAPortAloneIsBothFamilies: a socket on [::] does not hear IPv4 here.
func TestAPortAloneIsBothFamilies(t *testing.T) {
	c, err := load(t, "dns: {listen: [\":5300\"]}\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:5300"), netip.MustParseAddrPort("[::]:5300")}
	if !slices.Equal(c.DNS.Listen, want) {
		t.Errorf("dns.listen is %v", c.DNS.Listen)
	}
}

func TestAMistypedVariableIsNotIgnored(t *testing.T) {
	t.Setenv("TREEHOUSE_DNS_LISTN", "127.0.0.1:53")
	_, err := load(t, "")
	if err == nil || !strings.Contains(err.Error(), "TREEHOUSE_DNS_LISTN: there is no such option; did you mean \"TREEHOUSE_DNS_LISTEN\"?") {
		t.Errorf("got %v", err)
	}
}

func TestWhen(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) // a Monday
	for in, want := range map[string]string{
		"": "Mon 23 12:00", "now": "Mon 23 12:00", "21:30": "Mon 23 21:30", "11:00": "Tue 24 11:00",
		"Sat 21:30": "Sat 28 21:30", "saturday 21:30": "Sat 28 21:30", "Mon 11:00": "Mon 30 11:00", "mon 13:00": "Mon 23 13:00",
		"today 07:00": "Mon 23 07:00", "tomorrow 07:00": "Tue 24 07:00", "2026-12-24 21:30": "Thu 24 21:30",
	} {
		got, err := parseWhen(in, now)
		if err != nil || got.Format("Mon 02 15:04") != want {
			t.Errorf("%q is %v (%v), want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"soon", "25:00", "Xyz 21:30", "Sa 21:30"} {
		if got, err := parseWhen(in, now); err == nil {
			t.Errorf("%q is %v, want an error", in, got)
		}
	}
}
