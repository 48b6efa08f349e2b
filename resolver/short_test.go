package resolver

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/treehouse-dns/treehouse/filter"
)

// oneClient is everybody.
type oneClient struct{}

func (oneClient) Identify(netip.Addr, []byte) filter.Client { return filter.Client{} }

// testServer blocks adult.example and has nobody to ask.
func testServer(t testing.TB, change func(*Config)) *Server {
	t.Helper()
	var buf bytes.Buffer
	topics := []filter.Topic{{ID: "adult", Kind: filter.KindCategory}, {ID: "search", Kind: filter.KindSafeSearch, Target: "safe.example"}}
	_, err := filter.BuildTrie(&buf, topics, func(yield func(filter.Entry) bool) error {
		_ = yield(filter.Entry{Name: filter.MustName("adult.example")}) &&
			yield(filter.Entry{Name: filter.MustName("search.example"), Topic: 1})
		return nil
	}, filter.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	trie, err := filter.OpenTrie(buf.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	live := new(filter.Live)
	live.Store(filter.NewSnapshot(trie, nil, []filter.Policy{{Supervised: true, Topics: []filter.TopicRule{{Topic: "adult"}, {Topic: "search"}}}}))
	c := Config{Filter: live, Clients: oneClient{}}
	if change != nil {
		change(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// remember puts an upstream's answer into the cache.
func remember(t testing.TB, s *Server, records ...string) {
	t.Helper()
	m := new(dns.Msg)
	for i, text := range records {
		r, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			m.SetQuestion(r.Header().Name, r.Header().Rrtype)
		}
		m.Answer = append(m.Answer, r)
	}
	m.Question[0].Qtype = m.Answer[len(m.Answer)-1].Header().Rrtype
	m.Response, m.Compress = true, true
	msg, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	k := s.cache.keyOf(filter.MustName(m.Question[0].Name), m.Question[0].Qtype, 0)
	e, err := new(harvester).harvest(nil, &k, msg, s.clock(s.config.Now()))
	if err != nil {
		t.Fatal(err)
	}
	s.cache.put(&k, e)
}

func packet(t testing.TB, name string, qtype uint16) []byte {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(name, qtype)
	m.SetEdns0(1232, false)
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var shortWay = []struct {
	what, name string
	qtype      uint16
}{
	{"blocked A", "www.adult.example.", typeA},
	{"blocked HTTPS", "www.adult.example.", typeHTTPS},
	{"cached A", "www.example.", typeA},
	{"cached chain", "alias.example.", typeA},
	{"rewritten A", "search.example.", typeA},
	{"canary", "use-application-dns.net.", typeA},
	{"localhost", "localhost.", typeA},
}

func warm(t testing.TB, s *Server) {
	remember(t, s, "www.example. 300 A 192.0.2.1", "www.example. 300 A 192.0.2.2")
	remember(t, s, "alias.example. 300 CNAME target.example.", "target.example. 300 A 192.0.2.3")
	remember(t, s, "safe.example. 300 A 192.0.2.4")
}

// TestShortWayAllocatesNothing holds what a router with a slow processor needs.
func TestShortWayAllocatesNothing(t *testing.T) {
	s := testServer(t, nil)
	warm(t, s)
	q := &query{source: netip.MustParseAddrPort("192.168.1.20:5353"), scratch: make([]byte, 0, 1024), spare: make([]byte, 0, 512)}
	buf := make([]byte, 0, udpQueryMax)
	for _, c := range shortWay {
		p := packet(t, c.name, c.qtype)
		q.now = time.Now()
		allocs := testing.AllocsPerRun(100, func() {
			q.packet = append(buf[:0], p...)
			if reply, wait := s.receive(q); reply == nil || wait {
				t.Fatalf("%s: no reply at once", c.what)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", c.what, allocs)
		}
	}
}

func BenchmarkShortWay(b *testing.B) {
	s := testServer(b, func(c *Config) { c.Rate = -1 })
	warm(b, s)
	q := &query{source: netip.MustParseAddrPort("192.168.1.20:5353"), scratch: make([]byte, 0, 1024), spare: make([]byte, 0, 512)}
	buf := make([]byte, 0, udpQueryMax)
	for _, c := range shortWay {
		p := packet(b, c.name, c.qtype)
		b.Run(c.what, func(b *testing.B) {
			b.ReportAllocs()
			q.now = time.Now()
			for b.Loop() {
				q.packet = append(buf[:0], p...)
				s.receive(q)
			}
		})
	}
}
