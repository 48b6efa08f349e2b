package resolver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/treehouse-dns/treehouse/filter"
)

// TestAsk: one question to a server that somebody else wrote, over both
// transports, with a forged option 65001 and without.
func TestAsk(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", udp.LocalAddr().String())
	if err != nil {
		t.Skip("the same port over TCP is taken: ", err)
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(r)
		claimed := false
		for _, o := range r.IsEdns0().Option {
			claimed = claimed || o.Option() == optionMAC
		}
		for _, text := range map[string][]string{
			"a.example.":    {"a.example. 60 IN A 192.0.2.1", "a.example. 60 IN AAAA 2001:db8::1"},
			"_dns.example.": {"_dns.example. 60 IN SVCB 1 dot.example. alpn=dot"},
		}[r.Question[0].Name] {
			rr, _ := dns.NewRR(text)
			m.Answer = append(m.Answer, rr)
		}
		if claimed {
			m.Rcode = dns.RcodeRefused
		}
		if r.Question[0].Name == "forged.example." { // somebody else's answer comes first
			wrong := m.Copy()
			wrong.Id++
			_ = w.WriteMsg(wrong)
			m.Rcode = dns.RcodeNameError
		}
		_ = w.WriteMsg(m)
	})
	for _, s := range []*dns.Server{{PacketConn: udp, Handler: handler}, {Listener: tcp, Handler: handler}} {
		go func() { _ = s.ActivateAndServe() }()
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	server := netip.MustParseAddrPort(udp.LocalAddr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, network := range []string{"udp", "tcp"} {
		a, err := Ask(ctx, network, server, Question{Name: filter.MustName("a.example"), Type: TypeA})
		if err != nil || a.RCode != 0 || len(a.Addresses) != 2 || a.Addresses[0] != netip.MustParseAddr("192.0.2.1") || a.Addresses[1] != netip.MustParseAddr("2001:db8::1") {
			t.Errorf("%s: %v %v", network, a, err)
		}
		a, err = Ask(ctx, network, server, Question{Name: filter.MustName("_dns.example"), Type: TypeSVCB})
		if err != nil || len(a.Targets) != 1 || a.Targets[0].String() != "dot.example." {
			t.Errorf("%s: %v %v", network, a, err)
		}
		if a, err = Ask(ctx, network, server, Question{Name: filter.MustName("a.example"), Type: TypeA, MAC: []byte{2, 0, 0, 0, 0, 1}}); err != nil || a.RCode != 5 {
			t.Errorf("%s: the forged option did not arrive: %v %v", network, a, err)
		}
	}
	if a, err := Ask(ctx, "udp", server, Question{Name: filter.MustName("forged.example"), Type: TypeA}); err != nil || a.RCode != 3 {
		t.Errorf("a forged answer was taken: %v %v", a, err)
	}

	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := Ask(ended, "udp", netip.MustParseAddrPort(silent.LocalAddr().String()), Question{Name: filter.MustName("a.example"), Type: TypeA}); err == nil {
		t.Error("silence is an answer")
	}
}

// FuzzReadAnswer: no answer, however malformed, ends the program.
func FuzzReadAnswer(f *testing.F) {
	q := Question{Name: filter.MustName("a.example"), Type: TypeA}
	sent := q.packet()
	m := new(dns.Msg)
	if err := m.Unpack(sent); err != nil {
		f.Fatal(err)
	}
	reply := new(dns.Msg).SetReply(m)
	for _, text := range []string{"a.example. 60 IN A 192.0.2.1", "a.example. 60 IN HTTPS 1 . alpn=h2"} {
		rr, _ := dns.NewRR(text)
		reply.Answer = append(reply.Answer, rr)
	}
	packed, _ := reply.Pack()
	f.Add(packed)
	f.Add(packed[:len(packed)-3])
	f.Fuzz(func(t *testing.T, msg []byte) {
		if len(msg) > 1 {
			copy(msg, sent[:2])
		}
		if a, err := readAnswer(sent, msg); err == nil && a.RCode > 15 || errors.Is(err, net.ErrClosed) {
			t.Errorf("%v", a)
		}
	})
}
