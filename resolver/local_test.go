package resolver

import (
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/treehouse-dns/treehouse/filter"
)

// TestLocalNames reads hosts and leases as they are found on a router, with a
// device among them that would like to be somebody else.
func TestLocalNames(t *testing.T) {
	hosts := `# the house
127.0.0.1 localhost
192.168.1.1	router.lan router
192.168.1.50 printer nas.lan.
fd00::50 printer
0.0.0.0 ads.example
nonsense printer2
`
	leases := `1795440000 02:00:00:00:00:01 192.168.1.20 anas-tablet 01:02:00:00:00:00:01
1795440000 02:00:00:00:00:02 192.168.1.21 * *
1795440000 02:00:00:00:00:03 192.168.1.66 wpad *
1795440000 02:00:00:00:00:04 192.168.1.67 router *
1795440000 02:00:00:00:00:05 192.168.1.68 printer *
1795440000 02:00:00:00:00:06 192.168.1.69 www.google.com *
1795440000 02:00:00:00:00:07 192.168.1.70 <script> *
1795440000 02:00:00:00:00:08 192.168.1.71 Bens-PC *
duid 00:01:00:01
1795440000 12345 fd00::20 anas-tablet 00:01
`
	var l LocalNames
	if _, known := l.Addresses(filter.MustName("printer.lan")); known {
		t.Error("a name is known before any was read")
	}
	_, refused, err := l.Replace(filter.MustName("lan"), []io.Reader{strings.NewReader(hosts)}, []io.Reader{strings.NewReader(leases)})
	if err != nil || refused != 7 {
		t.Errorf("%d lines refused, %v", refused, err)
	}
	for name, want := range map[string]string{
		"printer.lan": "192.168.1.50 fd00::50", "printer": "192.168.1.50 fd00::50", "nas.lan": "192.168.1.50",
		"anas-tablet.lan": "192.168.1.20 fd00::20", "bens-pc.lan": "192.168.1.71", "router.lan": "192.168.1.1",
		"wpad.lan": "", "wpad": "", "www.google.com": "", "www.google.com.lan": "", "ads.example": "",
	} {
		addrs, _ := l.Addresses(filter.MustName(name))
		var got []string
		for _, a := range addrs {
			got = append(got, a.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
	}
	if n := l.NameOf(netip.MustParseAddr("192.168.1.20")); n.String() != "anas-tablet.lan." {
		t.Errorf("192.168.1.20 is %v", n)
	}
	if n := l.NameOf(netip.MustParseAddr("192.168.1.66")); n != nil {
		t.Errorf("192.168.1.66 is %v", n)
	}
	if _, _, err := l.Replace(nil, []io.Reader{io.MultiReader(strings.NewReader("10.0.0.1 x"), failing{})}, nil); err == nil {
		t.Error("a file that cannot be read was taken")
	}
	if addrs, _ := l.Addresses(filter.MustName("printer.lan")); !slices.Contains(addrs, netip.MustParseAddr("192.168.1.50")) {
		t.Error("a failed reading took away what was known")
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// FuzzLocalNames reads files that devices have written into.
func FuzzLocalNames(f *testing.F) {
	f.Add("192.168.1.1 a b\n", "1 2 192.168.1.2 c d\n")
	f.Add("::1 localhost\n\x00 \xff", "duid\n* * * *\n")
	f.Fuzz(func(t *testing.T, hosts, leases string) {
		var l LocalNames
		if kept, _, err := l.Replace(filter.MustName("lan"), []io.Reader{strings.NewReader(hosts)}, []io.Reader{strings.NewReader(leases)}); err == nil && kept > 2*localMax {
			t.Errorf("%d names", kept)
		}
	})
}

func TestReverse(t *testing.T) {
	for name, want := range map[string]string{
		"4.3.2.1.in-addr.arpa": "1.2.3.4", "255.0.168.192.in-addr.arpa": "192.168.0.255", "256.3.2.1.in-addr.arpa": "", "3.2.1.in-addr.arpa": "",
		"x.3.2.1.in-addr.arpa": "", "0004.3.2.1.in-addr.arpa": "", "a.b.c.d.e.f": "",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": "2001:db8::1",
		"g.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": "",
	} {
		a, ok := reverse(filter.MustName(name))
		if ok != (want != "") || ok && a.String() != want {
			t.Errorf("%s: %v %v", name, a, ok)
		}
	}
}
