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
	// probesPerRun is how many names one test asks for: with a second resolver
	// beside us, four at once seldom all come to us.
	probesPerRun = 4
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
	whose  func(source netip.Addr, mac []byte) filter.PolicyID
	now    func() time.Time

	mu   sync.Mutex
	runs map[string]*run
}

// run is one test of one browser.
type run struct {
	id    string
	addr  netip.Addr // of the browser
	began time.Time

	seen   [probesPerRun]bool
	asked  int // how many of them were asked for
	ipv6   bool
	person filter.PolicyID // whose the questions were
	mixed  bool            // they were different people's
}

// NewProbes makes names below "probe." and the house's own name. whose tells
// which person a query is taken for, by where it came from and the hardware
// address that came with it.
func NewProbes(domain string, whose func(source netip.Addr, mac []byte) filter.PolicyID, now func() time.Time) *Probes {
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
func (p *Probes) Asked(source netip.Addr, mac []byte, label []byte, ipv6 bool) bool {
	id, number, _ := strings.Cut(string(label), "-")
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= probesPerRun {
		return false
	}
	person := p.whose(source, mac)
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.runs[id]
	if r == nil || number != strconv.Itoa(i) {
		return false
	}
	r.mixed = r.mixed || r.asked > 0 && r.person != person
	r.person, r.ipv6 = person, r.ipv6 || ipv6
	if !r.seen[i] {
		r.seen[i] = true
		r.asked++
	}
	return true
}

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

// isProbe tells whether a request is for the dot at a probe name, the one thing
// that such a Host gets.
func (s *Server) isProbe(r *http.Request, host string) bool {
	if s.probes == nil || r.URL.Path != dotPath || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	label, below, ok := strings.Cut(host, ".")
	return ok && label != "" && below == probeLabel+"."+s.probes.domain
}

// serveDot answers with a dot, the same for everybody.
func serveDot(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // our page has another name
	_, _ = w.Write([]byte(dot))                           // the client may be gone
}
