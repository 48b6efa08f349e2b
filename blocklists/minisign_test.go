package blocklists

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/blake2b"
)

// signer signs as minisign does.
type signer struct {
	public  string
	private ed25519.PrivateKey
	number  []byte
}

func newSigner(seed string) signer {
	hash := sha256.Sum256([]byte(seed))
	private := ed25519.NewKeyFromSeed(hash[:])
	number := hash[:keyNumberLen]
	raw := append(append([]byte("Ed"), number...), private.Public().(ed25519.PublicKey)...)
	return signer{base64.StdEncoding.EncodeToString(raw), private, number}
}

func (s signer) sign(message []byte, comment string) []byte {
	hash := blake2b.Sum512(message)
	one := ed25519.Sign(s.private, hash[:])
	global := ed25519.Sign(s.private, append(bytes.Clone(one), comment...))
	b64 := base64.StdEncoding.EncodeToString
	return []byte("untrusted comment: x\n" + b64(append(append([]byte("ED"), s.number...), one...)) + "\ntrusted comment: " + comment + "\n" + b64(global) + "\n")
}

// TestMinisign reads what minisign 0.11 has written; testdata/minisign holds it.
func TestMinisign(t *testing.T) {
	read := func(name string) []byte {
		content, err := os.ReadFile("testdata/minisign/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	key, err := ParsePublicKey(strings.Split(string(read("key.pub")), "\n")[1])
	if err != nil {
		t.Fatal(err)
	}
	message, signature := read("message"), read("message.minisig")
	if err := key.verify(message, signature); err != nil {
		t.Error(err)
	}
	if err := key.verify(message, bytes.ReplaceAll(signature, []byte("\n"), []byte("\r\n"))); err != nil {
		t.Error("with the line ends of Windows: ", err)
	}
	want(t, "of the old kind", key.verify(message, read("legacy.minisig")), errLegacy)
	want(t, "another message", key.verify([]byte("a catalogue"), signature), errTampered)
	want(t, "another comment", key.verify(message, bytes.Replace(signature, []byte("edition 7"), []byte("edition 8"), 1)), errTampered)
	other := newSigner("other")
	if err := key.verify(message, other.sign(message, "")); err == nil || !strings.Contains(err.Error(), "signed with the key") {
		t.Error("another key: ", err)
	}
	copy(other.number, key.number[:]) // a key number is nobody's secret
	want(t, "another key with the same number", key.verify(message, other.sign(message, "")), errTampered)
	for _, bad := range []string{"", "<html>", "untrusted comment: \n\ntrusted comment: \n\n", strings.Repeat("x", maxSignature+1), string(signature) + "\nmore"} {
		want(t, "no signature", key.verify(message, []byte(bad)), errSignature)
	}
	lines := strings.Split(string(signature), "\n")
	for i := range lines[1] { // every character of a signature counts
		for _, c := range []byte("A/") {
			changed := []byte(lines[1])
			if changed[i] == c {
				continue
			}
			changed[i] = c
			if key.verify(message, []byte(lines[0]+"\n"+string(changed)+"\n"+lines[2]+"\n"+lines[3]+"\n")) == nil {
				t.Fatalf("character %d may be %c", i, c)
			}
		}
	}
	for _, bad := range []string{"", "RW", strings.Repeat("A", 56), "untrusted comment: minisign public key"} {
		if _, err := ParsePublicKey(bad); err == nil {
			t.Errorf("%q is a key", bad)
		}
	}
}

// FuzzMinisign holds that nothing but the signature itself is one.
func FuzzMinisign(f *testing.F) {
	s := newSigner("fuzz")
	message := []byte("a catalogue\n")
	good := s.sign(message, "edition 7")
	key, err := ParsePublicKey(s.public)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("untrusted comment: \nRUQ=\ntrusted comment: \nRUQ=\n"))
	f.Fuzz(func(t *testing.T, signature []byte) {
		if key.verify(message, signature) != nil {
			return
		}
		// The untrusted comment and the line ends are nobody's word.
		lines := func(b []byte) []string {
			return strings.Split(strings.TrimSuffix(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n"), "\n")[1:]
		}
		if got, want := lines(signature), lines(good); strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%q is taken", signature)
		}
	})
}
