package web_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/household"
	"github.com/treehouse-dns/treehouse/web"
)

// TestOverTLS signs a parent in over TLS and beside it without, on one name: the
// cookie over TLS stays there, and neither sign-in ends or blocks the other.
func TestOverTLS(t *testing.T) {
	s := newStage(t, nil)
	s.parent()
	plain, secure := loopback(t), loopback(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- s.server.Run(ctx, plain, web.Secure(secure, &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}, NextProtos: []string{"http/1.1"}}))
	}()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	jar, _ := cookiejar.New(nil)
	c := &http.Client{Jar: jar, Timeout: 5 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	page := func(base, path string) (string, *http.Response) {
		t.Helper()
		r, err := c.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		body, _ := io.ReadAll(r.Body)
		return string(body), r
	}
	signIn := func(base string) []*http.Cookie {
		t.Helper()
		text, _ := page(base, "/login")
		token := regexp.MustCompile(`name="_token" value="([^"]*)"`).FindStringSubmatch(text)[1]
		r, err := http.NewRequest("POST", base+"/login", strings.NewReader(url.Values{"_token": {token}, "passphrase": {passphrase}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", base)
		w, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		w.Body.Close()
		if w.StatusCode != http.StatusSeeOther {
			t.Fatalf("%s: %d", base, w.StatusCode)
		}
		return w.Cookies()
	}
	overTLS, without := "https://"+secure.Addr().String(), "http://"+plain.Addr().String()
	for _, cookie := range signIn(overTLS) {
		if !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || !strings.HasPrefix(cookie.Name, "__Host-") || cookie.Path != "/" || cookie.Domain != "" {
			t.Errorf("a cookie over TLS: %v", cookie)
		}
	}
	for _, cookie := range signIn(without) {
		if cookie.Secure || strings.HasPrefix(cookie.Name, "__Host-") {
			t.Errorf("a cookie without TLS: %v", cookie)
		}
	}
	for _, base := range []string{overTLS, without} {
		if _, r := page(base, "/devices"); r.StatusCode != http.StatusOK {
			t.Errorf("%s: not signed in: %d", base, r.StatusCode)
		}
		if _, r := page(base, "/"); r.Header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s: a browser would refuse this name for ever", base)
		}
	}
	foreign, err := http.NewRequest("GET", overTLS+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	foreign.Host = "rebound.example"
	if r, err := c.Do(foreign); err != nil || r.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("a foreign name over TLS: %v %v", r, err)
	}
}

// TestPlainPageOverTLS: a page under our own name, but not over TLS, may be made by
// anybody on the Wi-Fi, and sends no forms to the one that is.
func TestPlainPageOverTLS(t *testing.T) {
	s := newStage(t, nil)
	b := s.browser(anas)
	b.get("/me")
	for scheme, want := range map[string]int{"http": http.StatusForbidden, "https": http.StatusSeeOther} {
		r := b.form("/language", "language", "es")
		r.TLS = &tls.ConnectionState{}
		r.Header.Set("Origin", scheme+"://"+web.DefaultName)
		if w := b.do(r); w.Code != want {
			t.Errorf("from %s: %d", scheme, w.Code)
		}
	}
}

func loopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"dns.example.net"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestAwayFromHome: a parent gives a device a token on its card and takes it back;
// nobody else sees it, and where nothing is answered from outside it is not offered.
func TestAwayFromHome(t *testing.T) {
	way := func(token string) web.Way {
		return web.Way{TLS: token + ".dns.example.net", HTTPS: "https://dns.example.net/dns-query/" + token}
	}
	s := newStage(t, func(o *web.Options) { o.Away = way })
	b := s.parent()
	d := s.home.Household().Devices[0]
	token := func() string { return s.home.Household().Device(d.ID).Away }
	says(t, text(b.get("/devices").Body.String()), "Use away from home")

	says(t, b.follow("/devices/1/away", "_back", "/devices"), "On Android", token()+".dns.example.net", "https://dns.example.net/dns-query/"+token(), "Stop using away from home")
	if token() == "" || !strings.Contains(b.page, "<svg") {
		t.Error("no token, or no code to read it from")
	}
	gran := s.browser(strangers)
	b.get("/settings")
	b.follow("/settings/account", "name", "Gran", "role", "viewer", "new", "grandmother knows", "_back", "/settings")
	gran.get("/login")
	gran.post("/login", "name", "Gran", "passphrase", "grandmother knows")
	if page := text(gran.get("/devices").Body.String()); !strings.Contains(page, d.Name) || strings.Contains(page, token()) {
		t.Error("who may only look sees the token, or no page")
	}
	gran.post("/devices/1/away", "off", "1")
	if token() == "" {
		t.Error("who may only look took the token back")
	}
	b.get("/devices")
	b.follow("/devices/1/away", "off", "1", "_back", "/devices")
	if token() != "" {
		t.Error("the token is still there")
	}
	if r := b.post("/devices/999/away", "_back", "/devices"); r.Code != http.StatusConflict {
		t.Errorf("a device that does not exist: %d", r.Code)
	}

	s.start(nil)
	other := s.browser(marias)
	other.get("/login")
	other.post("/login", "passphrase", passphrase)
	if page := other.get("/devices").Body.String(); strings.Contains(page, "/away") {
		t.Error("offered where nothing is answered from outside")
	}
	if err := s.home.Change(func(h *household.Household) error { _, err := h.LetAway(d.ID); return err }); err != nil {
		t.Fatal(err)
	}
	b = s.browser(anas)
	for _, path := range []string{"/me", "/check", "/devices", "/api/v1/devices"} {
		if page := b.get(path).Body.String(); strings.Contains(page, token()) {
			t.Errorf("a child sees the token on %s", path)
		}
	}
}
