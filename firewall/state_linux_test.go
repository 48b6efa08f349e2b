package firewall

import (
	"net/netip"
	"testing"
)

// TestLook: what is said to be in force is what was put there, in a kernel that
// has other people's rules too.
func TestLook(t *testing.T) {
	h := newHome(t)
	home := Rules{Interfaces: []string{"br-lan"}}
	redirecting, refusing, both := home, home, home
	redirecting.Port = h.port
	refusing.RefuseDoT = true
	both.Port, both.Blocked = h.port, []netip.Prefix{netip.MustParsePrefix(doh + "/32")}
	for _, c := range []struct {
		name string
		put  func() error
		want State
	}{
		{"nothing", Remove, State{}},
		{"an empty table", func() error { return Apply(Rules{}) }, State{On: true}},
		{"a redirect", func() error { return Apply(redirecting) }, State{On: true, Redirects: true}},
		{"refusals", func() error { return Apply(refusing) }, State{On: true, Refuses: true}},
		{"both", func() error { return Apply(both) }, State{On: true, Redirects: true, Refuses: true}},
		{"nothing again", Remove, State{}},
	} {
		h.inside(h.router, func() {
			if err := c.put(); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if got, err := Look(); got != c.want || err != nil {
				t.Errorf("%s: %+v %v", c.name, got, err)
			}
		})
	}
}
