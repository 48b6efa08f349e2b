// Package home holds the test of a whole home on one router, in network
// namespaces: the shipped program beside a real dnsmasq, devices that get their
// addresses from it, and a child who knows the ways around.
package home

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mode is one of the two ways to live beside dnsmasq; see docs/openwrt.md.
type mode struct {
	name, dnsmasq string
	env           []string
}

func modes() []mode {
	return []mode{
		{"behind", "port=53\nserver=127.0.0.1#5453\nadd-mac\nstrip-mac\nadd-subnet=32,128\nstrip-subnet\n",
			[]string{"TREEHOUSE_DNS_LISTEN=127.0.0.1:5453", "TREEHOUSE_FIREWALL_REDIRECT_PORT=53"}},
		{"in front", "port=54\ndhcp-option=option:dns-server,0.0.0.0\ndhcp-option=option6:dns-server,[::]\n",
			[]string{"TREEHOUSE_DNS_LISTEN=:53", "TREEHOUSE_UPSTREAM_ROUTES=lan=127.0.0.1:54"}},
	}
}

// move makes a network whose family has moved in: Ana is nine, Ben fourteen, both
// are awake at any hour. Each has a rule that only they have, which tells their
// answers apart.
func move(t *testing.T, m mode) *network {
	n := newNetwork(t)
	list := filepath.Join(n.dir, "doh.txt")
	if err := os.WriteFile(list, []byte("# known since yesterday\n"+listed+"  # doh.example\nnot an address\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	n.env = append([]string{
		"TREEHOUSE_STORAGE_DIR=" + n.dir, "TREEHOUSE_STORAGE_RUNTIME_DIR=" + n.dir,
		"TREEHOUSE_UPSTREAM_SERVERS=" + upstream, "TREEHOUSE_DEVICES_LEASES=" + n.leases(),
		"TREEHOUSE_PAGES_LISTEN=:80", "TREEHOUSE_METRICS_LISTEN=127.0.0.1:9100", "TREEHOUSE_TIME_ZONE=UTC",
		"TREEHOUSE_FIREWALL_ENABLED=true", "TREEHOUSE_FIREWALL_INTERFACES=br-lan", "TREEHOUSE_FIREWALL_BLOCKED=" + list,
	}, m.env...)
	for _, line := range []string{
		"people add Ana --age 9", "people add Ben --age 14", "bedtime Ana none", "bedtime Ben none",
		"devices add tablet --mac " + anasMAC + " --person Ana", "devices add phone --mac " + bensMAC + " --person Ben",
		"block anas.example --person Ana", "block bens.example --person Ben", "allow tiktok.com --person Ana",
	} {
		n.say(strings.Fields(line)...)
	}
	return n
}

// A service manager starts it as nobody in particular: with the two capabilities
// that deploy/systemd and deploy/openwrt give, or with none.
const (
	asService = "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all,+net_bind_service,+net_admin --ambient-caps=-all,+net_bind_service,+net_admin --bounding-set=-all,+net_bind_service,+net_admin --no-new-privs"
	asNobody  = "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs"
)

func TestHome(t *testing.T) {
	for _, m := range modes() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel() // mostly it waits
			testHome(t, m)
		})
	}
}

func testHome(t *testing.T, m mode) {
	n := move(t, m)
	before := n.ruleset()
	n.serve(asService)
	n.dnsmasq(m.dnsmasq)
	n.join(n.ana)
	n.join(n.ben)
	v4, v6 := n.endless(website), n.endless(website6)

	home := t
	step := func(name string, do func(t *testing.T)) {
		t.Run(name, func(t *testing.T) {
			n.t = t
			defer func() { n.t = home }()
			do(t)
		})
	}
	step("each is answered under their own rules", func(t *testing.T) {
		for _, server := range []string{"@192.168.1.1", "@fd01::1"} {
			n.answers(t, blocked, n.ana, server, "anas.example")
			n.answers(t, fromUs, n.ana, server, "bens.example")
			n.answers(t, fromUs, n.ana, server, "tiktok.com")
			n.answers(t, blocked, n.ben, server, "bens.example")
		}
		n.answers(t, "192.168.1.1", n.ana, "@192.168.1.1", "router.lan")
		n.answers(t, "192.168.1.1", n.ana, "@192.168.1.1", "treehouse.home.arpa")
	})
	step("another resolver that is hard-coded changes nothing", func(t *testing.T) {
		for _, server := range []string{"@" + quadNine, "@" + quadNine6, "@" + builtIn, "@" + builtIn6} {
			for _, over := range []string{"+notcp", "+tcp"} {
				n.answers(t, blocked, n.ana, server, over, "anas.example")
				n.answers(t, fromUs, n.ana, server, over, "bens.example")
				n.answers(t, blocked, n.ben, server, over, "bens.example")
			}
		}
	})
	step("nor does the sibling's name in option 65001", func(t *testing.T) {
		forged := "+ednsopt=65001:" + strings.ReplaceAll(bensMAC, ":", "")
		for _, server := range []string{"@192.168.1.1", "@fd01::1", "@" + quadNine} {
			n.answers(t, fromUs, n.ana, server, forged, "bens.example")
			n.answers(t, blocked, n.ana, server, forged, "anas.example")
		}
	})
	step("DNS over TLS, QUIC and HTTPS are refused, and nothing else", func(t *testing.T) {
		for _, protocol := range []string{"tcp", "udp"} {
			n.refused(t, n.ana, protocol, quadNine, 853)
			n.refused(t, n.ana, protocol, website6, 853)
			for _, known := range []string{builtIn, builtIn6, listed} {
				n.refused(t, n.ana, protocol, known, 443)
			}
			n.reaches(t, n.ana, protocol, website, 443)
			n.reaches(t, n.ana, protocol, website6, 443)
		}
		if log := n.log.String(); !strings.Contains(log, `doh.txt:3: \"not an address\" is neither an address nor a network`) {
			t.Errorf("the wrong line of the list is not named in\n%s", log)
		}
	})
	step("a pause ends what is running, and only hers", func(t *testing.T) {
		anas, anas6, bens := n.download(t, n.ana, v4), n.download(t, n.ana, v6), n.download(t, n.ben, v4)
		for _, d := range []*download{anas, anas6, bens} {
			d.goesOn(t, "before")
		}
		paused := time.Now()
		n.say("pause", "Ana")
		anas.ends(t, "paused, IPv4", paused)
		anas6.ends(t, "paused, IPv6", paused)
		bens.goesOn(t, "her brother's")
		if n.online(n.ana) || n.reach(briefly, n.ana, "udp", website6, 443) == nil {
			t.Error("the paused device reaches the internet anew")
		}
		n.reaches(t, n.ben, "tcp", website, 443)

		// Her own page and the router stay where they are.
		for _, address := range []string{"192.168.1.1:80", "[fd01::1]:80"} {
			if line := n.get(n.ana, address, "/me"); !strings.HasPrefix(line, "HTTP/1.1 200") {
				t.Errorf("her page at %s: %s", address, line)
			}
		}
		n.answers(t, "192.168.1.1", n.ana, "@"+quadNine, "treehouse.home.arpa")
		n.answers(t, fromUs, n.ana, "@"+quadNine, "pool.ntp.org")
		if metrics := n.get(n.router, "127.0.0.1:9100", "/metrics"); !strings.Contains(metrics, "treehouse_firewall_in_force 1\n") ||
			!strings.Contains(metrics, "treehouse_firewall_paused_devices 1\n") {
			t.Errorf("the metrics are\n%s", metrics)
		}

		n.say("devices", "keep", "tablet") // it has become a thermostat
		n.until("it has its connection", func() bool { return n.online(n.ana) })
		n.answers(t, fromUs, n.ana, "@192.168.1.1", "bens.example")
		n.answers(t, blocked, n.ana, "@192.168.1.1", "anas.example")
		n.say("devices", "keep", "tablet", "--off")
		n.until("it is paused again", func() bool { return !n.online(n.ana) })

		n.say("resume", "Ana")
		n.until("new connections work", func() bool { return n.online(n.ana) })
		n.reaches(t, n.ana, "udp", website6, 443)
		bens.goesOn(t, "her brother's, all the time")
	})
	step("bedtime does the same, at its second", func(t *testing.T) {
		bens := n.download(t, n.ben, v6)
		now := time.Now().UTC()
		// The night has begun an hour ago, and she may stay up for some seconds.
		n.say("bedtime", "Ana", fmt.Sprintf("%s-%s", now.Add(-time.Hour).Format("15:04"), now.Add(3*time.Hour).Format("15:04")))
		n.say("more-time", "8s", "--person", "Ana")
		bedtime := n.awakeUntil("Ana")
		n.until("she may stay up", func() bool { return n.online(n.ana) })
		anas := n.download(t, n.ana, v4)
		anas.goesOn(t, "before")
		if time.Now().After(bedtime) {
			t.Fatal("this machine is too slow: the seconds are over before the download has begun")
		}
		anas.ends(t, "asleep", bedtime)
		if early := bedtime.Sub(time.Unix(0, anas.last.Load())); early > soon {
			t.Errorf("it ended %s before bedtime", early)
		}
		bens.goesOn(t, "her brother's")

		n.say("more-time", "1h", "--person", "Ana")
		n.until("new connections work", func() bool { return n.online(n.ana) })
		n.say("bedtime", "Ana", "none")
	})
	step("with another MAC address the device is nobody's", func(t *testing.T) {
		old := n.address4(n.ana)
		n.run("ip -n %s link set eth0 down", n.ana)
		n.run("ip -n %s -4 addr flush dev eth0", n.ana)
		n.run("ip -n %s link set eth0 address %s", n.ana, anotherMAC)
		n.join(n.ana)
		if n.address4(n.ana) == old {
			t.Errorf("it has its old address, %s", old)
		}
		for _, server := range []string{"@192.168.1.1", "@fd01::1", "@" + quadNine, "@" + quadNine6} {
			n.answers(t, blocked, n.ana, server, "tiktok.com") // Ana may, somebody new may not
		}
		// Pausing everyone is meant for it too: nobody escapes by a new address.
		n.say("pause", "everyone")
		n.until("it is paused", func() bool { return !n.online(n.ana) })
		n.say("resume", "everyone")
	})
	step("a crash leaves the rules, a stop takes them away", func(t *testing.T) {
		n.halt(syscall.SIGKILL)
		if after := n.ruleset(); !strings.Contains(after, "table inet treehouse") {
			t.Errorf("the table is gone from\n%s", after)
		}
		if got := n.dig(n.ben, "@"+quadNine, "bens.example"); strings.Contains(got, fromOutside) {
			t.Error("while it restarts, names resolve past the filter")
		}
		n.serve(asService)
		n.answers(t, blocked, n.ben, "@"+quadNine, "bens.example")
		n.halt(syscall.SIGTERM)
		if after := n.ruleset(); after != before {
			t.Errorf("the ruleset is\n%s\nbefore it was\n%s", after, before)
		}
		if got := n.dig(n.ben, "@"+quadNine, "bens.example"); got != fromOutside {
			t.Errorf("and the internet is as it was: %q", got)
		}
	})
}

// TestHomeWithoutFirewall: without permission it says so, once, and the rest works.
func TestHomeWithoutFirewall(t *testing.T) {
	t.Parallel()
	n := move(t, mode{env: []string{"TREEHOUSE_DNS_LISTEN=:5300", "TREEHOUSE_PAGES_LISTEN=:8080"}})
	before := n.ruleset()
	n.serve(asNobody)
	n.until("it says so", func() bool { return strings.Contains(n.log.String(), "CAP_NET_ADMIN") })
	n.answers(t, fromUs, n.router, "@127.0.0.1", "-p", "5300", "wikipedia.org")
	metrics := n.get(n.router, "127.0.0.1:9100", "/metrics")
	if !strings.Contains(metrics, "treehouse_firewall_in_force 0\n") || !strings.Contains(metrics, "treehouse_firewall_errors_total 1\n") {
		t.Errorf("the metrics are\n%s", metrics)
	}
	n.halt(syscall.SIGTERM)
	if log := n.log.String(); strings.Count(log, "CAP_NET_ADMIN") != 1 {
		t.Errorf("it says so more than once:\n%s", log)
	}
	if after := n.ruleset(); after != before {
		t.Errorf("the ruleset has become\n%s", after)
	}
}
