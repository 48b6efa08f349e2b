package web

import (
	"errors"
	"testing"
	"time"
)

// TestCalibration: a hash takes as many passes as fit into three quarters of a
// second, at least one and at most maxPasses.
func TestCalibration(t *testing.T) {
	for pass, want := range map[time.Duration]uint32{
		400 * time.Millisecond: 1, // a slow router
		100 * time.Millisecond: 7,
		10 * time.Second:       1,
		time.Microsecond:       maxPasses,
	} {
		now := time.Unix(0, 0)
		h := newHasher(func() time.Time { now = now.Add(pass); return now })
		if got := h.calibrate(); got != want {
			t.Errorf("a pass of %s: %d passes, want %d", pass, got, want)
		}
	}
}

func TestHashes(t *testing.T) {
	h := newHasher(time.Now)
	h.passes = 1
	one, err := h.hash("a warm quiet house")
	if err != nil {
		t.Fatal(err)
	}
	other, _ := h.hash("a warm quiet house")
	if one == other {
		t.Error("two hashes are alike: the salt is missing")
	}
	for phrase, want := range map[string]bool{"a warm quiet house": true, "a warm quiet hous": false, "": false} {
		if ok, err := h.matches(one, phrase); ok != want || err != nil {
			t.Errorf("%q: %v %v", phrase, ok, err)
		}
	}
	for _, bad := range []string{"", "$argon2id$", "$argon2id$v=19$m=4000000,t=1,p=1$AAAA$AAAA", "$argon2id$v=19$m=7168,t=0,p=1$AAAA$AAAA", "$2a$10$x"} {
		if ok, err := h.matches(bad, "x"); ok || err == nil {
			t.Errorf("%q was taken for a hash", bad)
		}
	}
}

// TestOneHashAtATime: a flood of sign-ins waits in a short line, and the rest
// is sent away.
func TestOneHashAtATime(t *testing.T) {
	h := newHasher(time.Now)
	leave, err := h.enter()
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan error, 50)
	for range 50 {
		go func() {
			leave, err := h.enter()
			if err == nil {
				defer leave()
			}
			results <- err
		}()
	}
	for range 50 - (maxWaiting - 1) {
		if err := <-results; !errors.Is(err, errBusy) {
			t.Fatalf("more than %d wait: %v", maxWaiting, err)
		}
	}
	leave()
	for range maxWaiting - 1 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}
