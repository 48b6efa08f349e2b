package resolver

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// listening starts a server on a free port of the loopback and an upstream that
// answers every name with an address, "slow" names later and "held" ones never.
func listening(t *testing.T, at string, change func(*Config)) (*Server, netip.AddrPort) {
	t.Helper()
	s := testServer(t, func(c *Config) {
		c.Listen = []netip.AddrPort{netip.MustParseAddrPort(at)}
		c.Upstreams = []Upstream{{Addr: answering(t)}}
		if change != nil {
			change(c)
		}
	})
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s, s.Addrs()[0]
}

// answering is an upstream.
func answering(t *testing.T) netip.AddrPort {
	t.Helper()
	p, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := p.ReadFrom(buf)
			if err != nil {
				return
			}
			m := new(dns.Msg)
			if m.Unpack(buf[:n]) != nil {
				continue
			}
			r := new(dns.Msg)
			r.SetReply(m)
			r.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: m.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 300}, A: net.IPv4(192, 0, 2, 7)}}
			b, _ := r.Pack()
			switch name := strings.ToLower(m.Question[0].Name); {
			case strings.HasPrefix(name, "held"):
				continue // until the server gives up
			case strings.HasPrefix(name, "slow"):
				time.AfterFunc(200*time.Millisecond, func() { p.WriteTo(b, from) })
				continue
			}
			p.WriteTo(b, from)
		}
	}()
	return netip.MustParseAddrPort(p.LocalAddr().String())
}

// exchange asks over a transport and gives the reply.
func exchange(t *testing.T, network string, to netip.AddrPort, name string) *dns.Msg {
	t.Helper()
	conn, err := net.Dial(network, to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := &dns.Conn{Conn: conn}
	conn.SetDeadline(time.Now().Add(4 * time.Second))
	m := new(dns.Msg)
	m.SetQuestion(name, dns.TypeA)
	if err := c.WriteMsg(m); err != nil {
		t.Fatal(err)
	}
	r, err := c.ReadMsg()
	if err != nil {
		t.Fatalf("%s over %s: %v", name, network, err)
	}
	return r
}

// TestPipelining sends a hundred queries down one connection before it reads:
// all are answered, and the quick ones do not wait for the slow (RFC 7766 §6.2.1).
func TestPipelining(t *testing.T) {
	_, addr := listening(t, "127.0.0.1:0", nil)
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	pipeline(t, conn)
}

// pipeline sends a hundred questions at once, the first of which waits for its
// upstream, and wants every answer and that one last.
func pipeline(t *testing.T, conn net.Conn) {
	t.Helper()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	var all []byte
	for i := range 100 {
		name := "www.example."
		if i == 0 {
			name = "held.example."
		}
		p := packet(t, name, typeA)
		binary.BigEndian.PutUint16(p, uint16(i))
		all = append(binary.BigEndian.AppendUint16(all, uint16(len(p))), p...)
	}
	if _, err := conn.Write(all); err != nil {
		t.Fatal(err)
	}
	c := &dns.Conn{Conn: conn}
	seen, before := map[uint16]bool{}, -1
	for range 100 {
		m, err := c.ReadMsg()
		if err != nil {
			t.Fatalf("after %d replies: %v", len(seen), err)
		}
		if m.Id == 0 {
			before = len(seen)
		}
		seen[m.Id] = true
	}
	if len(seen) != 100 || before < 99 {
		t.Errorf("%d of 100 answered, %d before the slow one", len(seen), before)
	}
}

// TestHalfOpen holds 400 connections open that ask nothing, and half a query in
// each: others are still served, from the same address too.
func TestHalfOpen(t *testing.T) {
	s, addr := listening(t, "127.0.0.1:0", nil)
	for range 400 {
		conn, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.Write([]byte{0})
	}
	for range 20 {
		if r := exchange(t, "tcp", addr, "www.example."); len(r.Answer) != 1 {
			t.Errorf("no answer: %v", r)
		}
	}
	if n := s.listeners.connections(); n > tcpPerClient {
		t.Errorf("%d connections of one client are open", n)
	}
	if s.metrics.LimitConnections.Load() == 0 {
		t.Error("the limit was not counted")
	}
}

// TestGarbageOverTCP ends a connection that sends what is no query.
func TestGarbageOverTCP(t *testing.T) {
	_, addr := listening(t, "127.0.0.1:0", nil)
	for _, sent := range [][]byte{{0, 3, 1, 2, 3}, {0xff, 0xff, 0}, {0, 0}} {
		conn, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(4 * time.Second))
		conn.Write(sent)
		if n, err := conn.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%x: read %d bytes, %v", sent, n, err)
		}
	}
	if r := exchange(t, "tcp", addr, "www.example."); len(r.Answer) != 1 {
		t.Errorf("no answer: %v", r)
	}
}

// TestReplyLeavesFromWhereTheQueryCame asks a wildcard socket at several of the
// machine's addresses; a connected client hears only the one it asked.
func TestReplyLeavesFromWhereTheQueryCame(t *testing.T) {
	for _, c := range []struct{ listen, ask string }{{"0.0.0.0:0", "127.0.0.5"}, {"0.0.0.0:0", "127.9.9.9"}, {"[::]:0", "::1"}} {
		if _, err := net.ListenPacket("udp", net.JoinHostPort(c.ask, "0")); err != nil {
			t.Logf("%s: %v", c.ask, err)
			continue
		}
		_, addr := listening(t, c.listen, nil)
		to := netip.AddrPortFrom(netip.MustParseAddr(c.ask), addr.Port())
		for _, name := range []string{"adult.example.", "www.example.", "www.example."} { // the short way, the long way, the cache
			if r := exchange(t, "udp", to, name); len(r.Answer) != 1 {
				t.Errorf("%s at %s: %v", name, to, r)
			}
		}
	}
}

// TestOneAtATime answers where the system cannot read in batches.
func TestOneAtATime(t *testing.T) {
	s := testServer(t, func(c *Config) { c.Upstreams = []Upstream{{Addr: answering(t)}} })
	conns, err := listenUDP(netip.MustParseAddrPort("127.0.0.1:0"), 1)
	if err != nil {
		t.Fatal(err)
	}
	p := newPackets(conns[0])
	p.batch = nil
	done := make(chan error, 1)
	go func() { done <- s.servePackets(p) }()
	addr := netip.MustParseAddrPort(conns[0].LocalAddr().String())
	for _, name := range []string{"adult.example.", "www.example.", "www.example."} {
		if r := exchange(t, "udp", addr, name); len(r.Answer) != 1 {
			t.Errorf("%s: %v", name, r)
		}
	}
	conns[0].Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("ended with %v", err)
	}
	s.stop()
	s.tasks.Wait()
}

// TestPortInUse says what to do, in one sentence.
func TestPortInUse(t *testing.T) {
	_, addr := listening(t, "127.0.0.1:0", nil)
	s := testServer(t, func(c *Config) { c.Listen = []netip.AddrPort{addr} })
	err := s.Listen()
	if err == nil || !strings.Contains(err.Error(), "in use by another program") || !strings.Contains(err.Error(), addr.String()) || strings.Contains(err.Error(), "\n") {
		t.Errorf("a port in use: %v", err)
	}
	s = testServer(t, func(c *Config) { c.Listen = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:5353")} })
	if err := s.Listen(); err == nil || !strings.Contains(err.Error(), "no address 192.0.2.1") {
		t.Errorf("an address of somebody else: %v", err)
	}
}

// TestNoFilterNoAnswer shows that there is no moment without a filter.
func TestNoFilterNoAnswer(t *testing.T) {
	s := testServer(t, nil)
	s.filter.Store(nil)
	reply := s.Handle(t.Context(), netip.MustParseAddrPort("192.168.1.20:1"), UDP, packet(t, "www.example.", typeA))
	if rcode(reply[3]&0xf) != servFail {
		t.Errorf("without a filter: %x", reply)
	}
}

// TestConfigErrors names every field that is wrong.
func TestConfigErrors(t *testing.T) {
	_, err := New(Config{BlockMode: BlockAddress, Upstreams: []Upstream{{}}, Routes: []Route{{}}})
	for _, want := range []string{"Filter is missing", "Clients is missing", "needs an address", "is no address and port", "a route has no domains"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

// TestShutdownEndsEverything closes a server that is in the middle of things.
func TestShutdownEndsEverything(t *testing.T) {
	s := testServer(t, func(c *Config) {
		c.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
		c.Upstreams = []Upstream{{Addr: answering(t)}}
	})
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	tcp, err := net.Dial("tcp", s.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	exchange(t, "udp", s.Addrs()[0], "www.example.")
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Run did not return")
	}
	tcp.SetDeadline(time.Now().Add(4 * time.Second))
	if _, err := tcp.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the connection is still open: %v", err)
	}
}

// TestManyAtOnce has a house full of clients ask everything at once, for the
// race detector.
func TestManyAtOnce(t *testing.T) {
	s, addr := listening(t, "127.0.0.1:0", nil)
	var wg sync.WaitGroup
	var answered atomic.Int32
	for i := range 16 {
		wg.Go(func() {
			network := [...]string{"udp", "tcp"}[i%2]
			for j := range 20 {
				name := [...]string{"adult.example.", "www.example.", "slow.example.", "n" + string(rune('a'+j)) + ".example."}[j%4]
				if r := exchange(t, network, addr, name); len(r.Answer) == 1 {
					answered.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if answered.Load() != 16*20 {
		t.Errorf("%d of %d answered", answered.Load(), 16*20)
	}
	var b strings.Builder
	if err := s.WriteMetrics(&b); err != nil || !strings.Contains(b.String(), "treehouse_dns_queries_total 320\n") {
		t.Errorf("metrics: %v\n%s", err, &b)
	}
}
