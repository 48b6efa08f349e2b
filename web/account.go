package web

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/treehouse-dns/treehouse/household"
)

// Role is what somebody who signs in may do.
type Role string

// The roles.
const (
	RoleParent Role = "parent" // everything
	RoleSecond Role = "second" // everything but accounts, tokens and erasing
	RoleViewer Role = "viewer" // looks, and changes nothing
)

// Limits of what the vault keeps; a bbolt value of a few KiB.
const (
	maxAccounts = 8
	maxSessions = 32 // the one used least lately is signed out
	maxTokens   = 16
)

// account is somebody who signs in.
type account struct {
	Name string `json:"name"`
	Role Role   `json:"role"`
	Hash string `json:"hash"` // PHC string
}

// vaulted is what the Vault keeps.
type vaulted struct {
	Key      []byte     `json:"key"` // for tokens in forms and cookies of known browsers
	Claim    string     `json:"claim,omitempty"`
	Accounts []account  `json:"accounts,omitempty"`
	Sessions []session  `json:"sessions,omitempty"`
	Tokens   []apiToken `json:"tokens,omitempty"`
	Passkeys []passkey  `json:"passkeys,omitempty"`
	Ready    bool       `json:"ready,omitempty"` // set-up was finished
}

// accounts guards what the vault keeps. Reading is by value.
type accounts struct {
	vault Vault
	now   func() time.Time

	mu sync.Mutex
	v  vaulted
}

func openAccounts(vault Vault, now func() time.Time) (*accounts, error) {
	a := &accounts{vault: vault, now: now}
	raw, err := vault.Load()
	if err != nil {
		return nil, fmt.Errorf("reading the accounts: %w", err)
	}
	if raw != nil {
		if err := json.Unmarshal(raw, &a.v); err != nil {
			return nil, fmt.Errorf("reading the accounts: %w; take the damaged value away and claim the house again", err)
		}
	}
	if len(a.v.Key) == 0 {
		if err := a.begin(); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// begin makes and writes the value of a new house; the caller holds mu or is alone.
func (a *accounts) begin() error {
	a.v = vaulted{Key: newKey(), Claim: newClaim()}
	return a.save()
}

func newKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

// save writes the value; the caller holds mu or is alone.
func (a *accounts) save() error {
	raw, err := json.Marshal(a.v)
	if err == nil {
		err = a.vault.Save(raw)
	}
	if err != nil {
		return fmt.Errorf("saving the accounts: %w", err)
	}
	return nil
}

// reload takes what the vault has now: the command line may have set another
// passphrase, or erased the family. What is only in memory stays with what it is
// about. The caller holds mu.
func (a *accounts) reload() error {
	raw, err := a.vault.Load()
	if err != nil {
		return err
	}
	if raw == nil {
		return a.begin()
	}
	var v vaulted
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	for i := range v.Sessions {
		for _, old := range a.v.Sessions {
			if old.ID == v.Sessions[i].ID {
				v.Sessions[i].fresh = old.fresh
			}
		}
	}
	a.v = v
	return nil
}

// change alters the value and saves it; with an error it is as before.
func (a *accounts) change(f func(*vaulted) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.reload(); err != nil {
		return fmt.Errorf("reading the accounts: %w", err)
	}
	err := f(&a.v)
	if err == nil {
		err = a.save()
	}
	if err != nil {
		return errors.Join(err, a.reload())
	}
	return nil
}

// Restored is what a Vault is to hold when a backup takes the place of what it
// holds now; both are values that a Server has saved, nil for none. The backup's
// accounts sign in again, with the passphrases they had then. Nobody is signed in.
// Of the backup's API tokens and passkeys only those stay that are in force now too:
// what was taken back since then is not given out again, so in another house, or
// after erasing, they are made anew. Browsers that have signed in before are
// strangers to the lockout, since whoever has the backup's key could pretend to be
// one. A backup without accounts begins a new house, with a claim code of its own.
func Restored(backup, now []byte) ([]byte, error) {
	var v, current vaulted
	if len(backup) > 0 {
		if err := json.Unmarshal(backup, &v); err != nil {
			return nil, fmt.Errorf("the backup's accounts cannot be read: %w", err)
		}
	}
	if len(v.Accounts) == 0 {
		return nil, nil
	}
	if len(now) > 0 && json.Unmarshal(now, &current) != nil {
		current = vaulted{} // a damaged value is what a backup is for
	}
	v.Claim, v.Sessions = "", nil
	v.Tokens = slices.DeleteFunc(v.Tokens, func(t apiToken) bool {
		return !slices.ContainsFunc(current.Tokens, func(c apiToken) bool { return c.ID == t.ID })
	})
	v.dropPasskeys(func(k passkey) bool {
		return !slices.ContainsFunc(current.Passkeys, func(c passkey) bool { return bytes.Equal(c.ID, k.ID) && c.Account == k.Account })
	})
	v.Key = newKey()
	return json.Marshal(v)
}

// newClaim is a code of 40 random bits in two groups, "K7QF-2MZA": what is
// printed at start-up and shows that whoever sets up can see the router.
func newClaim() string {
	raw := make([]byte, 5)
	rand.Read(raw)
	s := base32.StdEncoding.EncodeToString(raw)
	return s[:4] + "-" + s[4:]
}

// plainClaim is a claim code without what people add or leave out.
func plainClaim(s string) string {
	return strings.NewReplacer("-", "", " ", "", "0", "O", "1", "I", "8", "B").Replace(strings.ToUpper(s))
}

// claimed tells whether a parent has a passphrase already.
func (a *accounts) claimed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.v.Accounts) > 0
}

func (a *accounts) claimCode() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.v.Claim
}

func (a *accounts) claimIs(typed string) bool {
	return subtle.ConstantTimeCompare([]byte(plainClaim(typed)), []byte(plainClaim(a.claimCode()))) == 1
}

// ready tells whether set-up has been gone through to its end.
func (a *accounts) ready() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.v.Ready
}

func (a *accounts) names() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var names []string
	for _, c := range a.v.Accounts {
		names = append(names, c.Name)
	}
	return names
}

// find finds an account to sign in to, as the vault has it now.
func (a *accounts) find(name string) (account, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = a.reload() // else the one in memory is good enough
	if name == "" && len(a.v.Accounts) == 1 {
		return a.v.Accounts[0], true
	}
	for _, c := range a.v.Accounts {
		if c.Name == name {
			return c, true
		}
	}
	return account{}, false
}

func (a *accounts) key() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.v.Key
}

// add adds an account, or gives one that is there a new hash and role, which
// signs it out everywhere.
func (a *accounts) add(name string, role Role, hash string) error {
	name = household.CleanName(name)
	if name == "" {
		return errors.New("somebody who signs in needs a name")
	}
	return a.change(func(v *vaulted) error {
		v.Claim = ""
		for i := range v.Accounts {
			if v.Accounts[i].Name == name {
				v.Accounts[i].Role, v.Accounts[i].Hash = role, hash
				v.signOut(func(s session) bool { return s.Account == name })
				return nil
			}
		}
		if len(v.Accounts) >= maxAccounts {
			return fmt.Errorf("at most %d people sign in; remove one first", maxAccounts)
		}
		v.Accounts = append(v.Accounts, account{name, role, hash})
		return nil
	})
}

// Claim sets a parent's passphrase without the claim code, for whoever owns the
// router anyway: the command line, or a package that asks for one. name is the
// account's; empty is the first parent's. It signs that account out everywhere,
// in a running Server too, and takes its passkeys away. Any error is a sentence.
func Claim(vault Vault, name, passphrase string) error {
	if checkPassphrase(passphrase) != nil {
		return fmt.Errorf("a passphrase has %d to %d characters and is none of the 3,000 most common ones", minPassphrase, maxPassphrase)
	}
	a, err := openAccounts(vault, time.Now)
	if err != nil {
		return err
	}
	if name == "" {
		name = "Parent"
		for _, c := range a.v.Accounts {
			if c.Role == RoleParent {
				name = c.Name
				break
			}
		}
	}
	hash, err := newHasher(time.Now).hash(passphrase)
	if err != nil {
		return err
	}
	if err := a.add(name, RoleParent, hash); err != nil {
		return err
	}
	return a.change(func(v *vaulted) error {
		v.dropPasskeys(func(k passkey) bool { return k.Account == name })
		return nil
	})
}
