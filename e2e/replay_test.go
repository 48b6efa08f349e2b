package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/resolver"
)

// TestReplay tells every story in testdata/scenarios twice: in memory, in a
// bubble whose time is its own, and over real sockets of the loopback. README.md
// there has the words.
func TestReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		lines := strings.Split(string(text), "\n")
		if !slices.Contains(lines, "only sockets") {
			t.Run(name+"/memory", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { play(t, file, lines, false) })
			})
		}
		if !slices.Contains(lines, "only memory") {
			t.Run(name+"/sockets", func(t *testing.T) {
				t.Parallel()
				play(t, file, lines, true)
			})
		}
	}
}

// stage is one scenario being played.
type stage struct {
	t       *testing.T
	where   string // file:line
	sockets bool
	config  resolver.Config

	topics  []filter.Topic
	entries []filter.Entry
	sealed  []filter.Entry
	people  []*filter.Policy
	sources map[netip.Addr]filter.PolicyID
	macs    map[string]filter.PolicyID
	local   map[string][]netip.Addr
	probes  []string // labels a page made up

	live      filter.Live
	upstreams []*upstream
	server    *resolver.Server
	addr      netip.AddrPort
	mu        sync.Mutex
	offset    time.Duration // of the scenario's clock
	dials     int
	seen      []string // what the observer was told

	replies  []reply // to the last query or burst
	asked    []int   // what each upstream was asked before it
	took     time.Duration
	handmade bool // the packet was written by hand
	fresh    bool // rules have changed since the snapshot was made
}

type reply struct {
	raw []byte
	msg *dns.Msg // nil: silence
}

// noon is when every scenario begins, a Monday.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func play(t *testing.T, file string, lines []string, sockets bool) {
	st := &stage{t: t, sockets: sockets, sources: map[netip.Addr]filter.PolicyID{}, macs: map[string]filter.PolicyID{}, local: map[string][]netip.Addr{}}
	st.offset = noon.Sub(time.Now())
	st.people = []*filter.Policy{{Person: "default"}}
	st.config = resolver.Config{Filter: &st.live, Clients: st, Observer: st, Rate: -1,
		Now: func() time.Time {
			st.mu.Lock()
			defer st.mu.Unlock()
			return time.Now().Add(st.offset)
		}}
	st.addUpstream()
	for i, line := range lines {
		st.where = fmt.Sprintf("%s:%d", filepath.Base(file), i+1)
		if at := strings.Index(line, "# "); at == 0 || at > 0 && line[at-1] == ' ' {
			line = line[:at]
		}
		for _, part := range strings.Split(line, ";") {
			if words := strings.Fields(part); len(words) > 0 {
				st.do(words)
			}
		}
	}
	if st.server != nil {
		st.server.Close()
	}
	if !sockets {
		time.Sleep(10 * time.Second) // of the bubble: what is still under way ends
	}
}

func (st *stage) fail(format string, args ...any) {
	st.t.Helper()
	st.t.Errorf("%s: %s", st.where, fmt.Sprintf(format, args...))
}

func (st *stage) fatal(format string, args ...any) {
	st.t.Helper()
	st.t.Fatalf("%s: %s", st.where, fmt.Sprintf(format, args...))
}

// do carries out one statement: what the house is like, what happens, or what
// is expected of the reply.
func (st *stage) do(w []string) {
	st.t.Helper()
	rest := strings.Join(w[1:], " ")
	switch w[0] {
	case "only":
	case "topic": // topic ID KIND [group=G] [target=HOST]
		st.addTopic(w[1:])
	case "list", "exact", "except", "important": // list TOPIC NAME...
		st.addNames(w[0], w[1], w[2:])
	case "sealed":
		for _, n := range w[1:] {
			st.sealed = append(st.sealed, filter.Entry{Name: st.name(n)})
		}
	case "person": // person NAME SOURCE... [supervised] [only-listed]
		st.addPerson(w[1], w[2:])
	case "rule": // rule PERSON WHAT ...
		st.addRule(w[1], w[2], w[3:])
		st.fresh = true
	case "config":
		st.configure(w[1], w[2:])
	case "upstream", "upstream2", "upstream3": // upstream RECORD
		u := st.upstream(w[0], "upstream")
		u.mu.Lock()
		u.records = append(u.records, record(rest))
		u.mu.Unlock()
	case "forget": // forget NAME: the upstream no longer knows it
		for _, u := range st.upstreams {
			u.mu.Lock()
			u.records = slices.DeleteFunc(u.records, func(r dns.RR) bool { return strings.EqualFold(r.Header().Name, dns.Fqdn(w[1])) })
			u.mu.Unlock()
		}
	case "fault", "fault2", "fault3": // fault NAME KIND [argument], "*" is every name
		u := st.upstream(w[0], "fault")
		u.mu.Lock()
		name := strings.ToLower(w[1])
		if name != "*" {
			name = dns.Fqdn(name)
		}
		if w[2] == "none" {
			delete(u.faults, name)
		} else {
			u.faults[name] = append(u.faults[name], strings.Join(w[2:], " "))
		}
		u.mu.Unlock()
	case "clock":
		st.moveClock(rest)
	case "sleep":
		d, err := time.ParseDuration(w[1])
		if err != nil {
			st.fatal("%v", err)
		}
		time.Sleep(d)
	case "query": // query SOURCE NAME TYPE [options]
		st.query(1, w[1:])
	case "burst": // burst N SOURCE NAME TYPE [options]; a "%" in the name counts
		n, err := strconv.Atoi(w[1])
		if err != nil {
			st.fatal("%v", err)
		}
		st.query(n, w[2:])
	case "raw": // raw SOURCE HEX...
		st.raw(w[1], w[2:])
	default:
		st.expect(w)
	}
}

func (st *stage) name(s string) filter.Name {
	n, err := filter.ParseName(s)
	if err != nil {
		st.fatal("%s: %v", s, err)
	}
	return n
}

func (st *stage) upstream(word, prefix string) *upstream {
	n := 1
	if s := strings.TrimPrefix(word, prefix); s != "" {
		n, _ = strconv.Atoi(s)
	}
	if n > len(st.upstreams) {
		st.fatal("there is no %s; say config upstreams %d first", word, n)
	}
	return st.upstreams[n-1]
}

func (st *stage) addUpstream() {
	u := newUpstream(netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(100 + len(st.upstreams))}), 53))
	if st.sockets {
		u.listen(st.t)
	}
	st.upstreams = append(st.upstreams, u)
}

func (st *stage) addTopic(w []string) {
	kinds := map[string]filter.Kind{"category": filter.KindCategory, "service": filter.KindService, "lifeline": filter.KindLifeline,
		"safe-search": filter.KindSafeSearch, "listed": filter.KindListed}
	topic := filter.Topic{ID: w[0], Kind: kinds[w[1]]}
	if topic.Kind == 0 {
		st.fatal("%s is no kind of topic", w[1])
	}
	for _, o := range w[2:] {
		if v, ok := strings.CutPrefix(o, "group="); ok {
			topic.Group = v
		} else if v, ok := strings.CutPrefix(o, "target="); ok {
			topic.Target = v
		} else {
			st.fatal("%s is no option of a topic", o)
		}
	}
	st.topics = append(st.topics, topic)
}

func (st *stage) addNames(how, topic string, names []string) {
	id := filter.AnyCategory
	if topic != "*" {
		i := slices.IndexFunc(st.topics, func(t filter.Topic) bool { return t.ID == topic })
		if i < 0 {
			st.fatal("there is no topic %s", topic)
		}
		id = filter.TopicID(i)
	}
	modes := map[string]filter.Mode{"list": filter.Suffix, "exact": filter.Exact, "except": filter.Except, "important": filter.Suffix | filter.Important}
	for _, n := range names {
		st.entries = append(st.entries, filter.Entry{Name: st.name(n), Topic: id, Mode: modes[how]})
	}
	st.fresh = true
}

func (st *stage) addPerson(name string, w []string) {
	p := st.people[0]
	if name != "default" {
		p = &filter.Policy{ID: filter.PolicyID(len(st.people)), Person: name}
		st.people = append(st.people, p)
	}
	for _, o := range w {
		switch {
		case o == "supervised":
			p.Supervised = true
		case o == "only-listed":
			p.OnlyListed = true
		case strings.Count(o, "-") == 5:
			st.macs[strings.ReplaceAll(o, "-", "")] = p.ID
		default:
			st.sources[st.source(o)] = p.ID
		}
	}
}

func (st *stage) addRule(person, what string, w []string) {
	i := slices.IndexFunc(st.people, func(p *filter.Policy) bool { return p.Person == person })
	if i < 0 {
		st.fatal("there is no person %s", person)
	}
	p := st.people[i]
	var when *filter.Schedule // nil: always
	var span *filter.Span
	if n := len(w); n > 0 && strings.HasPrefix(w[n-1], "at=") {
		var h1, m1, h2, m2 uint16
		if _, err := fmt.Sscanf(w[n-1], "at=%d:%d-%d:%d", &h1, &m1, &h2, &m2); err != nil {
			st.fatal("%s: %v", w[n-1], err)
		}
		when = &filter.Schedule{Windows: []filter.Window{{Days: filter.EveryDay, From: h1*60 + m1, To: h2*60 + m2}}}
		w = w[:n-1]
	} else if n > 0 && strings.HasPrefix(w[n-1], "for=") {
		d, err := time.ParseDuration(w[n-1][4:])
		if err != nil {
			st.fatal("%v", err)
		}
		span = &filter.Span{From: st.config.Now(), To: st.config.Now().Add(d)}
		w = w[:n-1]
	}
	switch what {
	case "topic":
		p.Topics = append(p.Topics, filter.TopicRule{Topic: w[0], When: when})
	case "group":
		p.Topics = append(p.Topics, filter.TopicRule{Group: w[0], When: when})
	case "allow":
		p.Allow = append(p.Allow, filter.NameRule{Name: st.name(w[0]), When: span})
	case "block":
		p.Block = append(p.Block, filter.NameRule{Name: st.name(w[0]), When: span})
	case "paused":
		p.Paused = filter.Span{From: st.config.Now()}
		if span != nil {
			p.Paused = *span
		}
	case "resumed":
		p.Paused = filter.Span{}
	case "bedtime":
		if p.Bedtime = (filter.Schedule{}); when != nil {
			p.Bedtime = *when
		}
	default:
		st.fatal("%s is no rule", what)
	}
}

func (st *stage) configure(what string, w []string) {
	c := &st.config
	addrs := func(words []string) (out []netip.Addr) {
		for _, s := range words {
			out = append(out, netip.MustParseAddr(s))
		}
		return out
	}
	switch what {
	case "upstreams":
		n, _ := strconv.Atoi(w[0])
		for len(st.upstreams) < n {
			st.addUpstream()
		}
	case "strategy":
		c.Strategy = map[string]resolver.Strategy{"in-order": resolver.InOrder, "fastest": resolver.Fastest, "parallel": resolver.Parallel}[w[0]]
	case "block":
		c.BlockMode = map[string]resolver.BlockMode{"null": resolver.BlockNull, "nxdomain": resolver.BlockNXDOMAIN, "refused": resolver.BlockRefused, "address": resolver.BlockAddress}[w[0]]
		c.BlockAddresses = addrs(w[1:])
	case "block-ttl":
		n, _ := strconv.Atoi(w[0])
		c.BlockTTL = uint32(n)
	case "rate":
		c.Rate, _ = strconv.Atoi(w[0])
	case "route": // route DOMAIN N [private]
		r := resolver.Route{Domains: []filter.Name{st.name(w[0])}, Private: slices.Contains(w, "private")}
		n, _ := strconv.Atoi(w[1])
		u := st.upstream("upstream"+w[1], "upstream")
		_ = n
		r.Upstreams = []resolver.Upstream{{Addr: u.addr}}
		c.Routes = append(c.Routes, r)
	case "own":
		c.OwnNames, c.OwnAddresses = append(c.OwnNames, st.name(w[0])), addrs(w[1:])
	case "probe":
		st.probes, c.Probes = append(st.probes, w[0]), st
	case "local":
		st.local[string(st.name(w[0]))] = addrs(w[1:])
		c.Local = st
	case "local-domain":
		c.LocalDomains = append(c.LocalDomains, st.name(w[0]))
	case "rebinding-allowed":
		c.RebindingAllowed = append(c.RebindingAllowed, st.name(w[0]))
	case "canaries-off":
		c.CanariesOff = true
	case "tcp-upstream":
		c.Upstreams = []resolver.Upstream{{Addr: st.upstreams[0].addr, TCP: true}}
	default:
		st.fatal("there is no setting %s", what)
	}
}

// Identify implements resolver.Clients.
func (st *stage) Identify(source netip.Addr, mac []byte) filter.Client {
	if id, ok := st.macs[hex.EncodeToString(mac)]; ok && mac != nil {
		return filter.Client{Policy: id}
	}
	return filter.Client{Policy: st.sources[source]}
}

// Observe implements resolver.Observer.
func (st *stage) Observe(c filter.Client, v filter.Verdict) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.seen = append(st.seen, v.Rule.String())
}

// Asked implements resolver.Probes.
func (st *stage) Asked(_ netip.Addr, _, label []byte, _ bool) bool {
	return slices.Contains(st.probes, string(label))
}

// Addresses implements resolver.Local.
func (st *stage) Addresses(n filter.Name) ([]netip.Addr, bool) {
	a, ok := st.local[string(n)]
	return a, ok
}

// NameOf implements resolver.Local.
func (st *stage) NameOf(a netip.Addr) filter.Name {
	for n, addrs := range st.local {
		if slices.Contains(addrs, a) {
			return filter.Name(n)
		}
	}
	return nil
}

// source is the address a device has: over sockets, one of the loopback's.
func (st *stage) source(s string) netip.Addr {
	a, err := netip.ParseAddr(s)
	if err != nil {
		st.fatal("%v", err)
	}
	if !st.sockets || a.IsLoopback() {
		return a
	}
	b := a.As16()
	return netip.AddrFrom4([4]byte{127, b[13] | 0x40, b[14], b[15]})
}

func (st *stage) moveClock(to string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if d, err := time.ParseDuration(strings.TrimPrefix(to, "+")); err == nil {
		st.offset += d
		return
	}
	at, err := time.Parse("2006-01-02 15:04", to)
	if err != nil {
		st.fatal("%v", err)
	}
	st.offset = time.Until(at)
}

// snapshot puts the people and lists in force.
func (st *stage) snapshot() {
	var people []filter.Policy
	for _, p := range st.people {
		people = append(people, *p)
	}
	var sealed *filter.Trie
	if len(st.sealed) > 0 {
		sealed = st.trie([]filter.Topic{{ID: "sealed", Kind: filter.KindSealed}}, st.sealed)
	}
	st.live.Store(filter.NewSnapshot(st.trie(st.topics, st.entries), sealed, people))
	st.fresh = false
}

func (st *stage) trie(topics []filter.Topic, entries []filter.Entry) *filter.Trie {
	sorted := slices.Clone(entries)
	slices.SortStableFunc(sorted, func(a, b filter.Entry) int { return a.Name.Compare(b.Name) })
	var buf bytes.Buffer
	if _, err := filter.BuildTrie(&buf, topics, func(yield func(filter.Entry) bool) error {
		for _, e := range sorted {
			if !yield(e) {
				break
			}
		}
		return nil
	}, filter.BuildOptions{}); err != nil {
		st.fatal("%v", err)
	}
	trie, err := filter.OpenTrie(buf.Bytes())
	if err != nil {
		st.fatal("%v", err)
	}
	return trie
}

// start opens the server when the first query comes.
func (st *stage) start() {
	if st.fresh || st.live.Load() == nil {
		st.snapshot()
	}
	if st.server != nil {
		return
	}
	if st.config.Upstreams == nil {
		routed := map[netip.AddrPort]bool{}
		for _, r := range st.config.Routes {
			routed[r.Upstreams[0].Addr] = true
		}
		for _, u := range st.upstreams {
			if !routed[u.addr] {
				st.config.Upstreams = append(st.config.Upstreams, resolver.Upstream{Addr: u.addr})
			}
		}
	}
	if st.sockets {
		st.config.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	} else {
		st.config.Dial = func(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error) {
			st.mu.Lock()
			st.dials++
			from := fmt.Sprint("port ", st.dials)
			st.mu.Unlock()
			for _, u := range st.upstreams {
				if u.addr == addr {
					return u.dial(ctx, network, from), nil
				}
			}
			return nil, fmt.Errorf("no upstream %s", addr)
		}
	}
	var err error
	if st.server, err = resolver.New(st.config); err != nil {
		st.fatal("%v", err)
	}
	if !st.sockets {
		return
	}
	if err := st.server.Listen(); err != nil {
		st.fatal("%v", err)
	}
	st.addr = st.server.Addrs()[0]
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- st.server.Run(ctx) }()
	st.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			st.t.Errorf("Run: %v", err)
		}
	})
}

// query sends n queries at once and keeps the replies.
func (st *stage) query(n int, w []string) {
	source, name, qtype := st.source(w[0]), dns.Fqdn(w[1]), dns.StringToType[w[2]]
	if strings.HasPrefix(w[2], "TYPE") {
		v, _ := strconv.Atoi(w[2][4:])
		qtype = uint16(v)
	} else if qtype == 0 {
		st.fatal("%s is no type", w[2])
	}
	transport := resolver.UDP
	var packets [][]byte
	for i := range n {
		m := new(dns.Msg)
		m.SetQuestion(strings.ReplaceAll(name, "%", strconv.Itoa(i)), qtype)
		m.Id = uint16(1000 + i)
		edns := true
		opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
		opt.SetUDPSize(1232)
		for _, o := range w[3:] {
			k, v, _ := strings.Cut(o, "=")
			switch k {
			case "tcp":
				transport = resolver.TCP
			case "no-edns":
				edns = false
			case "mixed-edns":
				edns = i%3 > 0
				opt.SetUDPSize(uint16(512 + 100*(i%5)))
			case "size":
				s, _ := strconv.Atoi(v)
				opt.SetUDPSize(uint16(s))
			case "do":
				opt.SetDo()
			case "cd":
				m.CheckingDisabled = true
			case "ad":
				m.AuthenticatedData = true
			case "no-rd":
				m.RecursionDesired = false
			case "ecs":
				opt.Option = append(opt.Option, &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: net.IPv4(203, 0, 113, 0)})
			case "mac":
				b, _ := hex.DecodeString(strings.ReplaceAll(v, "-", ""))
				opt.Option = append(opt.Option, &dns.EDNS0_LOCAL{Code: 65001, Data: b})
			case "option":
				opt.Option = append(opt.Option, &dns.EDNS0_LOCAL{Code: 65400, Data: []byte("unknown")})
			case "class":
				m.Question[0].Qclass = dns.StringToClass[v]
			case "version":
				vv, _ := strconv.Atoi(v)
				opt.SetVersion(uint8(vv))
			case "two-opts":
				m.Extra = append(m.Extra, opt)
			default:
				st.fatal("%s is no option of a query", o)
			}
		}
		if edns {
			m.Extra = append(m.Extra, opt)
		}
		packets = append(packets, must(m.Pack()))
	}
	st.send(source, transport, packets)
}

func (st *stage) raw(source string, words []string) {
	transport := resolver.UDP
	if words[len(words)-1] == "tcp" {
		transport, words = resolver.TCP, words[:len(words)-1]
	}
	b, err := hex.DecodeString(strings.Join(words, ""))
	if err != nil {
		st.fatal("%v", err)
	}
	st.handmade = true
	st.send(st.source(source), transport, [][]byte{b})
	st.handmade = false
}

// send sends packets at once, each from a socket of its own, and collects the
// replies.
func (st *stage) send(source netip.Addr, transport resolver.Transport, packets [][]byte) {
	st.start()
	st.asked = nil
	for _, u := range st.upstreams {
		u.mu.Lock()
		st.asked = append(st.asked, u.asked)
		u.mu.Unlock()
	}
	st.mu.Lock()
	st.seen = nil
	st.mu.Unlock()
	st.replies = make([]reply, len(packets))
	began := time.Now()
	var wg sync.WaitGroup
	for i, p := range packets {
		wg.Go(func() {
			raw := st.exchange(netip.AddrPortFrom(source, uint16(20000+i)), transport, p)
			st.replies[i].raw = raw
			m := new(dns.Msg)
			if raw == nil {
				return
			}
			if len(raw) == 12 { // a header alone, which Unpack takes for a query without questions
				m.Id = binary.BigEndian.Uint16(raw)
			}
			if err := m.Unpack(raw); err != nil {
				st.fail("the reply cannot be read: %v: %x", err, raw)
				return
			}
			if len(p) >= 2 && m.Id != binary.BigEndian.Uint16(p) {
				st.fail("the reply's id is %d", m.Id)
			}
			if !m.Response {
				st.fail("the reply is no response")
			}
			st.replies[i].msg = m
		})
	}
	wg.Wait()
	st.took = time.Since(began)
}

func (st *stage) exchange(source netip.AddrPort, transport resolver.Transport, packet []byte) []byte {
	if !st.sockets {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return st.server.Handle(ctx, source, transport, packet)
	}
	network, local := "udp", net.Addr(&net.UDPAddr{IP: source.Addr().AsSlice()})
	if transport == resolver.TCP {
		network, local = "tcp", &net.TCPAddr{IP: source.Addr().AsSlice()}
		packet = append(binary.BigEndian.AppendUint16(nil, uint16(len(packet))), packet...)
	}
	d := net.Dialer{LocalAddr: local}
	conn, err := d.Dial(network, st.addr.String())
	if err != nil {
		st.fail("%v", err)
		return nil
	}
	defer conn.Close()
	patience := 4 * time.Second
	if st.handmade { // answered at once or never
		patience = 500 * time.Millisecond
	}
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(packet); err != nil {
		st.fail("%v", err)
		return nil
	}
	if transport == resolver.TCP {
		var head [2]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return nil
		}
		b := make([]byte, binary.BigEndian.Uint16(head[:]))
		if _, err := io.ReadFull(conn, b); err != nil {
			return nil
		}
		return b
	}
	b := make([]byte, 65535)
	n, err := conn.Read(b)
	if err != nil {
		return nil
	}
	return b[:n]
}
