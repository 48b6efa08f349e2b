package firewall

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/e2e/netns"
	"golang.org/x/sys/unix"
)

// The tests in this file run in a home of their own, made of network
// namespaces: two children's devices on a router's bridge, and an internet
// behind it. The kernel's firewall is the real one, so they need root.

const (
	quadNine  = "9.9.9.9"      // a resolver that a device has hard-coded
	quadNine6 = "2620:fe::fe"  // and its IPv6 address
	doh       = "203.0.113.53" // known to answer DNS over HTTPS
	doh6      = "2001:db8:53::1"
	website   = "203.0.113.80" // an innocent one
	website6  = "2001:db8:80::1"
)

// soon is how long anything that should happen may take; a refusal that takes
// longer was none, but a silence.
const soon = 2 * time.Second

// fw4 is the router's own ruleset, in the ways that matter here like OpenWrt's:
// what is established is accepted first, the home may go out, and IPv4 is
// masqueraded.
const fw4 = `
table inet fw4 {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname "br-lan" accept
	}
	chain dstnat { type nat hook prerouting priority dstnat; policy accept; }
	chain srcnat {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "wan" meta nfproto ipv4 masquerade
	}
}`

// home is the network; every member is a namespace.
type home struct {
	t                         *testing.T
	router, ana, ben, outside string
	port                      uint16 // where the router's resolver listens
}

func newHome(t *testing.T) *home {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("making network namespaces takes root")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed (apt-get install iproute2 nftables)", tool)
		}
	}
	c, err := dial(syscall.NETLINK_NETFILTER)
	if err != nil {
		t.Skipf("no firewall to speak to, as under an emulator: %v", err)
	}
	c.close()
	id := fmt.Sprintf("th%d-", os.Getpid())
	h := &home{t: t, router: id + "router", ana: id + "ana", ben: id + "ben", outside: id + "out"}
	for _, ns := range []string{h.router, h.ana, h.ben, h.outside} {
		if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil {
			t.Skipf("this machine has no network namespaces: %s", out)
		}
		t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run() })
		h.run("ip -n %s link set lo up", ns)
		// An IPv6 address is used at once, without a second of asking who else has it.
		h.run("ip netns exec %s sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0", ns)
	}
	h.run("ip -n %s link add br-lan type bridge", h.router)
	h.run("ip -n %s link set br-lan up", h.router)
	for _, child := range []struct {
		ns, port string
		mac      net.HardwareAddr
		host     int
	}{{h.ana, "lan1", ana, 0x0a}, {h.ben, "lan2", ben, 0x0b}} {
		h.run("ip -n %s link add eth0 address %s type veth peer name %s netns %s", child.ns, child.mac, child.port, h.router)
		h.run("ip -n %s link set %s master br-lan up", h.router, child.port)
		h.run("ip -n %s link set eth0 up", child.ns)
		h.run("ip -n %s addr add 192.168.1.%d/24 dev eth0", child.ns, child.host)
		h.run("ip -n %s addr add fd01::%x/64 dev eth0 nodad", child.ns, child.host)
	}
	h.run("ip -n %s addr add 192.168.1.1/24 dev br-lan", h.router)
	h.run("ip -n %s addr add fd01::1/64 dev br-lan nodad", h.router)
	h.run("ip -n %s link add eth0 type veth peer name wan netns %s", h.outside, h.router)
	for _, end := range []struct{ ns, dev, v4, v6 string }{
		{h.router, "wan", "198.51.100.1/24", "2001:db8:1::1/64"},
		{h.outside, "eth0", "198.51.100.2/24", "2001:db8:1::2/64"},
		{h.outside, "lo", quadNine + "/32", quadNine6 + "/128"},
		{h.outside, "lo", doh + "/32", doh6 + "/128"},
		{h.outside, "lo", website + "/32", website6 + "/128"},
	} {
		h.run("ip -n %s addr add %s dev %s", end.ns, end.v4, end.dev)
		h.run("ip -n %s addr add %s dev %s nodad", end.ns, end.v6, end.dev)
		h.run("ip -n %s link set %s up", end.ns, end.dev)
	}
	for _, child := range []string{h.ana, h.ben} {
		h.run("ip -n %s route add default via 192.168.1.1", child)
		h.run("ip -n %s route add default via fd01::1", child)
	}
	h.run("ip -n %s route add default via 198.51.100.2", h.router)
	h.run("ip -n %s route add default via 2001:db8:1::2", h.router)
	h.run("ip -n %s route add fd01::/64 via 2001:db8:1::1", h.outside)
	h.run("ip netns exec %s sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1", h.router)

	nft := exec.Command("ip", "netns", "exec", h.router, "nft", "-f", "-")
	nft.Stdin = strings.NewReader(fw4)
	if out, err := nft.CombinedOutput(); err != nil {
		t.Skipf("this kernel has no nftables: %s", out)
	}
	h.port = h.answer(h.router, 0, "router")
	for _, port := range []uint16{53, 443, 853} {
		h.answer(h.outside, port, "internet")
	}
	return h
}

// run runs a command line and fails the test with it.
func (h *home) run(format string, args ...any) string {
	h.t.Helper()
	return netns.Run(h.t, format, args...)
}

// inside runs f in a namespace.
func (h *home) inside(ns string, f func()) {
	h.t.Helper()
	if err := netns.Inside(ns, f); err != nil {
		h.t.Fatal(err)
	}
}

// answer starts a server in a namespace that says who it is, to each datagram
// and each connection, and returns its port (a chosen one for 0).
func (h *home) answer(ns string, port uint16, who string) uint16 {
	h.t.Helper()
	h.inside(ns, func() {
		tcp, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			h.t.Errorf("%s: %v", who, err)
			return
		}
		port = uint16(tcp.Addr().(*net.TCPAddr).Port)
		// An answer leaves the wildcard with whatever source fits the route. On the
		// router NAT sets that right; out there each address has its own socket.
		addresses := []string{"0.0.0.0", "::"}
		if who == "internet" {
			addresses = []string{quadNine, quadNine6, doh, doh6, website, website6}
		}
		for _, a := range addresses {
			network := "udp4"
			if strings.Contains(a, ":") {
				network = "udp6"
			}
			udp, err := net.ListenPacket(network, netip.AddrPortFrom(netip.MustParseAddr(a), port).String())
			if err != nil {
				h.t.Errorf("%s: %v", who, err)
				return
			}
			h.t.Cleanup(func() { udp.Close() })
			go func() {
				buf := make([]byte, 64)
				for {
					_, from, err := udp.ReadFrom(buf)
					if err != nil {
						return
					}
					udp.WriteTo([]byte(who), from)
				}
			}()
		}
		h.t.Cleanup(func() { tcp.Close() })
		go func() {
			for {
				c, err := tcp.Accept()
				if err != nil {
					return
				}
				c.Write([]byte(who))
				c.Close()
			}
		}()
	})
	return port
}

// ask sends something to an address and returns who answered, or the error.
func (h *home) ask(from, network, host string, port uint16) (who string, err error) {
	h.inside(from, func() {
		var c net.Conn
		if c, err = net.DialTimeout(network, net.JoinHostPort(host, fmt.Sprint(port)), soon); err == nil {
			defer c.Close()
			who, err = exchange(c)
		}
	})
	return who, err
}

func exchange(c net.Conn) (string, error) {
	c.SetDeadline(time.Now().Add(soon))
	if c.LocalAddr().Network() == "udp" {
		if _, err := c.Write([]byte("who?")); err != nil {
			return "", err
		}
	}
	buf := make([]byte, 64)
	n, err := c.Read(buf)
	return string(buf[:n]), err
}

// answered wants an answer from somebody.
func (h *home) answered(t *testing.T, from, network, host string, port uint16, want string) {
	t.Helper()
	if who, err := h.ask(from, network, host, port); who != want {
		t.Errorf("%s to %s port %d: answered by %q (%v), want %q", network, host, port, who, err, want)
	}
}

// refused wants a refusal, not a silence.
func (h *home) refused(t *testing.T, from, network, host string, port uint16) {
	t.Helper()
	if who, err := h.ask(from, network, host, port); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%s to %s port %d: answered by %q (%v), want it refused", network, host, port, who, err)
	}
}

// apply applies rules on the router.
func (h *home) apply(t *testing.T, r Rules) {
	t.Helper()
	var err error
	h.inside(h.router, func() { err = Apply(r) })
	if err != nil {
		t.Fatal(err)
	}
}

func (h *home) ruleset() string { return h.run("ip netns exec %s nft -s list ruleset", h.router) }

func (h *home) rules() Rules {
	return Rules{
		Interfaces: []string{"br-lan"},
		Port:       h.port,
		RefuseDoT:  true,
		Blocked:    prefixes(doh+"/32", doh6+"/128"),
	}
}

func TestHome(t *testing.T) {
	h := newHome(t)
	before := h.ruleset()
	everywhere := func(check func(network, host string)) {
		for _, host := range []string{quadNine, quadNine6} {
			check("udp", host)
			check("tcp", host)
		}
	}

	t.Run("without rules a hard-coded resolver is reached", func(t *testing.T) {
		everywhere(func(network, host string) { h.answered(t, h.ana, network, host, portDNS, "internet") })
	})

	t.Run("with rules we are", func(t *testing.T) {
		h.apply(t, h.rules())
		everywhere(func(network, host string) { h.answered(t, h.ana, network, host, portDNS, "router") })
		if got := h.ruleset(); !strings.HasPrefix(got, strings.TrimRight(before, "\n")) {
			t.Errorf("the other tables have changed to\n%s\nfrom\n%s", got, before)
		}
	})

	t.Run("named by its network too", func(t *testing.T) {
		r := h.rules()
		r.Interfaces, r.Networks = nil, prefixes("192.168.1.0/24", "fd01::/64")
		h.apply(t, r)
		everywhere(func(network, host string) { h.answered(t, h.ana, network, host, portDNS, "router") })
		h.refused(t, h.ana, "tcp", doh, portHTTPS)
		r.Networks = prefixes("192.168.2.0/24", "fd02::/64") // somebody else's
		h.apply(t, r)
		everywhere(func(network, host string) { h.answered(t, h.ana, network, host, portDNS, "internet") })
	})

	t.Run("DNS over TLS and QUIC is refused at once", func(t *testing.T) {
		h.apply(t, h.rules())
		everywhere(func(network, host string) { h.refused(t, h.ana, network, host, portDoT) })
	})

	t.Run("DNS over HTTPS at known addresses too, and nothing else", func(t *testing.T) {
		for _, network := range []string{"tcp", "udp"} {
			h.refused(t, h.ana, network, doh, portHTTPS)
			h.refused(t, h.ana, network, doh6, portHTTPS)
			h.answered(t, h.ana, network, website, portHTTPS, "internet")
			h.answered(t, h.ana, network, website6, portHTTPS, "internet")
		}
	})

	t.Run("a connection to a resolver from before the rules ends", func(t *testing.T) {
		h.remove(t)
		var c net.Conn
		h.inside(h.ana, func() { c, _ = net.Dial("udp", quadNine+":53") })
		defer c.Close()
		if who, err := exchange(c); who != "internet" {
			t.Fatalf("answered by %q (%v)", who, err)
		}
		h.apply(t, h.rules())
		if who, err := exchange(c); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("answered by %q (%v), want it refused", who, err)
		}
	})

	t.Run("an exempt device is not paused, and everything else holds for it", func(t *testing.T) {
		r := h.rules()
		r.Exempt = []net.HardwareAddr{ben}
		r.Paused = []Device{{MAC: ben}, {MAC: ana}}
		h.apply(t, r)
		h.answered(t, h.ben, "tcp", website, portHTTPS, "internet")
		h.answered(t, h.ben, "udp", quadNine, portDNS, "router")
		h.refused(t, h.ben, "tcp", doh, portHTTPS)
		if _, err := h.ask(h.ana, "tcp", website, portHTTPS); err == nil {
			t.Error("the paused device beside it reaches the internet")
		}
	})

	t.Run("a pause of whoever stands outside takes nobody's internet away", func(t *testing.T) {
		r := h.rules()
		r.Paused = []Device{{MAC: h.gateway()}} // seen as a neighbour, like any device
		h.apply(t, r)
		h.answered(t, h.ana, "tcp", website, portHTTPS, "internet")
		h.answered(t, h.ana, "tcp", website6, portHTTPS, "internet")
	})

	t.Run("a paused device that says it has a website's address takes it from nobody", func(t *testing.T) {
		for _, claim := range []struct{ host, router, bits, nodad string }{{website, "192.168.1.1", "32", ""}, {website6, "fd01::1", "128", "nodad"}} {
			h.run("ip -n %s addr add %s/%s dev eth0 %s", h.ana, claim.host, claim.bits, claim.nodad)
			h.inside(h.ana, func() {
				d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(claim.host)}}
				c, err := d.Dial("udp", net.JoinHostPort(claim.router, fmt.Sprint(h.port)))
				if err != nil {
					t.Error(err)
					return
				}
				c.Write([]byte("who?")) // the router learns who says so
				c.Close()
			})
			h.run("ip -n %s addr del %s/%s dev eth0", h.ana, claim.host, claim.bits)
		}
		r := h.rules()
		r.Paused = []Device{{MAC: ana, Addresses: []netip.Addr{netip.MustParseAddr(website)}}}
		h.apply(t, r)
		h.answered(t, h.ben, "tcp", website, portHTTPS, "internet")
		h.answered(t, h.ben, "tcp", website6, portHTTPS, "internet")
		if _, err := h.ask(h.ana, "tcp", quadNine, portHTTPS); err == nil {
			t.Error("the paused device reaches the internet")
		}
	})

	for _, host := range []string{website, website6} {
		t.Run("a running download is cut by a pause, a sibling's is not, from "+host, func(t *testing.T) {
			h.apply(t, h.rules())
			url := h.endless(t, host)
			anas, bens := h.download(t, h.ana, url), h.download(t, h.ben, url)
			anas.moves(t, true)
			bens.moves(t, true)

			r := h.rules()
			r.Paused = []Device{{MAC: ana}}
			h.apply(t, r)
			paused := time.Now()
			anas.moves(t, false)
			if d := time.Since(paused); d > soon {
				t.Errorf("it took %s until the download stood still, want at most %s", d, soon)
			}
			bens.moves(t, true)
			if n := h.remembered(t, "192.168.1.10", "fd01::a"); n != 0 {
				t.Errorf("the kernel remembers %d connections of the paused device", n)
			}
			if n := h.remembered(t, "192.168.1.11", "fd01::b"); n == 0 {
				t.Error("the kernel has forgotten the sibling's connection")
			}
			if _, err := h.ask(h.ana, "tcp", website, portHTTPS); err == nil {
				t.Error("the paused device reaches the internet with a new connection")
			}
			h.answered(t, h.ana, "udp", "192.168.1.1", h.port, "router") // and still its own rules
			h.answered(t, h.ana, "tcp", "192.168.1.1", h.port, "router") // on its own page

			h.apply(t, h.rules())
			h.answered(t, h.ana, "tcp", website, portHTTPS, "internet")
		})
	}

	t.Run("a pause ends by itself in the kernel", func(t *testing.T) {
		r := h.rules()
		r.Paused = []Device{{MAC: ana, For: 300 * time.Millisecond}}
		h.apply(t, r)
		if out := h.ruleset(); !strings.Contains(out, "timeout 300ms") {
			t.Errorf("the pause has no end in\n%s", out)
		}
		h.answered(t, h.ana, "tcp", website, portHTTPS, "internet") // once the SYN is sent again, after 1 s
	})

	t.Run("rules that the kernel refuses leave the old ones", func(t *testing.T) {
		h.apply(t, h.rules())
		old := h.ruleset()
		bad := replaceTable(h.rules(), nil, nil)
		bad.rule("no_such_chain", drop())
		var err error
		h.inside(h.router, func() { err = bad.commit() })
		if err == nil || !strings.Contains(err.Error(), "no_such_chain") {
			t.Errorf("the error is %v, want one that names the chain", err)
		}
		if got := h.ruleset(); got != old {
			t.Errorf("the rules have changed to\n%s", got)
		}
	})

	t.Run("the largest rules fit", func(t *testing.T) {
		r := h.rules()
		r.Blocked = scattered(MaxBlocked)
		h.apply(t, r)
	})

	t.Run("without permission it says so", func(t *testing.T) {
		old := h.ruleset()
		for _, r := range []Rules{h.rules(), {Blocked: scattered(MaxBlocked)}} {
			var err error
			h.inside(h.router, func() {
				none := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
				if err = unix.Capset(&none, &make([]unix.CapUserData, 2)[0]); err == nil {
					err = Apply(r)
				}
			})
			if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
				t.Errorf("the error is %v, want ErrUnavailable with the capability's name", err)
			}
		}
		if h.ruleset() != old {
			t.Error("the rules have changed")
		}
	})

	t.Run("Remove leaves everything as it was", func(t *testing.T) {
		h.remove(t)
		h.remove(t) // twice is no error
		if after := h.ruleset(); after != before {
			t.Errorf("the ruleset is\n%s\nbefore it was\n%s", after, before)
		}
		everywhere(func(network, host string) { h.answered(t, h.ana, network, host, portDNS, "internet") })
	})
}

// gateway is the MAC address of the provider's end of the line.
func (h *home) gateway() (mac net.HardwareAddr) {
	h.inside(h.outside, func() {
		if i, err := net.InterfaceByName("eth0"); err != nil {
			h.t.Error(err)
		} else {
			mac = i.HardwareAddr
		}
	})
	return mac
}

// scattered makes n addresses of which no two touch, so that none are merged.
func scattered(n int) (out []netip.Prefix) {
	for i := range n {
		out = append(out, netip.PrefixFrom(netip.AddrFrom4([4]byte{100, byte(i >> 15), byte(i >> 7), byte(i << 1)}), 32))
	}
	return out
}

func (h *home) remove(t *testing.T) {
	t.Helper()
	var err error
	h.inside(h.router, func() { err = Remove() })
	if err != nil {
		t.Fatal(err)
	}
}

// remembered counts the connections of a device that the router's kernel knows.
func (h *home) remembered(t *testing.T, addrs ...string) (n int) {
	t.Helper()
	h.inside(h.router, func() {
		c, err := dial(syscall.NETLINK_NETFILTER)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.close()
		for _, family := range []byte{syscall.AF_INET, syscall.AF_INET6} {
			list, err := c.connections(family, func(a netip.Addr) bool {
				return a == netip.MustParseAddr(addrs[0]) || a == netip.MustParseAddr(addrs[1])
			})
			if err != nil {
				t.Error(err)
			}
			n += len(list)
		}
	})
	return n
}

// endless starts a server out there whose downloads do not end.
func (h *home) endless(t *testing.T, host string) (address string) {
	h.inside(h.outside, func() {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		address = l.Addr().String()
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					// Slow enough to leave the processor to the others.
					for chunk := make([]byte, 4096); ; time.Sleep(time.Millisecond) {
						if _, err := c.Write(chunk); err != nil {
							return
						}
					}
				}()
			}
		}()
	})
	return address
}

// download is a running one.
type download struct{ bytes atomic.Int64 }

func (h *home) download(t *testing.T, from, address string) *download {
	d := new(download)
	h.inside(from, func() {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { c.Close() })
		go io.Copy(d, c)
	})
	return d
}

func (d *download) Write(p []byte) (int, error) { d.bytes.Add(int64(len(p))); return len(p), nil }

// moves waits until the download goes on, or stands still for half a second.
func (d *download) moves(t *testing.T, want bool) {
	t.Helper()
	const still = 500 * time.Millisecond
	deadline := time.Now().Add(2 * soon)
	for last, since := d.bytes.Load(), time.Now(); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		switch now := d.bytes.Load(); {
		case now != last && want:
			return
		case now != last:
			last, since = now, time.Now()
		case !want && time.Since(since) > still:
			return
		}
	}
	t.Errorf("the download moves: %t, want %t", !want, want)
}
