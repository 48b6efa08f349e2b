package resolver

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/treehouse-dns/treehouse/filter"
)

// houseNames is a house with one device.
type houseNames struct{}

func (houseNames) Addresses(name filter.Name) ([]netip.Addr, bool) {
	return []netip.Addr{netip.MustParseAddr("192.168.1.20")}, slices.Equal(name, filter.MustName("anas-tablet.lan"))
}

func (houseNames) NameOf(addr netip.Addr) filter.Name {
	if addr == netip.MustParseAddr("192.168.1.20") {
		return filter.MustName("anas-tablet.lan")
	}
	return nil
}

// TestHalfOpenFromOneNetwork: a stranger's IPv6 network has more addresses than
// there are beginnings, and counts as one.
func TestHalfOpenFromOneNetwork(t *testing.T) {
	s := testServer(t, func(c *Config) { c.Networks = []netip.Prefix{netip.MustParsePrefix("fd00::/8")} })
	opening := &s.listeners.secret.opening
	begin := func(from string) *tcpConn {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { ours.Close(); theirs.Close() })
		c := s.stranger(newConn(ours, netip.AddrPortFrom(netip.MustParseAddr(from), 1)))
		if _, ok := opening.add(c); !ok {
			t.Fatal("not taken")
		}
		return c
	}
	phone := begin("2001:db8:1::1")
	for i := range 4 * openingMax {
		begin(fmt.Sprintf("2001:db8:2::%x", i+1))
	}
	if n := opening.count(); n > openingPerClient+1 {
		t.Errorf("one network has %d", n-1)
	}
	if !opening.release(phone) {
		t.Error("it pushed another's out")
	}
	for i := range openingPerClient + 1 { // at home, all devices share a network
		begin(fmt.Sprintf("fd00::%x", i+1))
	}
	if n := opening.count(); n < 2*openingPerClient {
		t.Errorf("devices at home were counted as one: %d", n)
	}
}

// TestUnread: large answers that a client asks for and does not take are given up
// before they fill the memory of a router.
func TestUnread(t *testing.T) {
	conns := &connections{most: tcpConnections, each: tcpPerClient}
	var all []*tcpConn
	for range 40 {
		ours, theirs := net.Pipe() // nobody reads there
		t.Cleanup(func() { ours.Close(); theirs.Close() })
		c := newConn(ours, netip.MustParseAddrPort("192.168.1.20:5"))
		conns.add(c)
		all = append(all, c)
	}
	reply := []byte(strings.Repeat("x", messageMax))
	for _, c := range all {
		for range 100 {
			c.waits <- struct{}{}
			c.writeReply(reply)
		}
	}
	conns.mu.Lock()
	unsent := conns.unsent[netip.MustParseAddr("192.168.1.20")]
	conns.mu.Unlock()
	if unsent > unsentPerClient {
		t.Errorf("%d bytes are held for one client", unsent)
	}
	other, theirs := net.Pipe()
	defer theirs.Close()
	c := newConn(other, netip.MustParseAddrPort("192.168.1.21:5"))
	conns.add(c)
	c.waits <- struct{}{}
	c.writeReply([]byte("reply"))
	theirs.SetDeadline(time.Now().Add(4 * time.Second))
	if got, err := io.ReadAll(io.LimitReader(theirs, 7)); string(got) != "\x00\x05reply" {
		t.Errorf("another client gets %q, %v", got, err)
	}
	conns.closeAll()
	eventually(t, "all of it is given back", func() bool {
		conns.mu.Lock()
		defer conns.mu.Unlock()
		return len(conns.unsent) == 0 && conns.held == 0
	})
}

// TestNoTTLPastTheRules asks what a child may ask, in every way that is answered
// without an upstream or from the cache: nothing is good for longer than the rules.
func TestNoTTLPastTheRules(t *testing.T) {
	s := testServer(t, func(c *Config) {
		c.Local, c.LocalDomains = houseNames{}, []filter.Name{filter.MustName("lan")}
	})
	remember(t, s, "www.example. 3600 IN A 192.0.2.7")
	remember(t, s, "alias.example. 3600 IN CNAME www.example.", "www.example. 3600 IN A 192.0.2.7")
	for name, qtype := range map[string]uint16{
		"www.example.": dns.TypeA, "alias.example.": dns.TypeA, "any.example.": dns.TypeANY, "anas-tablet.lan.": dns.TypeA,
		"www.adult.example.": dns.TypeA, "x.adult.example.": dns.TypeHTTPS, "x.invalid.": dns.TypeA, "lan.": dns.TypeA, "localhost.": dns.TypeA,
	} {
		m := new(dns.Msg)
		m.SetQuestion(name, qtype)
		p, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		reply := s.Handle(t.Context(), netip.MustParseAddrPort("192.168.1.20:5353"), HTTPS, p)
		if err := m.Unpack(reply); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, rr := range append(m.Answer, m.Ns...) {
			if rr.Header().Ttl > ttlSupervised {
				t.Errorf("%s: %v", name, rr)
			}
		}
		if n := freshness(reply); n > ttlSupervised {
			t.Errorf("%s is kept for %d s by HTTP", name, n)
		}
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(4 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so: %s", what)
		}
	}
}
