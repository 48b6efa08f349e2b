package web

import (
	"crypto/rand"
	"encoding/base32"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

const (
	// probesPerRun is how many names one test asks for: where a second resolver
	// gets half of the questions, all of five come to us one time in thirty.
	probesPerRun = 5
	// maxRuns and maxRunsEach bound the tests that are remembered, in all and per
	// address, about 200 bytes each.
	maxRuns     = 64
	maxRunsEach = 8
	// runLife is how long one is remembered.
	runLife = 5 * time.Minute
	// settling is how long a browser may take to ask for all names.
	settling = 3 * time.Second
	// probeLabel is what probe names are below, under our own name; the resolver
	// has the same.
	probeLabel = "probe"
	// dotPath is the only thing there is at a probe name.
	dotPath = "/around/dot.svg"
	dot     = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4" fill="#2a7a55"/></svg>`
)

// Probes are names that pages make up to see whether a browser asks our resolver:
// nobody else knows them. They are in memory only, for minutes. Any number of
// goroutines use them at once; nil has none.
type Probes struct {
	domain string
	whose  func(source netip.Addr, id []byte) filter.PolicyID
	now    func() time.Time

	mu   sync.Mutex
	runs map[string]*run
}

// run is one test of one browser.
type run struct {
	id    string
	addr  netip.Addr // of the browser
	began time.Time

	asked  uint8 // a bit for each name that somebody asked us for
	led    uint8 // and for each by which the browser then found the dot
	ipv6   bool
	person filter.PolicyID // whose the questions were
	mixed  bool            // they were different people's
}

// NewProbes makes names below "probe." and the house's own name. whose tells
// which person a query is taken for, by where it came from and the hardware
// address that came with it.
func NewProbes(domain string, whose func(source netip.Addr, id []byte) filter.PolicyID, now func() time.Time) *Probes {
	return &Probes{domain: strings.TrimSuffix(strings.ToLower(domain), "."), whose: whose, now: now, runs: map[string]*run{}}
}

// label is one of a run's names.
func (r *run) label(i int) string { return r.id + "-" + strconv.Itoa(i) }

// begin makes up the names of another test.
func (p *Probes) begin(addr netip.Addr) run {
	var raw [10]byte
	rand.Read(raw[:])
	r := &run{id: strings.ToLower(base32.StdEncoding.EncodeToString(raw[:])), addr: addr, began: p.now()}
	p.mu.Lock()
	defer p.mu.Unlock()
	var oldest, own *run
	each := 0
	for id, other := range p.runs {
		if age := r.began.Sub(other.began); age > runLife || age < -runLife {
			delete(p.runs, id)
			continue
		}
		if oldest == nil || other.began.Before(oldest.began) {
			oldest = other
		}
		if other.addr == addr {
			if each++; own == nil || other.began.Before(own.began) {
				own = other
			}
		}
	}
	switch {
	case each >= maxRunsEach:
		delete(p.runs, own.id)
	case len(p.runs) >= maxRuns:
		delete(p.runs, oldest.id)
	}
	p.runs[r.id] = r
	return *r
}

// Asked notes that a name was asked for, and tells whether it is one of ours.
// The resolver calls it.
func (p *Probes) Asked(source netip.Addr, id []byte, label []byte, ipv6 bool) bool {
	person := p.whose(source, id)
	p.mu.Lock()
	defer p.mu.Unlock()
	r, bit := p.of(string(label))
	if r == nil {
		return false
	}
	r.mixed = r.mixed || r.asked != 0 && r.person != person
	r.person, r.ipv6 = person, r.ipv6 || ipv6
	r.asked |= bit
	return true
}

// of is the test that made up a label, and the label's bit; nil if none did. The
// caller holds mu.
func (p *Probes) of(label string) (*run, uint8) {
	id, number, _ := strings.Cut(label, "-")
	if len(number) != 1 || number[0] < '0' || number[0] >= '0'+probesPerRun {
		return nil, 0
	}
	return p.runs[id], 1 << (number[0] - '0')
}

// fetched notes that a browser found the dot at a name.
func (p *Probes) fetched(label string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r, bit := p.of(label); r != nil {
		r.led |= bit
	}
}

// whole tells whether we were asked for every name and every one led to us. A
// question for the IPv6 address alone may come to us while the one that counts
// goes elsewhere.
func (r *run) whole() bool { return r.asked&r.led == 1<<probesPerRun-1 }

// found is what is known of a test, if it is remembered.
func (p *Probes) found(id string) (run, bool) {
	if p == nil || id == "" {
		return run{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.runs[id]
	if r == nil || p.now().Sub(r.began) > runLife {
		return run{}, false
	}
	return *r, true
}

// probeOf is the label of a probe name in a Host, if the request is for the dot
// there: the one thing that such a Host gets.
func (s *Server) probeOf(r *http.Request) (label string, ok bool) {
	if s.probes == nil || r.URL.Path != dotPath || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return "", false
	}
	label, below, _ := strings.Cut(hostOf(r), ".")
	return label, label != "" && below == probeLabel+"."+s.probes.domain
}

// serveDot answers with a dot, the same for everybody.
func (s *Server) serveDot(w http.ResponseWriter, label string) {
	s.probes.fetched(label)
	h := w.Header()
	h.Set("Connection", "close") // each name has a connection of its own, and none is used again
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // our page has another name
	_, _ = w.Write([]byte(dot))                           // the client may be gone
}
