package web

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

const (
	// hashMemory is what one hash takes, in KiB. RFC 9106 would like more; a
	// router of 64 MB has no more to spare, and takes more passes instead.
	hashMemory = 7 * 1024
	// hashTime is how long one hash may take on this device.
	hashTime = time.Second
	// maxPasses bounds the passes on a fast machine.
	maxPasses = 24
	hashLen   = 32 // bytes
	saltLen   = 16 // bytes
	// minPassphrase and maxPassphrase are in characters and bytes. The upper one
	// only keeps a hash's input small.
	minPassphrase = 8
	maxPassphrase = 256
	// maxWaiting sign-ins may queue for the one hash at a time.
	maxWaiting = 4
)

//go:embed guessed-passphrases.txt
var commonPassphrases []byte

var (
	errShort  = errors.New("passphrase.short")
	errLong   = errors.New("passphrase.long")
	errCommon = errors.New("passphrase.common")
	errBusy   = errors.New("login.busy")
)

// checkPassphrase refuses what is guessed first. The error is the key of its words.
func checkPassphrase(s string) error {
	switch {
	case utf8.RuneCountInString(s) < minPassphrase:
		return errShort
	case len(s) > maxPassphrase:
		return errLong
	case bytes.Contains(commonPassphrases, []byte("\n"+strings.ToLower(s)+"\n")):
		return errCommon
	}
	return nil
}

// hasher makes and checks argon2id hashes, one at a time: two at once would
// take twice the memory, and a flood of sign-ins all of it.
type hasher struct {
	waiting chan struct{} // who may queue
	one     sync.Mutex
	clock   func() time.Time // for calibration only
	passes  uint32           // 0: not calibrated yet; guarded by one
}

func newHasher(clock func() time.Time) *hasher {
	return &hasher{waiting: make(chan struct{}, maxWaiting), clock: clock}
}

// enter takes the place of the one hash; the caller calls leave.
func (h *hasher) enter() (leave func(), err error) {
	select {
	case h.waiting <- struct{}{}:
	default:
		return nil, errBusy
	}
	h.one.Lock()
	return func() { h.one.Unlock(); <-h.waiting }, nil
}

// hash is a new hash of the passphrase, in the PHC string format.
func (h *hasher) hash(passphrase string) (string, error) {
	leave, err := h.enter()
	if err != nil {
		return "", err
	}
	defer leave()
	if h.passes == 0 {
		h.passes = h.calibrate()
	}
	salt := make([]byte, saltLen)
	rand.Read(salt)
	key := argon2.IDKey([]byte(passphrase), salt, h.passes, hashMemory, 1, hashLen)
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, hashMemory, h.passes, enc.EncodeToString(salt), enc.EncodeToString(key)), nil
}

// calibrate measures one pass and gives how many fit into three quarters of
// hashTime, so that a busy moment stays within it.
func (h *hasher) calibrate() uint32 {
	start := h.clock()
	argon2.IDKey([]byte("calibrate"), make([]byte, saltLen), 1, hashMemory, 1, hashLen)
	one := max(h.clock().Sub(start), time.Millisecond)
	return uint32(min(max(hashTime*3/4/one, 1), maxPasses))
}

// matches tells whether the passphrase is the hash's.
func (h *hasher) matches(phc, passphrase string) (bool, error) {
	leave, err := h.enter()
	if err != nil {
		return false, err
	}
	defer leave()
	if len(passphrase) > maxPassphrase {
		return false, nil
	}
	var version int
	var memory, passes uint32
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, fmt.Errorf("a stored passphrase is not readable; set a new one with treehouse passphrase")
	}
	_, err1 := fmt.Sscanf(parts[2], "v=%d", &version)
	_, err2 := fmt.Sscanf(parts[3], "m=%d,t=%d,p=1", &memory, &passes)
	salt, err3 := base64.RawStdEncoding.DecodeString(parts[4])
	want, err4 := base64.RawStdEncoding.DecodeString(parts[5])
	if err := errors.Join(err1, err2, err3, err4); err != nil || version != argon2.Version || memory > 64*1024 || passes < 1 || len(want) == 0 {
		return false, fmt.Errorf("a stored passphrase is not readable; set a new one with treehouse passphrase")
	}
	got := argon2.IDKey([]byte(passphrase), salt, passes, memory, 1, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}
