package web

import (
	"net/netip"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// TestProbesAreBounded: however often a page is loaded, from one device or from
// many, little is remembered, and another device's test still works.
func TestProbesAreBounded(t *testing.T) {
	now := time.Unix(1e9, 0)
	p := NewProbes(DefaultName, func(netip.Addr, []byte) filter.PolicyID { return 1 }, func() time.Time { return now })
	other := p.begin(netip.MustParseAddr("192.168.1.2"))
	for range 1000 {
		p.begin(netip.MustParseAddr("192.168.1.3"))
	}
	if len(p.runs) > maxRunsEach+1 {
		t.Errorf("%d tests of one device are remembered", len(p.runs))
	}
	if !p.Asked(other.addr, nil, []byte(other.label(0)), false) {
		t.Error("one device pushed another's test out")
	}
	for i := range 1000 {
		p.begin(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	if len(p.runs) > maxRuns {
		t.Errorf("%d tests are remembered", len(p.runs))
	}
	now = now.Add(-time.Hour) // the clock is set
	p.begin(other.addr)
	if len(p.runs) != 1 {
		t.Errorf("%d tests are from the future", len(p.runs))
	}
}
