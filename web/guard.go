package web

import (
	"bytes"
	"crypto/hmac"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"

	"github.com/treehouse-dns/treehouse/filter"
)

const (
	// maxForm is the largest form: a passphrase and a few names, in bytes.
	maxForm = 16 << 10
	// maxAtOnce requests are worked on at once; a page takes about a
	// millisecond on a router and 64 KiB.
	maxAtOnce = 16
	// maxConns and maxConnsEach bound open connections, in all and per address:
	// a browser opens six and one for live pages.
	maxConns     = 96
	maxConnsEach = 12

	// contentPolicy allows our own files and nothing else: no inline script or
	// style, no frame around us, no form that sends elsewhere.
	contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
		"manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

// guard is what every request passes first.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		if r.TLS != nil { // without, browsers ignore it and complain
			h.Set("Cross-Origin-Opener-Policy", "same-origin")
		}
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		// no-referrer would make browsers send "Origin: null" with our own forms.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if label, ok := s.probeOf(r); ok {
			s.serveDot(w, label)
			return
		}
		if !s.isOurHost(r) && !(s.lanPage && strings.HasPrefix(r.URL.Path, "/a/")) {
			// A name that is pointed at us (rebinding), or a blocked site on a
			// network that sends those here: never a page with anything of the
			// family on it.
			if s.lanPage && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
				s.blockedElsewhere(w, r)
				return
			}
			http.Error(w, "This name is not one of this house.", http.StatusMisdirectedRequest)
			return
		}
		r.Body = heard(http.MaxBytesReader(w, r.Body, maxForm))
		if r.URL.Path != "/live" && r.URL.Path != "/api/v1/events" { // these stay open
			select {
			case s.slots <- struct{}{}:
			case <-r.Context().Done():
				return
			}
			free := sync.OnceFunc(func() { <-s.slots })
			defer free()
			w = &answering{w, free}
		}
		next.ServeHTTP(w, r)
	})
}

// heard takes a request's body in before anything is held for it: whoever sends
// byte by byte waits alone.
func heard(body io.Reader) io.ReadCloser {
	raw, err := io.ReadAll(body)
	if err == nil {
		err = io.EOF
	}
	return io.NopCloser(io.MultiReader(bytes.NewReader(raw), failing{err}))
}

// failing is where a body ends, well or not.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// answering lets the next request in as soon as there is an answer to this one:
// our answers are made whole, and whoever does not take theirs waits alone.
type answering struct {
	http.ResponseWriter
	free func()
}

func (a *answering) WriteHeader(status int) {
	a.free()
	a.ResponseWriter.WriteHeader(status)
}

func (a *answering) Write(b []byte) (int, error) {
	a.free()
	return a.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (a *answering) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// isOurHost tells whether the Host is one we answer to: a configured name, to
// the letter, or the very address the connection came to, which no foreign
// name can stand for.
func (s *Server) isOurHost(r *http.Request) bool {
	host := hostOf(r)
	if s.hosts[host] {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		return false
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	at, err := netip.ParseAddrPort(local.String())
	return err == nil && at.Addr().Unmap().WithZone("") == addr.Unmap().WithZone("")
}

// hostOf is the Host a request names, without its port.
func hostOf(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// remoteAddr is the address a request came from.
func remoteAddr(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}

// visitor is who a request comes from.
type visitor struct {
	addr    netip.Addr
	device  uint32
	person  filter.PolicyID // whose device it is, signed in or not; 0: nobody's
	account account         // zero: not signed in
	session session
}

func (v *visitor) signedIn() bool { return v.account.Role != "" }
func (v *visitor) may(role Role) bool {
	switch v.account.Role {
	case RoleParent:
		return true
	case RoleSecond:
		return role != RoleParent
	case RoleViewer:
		return role == RoleViewer
	}
	return false
}

// visitor finds out who asks.
func (s *Server) visitor(r *http.Request) *visitor {
	v := &visitor{addr: remoteAddr(r)}
	device, person := s.home.Whose(v.addr)
	v.device, v.person = uint32(device), person
	if !parentsPages {
		return v
	}
	if c, err := r.Cookie(cookieName(r, sessionCookie)); err == nil {
		// A page that follows changes by itself is no sign of the parent.
		v.session, v.account, _ = s.accounts.visit(c.Value, r.URL.Path != "/live" && r.Header.Get("Following") == "")
	}
	return v
}

// formToken is the hidden field that shows a form is one of our pages', made
// for this visitor.
func (s *Server) formToken(v *visitor) string {
	if v.signedIn() {
		return s.accounts.mac("form", v.session.ID)
	}
	return s.accounts.mac("guest", v.addr.String())
}

// isOwnForm tells whether a POST comes from a page of ours: the browser says so
// (Origin, and Sec-Fetch-Site where it is sent), and the form knows the token.
func (s *Server) isOwnForm(r *http.Request, v *visitor) bool {
	origin, err := url.Parse(r.Header.Get("Origin"))
	if err != nil || origin.Host == "" || !strings.EqualFold(origin.Host, r.Host) {
		return false
	}
	if r.TLS != nil && origin.Scheme != "https" { // the page without TLS under the same name may be anybody's
		return false
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return false
	}
	return hmac.Equal([]byte(r.PostFormValue("_token")), []byte(s.formToken(v)))
}

// limitListener bounds the connections that are open at once. When there is one
// too many, whoever has the most of them makes room: a device may take as many
// addresses as it likes, and is not to take everybody's place with them.
type limitListener struct {
	net.Listener
	mu   sync.Mutex
	open []*limitedConn // the oldest first
	each map[netip.Addr]int
}

func newLimitListener(l net.Listener) *limitListener {
	return &limitListener{Listener: l, each: map[netip.Addr]int{}}
}

// Accept waits for a connection of an address that has not too many; others are
// closed.
func (l *limitListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		at, _ := netip.ParseAddrPort(c.RemoteAddr().String())
		if limited := (&limitedConn{c, l, at.Addr().Unmap()}); l.admit(limited) {
			return limited, nil
		}
		c.Close()
	}
}

func (l *limitListener) admit(c *limitedConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.each[c.addr] >= maxConnsEach {
		return false
	}
	if len(l.open) >= maxConns {
		out := l.open[0]
		for _, other := range l.open {
			if l.each[other.addr] > l.each[out.addr] {
				out = other
			}
		}
		out.Conn.Close()
		l.forget(out)
	}
	l.open = append(l.open, c)
	l.each[c.addr]++
	return true
}

// forget takes a connection out, once. The caller holds mu.
func (l *limitListener) forget(c *limitedConn) {
	for i, other := range l.open {
		if other != c {
			continue
		}
		copy(l.open[i:], l.open[i+1:])
		l.open[len(l.open)-1] = nil
		l.open = l.open[:len(l.open)-1]
		if l.each[c.addr]--; l.each[c.addr] == 0 {
			delete(l.each, c.addr)
		}
		return
	}
}

type limitedConn struct {
	net.Conn
	of   *limitListener
	addr netip.Addr
}

func (c *limitedConn) Close() error {
	c.of.mu.Lock()
	c.of.forget(c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}
