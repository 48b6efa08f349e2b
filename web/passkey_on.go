//go:build passkeys

package web

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/treehouse-dns/treehouse/household"
)

const (
	// passkeyTime is how long somebody may take over the device's own question.
	passkeyTime = 5 * time.Minute
	// maxChallenges and maxChallengesEach bound the challenges that wait for an
	// answer, in all and per address, so that one device cannot push another's out.
	maxChallenges     = 64
	maxChallengesEach = 4
)

// passkeyScript is sent with the two pages that can use it.
//
//go:embed passkey.js
var passkeyScript string

// passkeyState is the challenges that were given out and not answered yet,
// oldest first. Each can be answered once.
type passkeyState struct {
	mu      sync.Mutex
	waiting []challenge
}

type challenge struct {
	session webauthn.SessionData
	from    netip.Addr
	until   time.Time
}

func (p *passkeyState) keep(session *webauthn.SessionData, from netip.Addr, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = slices.DeleteFunc(p.waiting, func(c challenge) bool { return !now.Before(c.until) })
	each, oldest := 0, 0
	for i := len(p.waiting) - 1; i >= 0; i-- {
		if p.waiting[i].from == from {
			each, oldest = each+1, i
		}
	}
	switch {
	case each >= maxChallengesEach:
		p.waiting = slices.Delete(p.waiting, oldest, oldest+1)
	case len(p.waiting) >= maxChallenges:
		p.waiting = p.waiting[1:]
	}
	p.waiting = append(p.waiting, challenge{*session, from, now.Add(passkeyTime)})
}

// take gives the challenge that was answered, this once.
func (p *passkeyState) take(text string, now time.Time) (webauthn.SessionData, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, c := range p.waiting {
		if c.session.Challenge == text && now.Before(c.until) {
			p.waiting = slices.Delete(p.waiting, i, i+1)
			return c.session, nil
		}
	}
	return webauthn.SessionData{}, errors.New("the challenge is not known or was answered before")
}

// mayUsePasskeys tells whether a browser would offer one here: a passkey belongs
// to a name, and browsers want TLS for any but their own machine.
func mayUsePasskeys(r *http.Request) bool {
	host := hostname(r)
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err != nil && (r.TLS != nil || host == "localhost")
}

func hostname(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(host)
}

// relyingParty is this house under the name it was asked at, which guard has
// checked. Every sign-in asks the device to verify who holds it.
func (s *Server) relyingParty(r *http.Request) (*webauthn.WebAuthn, error) {
	scheme := "https://"
	if r.TLS == nil {
		scheme = "http://"
	}
	return webauthn.New(&webauthn.Config{
		RPID: hostname(r), RPDisplayName: s.brand.Name, RPOrigins: []string{scheme + strings.ToLower(r.Host)},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired,
		},
	})
}

// holder is an account as the library wants to see it. Its handle says nothing
// about the account to whoever finds the passkey.
type holder struct {
	handle []byte
	name   string
	keys   []webauthn.Credential
}

func (h *holder) WebAuthnID() []byte                         { return h.handle }
func (h *holder) WebAuthnName() string                       { return h.name }
func (h *holder) WebAuthnDisplayName() string                { return h.name }
func (h *holder) WebAuthnCredentials() []webauthn.Credential { return h.keys }

func (s *Server) holder(name string) *holder {
	h := &holder{handle: []byte(s.accounts.mac("passkey", name)), name: name}
	for _, k := range s.accounts.passkeys(name) {
		var c webauthn.Credential
		if json.Unmarshal(k.Credential, &c) == nil {
			h.keys = append(h.keys, c)
		}
	}
	return h
}

func (s *Server) passkeyRoutes(m *http.ServeMux) {
	m.HandleFunc("POST /passkey/use", s.act(s.usePasskey))
	m.HandleFunc("POST /settings/passkey", s.signed(s.makePasskey))
	m.HandleFunc("POST /settings/unpasskey", s.signed(s.forgetPasskey))
}

// passkeyAnswer is what the script gets: what to ask the device, where to go
// next, or why it did not work.
type passkeyAnswer struct {
	Ask  any    `json:"ask,omitempty"`
	To   string `json:"to,omitempty"`
	Said string `json:"said,omitempty"`
}

func (s *Server) answerScript(w http.ResponseWriter, r *http.Request, v *visitor, a passkeyAnswer, err error) {
	status := http.StatusOK
	if err != nil {
		status = http.StatusForbidden
		p := s.page(r, v, "login.title")
		a = passkeyAnswer{Said: p.T("passkey.failed")}
		if known := (*sentence)(nil); errors.As(err, &known) {
			a.Said = p.because(err)
		} else {
			s.log.Debug("a passkey was not taken", "error", err)
		}
	}
	raw, err := json.Marshal(a)
	if err != nil {
		http.Error(w, "This could not be written.", http.StatusInternalServerError)
		return
	}
	s.send(w, r, status, "application/json", raw)
}

// usePasskey signs in: asked without a credential, it gives a challenge.
func (s *Server) usePasskey(w http.ResponseWriter, r *http.Request, v *visitor) {
	var a passkeyAnswer
	party, err := s.relyingParty(r)
	switch answer := r.PostFormValue("credential"); {
	case err != nil:
	case !mayUsePasskeys(r):
		err = errors.New("passkeys want TLS and a name")
	case answer == "":
		var session *webauthn.SessionData
		var options *protocol.CredentialAssertion
		if options, session, err = party.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired)); err == nil {
			s.passkeyState.keep(session, v.addr, s.now())
			a.Ask = options.Response
		}
	default:
		var name string
		if name, err = s.signedWith(party, answer); err == nil {
			err = s.welcome(w, r, name)
			a.To = localPath(r.PostFormValue("to"))
		}
	}
	s.answerScript(w, r, v, a, err)
}

// signedWith checks an answer to a challenge and gives the account it signs in.
func (s *Server) signedWith(party *webauthn.WebAuthn, answer string) (name string, err error) {
	given, err := protocol.ParseCredentialRequestResponseBytes([]byte(answer))
	if err != nil {
		return "", err
	}
	session, err := s.passkeyState.take(given.Response.CollectedClientData.Challenge, s.now())
	if err != nil {
		return "", err
	}
	find := func(id, handle []byte) (webauthn.User, error) {
		for _, k := range s.accounts.passkeys("") {
			if bytes.Equal(k.ID, id) {
				if _, ok := s.accounts.find(k.Account); ok {
					name = k.Account
					return s.holder(k.Account), nil
				}
			}
		}
		return nil, errors.New("nobody here has this passkey")
	}
	used, err := party.ValidateDiscoverableLogin(find, session, given)
	if err != nil {
		return "", err
	}
	if used.Authenticator.CloneWarning {
		return "", errors.New("the passkey's counter went back: there may be two of it")
	}
	return name, s.accounts.change(func(a *vaulted) error {
		for i := range a.Passkeys {
			if bytes.Equal(a.Passkeys[i].ID, used.ID) {
				a.Passkeys[i].Credential, err = json.Marshal(used)
			}
		}
		return err
	})
}

// makePasskey makes one for the account that is signed in, and wants its
// passphrase each time.
func (s *Server) makePasskey(w http.ResponseWriter, r *http.Request, v *visitor) {
	var a passkeyAnswer
	party, err := s.relyingParty(r)
	user := s.holder(v.account.Name)
	switch answer := r.PostFormValue("credential"); {
	case err != nil:
	case !mayUsePasskeys(r):
		err = errors.New("passkeys want TLS and a name")
	case answer == "":
		if err = s.prove(r, v.account.Hash, true); err != nil {
			break
		}
		var session *webauthn.SessionData
		var options *protocol.CredentialCreation
		options, session, err = party.BeginRegistration(user, webauthn.WithExclusions(webauthn.Credentials(user.keys).CredentialDescriptors()))
		if err == nil {
			s.passkeyState.keep(session, v.addr, s.now())
			a.Ask = options.Response
		}
	default:
		err = s.keepPasskey(party, user, answer, browserName(r.UserAgent()))
		a.To = "/settings?did=saved.0"
	}
	s.answerScript(w, r, v, a, err)
}

func (s *Server) keepPasskey(party *webauthn.WebAuthn, user *holder, answer, browser string) error {
	given, err := protocol.ParseCredentialCreationResponseBytes([]byte(answer))
	if err != nil {
		return err
	}
	// The session holds whose challenge it was: only they can answer it.
	session, err := s.passkeyState.take(given.Response.CollectedClientData.Challenge, s.now())
	if err != nil {
		return err
	}
	made, err := party.CreateCredential(user, session, given)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(made)
	if err != nil {
		return err
	}
	return s.accounts.change(func(a *vaulted) error {
		if len(a.Passkeys) >= maxPasskeys {
			return &sentence{key: "passkey.many", pairs: []any{"n", maxPasskeys}}
		}
		a.Passkeys = append(a.Passkeys, passkey{made.ID, user.name, household.CleanName(browser), s.now(), raw})
		return nil
	})
}

// forgetPasskey takes a passkey away: one's own, or anybody's for the first parent.
func (s *Server) forgetPasskey(w http.ResponseWriter, r *http.Request, v *visitor) {
	id, err := base64.RawURLEncoding.DecodeString(r.PostFormValue("passkey"))
	if err == nil {
		err = s.accounts.change(func(a *vaulted) error {
			a.dropPasskeys(func(k passkey) bool {
				return bytes.Equal(k.ID, id) && (k.Account == v.account.Name || v.may(RoleParent))
			})
			return nil
		})
	}
	s.settled(w, r, v, err)
}
