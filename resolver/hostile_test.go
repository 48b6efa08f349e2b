package resolver

import (
	"encoding/binary"
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

// TestTokenTellsNothingOfTheHouse: a token crosses other people's networks in the
// clear. Whoever has it there finds no names of the home with it; the device
// itself, at home, does.
func TestTokenTellsNothingOfTheHouse(t *testing.T) {
	_, overTLS, _, _ := secretServer(t, func(c *Config) {
		c.Local, c.LocalDomains = houseNames{}, []filter.Name{filter.MustName("lan")}
	})
	for _, c := range []struct {
		from  string
		known bool
	}{{"127.0.0.1", false}, {"127.0.0.2", true}} {
		conn, err := dialTLS(c.from, overTLS, benToken+".dns.example.net")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(4 * time.Second))
		for name, qtype := range map[string]uint16{"anas-tablet.lan.": dns.TypeA, "20.1.168.192.in-addr.arpa.": dns.TypePTR} {
			m := new(dns.Msg)
			m.SetQuestion(name, qtype)
			d := &dns.Conn{Conn: conn}
			if err := d.WriteMsg(m); err != nil {
				t.Fatal(err)
			}
			reply, err := d.ReadMsg()
			if err != nil || len(reply.Answer) > 0 != c.known {
				t.Errorf("%s from %s: %v %v", name, c.from, reply, err)
			}
		}
	}
}

// TestHTTP2Memory reads what we allow over HTTP/2 before anybody has shown a
// token: as much as a query needs, for each stream and for all of a connection.
func TestHTTP2Memory(t *testing.T) {
	if !slices.Contains(httpVersions(), "h2") {
		t.Skip("no HTTP/2 in this build")
	}
	_, _, overHTTPS, _ := secretServer(t, nil)
	conn, err := dialTLS("127.0.0.1", overHTTPS, "dns.example.net", "h2")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(4 * time.Second))
	io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	window, settings := uint32(65535), map[uint16]uint32{4: 65535, 5: 16384} // RFC 9113 §6.5.2
	for range 3 {                                                            // SETTINGS, its acknowledgement, WINDOW_UPDATE
		var head [9]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			break
		}
		body := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(conn, body); err != nil {
			t.Fatal(err)
		}
		for ; head[3] == 4 && len(body) >= 6; body = body[6:] {
			settings[binary.BigEndian.Uint16(body)] = binary.BigEndian.Uint32(body[2:])
		}
		if head[3] == 8 {
			window += binary.BigEndian.Uint32(body)
			break
		}
		if head[3] == 4 && head[4]&1 != 0 {
			break
		}
	}
	if settings[3] != tcpPipeline || settings[4] > httpReadMax || settings[5] > httpReadMax || window > 65535 {
		t.Errorf("settings %v, %d bytes for the connection", settings, window)
	}
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

// TestStrangersOverHTTPS: strangers who begin TLS and show nothing, from many
// addresses, end no connection of a device that has shown its token.
func TestStrangersOverHTTPS(t *testing.T) {
	s, overTLS, overHTTPS, _ := secretServer(t, nil)
	working, err := dialTLS("127.0.0.1", overTLS, benToken+".dns.example.net")
	if err != nil {
		t.Fatal(err)
	}
	defer working.Close()
	if _, err := askOn(working, "www.example."); err != nil {
		t.Fatal(err)
	}
	for i := range secretConnections + 22 {
		conn, err := dialTLS(fmt.Sprintf("127.0.1.%d", 1+i%15), overHTTPS, "dns.example.net", "http/1.1")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if _, err := askOn(working, "www.example."); err != nil {
		t.Errorf("one that worked: %v", err)
	}
	if m, r := askHTTPS(t, client("127.0.0.1", "dns.example.net"), "https://"+overHTTPS+httpPath+"/"+benToken, "www.example."); m == nil {
		t.Errorf("a new one, with the token in the path: %v", r)
	}
	if n := s.listeners.secret.strangers.count(); n > strangersMax {
		t.Errorf("%d strangers at once", n)
	}
}
