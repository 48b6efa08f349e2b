package openwrt

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The tests in this file put a real dnsmasq between a child's device and stubs
// that stand for Treehouse and for the provider's resolver, in two network
// namespaces, with the settings that the service script has made.

// EDNS options that matter here.
const (
	optionSubnet = 8     // RFC 7871: the address of who asks
	optionMAC    = 65001 // dnsmasq's: the MAC address of who asks
)

// What the stubs answer every question with. The addresses for documentation
// will not do: dnsmasq takes them for an attack, like private ones.
var (
	fromUs       = netip.MustParseAddr("1.2.3.4")
	fromProvider = netip.MustParseAddr("5.6.7.8")
)

const (
	childMAC   = "02000000000a"
	siblingMAC = "02000000000b" // what the child claims to have
)

// home is a router with dnsmasq and a child's device.
type home struct {
	t             *testing.T
	router, child string
	us, provider  *stub
	firewall      bool // whether the daemon knows of one
	dnsmasq       *os.Process
	log           *bytes.Buffer // dnsmasq's
	r             *router       // whose files the daemon and its command line work on; nil without a daemon
}

// newHome is a home whose dnsmasq has the settings of a section, and asks a stub
// that stands for us.
func newHome(t *testing.T, section *uciSection) *home {
	t.Helper()
	h := newNetwork(t)
	h.us = h.listen(h.router, "127.0.0.1:5453", fromUs)
	h.startDnsmasq(section)
	h.us.seen()
	h.provider.seen()
	return h
}

// newNetwork makes the two namespaces and the provider's resolver.
func newNetwork(t *testing.T) *home {
	t.Helper()
	for _, tool := range []string{"ip", "dnsmasq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed (apt-get install iproute2 dnsmasq-base)", tool)
		}
	}
	id := fmt.Sprintf("thd%d-", os.Getpid())
	h := &home{t: t, router: id + "router", child: id + "child", log: new(bytes.Buffer)}
	for _, ns := range []string{h.router, h.child} {
		if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil {
			t.Skipf("this machine has no network namespaces: %s", out)
		}
		t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run() })
		h.run("ip netns exec %s sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0", ns)
		h.run("ip -n %s link set lo up", ns)
	}
	h.run("ip -n %s link add eth0 address 02:00:00:00:00:0a type veth peer name br-lan netns %s", h.child, h.router)
	for _, end := range []struct {
		ns, dev string
		host    int
	}{{h.router, "br-lan", 1}, {h.child, "eth0", 10}} {
		h.run("ip -n %s addr add 192.168.1.%d/24 dev %s", end.ns, end.host, end.dev)
		h.run("ip -n %s addr add fd01::%d/64 dev %s nodad", end.ns, end.host, end.dev)
		h.run("ip -n %s link set %s up", end.ns, end.dev)
	}
	// Port 53 of the router is dnsmasq's, so the provider lives next door.
	h.provider = h.listen(h.child, "192.168.1.10:53", fromProvider)
	return h
}

// startDnsmasq starts it as OpenWrt would with a section of /etc/config/dhcp,
// and waits until it answers.
func (h *home) startDnsmasq(section *uciSection) {
	t := h.t
	t.Helper()
	dir := t.TempDir()
	resolv, conf := filepath.Join(dir, "resolv.conf"), filepath.Join(dir, "dnsmasq.conf")
	port := section.get("port")
	if port == "" {
		port = "53"
	}
	text := "no-daemon\nuser=root\nno-hosts\naddress=/router.lan/192.168.1.1\nport=" + port + "\nresolv-file=" + resolv + "\n" + dnsmasqConf(section)
	if err := errors.Join(os.WriteFile(resolv, []byte("nameserver 192.168.1.10\n"), 0o644), os.WriteFile(conf, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
	h.dnsmasq = h.start(h.log, nil, "dnsmasq", "-C", conf, "--log-facility=-")
	h.waitFor("192.168.1.1:"+port, queryFor("\x06router\x03lan\x00"))
}

// start starts a command on the router, until the test ends.
func (h *home) start(log *bytes.Buffer, env []string, command ...string) *os.Process {
	h.t.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", h.router}, command...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if h.t.Failed() {
			h.t.Logf("%v says\n%s", command, log)
		}
	})
	return cmd.Process
}

// waitFor asks until there is an answer.
func (h *home) waitFor(server string, question []byte) {
	h.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		_, err := h.ask(server, question)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("%s does not answer: %v", server, err)
		}
	}
}

// dnsmasqConf writes the options of a section as OpenWrt's dnsmasq.init does,
// as far as the section of these tests has them.
func dnsmasqConf(s *uciSection) string {
	var b strings.Builder
	for option, line := range map[string]string{
		"noresolv": "no-resolv", "allservers": "all-servers", "rebind_localhost": "rebind-localhost-ok",
		"addmac": "add-mac", "stripmac": "strip-mac", "stripsubnet": "strip-subnet",
	} {
		if s.get(option) == "1" {
			b.WriteString(line + "\n")
		}
	}
	if v := s.get("addsubnet"); v != "" {
		b.WriteString("add-subnet=" + v + "\n")
	}
	if v := s.get("serversfile"); v != "" {
		b.WriteString("servers-file=" + v + "\n")
	}
	for _, server := range strings.Fields(s.get("server")) {
		b.WriteString("server=" + server + "\n")
	}
	b.WriteString("stop-dns-rebind\n") // OpenWrt's default
	for _, domain := range strings.Fields(s.get("rebind_domain")) {
		b.WriteString("rebind-domain-ok=" + domain + "\n")
	}
	return b.String()
}

func (h *home) run(format string, args ...any) {
	h.t.Helper()
	line := strings.Fields(fmt.Sprintf(format, args...))
	if out, err := exec.Command(line[0], line[1:]...).CombinedOutput(); err != nil {
		h.t.Fatalf("%s: %v\n%s", strings.Join(line, " "), err, out)
	}
}

// inside runs f in a namespace; the sockets that it opens stay there.
func (h *home) inside(ns string, f func()) {
	h.t.Helper()
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends in there
		fd, err := unix.Open("/run/netns/"+ns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			defer unix.Close(fd)
			err = unix.Setns(fd, unix.CLONE_NEWNET)
		}
		if err == nil {
			f()
		}
		failed <- err
	}()
	if err := <-failed; err != nil {
		h.t.Fatalf("entering %s: %v", ns, err)
	}
}

// stub answers every question over UDP and remembers the EDNS options in it.
type stub struct {
	conn net.PacketConn

	mu      sync.Mutex
	answer  netip.Addr
	options [][]option
}

// option is an EDNS option as it came.
type option struct {
	code  int
	value string // hex
}

func (h *home) listen(ns, address string, answer netip.Addr) *stub {
	h.t.Helper()
	s := &stub{answer: answer}
	h.inside(ns, func() {
		var err error
		if s.conn, err = net.ListenPacket("udp", address); err != nil {
			h.t.Error(err)
		}
	})
	if s.conn == nil {
		h.t.FailNow()
	}
	h.t.Cleanup(func() { s.conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := s.conn.ReadFrom(buf)
			if err != nil {
				return
			}
			end := questionEnd(buf[:n])
			s.mu.Lock()
			s.options = append(s.options, optionsIn(buf[end:n]))
			answer := s.answer
			s.mu.Unlock()
			// The question again, and one A record whose name points at it.
			reply := append([]byte{}, buf[:end]...)
			copy(reply[2:], []byte{0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0})
			reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
			s.conn.WriteTo(append(reply, answer.AsSlice()...), from)
		}
	}()
	return s
}

// set changes the answer.
func (s *stub) set(answer netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// seen returns the options of each question since the last call.
func (s *stub) seen() [][]option {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.options
	s.options = nil
	return seen
}

const headerLen = 12

// questionEnd is where the first question of a message ends.
func questionEnd(message []byte) int {
	at := headerLen
	for message[at] != 0 {
		at += 1 + int(message[at])
	}
	return at + 1 + 4 // the root, type and class
}

// optionsIn reads the options of an OPT record (RFC 6891 §6.1.2) that is all
// there is after the question.
func optionsIn(b []byte) (list []option) {
	const ownerTypeClassTTL = 1 + 2 + 2 + 4
	if len(b) < ownerTypeClassTTL+2 || binary.BigEndian.Uint16(b[1:]) != 41 {
		return nil
	}
	for b = b[ownerTypeClassTTL+2:]; len(b) >= 4; {
		n := 4 + int(binary.BigEndian.Uint16(b[2:]))
		list = append(list, option{int(binary.BigEndian.Uint16(b)), hex.EncodeToString(b[4:n])})
		b = b[n:]
	}
	return list
}

// query is a question for an address, with EDNS options.
func query(options ...option) []byte { return queryFor("\x03www\x07example\x00", options...) }

func queryFor(name string, options ...option) []byte {
	var values []byte
	for _, o := range options {
		value, _ := hex.DecodeString(o.value)
		values = binary.BigEndian.AppendUint16(values, uint16(o.code))
		values = binary.BigEndian.AppendUint16(values, uint16(len(value)))
		values = append(values, value...)
	}
	q := []byte{0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1}
	q = append(q, name+"\x00\x01\x00\x01"...)
	q = append(q, 0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0)
	q = binary.BigEndian.AppendUint16(q, uint16(len(values)))
	return append(q, values...)
}

var errNoAddress = errors.New("the answer holds no address")

// ask asks from the child's device and returns the address in the answer.
func (h *home) ask(server string, question []byte) (addr netip.Addr, err error) {
	h.inside(h.child, func() {
		var c net.Conn
		if c, err = net.Dial("udp", server); err != nil {
			return
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(2 * time.Second))
		if _, err = c.Write(question); err != nil {
			return
		}
		buf := make([]byte, 1500)
		var n int
		if n, err = c.Read(buf); err != nil {
			return
		}
		if binary.BigEndian.Uint16(buf[6:]) == 0 {
			err = fmt.Errorf("%w, its code is %d", errNoAddress, buf[3]&0x0f)
			return
		}
		at := questionEnd(buf[:n]) + 12 // after a pointer, type, class, TTL and length
		addr, _ = netip.AddrFromSlice(buf[at : at+4])
	})
	return addr, err
}

// taken is the first dnsmasq section of a router after our service script.
func taken(t *testing.T, whenDown string) (*router, *uciSection) {
	r := newRouter(t)
	r.write("etc/config/dhcp", "\nconfig dnsmasq\n\toption domainneeded '0'\n")
	r.set("when_down", whenDown)
	r.service("start")
	return r, r.dnsmasq("@dnsmasq[0]")
}

// forged is what a child's device sends to be taken for its sibling.
func forged() []byte {
	return query(option{optionMAC, siblingMAC}, option{optionSubnet, "00012000c0a8010b"})
}

func TestDnsmasqSaysWhoAsks(t *testing.T) {
	_, s := taken(t, "closed")
	h := newHome(t, s)
	for server, subnet := range map[string]string{
		"192.168.1.1:53": "00012000" + "c0a8010a", // IPv4, 32 bits, 192.168.1.10
		"[fd01::1]:53":   "00028000" + "fd010000000000000000000000000010",
	} {
		for _, question := range [][]byte{query(), forged()} {
			if addr, err := h.ask(server, question); addr != fromUs {
				t.Errorf("%s answers %s (%v), want %s", server, addr, err, fromUs)
			}
			macs, subnets := 0, 0
			for _, options := range h.us.seen() {
				for _, o := range options {
					switch o.code {
					case optionMAC:
						macs++
						if o.value != childMAC {
							t.Errorf("asked through %s, we are told the MAC address %s, want %s", server, o.value, childMAC)
						}
					case optionSubnet:
						subnets++
						if o.value != subnet {
							t.Errorf("asked through %s, we are told the address %s, want %s", server, o.value, subnet)
						}
					}
				}
			}
			if macs != 1 || subnets != 1 {
				t.Errorf("asked through %s, we are told %d MAC and %d IP addresses, want one each", server, macs, subnets)
			}
		}
	}
	if n := len(h.provider.seen()); n != 0 {
		t.Errorf("the provider was asked %d times", n)
	}
}

func TestDnsmasqPassesOurAnswers(t *testing.T) {
	_, s := taken(t, "closed")
	h := newHome(t, s)
	const ours = "\x09treehouse\x04home\x04arpa\x00"
	lan := netip.MustParseAddr("192.168.1.1")

	h.us.set(netip.IPv4Unspecified()) // a blocked name
	if addr, err := h.ask("192.168.1.1:53", query()); addr != netip.IPv4Unspecified() {
		t.Errorf("a blocked name is answered %s (%v), want 0.0.0.0", addr, err)
	}
	h.us.set(lan)
	if addr, err := h.ask("192.168.1.1:53", queryFor(ours)); addr != lan {
		t.Errorf("our own name is answered %s (%v), want %s", addr, err, lan)
	}
	if addr, err := h.ask("192.168.1.1:53", query()); !errors.Is(err, errNoAddress) {
		t.Errorf("somebody's name with an address of the home is answered %s (%v), want no address", addr, err)
	}
}

// Without what we set to strip, the forgery arrives: the test above can fail.
func TestDnsmasqWithoutStripPassesAForgery(t *testing.T) {
	_, s := taken(t, "closed")
	s.options[s.find("stripmac")].values = []string{"0"}
	h := newHome(t, s)
	h.ask("192.168.1.1:53", forged())
	if got := fmt.Sprint(h.us.seen()); !strings.Contains(got, siblingMAC) {
		t.Errorf("the options are %s; this dnsmasq strips them by itself", got)
	}
}

func TestWhenWeAreDown(t *testing.T) {
	for _, whenDown := range []string{"closed", "open"} {
		t.Run(whenDown, func(t *testing.T) {
			r, s := taken(t, whenDown)
			r.write("tmp/resolv.conf.d/resolv.conf.auto", "nameserver 192.168.1.10\n")
			if file := s.find("serversfile"); file >= 0 { // seen from outside of the router's root
				s.options[file].values = []string{r.path(s.get("serversfile"))}
			}
			h := newHome(t, s)
			for range 100 {
				if addr, err := h.ask("192.168.1.1:53", query()); addr != fromUs {
					t.Fatalf("while we are up it answers %s (%v), want %s", addr, err, fromUs)
				}
			}
			if n := len(h.provider.seen()); n != 0 {
				t.Errorf("while we are up the provider was asked %d times", n)
			}
			h.us.conn.Close()
			if whenDown == "closed" {
				if addr, err := h.ask("192.168.1.1:53", query()); err == nil || len(h.provider.seen()) > 0 {
					t.Errorf("it answers %s (%v) and may have asked the provider; want neither", addr, err)
				}
				return
			}
			ask := func(whom string, want netip.Addr) {
				t.Helper()
				r.sh(". /usr/lib/treehouse/dnsmasq.sh; dnsmasq_ask " + whom + " 5453")
				h.dnsmasq.Signal(syscall.SIGHUP) // what `dnsmasq reload` does
				// The signal takes a moment; then the answer stays.
				var addr netip.Addr
				var err error
				for deadline := time.Now().Add(5 * time.Second); addr != want && time.Now().Before(deadline); {
					addr, err = h.ask("192.168.1.1:53", query())
				}
				if addr != want {
					t.Errorf("asking %s, it answers %s (%v), want %s", whom, addr, err, want)
				}
			}
			ask("provider", fromProvider)
			h.us = h.listen(h.router, "127.0.0.1:5453", fromUs)
			ask("us", fromUs)
		})
	}
}

// TestDnsmasqIsGivenBack takes dnsmasq into service and gives it back in each of
// the ways there are. A real dnsmasq then does what it did before: it asks the
// provider, and tells nobody who asks.
func TestDnsmasqIsGivenBack(t *testing.T) {
	const mine = "\nconfig dnsmasq\n\toption domainneeded '0'\n\toption addsubnet '24'\n"
	for way, line := range map[string]string{
		"stop":    "sh /etc/rc.common /etc/init.d/treehouse stop",
		"disable": "uci set treehouse.main.enabled=0 && uci commit treehouse && sh /etc/rc.common /etc/init.d/treehouse reload",
		"upgrade": "export PKG_UPGRADE=1; sh /tmp/preinst",
		"remove":  ". /lib/functions.sh; default_prerm",
		"flash":   "rm /etc/init.d/treehouse; (. /etc/uci-defaults/90-treehouse)",
	} {
		t.Run(way, func(t *testing.T) {
			r := newRouter(t)
			r.copy("../control/preinst", "tmp/preinst")
			r.write("etc/config/dhcp", mine)
			r.service("start")
			if r.dnsmasq("@dnsmasq[0]").get("server") != "127.0.0.1#5453" {
				t.Fatal("it was not taken")
			}
			has(t, r.sh(line), "dnsmasq restart")
			if got := r.read("etc/config/dhcp"); got != mine {
				t.Fatalf("the file is\n%s", got)
			}
			h := newHome(t, r.dnsmasq("@dnsmasq[0]"))
			if addr, err := h.ask("192.168.1.1:53", query()); addr != fromProvider {
				t.Errorf("it answers %s (%v), want %s", addr, err, fromProvider)
			}
			for _, options := range h.provider.seen() {
				for _, o := range options {
					if o.code == optionMAC {
						t.Errorf("the provider is told the MAC address %s", o.value)
					}
				}
			}
		})
	}
}
