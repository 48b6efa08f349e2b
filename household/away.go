package household

import (
	"crypto/rand"
	"crypto/sha256"
)

// A device that is not at home has no address or MAC that we could know it by.
// It shows a token: in the server name of DNS over TLS, or in the path of DNS
// over HTTPS. A token is no password: the server name crosses other people's
// networks in the clear. Who has it is answered by the rules of the device, and
// can do nothing else with it.

const (
	// tokenLetters are what a token is made of: what may stand in a host name,
	// without what is misread when it is typed into a phone (0 and o, 1 and l).
	tokenLetters = "abcdefghijkmnpqrstuvwxyz23456789"
	// tokenLen in letters of 5 bits each makes 80 bits, which nobody guesses
	// over a network.
	tokenLen = 16
)

// TokenID is what a token is looked up by: the first half of its SHA-256. How long
// a look-up takes tells something about hashes, from which no token follows.
type TokenID [16]byte

func tokenID(token string) TokenID {
	sum := sha256.Sum256([]byte(token))
	return TokenID(sum[:len(TokenID{})])
}

// isToken tells whether a text could be a token.
func isToken(text string) bool {
	if len(text) != tokenLen {
		return false
	}
	for i := range len(text) {
		if !isTokenLetter(text[i]) {
			return false
		}
	}
	return true
}

func isTokenLetter(c byte) bool {
	return 'a' <= c && c <= 'z' && c != 'l' && c != 'o' || '2' <= c && c <= '9'
}

// Token tells whether a text is the token of a device, and its TokenID.
func (c *Clients) Token(text string) (id TokenID, ok bool) {
	if len(c.byToken) == 0 || !isToken(text) {
		return id, false
	}
	id = tokenID(text)
	_, ok = c.byToken[id]
	return id, ok
}

// LetAway gives a device a new token, by which it is known wherever it is. One
// that it had before is good for nothing from then on.
func (h *Household) LetAway(id DeviceID) (token string, err error) {
	d := h.Device(id)
	if d == nil {
		return "", noDevice(id)
	}
	var raw [tokenLen]byte
	rand.Read(raw[:])
	for _, b := range raw {
		token += string(tokenLetters[int(b)%len(tokenLetters)])
	}
	d.Away = token
	return token, nil
}

// EndAway takes a device's token back: from the next query on, whoever shows it
// is a stranger.
func (h *Household) EndAway(id DeviceID) error {
	d := h.Device(id)
	if d == nil {
		return noDevice(id)
	}
	d.Away = ""
	return nil
}
