//go:build passkeys

package web_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/treehouse-dns/treehouse/web"
)

// phone is a device with passkeys of its own.
type phone struct {
	*browser
	device virtualwebauthn.Authenticator
	party  virtualwebauthn.RelyingParty
	key    virtualwebauthn.Credential
}

// newPhone is a browser's device, signed in over TLS as it is without.
func newPhone(b *browser) *phone {
	for name, value := range maps.Clone(b.cookies) {
		b.cookies["__Host-"+name] = value
	}
	return &phone{
		browser: b, device: virtualwebauthn.NewAuthenticator(), key: newKey(b.t),
		party: virtualwebauthn.RelyingParty{ID: web.DefaultName, Name: "Treehouse", Origin: "https://" + web.DefaultName},
	}
}

// newKey makes a key whose coordinates have all their 32 bytes: the library that
// plays the device drops zeros at the front, which no real one does.
func newKey(t testing.TB) virtualwebauthn.Credential {
	t.Helper()
	for {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if len(key.X.Bytes()) < 32 || len(key.Y.Bytes()) < 32 {
			continue
		}
		raw, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return virtualwebauthn.NewCredentialWithImportedKey(virtualwebauthn.KeyTypeEC2, raw)
	}
}

type scriptAnswer struct {
	Ask      json.RawMessage
	To, Said string
}

// send is what the script sends, over TLS.
func (p *phone) send(path string, pairs ...string) (int, scriptAnswer) {
	p.t.Helper()
	w := p.sendForm(path, pairs...)
	var a scriptAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		p.t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Code, a
}

func (p *phone) sendForm(path string, pairs ...string) *httptest.ResponseRecorder {
	r := p.form(path, pairs...)
	r.URL.Scheme, r.Host = "https", web.DefaultName
	r.Header.Set("Origin", "https://"+web.DefaultName)
	r.TLS = httptest.NewRequest(http.MethodGet, "https://treehouse.example/", nil).TLS
	return p.do(r)
}

func (p *phone) secure(path string) string {
	r := httptest.NewRequest(http.MethodGet, "https://"+web.DefaultName+path, nil)
	return p.do(r).Body.String()
}

func (p *phone) makePasskey() {
	p.t.Helper()
	p.secure("/login") // what was signed in to without TLS is not signed in with it
	p.sendForm("/login", "passphrase", passphrase)
	p.secure("/settings")
	if code, _ := p.send("/settings/passkey", "passphrase", "a guess that is wrong"); code != http.StatusForbidden {
		p.t.Fatalf("a wrong passphrase began a passkey: %d", code)
	}
	_, a := p.send("/settings/passkey", "passphrase", passphrase)
	options, err := virtualwebauthn.ParseAttestationOptions(`{"publicKey":` + string(a.Ask) + `}`)
	if err != nil {
		p.t.Fatal(err)
	}
	p.device.Options.UserHandle = []byte(options.UserID)
	made := virtualwebauthn.CreateAttestationResponse(p.party, p.device, p.key, *options)
	if code, a := p.send("/settings/passkey", "credential", made); code != http.StatusOK || a.To == "" {
		p.t.Fatalf("the passkey was not taken: %d %q", code, a.Said)
	}
	p.device.AddCredential(p.key)
}

// answer is the device's answer to a fresh challenge.
func (p *phone) answer() string {
	p.t.Helper()
	p.secure("/login")
	_, a := p.send("/passkey/use", "to", "/devices")
	options, err := virtualwebauthn.ParseAssertionOptions(`{"publicKey":` + string(a.Ask) + `}`)
	if err != nil {
		p.t.Fatal(err)
	}
	p.key.Counter++
	return virtualwebauthn.CreateAssertionResponse(p.party, p.device, p.key, *options)
}

func TestPasskeySignsIn(t *testing.T) {
	s := newStage(t, nil)
	p := newPhone(s.parent())
	p.makePasskey()
	p.cookies = map[string]string{}

	answer := p.answer()
	code, a := p.send("/passkey/use", "credential", answer, "to", "/devices")
	if code != http.StatusOK || a.To != "/devices" {
		t.Fatalf("signing in: %d, to %q, %q", code, a.To, a.Said)
	}
	if page := p.secure("/devices"); !strings.Contains(page, "Devices") {
		t.Fatal("not signed in")
	}

	// The same answer again, a second time and by somebody else.
	thief := newPhone(s.browser(anas))
	thief.secure("/login")
	if code, _ := thief.send("/passkey/use", "credential", answer); code != http.StatusForbidden {
		t.Fatalf("an answer was taken twice: %d", code)
	}
	// An answer for another site, and one that came too late.
	p.cookies = map[string]string{}
	p.party.Origin = "https://treehouse.example"
	if code, _ := p.send("/passkey/use", "credential", p.answer()); code != http.StatusForbidden {
		t.Fatalf("an answer given to another site was taken: %d", code)
	}
	p.party.Origin = "https://" + web.DefaultName
	late := p.answer()
	s.passes(6 * time.Minute)
	if code, _ := p.send("/passkey/use", "credential", late); code != http.StatusForbidden {
		t.Fatalf("an answer was taken after its time: %d", code)
	}
}

// A child's device that asks for challenges does not push a parent's out, and a
// passkey that was taken away is worth nothing.
func TestPasskeysOfOthers(t *testing.T) {
	s := newStage(t, nil)
	p := newPhone(s.parent())
	p.makePasskey()
	parent := p.cookies
	p.cookies = map[string]string{}
	answer := p.answer()
	child := newPhone(s.browser(anas))
	child.secure("/login")
	for range 200 {
		child.send("/passkey/use")
	}
	if code, a := p.send("/passkey/use", "credential", answer); code != http.StatusOK {
		t.Fatalf("a parent's challenge is gone: %d %q", code, a.Said)
	}

	p.cookies = parent
	page := p.secure("/settings")
	at := strings.Index(page, `name="passkey" value="`)
	if at < 0 {
		t.Fatal("the passkey is not listed")
	}
	id, _, _ := strings.Cut(page[at+len(`name="passkey" value="`):], `"`)
	p.sendForm("/settings/unpasskey", "passkey", id)
	p.cookies = map[string]string{}
	if code, _ := p.send("/passkey/use", "credential", p.answer()); code != http.StatusForbidden {
		t.Fatalf("a passkey that was taken away signs in: %d", code)
	}
}

// Without TLS, or at a bare address, no browser could use a passkey: none is offered.
func TestPasskeysWantTLSAndAName(t *testing.T) {
	s := newStage(t, nil)
	s.parent()
	b := s.browser(bens)
	for url, want := range map[string]bool{
		"https://" + web.DefaultName + "/login": true, "http://" + web.DefaultName + "/login": false, "http://localhost/login": true,
	} {
		page := b.do(httptest.NewRequest(http.MethodGet, url, nil)).Body.String()
		if strings.Contains(page, "data-passkey") != want {
			t.Errorf("%s offers a passkey: %v", url, !want)
		}
	}
	b.get("/login")
	if w := b.post("/passkey/use"); w.Code != http.StatusForbidden {
		t.Errorf("without TLS a challenge was given: %d", w.Code)
	}
}
