package home

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/e2e/netns"
	"golang.org/x/net/dns/dnsmessage"
)

// Who is out there.
const (
	quadNine  = "9.9.9.9" // a resolver that a device has hard-coded
	quadNine6 = "2620:fe::fe"
	builtIn   = "1.1.1.1" // answers DNS over HTTPS, which Treehouse knows by itself
	builtIn6  = "2606:4700:4700::1111"
	listed    = "203.0.113.53" // and this one from a file
	website   = "203.0.113.80" // an innocent one
	website6  = "2001:db8:80::1"
	upstream  = "198.51.100.2:5300" // whom Treehouse asks
)

// What is answered, which tells by whom.
const (
	fromUs      = "1.2.3.4" // the upstream's, so Treehouse was asked and let it through
	fromOutside = "5.6.7.8" // any other resolver's: unfiltered
	blocked     = "0.0.0.0"
)

const (
	anasMAC    = "02:00:00:00:00:0a"
	bensMAC    = "02:00:00:00:00:0b"
	anotherMAC = "02:00:00:00:00:99"
)

const (
	// patience is how long something may take that has to happen, and only a
	// failure uses it up.
	patience = 20 * time.Second
	// briefly is how long something may take that must not work: a machine that is
	// too slow for it proves nothing, and breaks nothing.
	briefly = 500 * time.Millisecond
	// soon is how long a refusal may take, and until a download has ended that a
	// pause is to end. A refusal that takes longer was none, but a silence.
	soon = 2 * time.Second
)

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

// lease is what udhcpc calls with what it was given.
const lease = `#!/bin/sh
[ "$1" = bound ] || exit 0
ip -4 addr flush dev "$interface"
ip addr add "$ip/$mask" dev "$interface"
ip route replace default via "$router"
`

// network is a home in namespaces: a router with dnsmasq and Treehouse, two
// children's devices on its bridge, and an internet behind it.
type network struct {
	t                         *testing.T
	router, ana, ben, outside string
	dir, treehouse            string
	env                       []string
	daemon                    *exec.Cmd
	log                       *safeBuffer
}

// newNetwork makes the namespaces, the internet, and an empty storage folder.
func newNetwork(t *testing.T) *network {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("making network namespaces takes root")
	}
	for tool, in := range map[string]string{"ip": "iproute2", "nft": "nftables", "dnsmasq": "dnsmasq-base", "busybox": "busybox-static", "dig": "bind9-dnsutils", "setpriv": "util-linux"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed (apt-get install %s)", tool, in)
		}
	}
	dir := t.TempDir()
	id := fmt.Sprintf("the2e%d-%s-", os.Getpid(), filepath.Base(filepath.Dir(dir))) // unique: two homes stand beside each other
	n := &network{t: t, router: id + "router", ana: id + "ana", ben: id + "ben", outside: id + "out", dir: dir}
	if out, err := exec.Command("busybox", "udhcpc", "--help").CombinedOutput(); !bytes.Contains(out, []byte("udhcpc")) {
		t.Skipf("this busybox has no DHCP client: %v", err)
	}
	for _, ns := range []string{n.router, n.ana, n.ben, n.outside} {
		if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil {
			t.Skipf("this machine has no network namespaces: %s", out)
		}
		t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run() })
		n.run("ip -n %s link set lo up", ns)
		// An IPv6 address is used at once, without a second of asking who else has it.
		n.run("ip netns exec %s sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0", ns)
	}
	n.run("ip -n %s link add br-lan address 02:00:00:00:00:01 type bridge", n.router)
	n.run("ip -n %s link set br-lan up", n.router)
	n.run("ip -n %s addr add 192.168.1.1/24 dev br-lan", n.router)
	n.run("ip -n %s addr add fd01::1/64 dev br-lan nodad", n.router)
	for _, child := range []struct{ ns, port, mac string }{{n.ana, "lan1", anasMAC}, {n.ben, "lan2", bensMAC}} {
		n.run("ip -n %s link add eth0 address %s type veth peer name %s netns %s", child.ns, child.mac, child.port, n.router)
		n.run("ip -n %s link set %s master br-lan up", n.router, child.port)
	}
	n.run("ip -n %s link add eth0 type veth peer name wan netns %s", n.outside, n.router)
	for _, end := range []struct{ ns, dev, v4, v6 string }{
		{n.router, "wan", "198.51.100.1/24", "2001:db8:1::1/64"},
		{n.outside, "eth0", "198.51.100.2/24", "2001:db8:1::2/64"},
		{n.outside, "lo", quadNine + "/32", quadNine6 + "/128"},
		{n.outside, "lo", builtIn + "/32", builtIn6 + "/128"},
		{n.outside, "lo", website + "/32", website6 + "/128"},
		{n.outside, "lo", listed + "/32", "2001:db8:53::1/128"},
	} {
		n.run("ip -n %s addr add %s dev %s", end.ns, end.v4, end.dev)
		n.run("ip -n %s addr add %s dev %s nodad", end.ns, end.v6, end.dev)
		n.run("ip -n %s link set %s up", end.ns, end.dev)
	}
	n.run("ip -n %s route add default via 198.51.100.2", n.router)
	n.run("ip -n %s route add default via 2001:db8:1::2", n.router)
	n.run("ip -n %s route add fd01::/64 via 2001:db8:1::1", n.outside)
	n.run("ip netns exec %s sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1", n.router)
	nft := exec.Command("ip", "netns", "exec", n.router, "nft", "-f", "-")
	nft.Stdin = strings.NewReader(fw4)
	if out, err := nft.CombinedOutput(); err != nil {
		t.Skipf("this kernel has no nftables: %s", out)
	}

	n.resolver(upstream, fromUs)
	for _, addr := range []string{quadNine, quadNine6, builtIn, builtIn6} {
		n.resolver(netip.AddrPortFrom(netip.MustParseAddr(addr), 53).String(), fromOutside)
	}
	for _, addr := range []string{website, website6, listed, builtIn, builtIn6, quadNine} {
		for _, port := range []uint16{443, 853} {
			n.echo(netip.AddrPortFrom(netip.MustParseAddr(addr), port).String())
		}
	}
	n.treehouse = filepath.Join(n.dir, "treehouse")
	if out, err := exec.Command("go", "build", "-o", n.treehouse, "../../cmd/treehouse").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return n
}

// run runs a command line and fails the test with it.
func (n *network) run(format string, args ...any) string {
	n.t.Helper()
	return netns.Run(n.t, format, args...)
}

// say runs a subcommand of Treehouse, as a parent on the router would.
func (n *network) say(args ...string) string {
	n.t.Helper()
	cmd := exec.Command(n.treehouse, args...)
	cmd.Env = append(os.Environ(), n.env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		n.t.Fatalf("treehouse %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// start starts a command in a namespace, until the test ends.
func (n *network) start(log io.Writer, ns string, env []string, command ...string) *exec.Cmd {
	n.t.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", ns}, command...)...)
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd
}

// serve starts the daemon by a command that makes it somebody else, and waits
// until it answers.
func (n *network) serve(as string) {
	n.t.Helper()
	n.run("chown -R 65534:65534 %s", n.dir)
	n.run("chmod 0755 %s", filepath.Dir(n.dir))
	n.log = &safeBuffer{}
	n.daemon = n.start(n.log, n.router, n.env, append(strings.Fields(as), n.treehouse, "serve")...)
	n.t.Cleanup(func() {
		if n.t.Failed() {
			n.t.Logf("treehouse says\n%s", n.log)
		}
	})
	n.until("treehouse answers", func() bool { return strings.Contains(n.log.String(), "answering") })
}

// halt ends the daemon with a signal and waits for it.
func (n *network) halt(signal os.Signal) {
	n.t.Helper()
	if err := n.daemon.Process.Signal(signal); err != nil {
		n.t.Fatal(err)
	}
	n.daemon.Wait()
}

// until waits for something that has to happen.
func (n *network) until(what string, happened func() bool) {
	n.t.Helper()
	for deadline := time.Now().Add(patience); !happened(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			n.t.Fatalf("still not so: %s", what)
		}
	}
}

// dnsmasq starts a real one on the router, with DHCP and router advertisements.
func (n *network) dnsmasq(conf string) {
	n.t.Helper()
	path := filepath.Join(n.dir, "dnsmasq.conf")
	text := "no-daemon\nuser=root\nno-hosts\nno-resolv\ninterface=br-lan\nbind-dynamic\nenable-ra\nlog-facility=-\n" +
		"dhcp-authoritative\ndhcp-range=192.168.1.100,192.168.1.150,1h\ndhcp-range=::,constructor:br-lan,slaac\n" +
		"dhcp-leasefile=" + n.leases() + "\naddress=/router.lan/192.168.1.1\n" + conf
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		n.t.Fatal(err)
	}
	log := &safeBuffer{}
	n.start(log, n.router, nil, "dnsmasq", "-C", path)
	n.until("dnsmasq is there", func() bool { return strings.Contains(log.String(), "DHCP") })
}

func (n *network) leases() string { return filepath.Join(n.dir, "leases") }

// join brings a device up: an address by DHCP, one by router advertisement.
func (n *network) join(ns string) {
	n.t.Helper()
	script := filepath.Join(n.dir, "lease")
	if err := os.WriteFile(script, []byte(lease), 0o755); err != nil {
		n.t.Fatal(err)
	}
	n.run("ip -n %s link set eth0 up", ns)
	n.run("ip netns exec %s busybox udhcpc -i eth0 -n -q -t 20 -T 1 -s %s", ns, script)
	n.until("it has an address of IPv6", func() bool {
		return strings.Contains(n.run("ip -n %s -6 addr show dev eth0 scope global", ns), "fd01::") &&
			strings.Contains(n.run("ip -n %s -6 route", ns), "default")
	})
}

// address4 is the address that a device was leased.
func (n *network) address4(ns string) string {
	n.t.Helper()
	_, after, _ := strings.Cut(n.run("ip -n %s -4 addr show dev eth0", ns), "inet ")
	addr, _, ok := strings.Cut(after, "/")
	if !ok {
		n.t.Fatalf("%s has no address", ns)
	}
	return addr
}

// dig asks from a device and gives the answer, or why there is none.
func (n *network) dig(from string, args ...string) string {
	out, _ := exec.Command("ip", append([]string{"netns", "exec", from, "dig", "+short", "+time=2", "+tries=1"}, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out))
}

// answers asks until the answer is right. That of another resolver is a leak at
// any time, and nothing to wait about.
func (n *network) answers(t *testing.T, want, from string, args ...string) {
	t.Helper()
	var got string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if got = n.dig(from, args...); got == want {
			return
		}
		if strings.Contains(got, fromOutside) {
			break
		}
	}
	t.Errorf("dig %s: %q, want %q", strings.Join(args, " "), got, want)
}

// inside runs f in a namespace.
func (n *network) inside(ns string, f func()) {
	n.t.Helper()
	if err := netns.Inside(ns, f); err != nil {
		n.t.Fatal(err)
	}
}

// listen opens sockets of both kinds out there, at the same address.
func (n *network) listen(address string) (udp net.PacketConn, tcp net.Listener) {
	n.t.Helper()
	var err error
	n.inside(n.outside, func() {
		var err2 error
		udp, err = net.ListenPacket("udp", address)
		tcp, err2 = net.Listen("tcp", address)
		err = errors.Join(err, err2)
	})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { udp.Close(); tcp.Close() })
	return udp, tcp
}

// resolver answers every question for an address with the same one.
func (n *network) resolver(address, answer string) {
	n.t.Helper()
	udp, tcp := n.listen(address)
	reply := func(question []byte) []byte {
		var m dnsmessage.Message
		if m.Unpack(question) != nil || len(m.Questions) != 1 {
			return nil
		}
		m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
		if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60},
				Body:   &dnsmessage.AResource{A: netip.MustParseAddr(answer).As4()},
			}}
		}
		packed, _ := m.Pack()
		return packed
	}
	go func() {
		buf := make([]byte, 4096)
		for {
			size, from, err := udp.ReadFrom(buf)
			if err != nil {
				return
			}
			udp.WriteTo(reply(buf[:size]), from)
		}
	}()
	go each(tcp, func(c net.Conn) {
		defer c.Close()
		var head [2]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return
		}
		question := make([]byte, int(head[0])<<8|int(head[1]))
		if _, err := io.ReadFull(c, question); err == nil {
			answer := reply(question)
			c.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...))
		}
	})
}

// echo says "hello" to each datagram and each connection.
func (n *network) echo(address string) {
	n.t.Helper()
	udp, tcp := n.listen(address)
	go func() {
		buf := make([]byte, 64)
		for {
			_, from, err := udp.ReadFrom(buf)
			if err != nil {
				return
			}
			udp.WriteTo([]byte("hello"), from)
		}
	}()
	go each(tcp, func(c net.Conn) {
		c.Write([]byte("hello"))
		c.Close()
	})
}

func each(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go serve(c)
	}
}

// reach goes to a port out there and tells what came of it within a time.
func (n *network) reach(within time.Duration, from, protocol, host string, port uint16) (err error) {
	n.t.Helper()
	n.inside(from, func() {
		var c net.Conn
		if c, err = net.DialTimeout(protocol, netip.AddrPortFrom(netip.MustParseAddr(host), port).String(), within); err != nil {
			return
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(within))
		if protocol == "udp" {
			if _, err = c.Write([]byte("who?")); err != nil {
				return
			}
		}
		_, err = c.Read(make([]byte, 64))
	})
	return err
}

func (n *network) reaches(t *testing.T, from, protocol, host string, port uint16) {
	t.Helper()
	if err := n.reach(soon, from, protocol, host, port); err != nil {
		t.Errorf("%s to %s port %d: %v", protocol, host, port, err)
	}
}

// refused wants a refusal at once, and no silence.
func (n *network) refused(t *testing.T, from, protocol, host string, port uint16) {
	t.Helper()
	if err := n.reach(soon, from, protocol, host, port); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%s to %s port %d: %v, want it refused", protocol, host, port, err)
	}
}

// online tells whether a device reaches the web site.
func (n *network) online(from string) bool {
	return n.reach(briefly, from, "tcp", website, 443) == nil
}

// get fetches a page from the router and gives the first line of the answer.
func (n *network) get(from, address, path string) (line string) {
	n.t.Helper()
	n.inside(from, func() {
		c, err := net.DialTimeout("tcp", address, soon)
		if err != nil {
			line = err.Error()
			return
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, address)
		text, err := io.ReadAll(c)
		if line, _, _ = strings.Cut(string(text), "\r\n"); path == "/metrics" {
			line = string(text)
		}
		if err != nil {
			line += " " + err.Error()
		}
	})
	return line
}

// endless starts a server out there whose downloads do not end.
func (n *network) endless(host string) (address string) {
	n.t.Helper()
	_, tcp := n.listen(netip.AddrPortFrom(netip.MustParseAddr(host), 8080).String())
	go each(tcp, func(c net.Conn) {
		defer c.Close()
		// Slow enough to leave the processor to the others.
		for chunk := make([]byte, 4096); ; time.Sleep(time.Millisecond) {
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
	})
	return tcp.Addr().String()
}

// download is a running one.
type download struct {
	bytes atomic.Int64
	last  atomic.Int64 // when something came, in Unix nanoseconds
}

func (n *network) download(t *testing.T, from, address string) *download {
	t.Helper()
	d := new(download)
	n.inside(from, func() {
		c, err := net.DialTimeout("tcp", address, soon)
		if err != nil {
			t.Errorf("no download: %v", err)
			return
		}
		t.Cleanup(func() { c.Close() })
		go io.Copy(d, c)
	})
	return d
}

func (d *download) Write(p []byte) (int, error) {
	d.bytes.Add(int64(len(p)))
	d.last.Store(time.Now().UnixNano())
	return len(p), nil
}

// goesOn waits until more comes.
func (d *download) goesOn(t *testing.T, what string) {
	t.Helper()
	before := d.bytes.Load()
	for deadline := time.Now().Add(patience); d.bytes.Load() == before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("%s: the download stands still", what)
			return
		}
	}
}

// ends waits until nothing more comes, and wants that soon after a moment.
func (d *download) ends(t *testing.T, what string, since time.Time) {
	t.Helper()
	const still = time.Second
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if last := time.Unix(0, d.last.Load()); time.Since(last) > still && time.Now().After(since.Add(still)) {
			t.Logf("%s: the last bytes came %s after", what, last.Sub(since).Round(time.Millisecond))
			if last.Sub(since) > soon {
				t.Errorf("%s: the download went on for %s, want at most %s", what, last.Sub(since), soon)
			}
			return
		}
	}
	t.Errorf("%s: the download goes on", what)
}

// ruleset is everything that the router's nftables hold.
func (n *network) ruleset() string { return n.run("ip netns exec %s nft -s list ruleset", n.router) }

// awakeUntil is when the person's last exception ends.
func (n *network) awakeUntil(name string) time.Time {
	n.t.Helper()
	var people []struct {
		Name       string
		Exceptions []struct{ Until time.Time }
	}
	if err := json.Unmarshal([]byte(n.say("people", "--json")), &people); err != nil {
		n.t.Fatal(err)
	}
	for _, p := range people {
		if p.Name == name && len(p.Exceptions) > 0 {
			return p.Exceptions[len(p.Exceptions)-1].Until
		}
	}
	n.t.Fatalf("%s has no exception", name)
	return time.Time{}
}

// safeBuffer is a log that is written and read at once.
type safeBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
