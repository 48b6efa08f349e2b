package main

import (
	"net/netip"
	"testing"
)

// TestAnUpstreamThatIsUs holds that no query is sent round in a circle.
func TestAnUpstreamThatIsUs(t *testing.T) {
	for _, c := range []struct {
		listen, server string
		want           bool
	}{
		{"127.0.0.1:53", "127.0.0.1:53", true},
		{"0.0.0.0:53", "127.0.0.1:53", true},
		{"[::]:53", "[::1]:53", true},
		{"0.0.0.0:53", "127.0.0.1:5300", false}, // another server on this machine
		{"127.0.0.1:53", "192.0.2.1:53", false},
		{"0.0.0.0:53", "192.0.2.1:53", false},
	} {
		if got := reachesUs(netip.MustParseAddrPort(c.server), []netip.AddrPort{netip.MustParseAddrPort(c.listen)}); got != c.want {
			t.Errorf("%s when listening on %s: %v", c.server, c.listen, got)
		}
	}
}
