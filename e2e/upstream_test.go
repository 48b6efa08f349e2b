package e2e

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// upstream is a scripted resolver: it knows some records, and does wrong what
// its faults tell it to.
type upstream struct {
	mu      sync.Mutex
	records []dns.RR
	faults  map[string][]string // by name, or "*": what to do, in the order told
	asked   int                 // packets and connections that came
	ids     map[uint16]bool
	ports   map[string]bool
	last    *dns.Msg
	addr    netip.AddrPort
	stray   net.PacketConn // another socket, for answers from a wrong port
}

// said is one message to send, and after what time.
type said struct {
	after time.Duration
	msg   []byte
	stray bool // from another port
}

func newUpstream(addr netip.AddrPort) *upstream {
	return &upstream{faults: map[string][]string{}, ids: map[uint16]bool{}, ports: map[string]bool{}, addr: addr}
}

// answer is what the upstream says to a packet.
func (u *upstream) answer(packet []byte, network, from string) []said {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked++
	u.ports[from] = true
	req := new(dns.Msg)
	if err := req.Unpack(packet); err != nil || len(req.Question) != 1 {
		return nil
	}
	u.ids[req.Id] = true
	u.last = req
	name := strings.ToLower(req.Question[0].Name)
	faults := append(append([]string{}, u.faults["*"]...), u.faults[name]...)
	good := u.lookUp(req, name)
	var first []said
	var delay time.Duration
	for _, f := range faults {
		kind, arg, _ := strings.Cut(f, " ")
		kind, only, _ := strings.Cut(kind, "/")
		if only != "" && only != network {
			continue
		}
		bad := good.Copy()
		switch kind {
		case "silent":
			return first
		case "once": // silent for the first packet
			delete(u.faults, "*")
			delete(u.faults, name)
			return first
		case "delay":
			delay, _ = time.ParseDuration(arg)
		case "wrong-id":
			bad.Id++
		case "wrong-question":
			bad.Question[0].Name = "other.example."
		case "wrong-type":
			bad.Question[0].Qtype++
		case "wrong-case":
			bad.Question[0].Name = swapCase(bad.Question[0].Name)
		case "query-bit":
			bad.Response = false
		case "no-question":
			bad.Question = nil
		case "wrong-cookie":
			if o := bad.IsEdns0(); o != nil {
				o.Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "00112233445566770011223344556677"}}
			} else {
				bad.SetEdns0(1232, false)
				bad.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "00112233445566770011223344556677"}}
			}
		case "four-bytes":
			first = append(first, said{msg: packet[:4]})
			continue
		case "garbage":
			first = append(first, said{msg: []byte(strings.Repeat("\xff\x00\xc0", 40))})
			continue
		case "wrong-port":
			first = append(first, said{msg: must(poison(bad).Pack()), stray: true})
			continue
		case "lower-case":
			good.Question[0].Name = name
			continue
		case "truncate":
			good.Truncated = true
			good.Answer, good.Ns = nil, nil
			continue
		case "rcode":
			good.Rcode = dns.StringToRcode[arg]
			good.Answer, good.Ns = nil, nil
			continue
		case "no-edns":
			if req.IsEdns0() != nil {
				good.Rcode, good.Answer, good.Ns = dns.RcodeFormatError, nil, nil
			}
			continue
		case "answer":
			good.Answer = append(good.Answer, record(arg))
			continue
		case "first": // before the others
			good.Answer = append([]dns.RR{record(arg)}, good.Answer...)
			continue
		case "authority":
			good.Ns = append(good.Ns, record(arg))
			continue
		case "additional":
			good.Extra = append(good.Extra, record(arg))
			continue
		case "no-soa":
			good.Ns = nil
			continue
		case "reverse": // the records in the wrong order
			for i, j := 0, len(good.Answer)-1; i < j; i, j = i+1, j-1 {
				good.Answer[i], good.Answer[j] = good.Answer[j], good.Answer[i]
			}
			continue
		case "malformed":
			first = append(first, said{msg: must(good.Pack())[:20+len(name)]})
			return first
		case "bad-cookie": // it wants to see a cookie of its own first
			o := req.IsEdns0()
			if o == nil || len(o.Option) == 0 {
				continue
			}
			c := o.Option[0].(*dns.EDNS0_COOKIE)
			if len(c.Cookie) == 16 {
				good.Rcode, good.Answer, good.Ns = dns.RcodeBadCookie, nil, nil
				good.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: c.Cookie + "0102030405060708"}}
			}
			continue
		case "ad":
			good.AuthenticatedData = true
			continue
		default:
			panic("unknown fault " + kind)
		}
		if kind != "delay" {
			first = append(first, said{msg: must(poison(bad).Pack())})
		}
	}
	msg := must(good.Pack())
	if network == "udp" && len(msg) > 1232 {
		good.Truncated, good.Answer = true, nil
		msg = must(good.Pack())
	}
	if len(first) > 0 && delay == 0 {
		delay = 200 * time.Millisecond
	}
	return append(first, said{after: delay, msg: msg})
}

// poison replaces the addresses of a message with one that must never be seen.
func poison(m *dns.Msg) *dns.Msg {
	for i, r := range m.Answer {
		if a, ok := r.(*dns.A); ok {
			c := *a
			c.A = net.IPv4(198, 51, 100, 66)
			m.Answer[i] = &c
		}
	}
	return m
}

// lookUp answers as a resolver does: the chain of aliases, the records at its
// end, or a denial with an SOA.
func (u *upstream) lookUp(req *dns.Msg, name string) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(req)
	m.RecursionAvailable = true
	m.Compress = true
	if o := req.IsEdns0(); o != nil {
		m.SetEdns0(1232, o.Do())
	}
	qtype := req.Question[0].Qtype
	exists := false
	for range 20 {
		next := ""
		for _, r := range u.records {
			h := r.Header()
			if !strings.EqualFold(h.Name, name) {
				continue
			}
			exists = true
			if h.Rrtype == qtype || qtype == dns.TypeANY {
				m.Answer = append(m.Answer, dns.Copy(r))
			} else if c, ok := r.(*dns.CNAME); ok {
				m.Answer = append(m.Answer, dns.Copy(r))
				next = strings.ToLower(c.Target)
			}
		}
		if next == "" {
			break
		}
		name, exists = next, false
	}
	if len(m.Answer) > 0 && m.Answer[len(m.Answer)-1].Header().Rrtype == qtype || qtype == dns.TypeANY {
		return m
	}
	if !exists {
		m.Rcode = dns.RcodeNameError
	}
	zone := name
	if i := strings.IndexByte(strings.TrimSuffix(name, "."), '.'); i >= 0 {
		zone = name[i+1:]
	}
	m.Ns = append(m.Ns, record(zone+" 300 SOA ns.example. host.example. 1 2 3 4 300"))
	return m
}

func record(s string) dns.RR {
	r, err := dns.NewRR(s)
	if err != nil || r == nil {
		panic(fmt.Sprintf("record %q: %v", s, err))
	}
	return r
}

func swapCase(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c|0x20 >= 'a' && c|0x20 <= 'z' {
			b[i] = c ^ 0x20
			break
		}
	}
	return string(b)
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// dial is a connection to the upstream without a network.
func (u *upstream) dial(_ context.Context, network, from string) net.Conn {
	return &wire{u: u, network: network, from: from, in: make(chan []byte, 64), closed: make(chan struct{})}
}

// wire is one end of a connection in memory.
type wire struct {
	u             *upstream
	network, from string
	in            chan []byte
	rest          []byte // of a stream
	mu            sync.Mutex
	deadline      time.Time
	closed        chan struct{}
	once          sync.Once
}

func (w *wire) Write(b []byte) (int, error) {
	packet := append([]byte(nil), b...)
	if w.network == "tcp" {
		packet = packet[2:]
	}
	for _, s := range w.u.answer(packet, w.network, w.from) {
		if s.stray {
			continue // a connected socket does not hear it
		}
		msg := s.msg
		if w.network == "tcp" {
			msg = append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...)
		}
		time.AfterFunc(s.after, func() {
			select {
			case w.in <- msg:
			default:
			}
		})
	}
	return len(b), nil
}

func (w *wire) Read(b []byte) (int, error) {
	if len(w.rest) > 0 {
		n := copy(b, w.rest)
		w.rest = w.rest[n:]
		return n, nil
	}
	w.mu.Lock()
	until := time.Until(w.deadline)
	w.mu.Unlock()
	t := time.NewTimer(until)
	defer t.Stop()
	select {
	case msg := <-w.in:
		n := copy(b, msg)
		if w.network == "tcp" {
			w.rest = msg[n:]
		}
		return n, nil
	case <-t.C:
		return 0, os.ErrDeadlineExceeded
	case <-w.closed:
		return 0, io.EOF
	}
}

func (w *wire) Close() error { w.once.Do(func() { close(w.closed) }); return nil }
func (w *wire) SetDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deadline = t
	return nil
}
func (w *wire) SetReadDeadline(t time.Time) error { return w.SetDeadline(t) }
func (w *wire) SetWriteDeadline(time.Time) error  { return nil }
func (w *wire) LocalAddr() net.Addr               { return &net.UDPAddr{} }
func (w *wire) RemoteAddr() net.Addr              { return &net.UDPAddr{} }

// listen puts the upstream on real sockets, UDP and TCP on one port.
func (u *upstream) listen(t *testing.T) {
	t.Helper()
	for try := 0; ; try++ {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p, err := net.ListenPacket("udp", l.Addr().String())
		if err != nil {
			l.Close()
			if try < 20 {
				continue
			}
			t.Fatal(err)
		}
		u.addr = netip.MustParseAddrPort(l.Addr().String())
		if u.stray, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close(); p.Close(); u.stray.Close() })
		go u.serveUDP(p)
		go u.serveTCP(l)
		return
	}
}

func (u *upstream) serveUDP(p net.PacketConn) {
	buf := make([]byte, 4096)
	for {
		n, from, err := p.ReadFrom(buf)
		if err != nil {
			return
		}
		for _, s := range u.answer(append([]byte(nil), buf[:n]...), "udp", from.String()) {
			time.AfterFunc(s.after, func() {
				if s.stray {
					u.stray.WriteTo(s.msg, from)
				} else {
					p.WriteTo(s.msg, from)
				}
			})
		}
	}
}

func (u *upstream) serveTCP(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			for {
				var head [2]byte
				if _, err := io.ReadFull(c, head[:]); err != nil {
					return
				}
				packet := make([]byte, binary.BigEndian.Uint16(head[:]))
				if _, err := io.ReadFull(c, packet); err != nil {
					return
				}
				for _, s := range u.answer(packet, "tcp", c.RemoteAddr().String()) {
					time.Sleep(s.after)
					c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(s.msg))), s.msg...))
				}
			}
		}()
	}
}
