package web

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/treehouse-dns/treehouse/household"
)

func (s *Server) login(w http.ResponseWriter, r *http.Request, v *visitor) {
	if !s.accounts.claimed() {
		http.Redirect(w, r, "/setup", http.StatusSeeOther)
		return
	}
	s.showLogin(w, r, v, http.StatusOK, nil)
}

func (s *Server) showLogin(w http.ResponseWriter, r *http.Request, v *visitor, status int, n *notice) {
	p := s.page(r, v, "login.title")
	p.notice = n
	s.show(w, r, status, p.loginPage(s.accounts.names(), localPath(r.FormValue("to"))))
}

// signIn checks a passphrase. Who mistypes often waits, see lockout; a wrong
// name takes as long as a wrong passphrase.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request, v *visitor) {
	name := r.PostFormValue("name")
	account, found := s.accounts.find(name)
	err := s.prove(r, account.Hash, found)
	if err != nil {
		p := s.page(r, v, "login.title")
		status := http.StatusForbidden
		var wait *waitError
		if errors.As(err, &wait) {
			status = http.StatusTooManyRequests
			w.Header().Set("Retry-After", strconv.Itoa(int(wait.left.Seconds())+1))
		}
		s.showLogin(w, r, v, status, &notice{text: p.because(err), wait: true})
		return
	}
	if err := s.welcome(w, r, account.Name); err != nil {
		s.log.Error("signing in failed", "error", err)
		p := s.page(r, v, "failed.title")
		s.show(w, r, http.StatusInternalServerError, p.failed(p.T("failed.text"), "/login"))
		return
	}
	http.Redirect(w, r, localPath(r.PostFormValue("to")), http.StatusSeeOther)
}

// waitError says that a source has to wait before it may try again.
type waitError struct {
	sentence
	left time.Duration
}

func (e *waitError) Unwrap() error { return &e.sentence }

// prove checks the passphrase of a form against a hash.
func (s *Server) prove(r *http.Request, hash string, found bool) error {
	source := s.source(r)
	if err := s.mayTry(source); err != nil {
		return err
	}
	if !found { // the same work, and never right
		hash = "$argon2id$v=19$m=7168,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	}
	ok, err := s.hasher.matches(hash, r.PostFormValue("passphrase"))
	switch {
	case errors.Is(err, errBusy):
		return &sentence{key: "login.busy"}
	case err != nil:
		return err
	case !ok || !found:
		return &sentence{key: "login.wrong"}
	}
	s.lockout.right(source)
	return nil
}

func (s *Server) mayTry(source string) error {
	if left := s.lockout.wait(source); left > 0 {
		e := &waitError{left: left}
		e.key, e.pairs = "login.wait", []any{"n", int(left.Seconds()) + 1}
		return e
	}
	return nil
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request, v *visitor) {
	if v.signedIn() {
		err := s.accounts.change(func(a *vaulted) error {
			a.signOut(func(o session) bool { return o.ID == v.session.ID })
			return nil
		})
		if err != nil {
			s.log.Error("signing out was not saved", "error", err)
		}
	}
	s.setCookie(w, r, sessionCookie, "", -time.Second)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// setup shows the step of the set-up that comes next.
func (s *Server) setup(w http.ResponseWriter, r *http.Request, v *visitor) {
	switch {
	case !s.accounts.claimed():
		s.showClaim(w, r, v, http.StatusOK, nil)
	case !v.signedIn():
		s.toLogin(w, r)
	case r.URL.Query().Get("step") == "3":
		p := s.page(r, v, "setup.test.title")
		s.show(w, r, http.StatusOK, p.setupTestPage(s.setupView(p)))
	default:
		p := s.page(r, v, "setup.child.title")
		s.show(w, r, http.StatusOK, p.setupChildPage(p.house.DevicesOf(0), p.bands()))
	}
}

func (s *Server) showClaim(w http.ResponseWriter, r *http.Request, v *visitor, status int, n *notice) {
	p := s.page(r, v, "setup.claim.title")
	p.notice = n
	s.show(w, r, status, p.claimPage())
}

// claim makes the first account, for whoever can read the code off the router.
func (s *Server) claim(w http.ResponseWriter, r *http.Request, v *visitor) {
	if s.accounts.claimed() {
		s.toLogin(w, r)
		return
	}
	source := s.source(r)
	err := s.mayTry("claim " + source)
	if err == nil && !s.accounts.claimIs(r.PostFormValue("code")) {
		err = &sentence{key: "setup.claim.wrong"}
	}
	if err == nil {
		if bad := checkPassphrase(r.PostFormValue("passphrase")); bad != nil {
			s.lockout.right("claim " + source)
			err = &sentence{key: bad.Error()}
		}
	}
	p := s.page(r, v, "setup.claim.title")
	if err == nil {
		var hash string
		if hash, err = s.hasher.hash(r.PostFormValue("passphrase")); err == nil {
			if err = s.accounts.add(p.T("account.parent"), RoleParent, hash); err == nil {
				err = s.welcome(w, r, p.T("account.parent"))
			}
		}
	}
	if err != nil {
		s.showClaim(w, r, v, http.StatusForbidden, &notice{text: p.because(err), wait: true})
		return
	}
	http.Redirect(w, r, "/setup", http.StatusSeeOther)
}

// setupChild adds the first child with their devices, or another one later.
func (s *Server) setupChild(r *http.Request, _ *visitor) (done, error) {
	name := household.CleanName(r.PostFormValue("name"))
	if name == "" {
		return done{}, &sentence{key: "setup.child.noname"}
	}
	years, err := strconv.ParseUint(r.PostFormValue("age"), 10, 8)
	if err != nil || years > 17 {
		return done{}, &sentence{key: "setup.child.noage"}
	}
	chosen := map[string]bool{}
	for _, id := range r.PostForm["device"] {
		chosen[id] = true
	}
	now := s.now()
	err = s.home.Change(func(h *household.Household) error {
		if h.PersonNamed(name) != nil {
			return &sentence{key: "setup.child.taken", pairs: []any{"name", name}}
		}
		person, err := h.AddPerson(household.Person{Name: name, Born: household.BornAgo(int(years), now.In(h.Zone())), Band: h.Bands().ForAge(int(years)).ID})
		if err != nil {
			return err
		}
		for i := range h.Devices {
			if d := &h.Devices[i]; d.Person == 0 && chosen[strconv.Itoa(int(d.ID))] {
				d.Person = person.ID
			}
		}
		return nil
	})
	return done{to: "/setup?step=3"}, err
}

func (s *Server) setupDone(*http.Request, *visitor) (done, error) {
	return done{to: "/"}, s.accounts.change(func(v *vaulted) error { v.Ready = true; return nil })
}
