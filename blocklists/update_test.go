package blocklists

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// listServer serves what a test says.
type listServer struct {
	*httptest.Server
	serve func(w http.ResponseWriter, r *http.Request)
	asked int
}

func newListServer(t testing.TB) *listServer {
	s := &listServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked++
		s.serve(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// text serves a fixed list.
func (s *listServer) text(list string) {
	s.serve = func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, list) }
}

func update(t testing.TB, l *Library, opt UpdateOptions) UpdateResult {
	t.Helper()
	results, err := l.Update(context.Background(), opt)
	if err != nil || len(results) != 1 {
		t.Fatal(results, err)
	}
	return results[0]
}

// numbered is a list of the names n0.example … of a range.
func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "n%d.example\n", i)
	}
	return b.String()
}

func localSource(s *listServer) Source {
	return Source{ID: "local", Topic: "adult", URL: s.URL + "/list.txt", AllowHTTP: true, AllowPrivate: true}
}

// TestOutdated: a process that was killed between storing names and compiling
// them leaves something to do, though nothing is new to fetch.
func TestOutdated(t *testing.T) {
	s := newListServer(t)
	s.text("one.example\n")
	now := testNow
	l := testLibrary(t, func(o *Options) { o.Now = func() time.Time { now = now.Add(time.Second); return now } })
	outdated := func(when string, wanted bool) {
		t.Helper()
		got, err := l.Outdated()
		if err != nil {
			t.Fatal(err)
		}
		want(t, when, got, wanted)
	}
	outdated("with nothing", false)
	if err := l.Add(context.Background(), localSource(s)); err != nil {
		t.Fatal(err)
	}
	outdated("before it is fetched", false)
	update(t, l, UpdateOptions{})
	outdated("fetched", true)
	mustBuild(t, l)
	outdated("compiled", false)

	// A clock that was ahead when the names were stored is no news for ever.
	now = now.Add(1000 * time.Hour)
	update(t, l, UpdateOptions{Force: true})
	now = now.Add(-2000 * time.Hour)
	mustBuild(t, l)
	outdated("compiled by a clock that was put right", false)
	update(t, l, UpdateOptions{Force: true})
	outdated("fetched by it", true)
	mustBuild(t, l)
	if err := l.Remove(context.Background(), "local"); err != nil {
		t.Fatal(err)
	}
	outdated("removed", true)
}

func TestUpdate(t *testing.T) {
	s := newListServer(t)
	now := testNow
	l := testLibrary(t, func(o *Options) { o.Now = func() time.Time { return now } })
	if err := l.Add(context.Background(), localSource(s)); err != nil {
		t.Fatal(err)
	}
	var header http.Header
	s.serve = func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		w.Header().Set("ETag", `"one"`)
		if r.Header.Get("If-None-Match") == `"one"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, numbered(0, 200))
		z.Close()
	}
	want(t, "first", update(t, l, UpdateOptions{}).Outcome, Updated)
	want(t, "user agent", header.Get("User-Agent"), "treehouse")
	for name := range header {
		if name != "User-Agent" && name != "Accept-Encoding" && name != "Connection" {
			t.Error("the request tells more than it must: ", name)
		}
	}
	mustBuild(t, l)
	want(t, "a name", topicsOf(t, l, "n7.example"), "adult")

	want(t, "at once again", update(t, l, UpdateOptions{}).Outcome, NotDue)
	want(t, "requests", s.asked, 1)
	want(t, "because somebody presses twice", update(t, l, UpdateOptions{Now: true}).Outcome, NotDue)
	now = now.Add(askAgain)
	want(t, "because somebody wants it now", update(t, l, UpdateOptions{Now: true}).Outcome, Unchanged)
	want(t, "asked for news only", header.Get("If-None-Match"), `"one"`)
	want(t, "requests", s.asked, 2)
	now = now.Add(25 * time.Hour)
	want(t, "a day later", update(t, l, UpdateOptions{}).Outcome, Unchanged)
	now = now.Add(-48 * time.Hour)
	want(t, "when the clock was wrong", update(t, l, UpdateOptions{}).Outcome, Unchanged)

	// Each of these leaves the last good names, with a sentence.
	for what, c := range map[string]struct {
		serve func(w http.ResponseWriter, r *http.Request)
		want  string
	}{
		"not found":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, `answered "404 Not Found"`},
		"a login page": {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "\n <!DOCTYPE html><html>") }, "web page"},
		"nothing":      {func(w http.ResponseWriter, _ *http.Request) {}, "empty"},
		"comments":     {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "# nothing\n") }, "no name"},
		"binary":       {func(w http.ResponseWriter, _ *http.Request) { w.Write(bytes.Repeat([]byte{0, 1, 2}, 99)) }, "binary"},
		"an error text": {func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, strings.Repeat("Too many requests\n", 50))
		}, "no names"},
		"the root": {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, ".\ncom\n") }, "no name"},
		"cut in transit": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9999")
			io.WriteString(w, numbered(0, 9))
		}, "ended after"},
		"cut gzip":    {func(w http.ResponseWriter, _ *http.Request) { w.Write(packed(numbered(0, 200))[:150]) }, "cut short"},
		"a gzip bomb": {func(w http.ResponseWriter, _ *http.Request) { w.Write(bomb()) }, "more than 100 times"},
		"a zip":       {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "PK\x03\x04 and so on") }, "unpack it"},
		"too large": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(maxDownload+1))
		}, "64"},
		"endless redirects": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, s.URL+"/again", http.StatusFound) }, "more than 5 times"},
		"a redirect to a file": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(302)
		}, "no https address"},
	} {
		s.serve = c.serve
		r := update(t, l, UpdateOptions{Force: true})
		if r.Outcome != Failed || !strings.Contains(r.Err.Error(), c.want) || !strings.Contains(r.Err.Error(), "last good") {
			t.Errorf("%s: %s, %v; want %q", what, r.Outcome, r.Err, c.want)
		}
		sources, err := l.Sources()
		if err != nil || sources[0].Report.Entries != 200 || !sources[0].Failed || sources[0].Result != r.Err.Error() {
			t.Errorf("%s: the state is %+v, %v", what, sources, err)
		}
	}
	mustBuild(t, l)
	want(t, "a name after all that", topicsOf(t, l, "n7.example"), "adult")
	asked := s.asked
	s.text(numbered(0, 201))
	update(t, l, UpdateOptions{})
	now = now.Add(retryAfter)
	want(t, "requests before the retry", s.asked-asked, 0)
	want(t, "the retry", update(t, l, UpdateOptions{}).Outcome, Updated)
}

func packed(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, text)
	z.Close()
	return b.Bytes()
}

// bomb is a list that unpacks to 1,000 times its size.
func bomb() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for range 8 {
		z.Write(bytes.Repeat([]byte("a.example\n"), 100_000))
	}
	z.Close()
	return b.Bytes()
}

func TestUpdateHolds(t *testing.T) {
	s := newListServer(t)
	l := testLibrary(t)
	if err := l.Add(context.Background(), localSource(s)); err != nil {
		t.Fatal(err)
	}
	s.text(numbered(0, 1000))
	want(t, "first", update(t, l, UpdateOptions{Force: true}).Outcome, Updated)
	s.text(numbered(200, 1200))
	r := update(t, l, UpdateOptions{Force: true})
	want(t, "a fifth is another", r.Outcome, Updated)
	want(t, "added", r.Report.Added, 200)
	want(t, "removed", r.Report.Removed, 200)
	for what, list := range map[string]string{"shrunk": numbered(200, 800), "grown": numbered(200, 1600), "another": numbered(5000, 6000)} {
		s.text(list)
		want(t, what, update(t, l, UpdateOptions{Force: true}).Outcome, Held)
		sources, _ := l.Sources()
		want(t, what+": entries", sources[0].Report.Entries, 1000)
		if sources[0].Held == nil || !strings.HasPrefix(sources[0].Result, "held: it would add") {
			t.Errorf("%s: the state is %+v", what, sources[0])
		}
	}
	want(t, "accepted", update(t, l, UpdateOptions{Accept: true}).Outcome, Updated)
	sources, _ := l.Sources()
	if sources[0].Held != nil || sources[0].Failed || sources[0].Result != "updated" {
		t.Errorf("the state is %+v", sources[0])
	}
}

func TestUpdateURL(t *testing.T) {
	l := testLibrary(t)
	for url, want := range map[string]string{
		"http://lists.example/a":   "without TLS",
		"file:///etc/passwd":       "no host",
		"ftp://lists.example/a":    "no https address",
		"/etc/passwd":              "no host",
		"https://":                 "no host",
		"https://lists.example/%z": "cannot be read",
		"gopher://127.0.0.1:53/_x": "no https address",
	} {
		err := l.Add(context.Background(), Source{ID: "x", Topic: "adult", URL: url})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}

func TestIsPublic(t *testing.T) {
	for address, public := range map[string]bool{
		"9.9.9.9": true, "2620:fe::fe": true, "::ffff:9.9.9.9": true,
		"127.0.0.1": false, "::1": false, "10.0.0.1": false, "192.168.1.1": false, "172.16.0.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "0.0.0.0": false, "::": false, "::ffff:127.0.0.1": false, "fe80::1": false, "fe80::1%lo": false, "fd00::1": false,
		"224.0.0.1": false, "ff02::1": false, "255.255.255.255": false, "240.0.0.1": false, "0.1.2.3": false,
		"64:ff9b::7f00:1": false, "2002:7f00:1::": false, "198.18.0.1": false,
	} {
		want(t, address, isPublic(netip.MustParseAddr(address)), public)
	}
}

// TestUpdatePrivate tries to lead an update to a server at home.
func TestUpdatePrivate(t *testing.T) {
	home := newListServer(t)
	home.text(numbered(0, 10))
	outside := newListServer(t)
	l := testLibrary(t)
	home.Listener.Addr()
	only := netip.MustParseAddrPort(outside.Listener.Addr().String())
	dials := 0
	l.opt.Fetch.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		dials++
		return new(net.Dialer).DialContext(ctx, network, address)
	}

	source := localSource(home)
	source.AllowPrivate = false
	if err := l.Add(context.Background(), source); err != nil {
		t.Fatal(err)
	}
	r := update(t, l, UpdateOptions{Force: true})
	if r.Outcome != Failed || !strings.Contains(r.Err.Error(), "not on the internet") {
		t.Error(r)
	}
	l.opt.Fetch.Dial = nil // the system's dialer is stopped before it connects
	r = update(t, l, UpdateOptions{Force: true})
	if r.Outcome != Failed || !strings.Contains(r.Err.Error(), "not on the internet") {
		t.Error(r)
	}

	// A server outside that sends on to the one at home. Both are loopback, so
	// the test says which is which: by the order of dials.
	source.URL = outside.URL
	if err := l.Add(context.Background(), source); err != nil {
		t.Fatal(err)
	}
	outside.serve = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, home.URL, http.StatusFound) }
	asked := 0
	l.permit = func(a netip.Addr) bool { asked++; return asked <= 2 && a == only.Addr() } // before and after connecting
	r = update(t, l, UpdateOptions{Force: true})
	if r.Outcome != Failed || !strings.Contains(r.Err.Error(), "not on the internet") {
		t.Error(r)
	}
	want(t, "requests outside", outside.asked, 1)
	want(t, "requests at home", home.asked, 0)
	want(t, "dials of the handed-in dialer", dials, 1)
}

// TestUpdateTLS checks certificates by the clock that was handed in.
func TestUpdateTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, numbered(0, 10)) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it will complain
	s.StartTLS()
	defer s.Close()
	now := time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC) // before the test server's certificate is good, like a router at boot
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	l := testLibrary(t, func(o *Options) {
		o.Now = func() time.Time { return now }
		o.Fetch.TLS = &tls.Config{RootCAs: roots}
	})
	if err := l.Add(context.Background(), Source{ID: "tls", Topic: "adult", URL: s.URL, AllowPrivate: true}); err != nil {
		t.Fatal(err)
	}
	r := update(t, l, UpdateOptions{Force: true})
	if r.Outcome != Failed || !strings.Contains(r.Err.Error(), "certificate") {
		t.Error(r)
	}
	now = s.Certificate().NotBefore.Add(time.Hour)
	want(t, "with the right clock", update(t, l, UpdateOptions{Force: true}).Outcome, Updated)
	l.opt.Fetch.TLS = nil
	want(t, "an unknown root", update(t, l, UpdateOptions{Force: true}).Outcome, Failed)
}

// TestWatch: an import is no news, a build is, by whichever process.
func TestWatch(t *testing.T) {
	l := testLibrary(t)
	other, err := Open(l.opt.Temp, l.opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	built := l.Watch(ctx)
	mustImport(t, other, Source{Topic: "adult"}, write(t, "a.txt", "a.example\n"))
	mustBuild(t, other)
	<-built
	want(t, "in the snapshot", topicsOf(t, l, "a.example"), "adult")
	cancel()
	for range built {
	}
}

func TestSources(t *testing.T) {
	l := testLibrary(t)
	for want, s := range map[string]Source{
		`no topic "adul"`:               {ID: "x", Topic: "adul"},
		"do you mean one of ads, adult": {ID: "x", Topic: "a"},
		"1 to 64 bytes":                 {Topic: "adult"},
		"a source's id is":              {ID: "a/b", Topic: "adult"},
		"there is no list format":       {ID: "x", Topic: "adult", Format: "csv"},
	} {
		if err := l.Add(context.Background(), s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", s, err, want)
		}
	}
	if err := l.Remove(context.Background(), "nobody"); err == nil || err.Error() != `there is no source "nobody"` {
		t.Error(err)
	}
	mustImport(t, l, Source{Topic: "adult"}, write(t, "a.txt", "a.example\n"))
	mustBuild(t, l)
	if err := l.Remove(context.Background(), "a"); err != nil {
		t.Fatal(err)
	}
	want(t, "before the build", topicsOf(t, l, "a.example"), "adult")
	mustBuild(t, l)
	want(t, "after the build", topicsOf(t, l, "a.example"), "")
	sources, err := l.Sources()
	if len(sources) != 0 || err != nil {
		t.Error(sources, err)
	}
	written := l.BytesWritten()
	source := Source{ID: "b", Topic: "adult", URL: "https://lists.example/b"}
	for range 3 {
		if err := l.Add(context.Background(), source); err != nil {
			t.Fatal(err)
		}
	}
	if l.BytesWritten()-written > 64<<10 {
		t.Error("adding the same source again writes")
	}
}

func TestFind(t *testing.T) {
	l := testLibrary(t)
	var many strings.Builder
	for i := range 9000 {
		fmt.Fprintf(&many, "s%d.many.example\n", i)
	}
	mustImport(t, l, Source{ID: "many", Topic: "ads"}, write(t, "many", many.String()+"many.example\n"))
	mustImport(t, l, Source{ID: "rules", Topic: "adult"}, write(t, "rules", "||a.many.example^\n@@||b.a.many.example^\n|c.b.a.many.example^\n"))
	find := func(name string) (out string) {
		t.Helper()
		found, err := l.Find(filter.MustName(name))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range found {
			out += fmt.Sprintf("%s:%s:%s%d ", o.Source, o.Topic, o.Name, o.Mode)
		}
		return strings.TrimSpace(out)
	}
	want(t, "below", find("x.s8999.many.example"), "many:ads:many.example.0 many:ads:s8999.many.example.0")
	want(t, "exact", find("c.b.a.many.example"), "many:ads:many.example.0 rules:adult:a.many.example.0 rules:adult:b.a.many.example.2 rules:adult:c.b.a.many.example.1")
	want(t, "below exact", find("d.c.b.a.many.example"), "many:ads:many.example.0 rules:adult:a.many.example.0 rules:adult:b.a.many.example.2")
	want(t, "the catalogue", find("www.tiktok.com"), ":tiktok:tiktok.com.0")
	want(t, "protected", find("news.example"), "::news.example.2")
	want(t, "unknown", find("wikipedia.org"), "")
	for i := 0; i < 9000; i += 777 {
		name := fmt.Sprintf("s%d.many.example", i)
		want(t, name, find(name), "many:ads:many.example.0 many:ads:"+name+".0")
	}
}
