package web

import (
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/treehouse-dns/treehouse/household"
)

// Scope is what a program may do with its token.
type Scope string

// The scopes, each with what the one before may do.
const (
	ScopeRead  Scope = "read"  // look
	ScopePause Scope = "pause" // pause, resume and give more time
	ScopeAdmin Scope = "admin" // answer requests, assign devices
)

// tokenPrefix lets people and scanners see what a string is.
const tokenPrefix = "treehouse_"

// apiToken lets a program in, within its scope. Like a session it is kept only
// as the hash of what the program holds.
type apiToken struct {
	ID    string    `json:"id"`
	Name  string    `json:"name"`
	Scope Scope     `json:"scope"`
	Since time.Time `json:"since"`
}

// tokenName is what the program that makes a request is called.
func (a *accounts) tokenName(r *http.Request) string {
	id := tokenID(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	for _, t := range a.tokens() {
		if t.ID == id {
			return t.Name
		}
	}
	return ""
}

// tokenScope finds what a token may do.
func (a *accounts) tokenScope(token string) (Scope, bool) {
	if !strings.HasPrefix(token, tokenPrefix) {
		return "", false
	}
	id := tokenID(token)
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range a.v.Tokens {
		if subtle.ConstantTimeCompare([]byte(t.ID), []byte(id)) == 1 {
			return t.Scope, true
		}
	}
	return "", false
}

func (a *accounts) tokens() []apiToken {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.v.Tokens)
}

// addToken makes a token and shows it, this once.
func (s *Server) addToken(w http.ResponseWriter, r *http.Request, v *visitor) {
	name, scope := household.CleanName(r.PostFormValue("name")), Scope(r.PostFormValue("scope"))
	token := tokenPrefix + newToken()
	err := error(nil)
	switch {
	case !v.may(RoleParent) || !scope.includes(ScopeRead):
		err = &sentence{key: "viewer.text"}
	case name == "":
		err = &sentence{key: "accounts.taken"}
	default:
		err = s.accounts.change(func(a *vaulted) error {
			if len(a.Tokens) >= maxTokens {
				return &sentence{key: "tokens.full"}
			}
			a.Tokens = append(a.Tokens, apiToken{tokenID(token), name, scope, s.now()})
			return nil
		})
	}
	if err != nil {
		s.settled(w, r, v, err)
		return
	}
	p := s.page(r, v, "tokens.new")
	p.path = "/settings"
	s.show(w, r, http.StatusOK, p.tokenPage(name, token))
}

// forgetToken takes a token back.
func (s *Server) forgetToken(w http.ResponseWriter, r *http.Request, v *visitor) {
	err := error(&sentence{key: "viewer.text"})
	if v.may(RoleParent) {
		err = s.accounts.change(func(a *vaulted) error {
			a.Tokens = slices.DeleteFunc(a.Tokens, func(t apiToken) bool { return t.ID == r.PostFormValue("token") })
			return nil
		})
	}
	s.settled(w, r, v, err)
}
