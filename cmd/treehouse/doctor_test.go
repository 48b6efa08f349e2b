//go:build !tiny

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/treehouse-dns/treehouse/blocklists"
	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/firewall"
	"github.com/treehouse-dns/treehouse/household"
	"github.com/treehouse-dns/treehouse/resolver"
	"github.com/treehouse-dns/treehouse/store"
	"github.com/treehouse-dns/treehouse/web"
)

var (
	loopback53  = netip.MustParseAddrPort("127.0.0.1:53")
	anUpstream  = netip.MustParseAddrPort("192.0.2.53:53")
	routersLAN  = netip.MustParseAddr("192.168.1.1")
	daemonsOwn  = netip.MustParseAddrPort("127.0.0.1:5453")
	doctorsNoon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	errRefused  = errors.New("connection refused")
)

// patient is a house that is well, for a test to spoil.
type patient struct {
	*doctor
	dir   string
	files map[string]string
	reply func(network string, server netip.AddrPort, q resolver.Question) (resolver.Answer, error)
	trie  *filter.Trie

	last, kept blocklists.Build
	sources    []blocklists.SourceState
}

// deadList is one whose names a reboot has taken, and whose server is gone.
var deadList = blocklists.SourceState{Source: blocklists.Source{ID: "dead", URL: "https://dead.example/"}, Away: true, Failed: true}

func newPatient(t *testing.T, trie *filter.Trie) *patient {
	t.Helper()
	p := &patient{dir: t.TempDir(), last: blocklists.Build{Number: 1, At: doctorsNoon.Add(-time.Hour), Sources: 1}, trie: trie}
	p.files = map[string]string{
		"/proc/meminfo":    "MemTotal: 60000 kB\nMemAvailable: 30000 kB\n",
		"/etc/config/dhcp": "config dhcp 'lan'\n\tlist dhcp_option '3,192.168.1.1'\n",
	}
	c := &Config{}
	c.Storage.Dir, c.Storage.ListsDir, c.Storage.RuntimeDir = p.dir, p.dir, p.dir
	c.DNS.OwnNames = []filter.Name{filter.MustName("treehouse.home.arpa")}
	c.DNS.Listen = []netip.AddrPort{daemonsOwn}
	c.Pages.Listen = []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:80")}
	c.Upstream.Servers = []netip.AddrPort{anUpstream}
	c.Time.Zone = time.UTC
	for _, name := range []string{"household.db", "blocklists.db"} {
		if _, err := store.Open(filepath.Join(p.dir, name), store.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	house := household.Sample(doctorsNoon, household.DefaultBands(), nil)
	maria := slices.IndexFunc(house.People, func(p household.Person) bool { return p.Name == "Maria" })
	house.Devices[slices.IndexFunc(house.Devices, func(d household.Device) bool { return d.Person == house.People[maria].ID })].MACs = []household.MAC{{2, 0, 0, 0, 0, 1}}
	p.doctor = &doctor{
		config: c, clock: clockOf(doctorsNoon, time.Time{}), listen: c.DNS.Listen, front: loopback53, lan: []netip.Addr{routersLAN},
		ask: func(_ context.Context, network string, server netip.AddrPort, q resolver.Question) (resolver.Answer, error) {
			return p.reply(network, server, q)
		},
		page: func(context.Context, netip.AddrPort, string) (int, error) { return 200, nil },
		look: func() (firewall.State, error) { return firewall.State{On: true, Redirects: true, Refuses: true}, nil },
		read: func(path string) ([]byte, error) {
			if text, ok := p.files[path]; ok {
				return []byte(text), nil
			}
			return nil, fs.ErrNotExist
		},
		free:        func(string) (uint64, error) { return 100 << 20, nil },
		openFamily:  func() (*household.Household, error) { return house, nil },
		openLibrary: func() (listsThere, error) { return listsThere{p.trie, p.last, p.kept, p.sources}, nil },
	}
	p.reply = wellAnswer
	return p
}

// wellAnswer is what Treehouse says, directly or through dnsmasq.
func wellAnswer(_ string, server netip.AddrPort, q resolver.Question) (resolver.Answer, error) {
	switch name := plain(q.Name); {
	case server == anUpstream:
		return resolver.Answer{}, nil
	case name == "treehouse.home.arpa":
		return resolver.Answer{Addresses: []netip.Addr{routersLAN}}, nil
	case strings.HasPrefix(name, "_dns."):
		return resolver.Answer{}, nil
	case strings.HasSuffix(name, ".icloud.com"), name == "use-application-dns.net":
		return resolver.Answer{RCode: 3}, nil
	}
	return resolver.Answer{Addresses: []netip.Addr{netip.IPv4Unspecified()}}, nil
}

// but answers some questions otherwise.
func but(spoil func(network string, server netip.AddrPort, name string, q resolver.Question) (resolver.Answer, error, bool)) func(string, netip.AddrPort, resolver.Question) (resolver.Answer, error) {
	return func(network string, server netip.AddrPort, q resolver.Question) (resolver.Answer, error) {
		if a, err, ok := spoil(network, server, plain(q.Name), q); ok {
			return a, err
		}
		return wellAnswer(network, server, q)
	}
}

func somewhere() resolver.Answer {
	return resolver.Answer{Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.9")}}
}

// TestDoctor: every test finds a house well that is, and finds what is not.
func TestDoctor(t *testing.T) {
	var c Config
	c.Storage.ListsDir = t.TempDir()
	library, err := (&app{now: time.Now, errs: &bytes.Buffer{}}).openLibrary(&c)
	if err != nil {
		t.Fatal(err)
	}
	trie, err := library.Snapshot()
	if err != nil {
		t.Fatal(err)
	}

	well := newPatient(t, trie)
	findings := well.examine(t.Context())
	for _, f := range findings {
		if want := map[bool]result{true: untested, false: good}[f.Test == "IPv6 DNS"]; f.Result != want {
			t.Errorf("a house that is well: %s is %s: %s", f.Test, f.Result, f.Text)
		}
		if !strings.HasSuffix(f.Text, ".") || strings.Contains(f.Text, "\n") {
			t.Errorf("%s: %q is not a sentence on one line", f.Test, f.Text)
		}
	}

	nobody := func(server netip.AddrPort, network string) func(*patient) {
		return func(p *patient) {
			p.reply = but(func(n string, s netip.AddrPort, _ string, _ resolver.Question) (resolver.Answer, error, bool) {
				return resolver.Answer{}, errRefused, s == server && (network == "" || n == network)
			})
		}
	}
	opens := func(name string) func(*patient) {
		return func(p *patient) {
			p.reply = but(func(_ string, _ netip.AddrPort, n string, _ resolver.Question) (resolver.Answer, error, bool) {
				return somewhere(), nil, n == name
			})
		}
	}
	// certified listens with a pair whose 45 days end after some more.
	certified := func(days int, mode os.FileMode, names ...string) func(*patient) {
		return func(p *patient) {
			chain, key := newPair(doctorsNoon.AddDate(0, 0, days), names...)
			tls := &p.config.TLS
			tls.Certificate, tls.Key, tls.Name = filepath.Join(p.dir, "cert.pem"), filepath.Join(p.dir, "key.pem"), "dns.example"
			p.config.DNS.ListenTLS = []netip.AddrPort{daemonsOwn}
			if err := errors.Join(os.WriteFile(tls.Certificate, chain, 0o644), os.WriteFile(tls.Key, key, mode)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name, test string
		spoil      func(*patient)
		want       result
		says       string
	}{
		{"no family", "family", func(p *patient) { os.Remove(filepath.Join(p.dir, "household.db")) }, mend, "treehouse serve"},
		{"no family", "blocks", func(p *patient) { os.Remove(filepath.Join(p.dir, "household.db")) }, untested, "Without the family"},
		{"no family", "option 65001", func(p *patient) { os.Remove(filepath.Join(p.dir, "household.db")) }, untested, "family"},
		{"a damaged family", "family", func(p *patient) { os.Truncate(filepath.Join(p.dir, "household.db"), 5000) }, mend, "damaged"},
		{"a family that cannot be read", "family", func(p *patient) {
			p.openFamily = func() (*household.Household, error) { return nil, errRefused }
		}, mend, "refused"},
		{"damaged lists", "lists", func(p *patient) { os.Truncate(filepath.Join(p.dir, "blocklists.db"), 5000) }, mend, "damaged"},
		{"no lists", "lists", func(p *patient) { p.last = blocklists.Build{} }, mend, "lists import"},
		{"a list that holds the others back", "lists", func(p *patient) { p.sources = []blocklists.SourceState{deadList} }, mend, "no news of the others"},
		{"a list that is gone", "lists", func(p *patient) {
			p.sources, p.last.Without = []blocklists.SourceState{deadList}, []string{"dead"}
		}, mend, "are not in force"},
		{"no copy of the lists", "lists", func(p *patient) { p.config.Storage.KeepLists = 1 }, mend, "storage.keep_lists"},
		{"old lists", "lists", func(p *patient) { p.last.At = doctorsNoon.AddDate(0, 0, -15) }, mend, "15 days"},
		{"files for everybody", "files", func(p *patient) { os.Chmod(filepath.Join(p.dir, "household.db"), 0o644) }, mend, "chmod 600"},
		{"no files", "files", func(p *patient) { os.Remove(filepath.Join(p.dir, "household.db")) }, untested, "looked at"},
		{"a full disk", "disk", func(p *patient) { p.free = func(string) (uint64, error) { return 1 << 20, nil } }, mend, "1024 KiB"},
		{"an unknown disk", "disk", func(p *patient) { p.free = func(string) (uint64, error) { return 0, errRefused } }, untested, "cannot be told"},
		{"no memory", "memory", func(p *patient) { p.files["/proc/meminfo"] = "MemAvailable: 900 kB\n" }, mend, "900 KiB"},
		{"no /proc", "memory", func(p *patient) { delete(p.files, "/proc/meminfo") }, untested, "does not tell"},
		{"no clock", "clock", func(p *patient) { p.clock = clockOf(doctorsNoon, doctorsNoon.Add(time.Hour)) }, mend, "set it"},
		{"no daemon", "answers", nobody(daemonsOwn, ""), mend, "treehouse serve"},
		{"no daemon", "blocks", nobody(daemonsOwn, ""), untested, "did not answer"},
		{"no daemon", "canaries", nobody(daemonsOwn, ""), untested, "did not answer"},
		{"nobody over TCP", "answers", nobody(daemonsOwn, "tcp"), mend, "TCP"},
		{"somebody else", "answers", func(p *patient) {
			p.reply = but(func(_ string, s netip.AddrPort, n string, _ resolver.Question) (resolver.Answer, error, bool) {
				return resolver.Answer{RCode: 3}, nil, s == daemonsOwn && n == "treehouse.home.arpa"
			})
		}, mend, "Somebody else"},
		{"an unfiltered daemon", "blocks", opens("anonymiser.example"), mend, "should be closed"},
		{"rules that close no name", "blocks", func(p *patient) {
			var empty bytes.Buffer
			_, _ = filter.BuildTrie(&empty, nil, func(func(filter.Entry) bool) error { return nil }, filter.BuildOptions{})
			p.trie, _ = filter.OpenTrie(empty.Bytes())
		}, untested, "close none"},
		{"a dead upstream", "upstreams", nobody(anUpstream, ""), mend, "does not answer"},
		{"a refusing upstream", "upstreams", func(p *patient) {
			p.reply = but(func(_ string, s netip.AddrPort, _ string, _ resolver.Question) (resolver.Answer, error, bool) {
				return resolver.Answer{RCode: 5}, nil, s == anUpstream
			})
		}, mend, "will not (REFUSED)"},
		{"an upstream without the root", "upstreams", func(p *patient) {
			p.reply = but(func(_ string, s netip.AddrPort, _ string, _ resolver.Question) (resolver.Answer, error, bool) {
				return resolver.Answer{RCode: 3}, nil, s == anUpstream
			})
		}, mend, "the root (NXDOMAIN)"},
		{"an upstream that fails", "upstreams", func(p *patient) {
			p.reply = but(func(_ string, s netip.AddrPort, _ string, _ resolver.Question) (resolver.Answer, error, bool) {
				return resolver.Answer{RCode: 2}, nil, s == anUpstream
			})
		}, mend, "the root (SERVFAIL)"},
		{"a certificate", "certificate", certified(40, 0o600, "dns.example", "*.dns.example"), good, "for dns.example, until 20"},
		{"an old certificate", "certificate", certified(-1, 0o600, "dns.example", "*.dns.example"), mend, "ended on"},
		{"a certificate of tomorrow", "certificate", certified(49, 0o600, "dns.example", "*.dns.example"), mend, "begins on"},
		{"a certificate that ends", "certificate", certified(10, 0o600, "dns.example", "*.dns.example"), mend, "in 10 days"},
		{"a certificate without tokens", "certificate", certified(40, 0o600, "dns.example"), mend, "*.dns.example"},
		{"another's certificate", "certificate", certified(40, 0o600, "www.example"), mend, "not for the name \"dns.example\""},
		{"a key for everybody", "certificate", certified(40, 0o644, "dns.example", "*.dns.example"), mend, "chmod 600"},
		{"no certificate", "certificate", func(p *patient) {
			p.config.Pages.ListenTLS, p.config.TLS.Certificate = p.config.Pages.Listen, filepath.Join(p.dir, "none.pem")
		}, mend, "none.pem cannot be read"},
		{"no upstream", "upstreams", func(p *patient) { p.config.Upstream.Servers = nil }, mend, "no resolver"},
		{"a loop", "upstreams", func(p *patient) { p.config.Upstream.Servers = []netip.AddrPort{daemonsOwn} }, mend, "itself"},
		{"no pages", "pages", func(p *patient) {
			p.page = func(context.Context, netip.AddrPort, string) (int, error) { return 0, errRefused }
		}, mend, "refused"},
		{"somebody else's pages", "pages", func(p *patient) {
			p.page = func(context.Context, netip.AddrPort, string) (int, error) { return 404, nil }
		}, mend, "404"},
		{"pages turned off", "pages", func(p *patient) { p.config.Pages.Listen = nil }, untested, "turned off"},
		{"a canary that sings", "canaries", opens("mask-h2.icloud.com"), mend, "mask-h2.icloud.com"},
		{"another resolver is announced", "canaries", func(p *patient) {
			p.reply = but(func(_ string, _ netip.AddrPort, n string, _ resolver.Question) (resolver.Answer, error, bool) {
				return resolver.Answer{Targets: []filter.Name{filter.MustName("dns.example")}}, nil, n == "_dns.resolver.arpa"
			})
		}, mend, "_dns.resolver.arpa"},
		{"we are announced", "canaries", func(p *patient) {
			p.reply = but(func(_ string, _ netip.AddrPort, n string, _ resolver.Question) (resolver.Answer, error, bool) {
				return resolver.Answer{Targets: []filter.Name{filter.MustName("treehouse.home.arpa")}}, nil, n == "_dns.resolver.arpa"
			})
		}, good, ""},
		{"no dnsmasq", "port 53", nobody(loopback53, ""), mend, "docs/openwrt.md"},
		{"a dnsmasq that asks others", "port 53", func(p *patient) {
			p.reply = but(func(_ string, s netip.AddrPort, _ string, _ resolver.Question) (resolver.Answer, error, bool) {
				return resolver.Answer{RCode: 3}, nil, s.Addr() == routersLAN
			})
		}, mend, "192.168.1.1:53 does not ask Treehouse"},
		{"a second resolver", "DHCP", func(p *patient) { p.files["/etc/config/dhcp"] = "\tlist dhcp_option '6,127.0.0.1,9.9.9.9'\n" }, mend, "9.9.9.9"},
		{"somebody else's DHCP", "DHCP", func(p *patient) { delete(p.files, "/etc/config/dhcp") }, untested, "another machine"},
		{"an IPv6 resolver", "IPv6 DNS", func(p *patient) { p.files["/etc/resolv.conf"] = "nameserver 2001:db8::53\n" }, untested, "2001:db8::53"},
		{"a forged option", "option 65001", func(p *patient) {
			p.reply = but(func(_ string, s netip.AddrPort, _ string, q resolver.Question) (resolver.Answer, error, bool) {
				return somewhere(), nil, s.Addr() == routersLAN && q.MAC != nil || s == loopback53 && q.MAC != nil
			})
		}, mend, "strip-mac"},
		{"nobody to forge", "option 65001", func(p *patient) {
			house, _ := p.openFamily()
			for i := range house.Devices {
				house.Devices[i].MACs = nil
			}
		}, untested, "It takes a device"},
		{"no dnsmasq to forge to", "option 65001", func(p *patient) {
			p.reply = but(func(_ string, s netip.AddrPort, _ string, _ resolver.Question) (resolver.Answer, error, bool) {
				return resolver.Answer{}, errRefused, s.Port() == 53 && s != anUpstream
			})
		}, untested, "Nothing on port 53"},
		{"no permission", "firewall", func(p *patient) {
			p.look = func() (firewall.State, error) { return firewall.State{}, firewall.ErrUnavailable }
		}, untested, "as root"},
		{"no firewall", "firewall", func(p *patient) { p.look = func() (firewall.State, error) { return firewall.State{}, nil } }, mend, "firewall.enabled"},
		{"no redirect", "firewall", func(p *patient) {
			p.look = func() (firewall.State, error) { return firewall.State{On: true, Refuses: true}, nil }
		}, mend, "does not lead"},
		{"DoT passes", "firewall", func(p *patient) {
			p.look = func() (firewall.State, error) { return firewall.State{On: true, Redirects: true}, nil }
		}, mend, "does not refuse"},
		{"upstream in the home", "firewall", func(p *patient) {
			p.config.Firewall.Networks = []netip.Prefix{netip.PrefixFrom(anUpstream.Addr(), 24).Masked()}
		}, mend, "back to Treehouse"},
		{"misspelt interface", "firewall", func(p *patient) { p.config.Firewall.Interfaces = []string{"br-nolan"} }, mend, "br-nolan"},
	} {
		t.Run(strings.ReplaceAll(c.name+" "+c.test, " ", "_"), func(t *testing.T) {
			p := newPatient(t, trie)
			c.spoil(p)
			var got []string
			for _, f := range p.examine(t.Context()) {
				if f.Test == c.test {
					got = append(got, string(f.Result)+": "+f.Text)
					if f.Result == c.want && strings.Contains(f.Text, c.says) {
						return
					}
				}
			}
			t.Errorf("%s, want %s with %q", strings.Join(got, "\n"), c.want, c.says)
		})
	}

	var report bytes.Buffer
	printFindings(&report, findings)
	for _, line := range beyondDNS() {
		if !strings.Contains(report.String(), line) {
			t.Errorf("it does not say: %s", line)
		}
	}
}

// TestHandedOut: what a device is told to ask, in the ways that dnsmasq and
// OpenWrt write it.
func TestHandedOut(t *testing.T) {
	for text, want := range map[string]string{
		"dhcp-option=6,192.168.1.1,9.9.9.9":                "192.168.1.1 9.9.9.9",
		"dhcp-option=lan,6,9.9.9.9":                        "9.9.9.9",
		"dhcp-option=option:dns-server,1.1.1.1 # and so":   "1.1.1.1",
		"dhcp-option-force=option:6,1.1.1.1":               "1.1.1.1",
		"dhcp-option=option6:dns-server,[2001:db8::53],::": "2001:db8::53 ::",
		"\tlist dhcp_option '6,9.9.9.9'":                   "9.9.9.9",
		"\tlist dns '2001:db8::53'":                        "2001:db8::53",
		"#dhcp-option=6,9.9.9.9":                           "",
		"dhcp-option=3,192.168.1.1":                        "",
		"dhcp-option=42,6.6.6.6":                           "",
		"server=9.9.9.9":                                   "",
		"":                                                 "",
	} {
		var got []string
		for _, a := range handedOut(text) {
			got = append(got, a.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestFreeBytes asks the system itself.
func TestFreeBytes(t *testing.T) {
	if n, err := freeBytes(t.TempDir()); err != nil || n == 0 {
		t.Skipf("this system does not tell: %v", err)
	}
	if _, err := freeBytes(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a folder that is not there has room")
	}
}

// TestPagesAndResolverMeet: a name that a page makes up is answered by the
// resolver of the same daemon, and the page knows who asked.
func TestPagesAndResolverMeet(t *testing.T) {
	config, err := load(t, string(reference), "--storage-dir", t.TempDir(), "--dns-listen", "127.0.0.1:0", "--upstream-servers", "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	config.Pages.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	config.Devices.Discover = false
	d, err := (&app{now: time.Now, out: &bytes.Buffer{}, errs: &bytes.Buffer{}}).newDaemon(t.Context(), config, true)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx) }()
	defer func() { stop(); <-ended }()
	pages := d.pageSockets[0].Addr().String()
	get := func(host, path string) string {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, "http://"+pages+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s%s: %d %v", host, path, answer.StatusCode, err)
		}
		return string(body)
	}
	page := get("treehouse.home.arpa", "/around/device")
	dots := regexp.MustCompile(`src="http://([^/"]+)/around/dot.svg"`).FindAllStringSubmatch(page, -1)
	if len(dots) == 0 {
		t.Fatalf("the page shows no dots: %s", page)
	}
	for _, m := range dots {
		got, err := exchange("udp", "127.0.0.1", d.server.Addrs()[0].String(), m[1], dnsmessage.TypeA)
		if err != nil || got != "NOERROR 127.0.0.1" {
			t.Errorf("%s: %s %v", m[1], got, err)
		}
		get(m[1], "/around/dot.svg")
	}
	found := get("treehouse.home.arpa", strings.ReplaceAll(regexp.MustCompile(`/around/device\?run=[a-z2-7]+`).FindString(page), "&amp;", "&"))
	if !strings.Contains(found, "This browser asks Treehouse.") || !strings.Contains(found, "does not know whose device this is") {
		t.Errorf("what was found: %s", found)
	}
	if got, err := exchange("udp", "127.0.0.1", d.server.Addrs()[0].String(), "made-up-0.probe.treehouse.home.arpa", dnsmessage.TypeA); err != nil || got != "NXDOMAIN" {
		t.Errorf("a name that no page made up: %s %v", got, err)
	}
	results := map[string]web.Result{}
	for _, r := range d.lookAround(ctx) {
		results[r.What] = r.Result
	}
	if results["names"] != web.ResultGood || results["canaries"] != web.ResultGood || results["firewall"] == "" {
		t.Errorf("a look at the router: %v", results)
	}
}

// clockOf is a clock that stands, on a router that has seen a moment.
func clockOf(now, seen time.Time) *household.Timekeeper {
	return household.NewTimekeeper(household.TimeSources{
		Now: func() time.Time { return now }, Elapsed: func() time.Duration { return 0 }, Kept: func() bool { return false },
	}, seen)
}
