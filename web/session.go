package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/treehouse-dns/treehouse/household"
)

const (
	sessionCookie = "treehouse"       // the session
	knownCookie   = "treehouse-known" // this browser has signed in before; see lockout
	tokenLen      = 16                // bytes: 128 bits
	// sessionLife is how long a session lasts that nobody uses.
	sessionLife = 30 * 24 * time.Hour
	// freshFor is how long after the passphrase, and after the last page, what
	// loosens rules needs no passphrase again.
	freshFor = 15 * time.Minute
	// seenEvery is how often the time a session was used last is written down:
	// flash wears out.
	seenEvery = 24 * time.Hour
)

// session is somebody signed in. The token itself is in the browser and nowhere
// else: what is kept cannot be used to sign in.
type session struct {
	ID      string    `json:"id"` // the first half of the token's SHA-256, base64url
	Account string    `json:"account"`
	Device  string    `json:"device"` // what it signed in from, for the list
	Since   time.Time `json:"since"`
	Seen    time.Time `json:"seen"`

	fresh time.Time // the passphrase or the last page after it; not kept
}

func tokenID(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:tokenLen])
}

func newToken() string {
	raw := make([]byte, tokenLen)
	rand.Read(raw)
	return base64.RawURLEncoding.EncodeToString(raw)
}

// signIn starts a session with a token never used before, so one that somebody
// planted is worth nothing, and gives the token.
func (a *accounts) signIn(name, device string) (token string, err error) {
	token = newToken()
	now := a.now()
	err = a.change(func(v *vaulted) error {
		v.signOut(func(s session) bool { return now.Sub(s.Seen) > sessionLife })
		if len(v.Sessions) >= maxSessions {
			oldest := 0
			for i := range v.Sessions {
				if v.Sessions[i].Seen.Before(v.Sessions[oldest].Seen) {
					oldest = i
				}
			}
			v.Sessions = slices.Delete(v.Sessions, oldest, oldest+1)
		}
		v.Sessions = append(v.Sessions, session{ID: tokenID(token), Account: name, Device: device, Since: now, Seen: now, fresh: now})
		return nil
	})
	return token, err
}

// signOut ends the sessions that match.
func (v *vaulted) signOut(match func(session) bool) {
	v.Sessions = slices.DeleteFunc(v.Sessions, match)
}

// visit finds the session of a token and the account behind it. A page that is
// looked at keeps a fresh session fresh.
func (a *accounts) visit(token string, touch bool) (session, account, bool) {
	if token == "" {
		return session{}, account{}, false
	}
	id, now := tokenID(token), a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.v.session(id, now)
	if s != nil && touch && now.Sub(s.Seen).Abs() > seenEvery { // before: the clock was set back
		_ = a.reload() // what the command line has written meanwhile is not undone
		if s = a.v.session(id, now); s != nil {
			s.Seen = now
			_ = a.save() // a later visit writes it again
		}
	}
	if s == nil {
		return session{}, account{}, false
	}
	if touch && now.Sub(s.fresh) < freshFor {
		s.fresh = now
	}
	for _, c := range a.v.Accounts {
		if c.Name == s.Account {
			return *s, c, true
		}
	}
	return session{}, account{}, false
}

// session finds the one of an ID, nil if it has ended.
func (v *vaulted) session(id string, now time.Time) *session {
	for i := range v.Sessions {
		s := &v.Sessions[i]
		if subtle.ConstantTimeCompare([]byte(s.ID), []byte(id)) == 1 && now.Sub(s.Seen) <= sessionLife {
			return s
		}
	}
	return nil
}

// refresh notes that the session's passphrase was given again.
func (a *accounts) refresh(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.v.Sessions {
		if a.v.Sessions[i].ID == id {
			a.v.Sessions[i].fresh = a.now()
		}
	}
}

// sessions are those of an account, all for "".
func (a *accounts) sessions(name string) []session {
	a.mu.Lock()
	defer a.mu.Unlock()
	var of []session
	for _, s := range a.v.Sessions {
		if name == "" || s.Account == name {
			of = append(of, s)
		}
	}
	return of
}

// mac signs a text for one purpose; forms and cookies carry it.
func (a *accounts) mac(purpose, text string) string {
	h := hmac.New(sha256.New, a.key())
	h.Write([]byte(purpose + "\x00" + text))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:tokenLen])
}

// cookieName is what a cookie is called on this connection. Over TLS a prefix
// keeps it there, and apart from the one of the same browser without TLS, which
// could neither read nor replace it.
func cookieName(r *http.Request, name string) string {
	if r.TLS != nil {
		return "__Host-" + name
	}
	return name
}

// setCookie gives the browser a cookie that scripts cannot read and other
// sites cannot send.
func (s *Server) setCookie(w http.ResponseWriter, r *http.Request, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(r, name), Value: value, Path: "/", MaxAge: int(life.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	})
}

// source is who tries a passphrase: a browser that has signed in before, else
// an address. IPv6 counts by /64, or one device would be countless sources.
func (s *Server) source(r *http.Request) string {
	if c, err := r.Cookie(cookieName(r, knownCookie)); err == nil {
		id, sum, _ := strings.Cut(c.Value, ".")
		if len(id) > 0 && hmac.Equal([]byte(sum), []byte(s.accounts.mac("known", id))) {
			return "browser " + id
		}
	}
	addr := remoteAddr(r)
	if addr.Is6() {
		prefix, _ := addr.Prefix(64)
		return prefix.String()
	}
	return addr.String()
}

// welcome signs somebody in and tells the browser.
func (s *Server) welcome(w http.ResponseWriter, r *http.Request, name string) error {
	device := ""
	if id, _ := s.home.Whose(remoteAddr(r)); id != 0 {
		if d := s.home.Household().Device(id); d != nil {
			device = d.Name
		}
	}
	if device == "" {
		device = household.CleanName(browserName(r.UserAgent()))
	}
	if c, err := r.Cookie(cookieName(r, sessionCookie)); err == nil { // the old session of this browser ends
		old := tokenID(c.Value)
		if err := s.accounts.change(func(v *vaulted) error { v.signOut(func(o session) bool { return o.ID == old }); return nil }); err != nil {
			return err
		}
	}
	token, err := s.accounts.signIn(name, device)
	if err != nil {
		return err
	}
	s.setCookie(w, r, sessionCookie, token, sessionLife)
	known := newToken()
	s.setCookie(w, r, knownCookie, known+"."+s.accounts.mac("known", known), 400*24*time.Hour)
	return nil
}

// browserName is what people call the browser; the rest of its name tells
// nobody anything.
func browserName(agent string) string {
	for _, b := range [...][2]string{{"Edg/", "Edge"}, {"Firefox/", "Firefox"}, {"SamsungBrowser/", "Samsung Internet"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}} {
		if strings.Contains(agent, b[0]) {
			return b[1]
		}
	}
	return "Browser"
}
