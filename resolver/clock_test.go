package resolver

import (
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
