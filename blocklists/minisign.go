package blocklists

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/blake2b"
)

// Signatures are minisign's (jedisct1.github.io/minisign), made by its or any
// compatible tool: Ed25519 over the BLAKE2b-512 of a file. A signature file has
// four lines:
//
//	untrusted comment: anything
//	base64 of "ED" · key number (8 bytes) · signature (64)
//	trusted comment: anything
//	base64 of a signature (64) of the signature above and the trusted comment
//
// A library for this takes 16 KB on mipsle, these lines 3.

const (
	keyNumberLen = 8
	// maxSignature in bytes of a signature file; a usual one has 300.
	maxSignature = 4 << 10

	untrustedComment = "untrusted comment: "
	trustedComment   = "trusted comment: "
)

// PublicKey checks signatures.
type PublicKey struct {
	number [keyNumberLen]byte
	key    [ed25519.PublicKeySize]byte
}

// ParsePublicKey reads a public key as minisign prints it: 56 characters that
// begin with RW, without the comment above them.
func ParsePublicKey(s string) (PublicKey, error) {
	var k PublicKey
	raw, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(s))
	if err != nil || len(raw) != 2+len(k.number)+len(k.key) || string(raw[:2]) != "Ed" {
		return k, errors.New("it is not a minisign public key: 56 characters that begin with RW, the second line of a .pub file")
	}
	copy(k.number[:], raw[2:])
	copy(k.key[:], raw[2+keyNumberLen:])
	return k, nil
}

// Errors of a signature.
var (
	errSignature = errors.New("the signature file is not one of minisign")
	errLegacy    = errors.New("the signature is of the old kind, over the file itself; sign it with a minisign of 2022 or later, without -l")
	errTampered  = errors.New("the signature is not of this file: one of the two was changed on the way, or they are of different editions")
)

// verify tells whether signature, the content of a signature file, is this
// key's of message.
func (k PublicKey) verify(message, signature []byte) error {
	lines := strings.Split(strings.TrimSuffix(strings.ReplaceAll(string(signature), "\r\n", "\n"), "\n"), "\n")
	if len(signature) > maxSignature || len(lines) != 4 || !strings.HasPrefix(lines[0], untrustedComment) || !strings.HasPrefix(lines[2], trustedComment) {
		return errSignature
	}
	signed, err := base64.StdEncoding.Strict().DecodeString(lines[1])
	if err != nil || len(signed) != 2+keyNumberLen+ed25519.SignatureSize {
		return errSignature
	}
	global, err := base64.StdEncoding.Strict().DecodeString(lines[3])
	if err != nil || len(global) != ed25519.SignatureSize {
		return errSignature
	}
	switch string(signed[:2]) {
	case "ED":
	case "Ed":
		return errLegacy
	default:
		return errSignature
	}
	if number := signed[2:][:keyNumberLen]; !bytes.Equal(number, k.number[:]) {
		return fmt.Errorf("it is signed with the key %X, not with yours, %X", reversed(number), reversed(k.number[:]))
	}
	one := signed[2+keyNumberLen:]
	hash := blake2b.Sum512(message)
	comment := strings.TrimPrefix(lines[2], trustedComment)
	if !ed25519.Verify(k.key[:], hash[:], one) || !ed25519.Verify(k.key[:], append(bytes.Clone(one), comment...), global) {
		return errTampered
	}
	return nil
}

// reversed is a key's number as minisign prints it, a little-endian number.
func reversed(number []byte) []byte {
	out := bytes.Clone(number)
	slices.Reverse(out)
	return out
}
