package household

import (
	"net/netip"
	"strings"
	"testing"
)

// TestTokensLeadToDevices: a token is its device's wherever it is shown, a new one
// replaces it, and what is taken back, merged or removed is as it should be.
func TestTokensLeadToDevices(t *testing.T) {
	h := New(DefaultBands(), nil)
	must(t, twoPeople(h))
	if _, ok := h.Clients(nil).Token(""); ok {
		t.Error("the empty token is somebody's")
	}
	ana, err := h.LetAway(1)
	must(t, err)
	maria, err := h.LetAway(2)
	must(t, err)
	elsewhere := netip.MustParseAddr("203.0.113.9")
	who := func(token string) (person int) {
		c := h.Clients(nil)
		id, ok := c.Token(token)
		if !ok {
			return -1
		}
		return int(c.Identify(elsewhere, id[:]).Policy)
	}
	if who(ana) != 1 || who(maria) != 2 || ana == maria {
		t.Errorf("Ana's token is %d's, Maria's %d's", who(ana), who(maria))
	}
	for _, wrong := range []string{"", "a", ana[1:], ana + "a", strings.ToUpper(ana), strings.Repeat("a", tokenLen), strings.Repeat("\x00", tokenLen)} {
		if who(wrong) != -1 {
			t.Errorf("%q is a token", wrong)
		}
	}
	c := h.Clients(nil)
	if n := testing.AllocsPerRun(100, func() {
		if id, ok := c.Token(ana); !ok || c.Identify(elsewhere, id[:]).Policy != 1 {
			t.Error("not Ana")
		}
	}); n != 0 {
		t.Errorf("a look-up allocates %v times", n)
	}

	again, err := h.LetAway(1)
	must(t, err)
	if again == ana || who(ana) != -1 || who(again) != 1 {
		t.Error("the old token is still good, or the new one is not")
	}
	must(t, h.Assign(1, 2))
	if who(again) != 2 {
		t.Error("the token did not follow its device to another person")
	}
	must(t, h.Merge(2, 1))
	if who(again) != -1 || who(maria) != 2 {
		t.Error("two devices that are one keep the token of the first")
	}
	must(t, h.EndAway(2))
	if who(maria) != -1 {
		t.Error("a token taken back is still good")
	}
	if _, err := h.LetAway(9); err == nil || h.EndAway(9) == nil {
		t.Error("a device that does not exist is away")
	}
}

// TestTokensAreRandom: every letter may stand anywhere, and none that is misread.
func TestTokensAreRandom(t *testing.T) {
	h := New(DefaultBands(), nil)
	must(t, twoPeople(h))
	seen := map[byte]bool{}
	for range 200 {
		token, err := h.LetAway(1)
		must(t, err)
		if !isToken(token) {
			t.Fatalf("%q is no token", token)
		}
		for i := range len(token) {
			seen[token[i]] = true
		}
	}
	if len(seen) != len(tokenLetters) || len(tokenLetters) != 32 {
		t.Errorf("%d letters of %d", len(seen), len(tokenLetters))
	}
	for c := range 256 {
		if isTokenLetter(byte(c)) != strings.Contains(tokenLetters, string([]byte{byte(c)})) {
			t.Errorf("%q", rune(c))
		}
	}
}

// TestTokensOfOthers: a file or backup cannot bring a token that is guessed, nor
// one twice.
func TestTokensOfOthers(t *testing.T) {
	h := New(DefaultBands(), nil)
	must(t, twoPeople(h))
	h.Devices[0].Away = "ana"
	must(t, h.check())
	if h.Devices[0].Away != "" {
		t.Error("a token of three letters was taken")
	}
	token, err := h.LetAway(1)
	must(t, err)
	h.Devices[1].Away = token
	must(t, h.check())
	if h.Devices[0].Away != token || h.Devices[1].Away != "" {
		t.Errorf("%q, %q", h.Devices[0].Away, h.Devices[1].Away)
	}
}

// TestJournalOfADeviceThatIsAway: what was blocked is remembered for the device and
// not for the network that it is in.
func TestJournalOfADeviceThatIsAway(t *testing.T) {
	h := New(DefaultBands(), nil)
	must(t, twoPeople(h))
	token, err := h.LetAway(1)
	must(t, err)
	c := h.Clients(nil)
	id, _ := c.Token(token)
	elsewhere := netip.MustParseAddr("203.0.113.9")
	if c.owner(elsewhere, id[:]).device != 1 || c.owner(elsewhere, nil).device != 0 {
		t.Error("the device is not told from its network")
	}
}
