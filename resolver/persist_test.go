package resolver

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestCacheOverARestart saves the cache and loads it into another server, at
// once, later, much later, and with a clock that has not been set.
func TestCacheOverARestart(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	s := testServer(t, func(c *Config) { c.Now = func() time.Time { return at } })
	warm(t, s)
	at = at.Add(100 * time.Second)
	var saved bytes.Buffer
	if err := s.SaveCache(&saved); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what    string
		now     time.Time
		answers int
		ttl     uint32
		fresh   bool
	}{
		{"at once", at, 3, 200, true},
		{"two minutes later", at.Add(2 * time.Minute), 3, 80, true},
		{"ten minutes later", at.Add(10 * time.Minute), 3, 0, false},
		{"two days later", at.Add(48 * time.Hour), 0, 0, false},
		{"in 1970", time.Unix(0, 0), 3, 0, false},
	} {
		now := c.now
		s := testServer(t, func(cfg *Config) { cfg.Now = func() time.Time { return now } })
		n, err := s.LoadCache(bytes.NewReader(saved.Bytes()))
		if err != nil || n != c.answers {
			t.Errorf("%s: %d answers, %v", c.what, n, err)
		}
		q := &query{source: netip.MustParseAddrPort("192.168.1.20:1"), packet: append(make([]byte, 0, udpQueryMax), packet(t, "www.example.", typeA)...), now: now}
		reply, wait := s.receive(q)
		if wait == c.fresh {
			t.Errorf("%s: fresh %v", c.what, !wait)
		}
		if !c.fresh {
			continue
		}
		m := new(dns.Msg)
		if err := m.Unpack(reply); err != nil || len(m.Answer) != 2 || m.Answer[0].Header().Ttl != min(c.ttl, ttlSupervised) {
			t.Errorf("%s: %v %v", c.what, err, m)
		}
	}
	damaged := bytes.Clone(saved.Bytes())
	damaged[len(damaged)/2]++
	for _, b := range [][]byte{nil, []byte(cacheMagic), damaged, saved.Bytes()[:saved.Len()-5]} {
		s := testServer(t, nil)
		if n, err := s.LoadCache(bytes.NewReader(b)); !errors.Is(err, errCacheFile) || n != 0 {
			t.Errorf("a damaged file of %d bytes: %d answers, %v", len(b), n, err)
		}
	}
}

// FuzzReadEntry reads entries as they might stand in a file: what is accepted
// can be answered from.
func FuzzReadEntry(f *testing.F) {
	s := testServer(f, nil)
	warm(f, s)
	for _, e := range s.cache.all() {
		f.Add([]byte(e))
	}
	source := netip.MustParseAddrPort("192.168.1.20:1")
	f.Fuzz(func(t *testing.T, b []byte) {
		file := binary.BigEndian.AppendUint64([]byte(cacheMagic), uint64(s.config.Now().Unix()))
		file = append(file, b...)
		s.LoadCache(bytes.NewReader(binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(file))))
		e, ok := readEntry(bytes.Clone(b))
		if !ok {
			return
		}
		q := &query{source: source, transport: TCP, packet: packet(t, "www.example.", typeA), now: time.Now()}
		if q.parse() == noError {
			v := s.filter.Load().Decide(s.clients.Identify(source.Addr(), nil), q.name, q.now)
			r := s.fromEntry(q, e, false)
			v.Target = q.name
			s.aliased(q, &v, &r)
			s.reply(q, &v, &r)
		}
	})
}
