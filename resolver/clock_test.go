package resolver

import (
	"net/netip"
	"testing"
	"time"
)

// TestClockSetBackBeforeTheStart: a router that began in a false future; what it
// kept then is forgotten, and what it keeps from now on grows old.
func TestClockSetBackBeforeTheStart(t *testing.T) {
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	s := testServer(t, func(c *Config) { c.Now = func() time.Time { return now } })
	began := s.clock(now)
	remember(t, s, "www.example. 300 A 192.0.2.7")
	if n, _ := s.cache.held(); n != 1 {
		t.Fatalf("%d answers are kept", n)
	}
	now = now.AddDate(0, -4, 0)
	if at := s.clock(now); at != began {
		t.Errorf("the cache's clock is at %d, it began at %d", at, began)
	}
	if n, _ := s.cache.held(); n != 0 {
		t.Errorf("%d answers of the false future are kept", n)
	}
	if at := s.clock(now.Add(time.Hour)); at != began+3600 {
		t.Errorf("in an hour it went on by %d seconds", at-began)
	}
}

// TestClockSetBackEndsWaiting: what was to be left alone for seconds in a false
// future is not left alone until then.
func TestClockSetBackEndsWaiting(t *testing.T) {
	future := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	source := netip.MustParseAddr("192.168.1.20")
	for _, back := range []time.Duration{30 * time.Minute, 99 * 365 * 24 * time.Hour} {
		now := future.Add(-back)
		var h health
		for range probesPerRest {
			a, _ := h.admit(future)
			h.silent(a, future)
		}
		if a, _ := h.admit(future); a != resting {
			t.Fatalf("an upstream that was silent twice is %v", a)
		}
		if a, _ := h.admit(now); a == resting {
			t.Errorf("%s back: the upstream is left alone until then", back)
		}
		var f failures
		f.note(7, edeNetwork, future)
		if f.recent(7, future) == 0 {
			t.Fatal("a failure is forgotten at once")
		}
		if f.recent(7, now) != 0 {
			t.Errorf("%s back: the question fails until then", back)
		}
		l := newLimiter(10, time.Second)
		for l.allow(source, future) {
		}
		if !l.allow(source, now) {
			t.Errorf("%s back: the client is limited until then", back)
		}
	}
}
