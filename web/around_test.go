package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/web"
)

// aroundStage is a house whose resolver is played by the test.
func aroundStage(t *testing.T, router ...web.Tested) (*stage, *web.Probes) {
	t.Helper()
	needParents(t)
	var probes *web.Probes
	s := newStage(t, func(*web.Options) {})
	s.start(func(o *web.Options) {
		probes = web.NewProbes("Treehouse.home.arpa.", func(source netip.Addr, mac []byte) filter.PolicyID {
			if mac != nil {
				return filter.PolicyID(mac[5])
			}
			_, person := s.home.Whose(source)
			return person
		}, s.now)
		o.Probes = probes
		o.Look = func(context.Context) []web.Tested { return router }
	})
	return s, probes
}

var dots = regexp.MustCompile(`src="http://([a-z2-7]+-\d)\.probe\.treehouse\.home\.arpa(:\d+)?/around/dot\.svg"`)

// labels are the names a page makes up.
func labels(page string) (all []string) {
	for _, m := range dots.FindAllStringSubmatch(page, -1) {
		all = append(all, m[1])
	}
	return all
}

var shown = regexp.MustCompile(`href="(/around/device\?run=[a-z2-7]+)"`)

// TestAroundForParents: what the router sees, the way to the device, and what
// nothing can stop. What was not tested is said so.
func TestAroundForParents(t *testing.T) {
	s, _ := aroundStage(t, web.Tested{What: "names", Result: web.ResultGood}, web.Tested{What: "canaries", Result: web.ResultUnknown}, web.Tested{What: "firewall", Result: web.ResultMend})
	if w := s.browser(anas).get("/around"); w.Code != http.StatusSeeOther {
		t.Errorf("without signing in: %d", w.Code)
	}
	parent := s.parent()
	page := text(parent.get("/around").Body.String())
	says(t, page, "good Treehouse answers, and closes what it should.", "not tested We could not see what browsers are told.",
		"to mend A device can ask another DNS server and get around.", "http://treehouse.home.arpa/around/device", "What Treehouse cannot do", "mobile data", "its own list of addresses")
	for _, path := range []string{"/settings", "/learn", "/setup?step=3"} {
		if !strings.Contains(parent.get(path).Body.String(), `href="/around"`) {
			t.Errorf("%s does not lead there", path)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/around", nil)
	r.Host = "localhost:8080"
	says(t, text(parent.do(r).Body.String()), "http://treehouse.home.arpa:8080/around/device")
}

// TestDeviceAsks: a browser that asks us, one that asks somebody else, and one
// that asks both. No sign-in, no script.
func TestDeviceAsks(t *testing.T) {
	ask := func(from string, mac []byte, which ...int) func(p *web.Probes, names []string) {
		return func(p *web.Probes, names []string) {
			for _, i := range which {
				if !p.Asked(netip.MustParseAddr(from), mac, []byte(names[i]), false) {
					t.Errorf("%s is not known", names[i])
				}
			}
		}
	}
	all := []int{0, 1, 2, 3, 4}
	for name, c := range map[string]struct {
		device string
		asks   func(p *web.Probes, names []string)
		want   []string
	}{
		"well":            {anas, ask(anas, nil, all...), []string{"good This browser asks Treehouse.", "good Treehouse knows that you are Ana.", "not tested It did not ask the new way"}},
		"through dnsmasq": {anas, ask("127.0.0.1", []byte{2, 0, 0, 0, 0, 1}, all...), []string{"good This browser asks Treehouse.", "good Treehouse knows that you are Ana."}},
		"nothing comes":   {anas, func(*web.Probes, []string) {}, []string{"to mend No dot came by Treehouse.", "VPN", "not tested A browser cannot test ports 53 and 853."}},
		"some come":       {anas, ask(anas, nil, 0, 2), []string{"to mend Only some dots came by Treehouse."}},
		"led elsewhere":   {anas, ask(anas, nil, all...), []string{"to mend Only some dots came by Treehouse."}},
		"one twice":       {anas, ask(anas, nil, 1, 1, 1, 1), []string{"to mend Only some dots came by Treehouse."}},
		"somebody else's": {anas, ask(marias, nil, all...), []string{"good This browser asks Treehouse.", "to mend Treehouse took you for someone else."}},
		"from two places": {anas, func(p *web.Probes, n []string) { ask(marias, nil, 0)(p, n); ask(anas, nil, 1, 2, 3, 4)(p, n) }, []string{"to mend Treehouse took you for someone else."}},
		"nobody's device": {strangers, ask(strangers, nil, all...), []string{"to mend Treehouse does not know whose device this is."}},
		"a parent's":      {marias, ask(marias, nil, all...), []string{"This device has no rules of a child"}},
		"over IPv6": {anas, func(p *web.Probes, n []string) {
			ask(anas, nil, all...)(p, n)
			p.Asked(netip.MustParseAddr(anas), nil, []byte(n[3]), true)
		}, []string{"good It asks the new way too (IPv6)."}},
		"what is not ours": {anas, func(p *web.Probes, n []string) {
			for _, wrong := range []string{"", "-", n[0] + "0", "x" + n[0], strings.TrimSuffix(n[0], "0") + "5", strings.TrimSuffix(n[0], "0") + "00", strings.TrimSuffix(n[0], "0") + "+0", strings.TrimSuffix(n[0], "-0")} {
				if p.Asked(netip.MustParseAddr(anas), nil, []byte(wrong), false) {
					t.Errorf("%q is known", wrong)
				}
			}
		}, []string{"to mend No dot came by Treehouse."}},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			s, probes := aroundStage(t)
			b := s.browser(c.device)
			page := b.get("/around/device").Body.String()
			names := labels(page)
			if len(names) != 5 || len(slices.Compact(slices.Sorted(slices.Values(names)))) != 5 {
				t.Fatalf("the page makes up %v", names)
			}
			if again := labels(b.get("/around/device").Body.String()); again[0] == names[0] {
				t.Error("the names are used twice")
			}
			c.asks(probes, names)
			for i, n := range names { // the browser fetches what it was led to
				if name == "led elsewhere" && i == 2 {
					continue
				}
				r := httptest.NewRequest(http.MethodGet, "/around/dot.svg", nil)
				r.Host = n + ".probe.treehouse.home.arpa"
				b.do(r)
			}
			s.passes(4 * time.Second)
			result := text(b.get(shown.FindStringSubmatch(page)[1]).Body.String())
			says(t, result, append(c.want, "What Treehouse cannot do", "One more test, out of the house")...)
		})
	}
}

// TestDeviceWaits: who taps too soon is not told anything that may be wrong.
func TestDeviceWaits(t *testing.T) {
	s, _ := aroundStage(t)
	b := s.browser(anas)
	next := shown.FindStringSubmatch(b.get("/around/device").Body.String())[1]
	page := text(b.get(next).Body.String())
	says(t, page, "Still looking.")
	if strings.Contains(page, "to mend") {
		t.Error("it says too much too soon")
	}
	s.passes(4 * time.Second)
	says(t, text(b.get(next).Body.String()), "No dot came by Treehouse.")
	s.passes(10 * time.Minute) // forgotten: another test begins
	if w := b.get(next).Body.String(); len(labels(w)) != 5 {
		t.Errorf("what is forgotten is still told: %s", text(w))
	}
}

// TestWithoutProbes: a house without a resolver of its own says that it cannot
// tell, as does a page over TLS, which may show no such pictures.
func TestWithoutProbes(t *testing.T) {
	needParents(t)
	s := newStage(t, nil)
	says(t, text(s.browser(anas).get("/around/device").Body.String()), "not tested This page cannot see whom the browser asks.", "What Treehouse cannot do")
	s, _ = aroundStage(t)
	r := httptest.NewRequest(http.MethodGet, "https://treehouse.home.arpa/around/device", nil)
	says(t, text(s.browser(anas).do(r).Body.String()), "not tested This page cannot see whom the browser asks.")
}

// TestProbeHosts: a probe's name gets the dot and nothing else, so no page is to
// be had by a name that anybody may make up.
func TestProbeHosts(t *testing.T) {
	s, _ := aroundStage(t)
	b := s.browser(anas)
	for _, c := range []struct {
		method, host, path string
		want               int
	}{
		{"GET", "abc-0.probe.treehouse.home.arpa", "/around/dot.svg", 200},
		{"HEAD", "abc-0.probe.treehouse.home.arpa:8080", "/around/dot.svg", 200},
		{"GET", "ABC-0.Probe.Treehouse.home.arpa.", "/around/dot.svg", 200},
		{"POST", "abc-0.probe.treehouse.home.arpa", "/around/dot.svg", 421},
		{"GET", "abc-0.probe.treehouse.home.arpa", "/", 421},
		{"GET", "abc-0.probe.treehouse.home.arpa", "/me", 421},
		{"GET", "abc-0.probe.treehouse.home.arpa", "/around/device", 421},
		{"GET", "abc-0.probe.treehouse.home.arpa", "/around/dot.svg/../device", 421},
		{"GET", "a.b.probe.treehouse.home.arpa", "/around/dot.svg", 421},
		{"GET", "probe.treehouse.home.arpa", "/around/dot.svg", 421},
		{"GET", ".probe.treehouse.home.arpa", "/around/dot.svg", 421},
		{"GET", "abc-0.probe.treehouse.home.arpa.evil.example", "/around/dot.svg", 421},
		{"GET", "abc-0.probe.evil.example", "/around/dot.svg", 421},
		{"GET", web.DefaultName, "/around/dot.svg", 404},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		r.Host = c.host
		w := b.do(r)
		if w.Code != c.want {
			t.Errorf("%s %s%s: %d, want %d", c.method, c.host, c.path, w.Code, c.want)
		}
		if c.want == 200 && (w.Header().Get("Cross-Origin-Resource-Policy") != "cross-origin" || w.Header().Get("Content-Type") != "image/svg+xml" || len(w.Result().Cookies()) > 0) {
			t.Errorf("%s: %v", c.host, w.Header())
		}
	}
}

// TestAroundPolicy: each page may reach exactly what its test needs.
func TestAroundPolicy(t *testing.T) {
	s, _ := aroundStage(t)
	b := s.browser(anas)
	r := httptest.NewRequest(http.MethodGet, "/around/device", nil)
	r.Host = "treehouse.home.arpa:8080"
	w := b.do(r)
	policy := func(w *httptest.ResponseRecorder) string { return w.Header().Get("Content-Security-Policy") }
	ordinary := policy(b.get("/me"))
	if got, want := policy(w), strings.Replace(ordinary, "img-src 'self'", "img-src 'self' http://*.probe.treehouse.home.arpa:8080", 1); got != want || got == ordinary {
		t.Errorf("the device's page: %s", got)
	}
	next := shown.FindStringSubmatch(w.Body.String())[1]
	if got := policy(b.get(next)); got != ordinary {
		t.Errorf("the results: %s", got)
	}
	far := b.get("/around/far")
	if got, want := policy(far), strings.Replace(ordinary, "connect-src 'self'", "connect-src 'self' http://connectivitycheck.gstatic.com https://1.1.1.1 https://9.9.9.9 https://dns.google", 1); got != want || got == ordinary {
		t.Errorf("the test outside: %s", got)
	}
	for _, m := range regexp.MustCompile(`data-(?:call|check)="(https?://[^/"]+)`).FindAllStringSubmatch(far.Body.String(), -1) {
		if !strings.Contains(policy(far), " "+m[1]) {
			t.Errorf("the page calls %s, which its policy forbids", m[1])
		}
	}
	says(t, text(far.Body.String()), "This test needs JavaScript.")
}
