package resolver

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/treehouse-dns/treehouse/filter"
)

// seeds are packets worth starting from.
func seeds() (out [][]byte) {
	for _, s := range []string{
		"000101000001000000000000 03777777 07 6578616d706c65 00 0001 0001",
		"000101000001000000000001 0161 00 0001 0001 00 0029 04d0 00000000 0000",
		"000101000001000000000001 0161 00 0001 0001 00 0029 04d0 00010000 0000",
		"000101000001000000000001 0161 00 0001 0001 00 0029 04d0 00008000 000a fde90006020000000001",
		"000101000001000000000002 0161 00 0001 0001 00 0029 04d0 00000000 0000 00 0029 04d0 00000000 0000",
		"000181800001000000000000 0161 00 0001 0001",
		"000110000001000000000000 0161 00 0001 0001",
		"000101000001000000000000 c00c 0001 0001",
		"000101000000000000000000",
		"0001010000010000000000ff 0161 00 00ff 0001 c00c 0001 0001 00000000 0004 7f000001",
		"00010100000100000000 0000 05 6164756c74 07 6578616d706c65 00 0001 0001",
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
		if err != nil {
			panic(err)
		}
		out = append(out, b)
	}
	return out
}

// unreachable is a network on which nobody answers.
func unreachable(context.Context, string, netip.AddrPort) (net.Conn, error) {
	return nil, errors.New("no network")
}

// FuzzHandle throws packets at the handler: it never panics, never answers a
// response, repeats the id and the question, and keeps to the sizes.
func FuzzHandle(f *testing.F) {
	for _, p := range seeds() {
		f.Add(p, false)
		f.Add(p, true)
	}
	s := testServer(f, func(c *Config) {
		c.Dial = unreachable
		c.Upstreams = []Upstream{{Addr: netip.MustParseAddrPort("192.0.2.1:53")}}
	})
	warm(f, s)
	source := netip.MustParseAddrPort("192.168.1.20:5353")
	f.Fuzz(func(t *testing.T, packet []byte, tcp bool) {
		transport := UDP
		if tcp {
			transport = TCP
		}
		sent := bytes.Clone(packet)
		reply := s.Handle(context.Background(), source, transport, packet)
		if !bytes.Equal(sent, packet) {
			t.Fatal("the caller's packet was written to")
		}
		if len(packet) < headerLen || packet[2]&0x80 != 0 {
			if reply != nil {
				t.Fatalf("what is no query was answered: %x", reply)
			}
			return
		}
		if len(reply) < headerLen || !bytes.Equal(reply[:2], packet[:2]) || reply[2]&0x80 == 0 || reply[2]&0x78 != packet[2]&0x78 {
			t.Fatalf("reply %x to %x", reply, packet)
		}
		if !tcp && len(reply) > udpReplyMax {
			t.Fatalf("%d bytes over UDP", len(reply))
		}
		if n := binary.BigEndian.Uint16(reply[4:]); n > 1 {
			t.Fatalf("%d questions in the reply", n)
		} else if n == 1 {
			_, width, err := filter.ReadName(new([filter.MaxNameLen]byte), packet[headerLen:])
			if end := headerLen + width + 4; err != nil || !bytes.Equal(reply[headerLen:end], packet[headerLen:end]) {
				t.Fatal("the question is not repeated as it was asked")
			}
		}
		if len(reply) > headerLen {
			if err := new(dns.Msg).Unpack(reply); err != nil {
				t.Fatalf("the reply cannot be read: %v: %x", err, reply)
			}
		}
	})
}

// FuzzHarvest throws messages at what takes upstreams' answers in: whatever is
// kept can be read, is about the name that was asked, and leads nowhere home.
func FuzzHarvest(f *testing.F) {
	for _, records := range [][]string{
		{"www.example. 300 A 192.0.2.1"},
		{"www.example. 300 CNAME a.example.", "a.example. 300 A 192.0.2.1", "b.example. 300 A 10.0.0.1"},
		{"a.example. 300 A 192.0.2.1", "www.example. 300 CNAME a.example."},
		{"example. 300 DNAME b.example.", "www.example. 300 CNAME www.b.example.", "www.b.example. 300 A 192.168.1.1"},
		{"www.example. 300 HTTPS 1 . alpn=h2 ipv4hint=10.0.0.1"},
	} {
		for _, qtype := range []uint16{typeA, typeHTTPS, typeCNAME} {
			m := new(dns.Msg)
			m.SetQuestion("www.example.", qtype)
			m.Response, m.Compress = true, true
			for _, r := range records {
				rr, err := dns.NewRR(r)
				if err != nil {
					f.Fatal(err)
				}
				m.Answer = append(m.Answer, rr)
			}
			b, err := m.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b, qtype, false)
			f.Add(b, qtype, true)
		}
	}
	s := testServer(f, nil)
	name := filter.MustName("www.example")
	f.Fuzz(func(t *testing.T, msg []byte, qtype uint16, do bool) {
		variant := uint8(0)
		if do {
			variant = variantDO
		}
		k := s.cache.keyOf(name, qtype, variant)
		end := headerLen + len(name) + 4
		if len(msg) < end || len(msg) > messageMax { // ask.answer has seen to that
			return
		}
		copy(msg[headerLen:], name)
		binary.BigEndian.PutUint16(msg[end-4:], qtype)
		binary.BigEndian.PutUint16(msg[end-2:], classIN)
		binary.BigEndian.PutUint16(msg[4:], 1)
		e, err := new(harvester).harvest(nil, &k, msg, 0)
		if err != nil || e == nil {
			return
		}
		if !e.matches(&k) || e.length() != len(e) {
			t.Fatal("the entry does not answer the question")
		}
		q := &query{packet: packet(t, "www.example.", qtype), transport: TCP, source: netip.MustParseAddrPort("192.168.1.20:1")}
		if code := q.parse(); code != noError {
			t.Skip()
		}
		v := filter.Verdict{}
		r := s.fromEntry(q, e, false)
		reply := s.reply(q, &v, &r)
		m := new(dns.Msg)
		if err := m.Unpack(reply); err != nil {
			t.Skip() // an upstream's data that only miekg/dns finds fault with is passed on
		}
		if len(m.Answer) != int(e.answers()) || len(m.Ns) != int(e.authority()) {
			t.Fatal("records got lost")
		}
		for _, r := range m.Answer {
			if a, ok := r.(*dns.A); ok && qtype == typeA {
				if addr, ok := netip.AddrFromSlice(a.A.To4()); ok && atHome(addr) {
					t.Fatalf("%v leads home", r)
				}
			}
			if r.Header().Ttl > ttlMax {
				t.Fatalf("%v holds too long", r)
			}
		}
	})
}

// BenchmarkWorstCases shows what the longest and most hostile messages cost:
// thousands of records, names of pointers to pointers, options without end.
func BenchmarkWorstCases(b *testing.B) {
	name := filter.MustName("www.example")
	head := func(answers uint16) []byte {
		b := binary.BigEndian.AppendUint16([]byte{0, 1, 0x81, 0x80, 0, 1}, answers)
		b = append(append(b, 0, 0, 0, 0), name...)
		return append(b, 0, byte(typeA), 0, 1)
	}
	address := func(owner int) []byte {
		return []byte{0xc0 | byte(owner>>8), byte(owner), 0, byte(typeA), 0, 1, 0, 0, 1, 0, 0, 4, 192, 0, 2, 1}
	}
	fill := func(b, with []byte) []byte {
		for len(b)+len(with) <= messageMax {
			b = append(b, with...)
		}
		return b
	}
	ladder, at := append(head(4000), 0xc0, 12, 0, byte(typeA), 0, 1, 0, 0, 1, 0, 0, 0), 12
	lengthAt := len(ladder) - 2
	for range pointersMax - 1 {
		next := len(ladder)
		ladder = append(ladder, 0xc0|byte(at>>8), byte(at))
		at = next
	}
	binary.BigEndian.PutUint16(ladder[lengthAt:], uint16(len(ladder)-lengthAt-2))
	ladder[lengthAt-8], ladder[lengthAt-7] = 0, byte(typeRRSIG) // whose data nobody looks at
	s := testServer(b, nil)
	for what, msg := range map[string][]byte{
		"addresses":       fill(head(4000), address(12)),
		"foreign records": fill(head(4000), address(16)),
		"pointers":        fill(ladder, address(at)),
		"few, rebuilt":    fill(head(recordsMax), address(16)),
	} {
		b.Run(what, func(b *testing.B) {
			k := s.cache.keyOf(name, typeA, variantDO)
			for b.Loop() {
				new(harvester).harvest(nil, &k, bytes.Clone(msg), 0)
			}
		})
	}
	b.Run("options", func(b *testing.B) {
		query := append([]byte{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0}, 0xff, 0xe0)
		query = append(query, make([]byte, 0xffe0)...) // 16,376 empty ones
		for b.Loop() {
			s.Handle(b.Context(), netip.MustParseAddrPort("192.168.1.20:1"), TCP, query)
		}
	})
}

// TestExpandNameIsBounded counts the steps a hostile name can cause: each
// pointer leads further back, and a name ends at 255 bytes.
func TestExpandNameIsBounded(t *testing.T) {
	msg := make([]byte, headerLen, messageMax)
	msg = append(msg, 0)
	at := headerLen
	for len(msg)+2 < 0x3fff { // a pointer to a pointer to a pointer …
		next := len(msg)
		msg = append(msg, 0xc0|byte(at>>8), byte(at))
		at = next
	}
	var buf [filter.MaxNameLen]byte
	if _, ok := expandName(msg, at, &buf); ok {
		t.Error("a name of thousands of pointers was read")
	}
	self := append(make([]byte, headerLen), 0xc0, headerLen)
	if _, ok := expandName(self, headerLen, &buf); ok {
		t.Error("a name that points at itself was read")
	}
	forward := append(make([]byte, headerLen), 0xc0, headerLen+2, 0)
	if _, ok := expandName(forward, headerLen, &buf); ok {
		t.Error("a name that points forward was read")
	}
}
