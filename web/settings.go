package web

import (
	"errors"
	"net/http"
	"slices"

	"github.com/treehouse-dns/treehouse/household"
)

// settingsView is what the Settings page shows.
type settingsView struct {
	sessions []session
	accounts []account
	tokens   []apiToken
	passkeys []passkey
}

func (s *Server) showSettings(w http.ResponseWriter, r *http.Request, v *visitor) {
	p := s.page(r, v, "settings.title")
	p.notice = s.didNotice(p, r)
	of := v.account.Name
	if v.may(RoleParent) {
		of = "" // everyone's
	}
	view := settingsView{sessions: s.accounts.sessions(of), tokens: s.accounts.tokens(), passkeys: s.accounts.passkeys(of)}
	for _, name := range s.accounts.names() {
		if a, ok := s.accounts.find(name); ok {
			view.accounts = append(view.accounts, a)
		}
	}
	s.show(w, r, http.StatusOK, p.settingsPage(view))
}

// endSession signs a session out: one's own, or anybody's for the first parent.
func (s *Server) endSession(w http.ResponseWriter, r *http.Request, v *visitor) {
	id := r.PostFormValue("session")
	err := s.accounts.change(func(a *vaulted) error {
		a.signOut(func(o session) bool {
			return o.ID == id && (o.Account == v.account.Name || v.may(RoleParent))
		})
		return nil
	})
	s.settled(w, r, v, err)
}

// changePassphrase gives the one who is signed in another passphrase, and signs
// them out everywhere else.
func (s *Server) changePassphrase(w http.ResponseWriter, r *http.Request, v *visitor) {
	err := s.prove(r, v.account.Hash, true)
	if err == nil {
		err = s.setPassphrase(v.account.Name, v.account.Role, r.PostFormValue("new"))
	}
	if err == nil {
		err = s.welcome(w, r, v.account.Name)
	}
	s.settled(w, r, v, err)
}

func (s *Server) setPassphrase(name string, role Role, passphrase string) error {
	if bad := checkPassphrase(passphrase); bad != nil {
		return &sentence{key: bad.Error()}
	}
	hash, err := s.hasher.hash(passphrase)
	if errors.Is(err, errBusy) {
		return &sentence{key: errBusy.Error()}
	}
	if err != nil {
		return err
	}
	return s.accounts.add(name, role, hash)
}

// settled goes back to Settings, or says why not.
func (s *Server) settled(w http.ResponseWriter, r *http.Request, v *visitor, err error) {
	if err == nil {
		http.Redirect(w, r, done{key: "saved", to: "/settings"}.back(r), http.StatusSeeOther)
		return
	}
	if known := (*sentence)(nil); !errors.As(err, &known) {
		s.log.Error("a setting was not changed", "error", err)
	}
	p := s.page(r, v, "failed.title")
	s.show(w, r, http.StatusConflict, p.failed(p.because(err), "/settings"))
}

// addAccount lets somebody else sign in.
func (s *Server) addAccount(r *http.Request, v *visitor) (done, error) {
	role, name := Role(r.PostFormValue("role")), household.CleanName(r.PostFormValue("name"))
	if !v.may(RoleParent) || role != RoleSecond && role != RoleViewer {
		return done{}, &sentence{key: "viewer.text"}
	}
	if name == "" || slices.Contains(s.accounts.names(), name) {
		return done{}, &sentence{key: "accounts.taken"}
	}
	return done{key: "saved"}, s.setPassphrase(name, role, r.PostFormValue("new"))
}

// forgetAccount takes a sign-in away, and its sessions with it.
func (s *Server) forgetAccount(r *http.Request, v *visitor) (done, error) {
	name := r.PostFormValue("name")
	if !v.may(RoleParent) || name == v.account.Name {
		return done{}, &sentence{key: "viewer.text"}
	}
	return done{key: "saved"}, s.accounts.change(func(a *vaulted) error {
		a.Accounts = slices.DeleteFunc(a.Accounts, func(c account) bool { return c.Name == name })
		a.signOut(func(o session) bool { return o.Account == name })
		a.dropPasskeys(func(k passkey) bool { return k.Account == name })
		return nil
	})
}

// setDefault chooses the rules of devices nobody has assigned.
func (s *Server) setDefault(r *http.Request, _ *visitor) (done, error) {
	band := household.BandID(r.PostFormValue("band"))
	return done{key: "saved"}, s.home.Change(func(h *household.Household) error {
		if _, ok := h.Bands().Band(band); !ok {
			return &sentence{key: "device.gone"}
		}
		h.Settings.Default = band
		return nil
	})
}

// loosens guards an action that weakens the rules for good: it wants the
// passphrase, unless it was given within freshFor. Whoever picks up a parent's
// phone finds it asked for.
func (s *Server) loosens(h func(r *http.Request, v *visitor) (done, error)) http.HandlerFunc {
	return s.proven(s.parents(h))
}

// proven is what loosens does, for any handler.
func (s *Server) proven(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := s.visitor(r)
		if !v.signedIn() || !s.isOwnForm(r, v) || s.now().Sub(v.session.fresh) < freshFor {
			next(w, r) // it refuses what has to be refused
			return
		}
		p := s.page(r, v, "confirm.title")
		if r.PostFormValue("_again") != "" {
			r.PostForm.Set("passphrase", r.PostFormValue("_again"))
			r.Form.Set("passphrase", r.PostFormValue("_again"))
			err := s.prove(r, v.account.Hash, true)
			if err == nil {
				s.accounts.refresh(v.session.ID)
				next(w, r)
				return
			}
			p.notice = &notice{text: p.because(err), wait: true}
		}
		var fields [][2]string
		for name, values := range r.PostForm {
			if name == "_token" || name == "_again" || name == "passphrase" {
				continue
			}
			for _, value := range values {
				fields = append(fields, [2]string{name, value})
			}
		}
		s.show(w, r, http.StatusOK, p.confirmPage(fields))
	}
}
