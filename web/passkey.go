package web

import (
	"encoding/json"
	"slices"
	"time"
)

// maxPasskeys bounds what the vault keeps of them: about 500 bytes each.
const maxPasskeys = 16

// passkey signs its account in without a passphrase. Builds without the tag
// "passkeys" keep what is stored and cannot use it: the library that checks
// passkeys is too large for most routers.
type passkey struct {
	ID         []byte          `json:"id"` // the credential's, as its device gave it
	Account    string          `json:"account"`
	Device     string          `json:"device"` // where it was made, for the list
	Since      time.Time       `json:"since"`
	Credential json.RawMessage `json:"credential"`
}

// dropPasskeys takes those away that match.
func (v *vaulted) dropPasskeys(match func(passkey) bool) {
	v.Passkeys = slices.DeleteFunc(v.Passkeys, match)
}

// passkeys are those of an account, all for "".
func (a *accounts) passkeys(name string) []passkey {
	a.mu.Lock()
	defer a.mu.Unlock()
	var of []passkey
	for _, k := range a.v.Passkeys {
		if name == "" || k.Account == name {
			of = append(of, k)
		}
	}
	return of
}
