package web

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"
)

// Result is what became of a test.
type Result string

// The results; each has a word of its own.
const (
	ResultGood    Result = "good"
	ResultMend    Result = "mend"
	ResultUnknown Result = "unknown" // it could not be tested, and that is said
)

// Tested is one thing that was looked at on the router: "names", "canaries" or
// "firewall". The words around.<What>.<Result> say what it means and what to do.
type Tested struct {
	What   string
	Result Result
}

// routerPatience is how long a look at the router may take before the page is
// shown without it.
const routerPatience = 5 * time.Second

// testLine is a test in words.
type testLine struct {
	result Result
	text   string
}

// aroundView is the parents' side of the page.
type aroundView struct {
	router  []testLine
	address string // of the test on the device
	code    code
}

// around tells a parent what a child could get around.
func (s *Server) around(w http.ResponseWriter, r *http.Request, v *visitor) {
	p := s.page(r, v, "around.title")
	view := aroundView{address: "http://" + s.ownHost(r) + "/around/device"}
	view.code = drawCode(view.address)
	if s.look != nil {
		ctx, cancel := context.WithTimeout(r.Context(), routerPatience)
		for _, t := range s.look(ctx) {
			view.router = append(view.router, testLine{t.Result, p.T("around." + t.What + "." + string(t.Result))})
		}
		cancel()
	}
	s.show(w, r, http.StatusOK, p.aroundPage(view))
}

// ownHost is the house's own name, at the port that this page was asked at.
func (s *Server) ownHost(r *http.Request) string {
	name := DefaultName
	if s.probes != nil {
		name = s.probes.domain
	}
	if _, port, err := net.SplitHostPort(r.Host); err == nil && port != "80" {
		return net.JoinHostPort(name, port)
	}
	return name
}

// deviceView is the side that the child's device opens.
type deviceView struct {
	dots   []string // addresses of pictures that only our resolver leads to
	next   string   // where what was found is shown
	wait   bool     // it is too soon to tell
	lines  []testLine
	noRule bool // the device is an adult's
}

// testDevice shows a browser five pictures under names made up for it, and then
// which of the names came to us. It needs no JavaScript and no sign-in.
func (s *Server) testDevice(w http.ResponseWriter, r *http.Request, v *visitor) {
	p := s.page(r, v, "probe.title")
	view := deviceView{noRule: s.isAdult(v.person)}
	found, known := s.probes.found(r.URL.Query().Get("run"))
	switch {
	case known:
		view.wait = !found.whole() && s.now().Sub(found.began) < settling && !found.began.After(s.now())
		view.next = "/around/device?run=" + found.id
		view.lines = s.deviceLines(p, r, found)
	case s.probes == nil || r.TLS != nil: // a page over TLS may show no picture without it
		view.lines = []testLine{{ResultUnknown, p.T("probe.asks.unknown", "address", s.ownHost(r))}}
	default:
		run := s.probes.begin(v.addr)
		below := "." + probeLabel + "." + s.ownHost(r)
		for i := range probesPerRun {
			view.dots = append(view.dots, "http://"+run.label(i)+below+dotPath)
		}
		view.next = "/around/device?run=" + run.id
		w.Header().Set("Content-Security-Policy", strings.Replace(contentPolicy, "img-src 'self'", "img-src 'self' http://*"+below, 1))
	}
	s.show(w, r, http.StatusOK, p.devicePage(view))
}

// deviceLines says what a run has found, as far as it is true.
func (s *Server) deviceLines(p *page, r *http.Request, found run) []testLine {
	if found.asked == 0 {
		return []testLine{{ResultMend, p.T("probe.asks.mend")}, {ResultUnknown, p.T("probe.ports")}}
	}
	asks := testLine{ResultGood, p.T("probe.asks.good")}
	if !found.whole() {
		asks = testLine{ResultMend, p.T("probe.asks.some")}
	}
	who := testLine{ResultMend, p.T("probe.who.mend")}
	switch person := p.house.Person(p.who.person); {
	case found.mixed || found.person != p.who.person:
	case person == nil:
		who.text = p.T("probe.who.nobody")
	default:
		who = testLine{ResultGood, p.T("probe.who.good", "name", person.Name)}
	}
	six := testLine{ResultUnknown, p.T("probe.six.unknown")}
	if found.ipv6 {
		six = testLine{ResultGood, p.T("probe.six.good")}
	}
	return []testLine{asks, who, six, {ResultUnknown, p.T("probe.ports")}}
}

// farCall is one server outside that a browser tries to reach.
type farCall struct{ site, url string }

// farCheck is always open (it is on the lifeline), so it tells whether there is
// an internet at all; farCalls should be shut: two servers of DNS over HTTPS by
// address, which the firewall refuses, and one by its name, which is closed for
// children.
const farCheck = "http://connectivitycheck.gstatic.com/generate_204"

func farCalls() []farCall {
	return []farCall{
		{"1.1.1.1", "https://1.1.1.1/dns-query"},
		{"9.9.9.9", "https://9.9.9.9/dns-query"},
		{"dns.google", "https://dns.google/resolve"},
	}
}

// testFar lets the browser call out of the home, which is said on the button that
// leads here. Only this page may, and only to those.
func (s *Server) testFar(w http.ResponseWriter, r *http.Request, v *visitor) {
	p := s.page(r, v, "probe.far.title")
	policy := "connect-src 'self' http://connectivitycheck.gstatic.com"
	for _, c := range farCalls() {
		policy += " https://" + c.site
	}
	w.Header().Set("Content-Security-Policy", strings.Replace(contentPolicy, "connect-src 'self'", policy, 1))
	s.show(w, r, http.StatusOK, p.farPage(farCalls()))
}
