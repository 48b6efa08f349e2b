package openwrt

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The tests in this file go the whole way: a child's device, a real dnsmasq with
// the settings of the service script, and the real daemon in the environment of
// the service script.

const (
	blockedForAna = "\x06tiktok\x03com\x00"
	upstream      = "127.0.0.1:5300"
)

// startDaemon starts Treehouse on the home's router with what the service script
// gave to procd, and with the family of newDaemonHome.
func (h *home) startDaemon(r *router, record string) {
	t := h.t
	t.Helper()
	var env []string
	for line := range strings.Lines(record) {
		if words := strings.Fields(line); words[0] == "env" {
			env = append(env, words[1:]...)
		}
	}
	reference, err := os.ReadFile("../../../cmd/treehouse/reference.yaml")
	r.must(err)
	if h.firewall = strings.Contains(string(reference), "\nfirewall:"); !h.firewall {
		env = slices.DeleteFunc(env, func(pair string) bool { return strings.HasPrefix(pair, "TREEHOUSE_FIREWALL_") })
	}
	// Only whom it asks is this machine's own. Its folders are the router's, which
	// for this machine are below the router's root.
	env = append(env, "TREEHOUSE_STORAGE_DIR="+r.path("etc/treehouse"), "TREEHOUSE_STORAGE_RUNTIME_DIR="+r.path("tmp/treehouse"), "TREEHOUSE_UPSTREAM_SERVERS="+upstream)
	h.us = h.listen(h.router, upstream, fromUs)
	r.must(os.Chmod(filepath.Dir(r.root), 0o755)) // the user may go there
	h.start(new(bytes.Buffer), env, append(asUjail(t, record), r.path("usr/libexec/treehouse"), "serve")...)
}

// installProgram builds the program into the router's root.
func (r *router) installProgram() {
	r.t.Helper()
	build := exec.Command("go", "build", "-o", r.path("usr/libexec/treehouse"), "../../../cmd/treehouse")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // there are no libraries
	if out, err := build.CombinedOutput(); err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
}

// types is what somebody gets who types a line into the router's shell.
func (h *home) types(line string) (string, error) {
	cmd := exec.Command("ip", "netns", "exec", h.router, "chroot", h.r.root, "/bin/sh", "-c", line)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w\n%s", line, err, &errs)
	}
	return out.String(), nil
}

// asUjail is the command that gives the next one what ujail would: the user, the
// capabilities of the file and no way to more.
func asUjail(t *testing.T, record string) []string {
	t.Helper()
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Log("setpriv is not installed (util-linux): the daemon runs as root")
		return nil
	}
	has(t, record, "jail treehouse", "user treehouse", "no_new_privs 1")
	_, file, _ := strings.Cut(record, "capabilities /etc/capabilities/")
	file, _, _ = strings.Cut(file, ".json\n")
	sets := capabilities(t, file)
	names := func(set string) string {
		return strings.ToLower(strings.ReplaceAll("-all,+"+strings.Join(sets[set], ",+"), "CAP_", ""))
	}
	id := strconv.Itoa(uid)
	return []string{
		"setpriv", "--reuid", id, "--regid", id, "--clear-groups", "--no-new-privs",
		"--inh-caps", names("inheritable"), "--ambient-caps", names("ambient"), "--bounding-set", names("bounding"),
	}
}

// page asks for a page from the child's device and returns the status line.
func (h *home) page(address, host string) (status string) {
	h.inside(h.child, func() {
		c, err := net.Dial("tcp", address)
		if err != nil {
			status = err.Error()
			return
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host)
		status, _ = bufio.NewReader(c).ReadString('\n')
	})
	return status
}

func (h *home) gets(t *testing.T, server string, question []byte, want netip.Addr, why string) {
	t.Helper()
	if addr, err := h.ask(server, question); addr != want {
		t.Errorf("%s: %s answers %s (%v), want %s", why, server, addr, err, want)
	}
}

// newDaemonHome is a home with the daemon and a family that its parents have
// typed into the router's shell: Ana is nine and has the child's device, Maria is
// her mother and has the sibling's that the child pretends to have.
func newDaemonHome(t *testing.T, mode string) *home {
	if testing.Short() {
		t.Skip("it builds the daemon")
	}
	if _, err := os.Stat("../../../cmd/treehouse/serve.go"); err != nil {
		t.Skip("there is no daemon here")
	}
	r := newRouter(t)
	r.write("etc/config/dhcp", "\nconfig dnsmasq\n\toption domain 'lan'\n")
	r.set("mode", mode)
	if mode == "front" { // port 53 and the table of neighbours take no more than one capability
		r.set("firewall", "0")
	}
	r.installProgram()
	h := newNetwork(t)
	h.r = r
	family := func(lines ...string) {
		t.Helper()
		for _, line := range lines {
			if _, err := h.types(line); err != nil {
				t.Fatal(err)
			}
		}
	}
	family("treehouse people add Ana --age 9", "treehouse people add Maria --band adult") // before the service has ever started
	record := r.service("start")
	family("treehouse devices add tablet --mac 02:00:00:00:00:0a --person Ana", "treehouse devices add phone --mac 02:00:00:00:00:0b --person Maria")
	h.startDaemon(r, record)
	h.startDnsmasq(r.dnsmasq("@dnsmasq[0]"))
	h.waitFor("192.168.1.1:53", query())
	return h
}

func TestAChildBehindDnsmasq(t *testing.T) {
	h := newDaemonHome(t, "behind")
	nowhere := netip.IPv4Unspecified()
	for _, server := range []string{"192.168.1.1:53", "[fd01::1]:53"} {
		h.gets(t, server, queryFor(blockedForAna), nowhere, "Ana's device asks for what is blocked at nine")
		h.gets(t, server, queryFor(blockedForAna, option{optionMAC, siblingMAC}), nowhere, "it claims to be Maria's")
		h.gets(t, server, query(), fromUs, "it asks for something else")
	}
	h.gets(t, "192.168.1.1:53", queryFor("\x09treehouse\x04home\x04arpa\x00"), netip.MustParseAddr("192.168.1.1"), "it asks for our page")

	if h.firewall { // with the capabilities that the service script asks for
		h.run("ip -n %s route add default via 192.168.1.1", h.child)
		h.gets(t, "9.9.9.9:53", queryFor(blockedForAna), nowhere, "Ana's device asks a resolver of its own")
	}
	for _, host := range []string{"treehouse.home.arpa:8080", "192.168.1.1:8080"} {
		if status := h.page("192.168.1.1:8080", host); !strings.Contains(status, " 200 ") && !strings.Contains(status, " 303 ") {
			t.Errorf("from the child's device, the pages at %s say %q", host, status)
		}
	}
	if status := h.page("192.168.1.1:8080", "evil.example"); strings.Contains(status, " 200 ") || strings.Contains(status, " 303 ") {
		t.Errorf("under another's name, the pages say %q", status)
	}

	// The device gets Maria's MAC address, and is answered as hers. It gets another
	// IP address too: dnsmasq remembers for 90 s which MAC address goes with which.
	h.run("ip -n %s link set eth0 down", h.child)
	h.run("ip -n %s link set eth0 address 02:00:00:00:00:0b", h.child)
	h.run("ip -n %s link set eth0 up", h.child)
	h.run("ip -n %s addr del 192.168.1.10/24 dev eth0", h.child)
	h.run("ip -n %s addr add 192.168.1.11/24 dev eth0", h.child)
	h.gets(t, "192.168.1.1:53", queryFor(blockedForAna), fromUs, "Maria's device asks for the same")
}

func TestAChildInFrontOfDnsmasq(t *testing.T) {
	h := newDaemonHome(t, "front")
	for _, server := range []string{"192.168.1.1:53", "[fd01::1]:53"} {
		h.gets(t, server, queryFor(blockedForAna), netip.IPv4Unspecified(), "Ana's device asks for what is blocked at nine")
		h.gets(t, server, queryFor(blockedForAna, option{optionMAC, siblingMAC}), netip.IPv4Unspecified(), "it claims to be Maria's")
		h.gets(t, server, query(), fromUs, "it asks for something else")
	}
	h.gets(t, "192.168.1.1:53", queryFor("\x06router\x03lan\x00"), netip.MustParseAddr("192.168.1.1"), "it asks for a name that dnsmasq knows")
	if addr, err := h.ask("192.168.1.1:54", queryFor(blockedForAna)); !errors.Is(err, errNoAddress) {
		t.Errorf("asked past us, dnsmasq answers %s (%v), want no address", addr, err)
	}
}

// In the router's shell, commands without any flag speak of the daemon's family
// and test the daemon's port.
func TestTheCommandLineOfTheRouter(t *testing.T) {
	h := newDaemonHome(t, "behind")
	types := func(line string) string {
		t.Helper()
		out, err := h.types(line)
		if err != nil {
			t.Error(err)
		}
		return out
	}
	answers := func(question []byte, want netip.Addr, why string) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			addr, err := h.ask("192.168.1.1:53", question)
			if addr == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: Ana's device is answered %s (%v), want %s", why, addr, err, want)
			}
		}
	}
	people := types("treehouse people")
	for _, name := range []string{"Ana", "Maria"} {
		if !strings.Contains(people, name) {
			t.Errorf("%s is not among the people:\n%s", name, people)
		}
	}
	answers(query(), fromUs, "before")
	types("treehouse pause Ana")
	answers(query(), netip.IPv4Unspecified(), "paused")
	types("treehouse resume Ana")
	answers(query(), fromUs, "resumed")

	// What root writes is the daemon's too.
	h.r.write("tmp/list", "casino.example\n")
	types("treehouse lists import --topic adult /tmp/list")
	answers(queryFor("\x06casino\x07example\x00"), netip.IPv4Unspecified(), "on a list")
	h.r.must(filepath.WalkDir(h.r.path("etc/treehouse"), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Sys().(*syscall.Stat_t).Uid != uid {
			t.Errorf("%s belongs to %d, want %d", name, info.Sys().(*syscall.Stat_t).Uid, uid)
		}
		return err
	}))

	// What else there is to mend is this machine's: its /proc is not there, and so on.
	out, _ := h.types("TREEHOUSE_UPSTREAM_SERVERS=" + upstream + " treehouse doctor --json")
	var report struct {
		Findings []struct{ Test, Result, Text string }
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	tested := map[string]bool{}
	for _, f := range report.Findings {
		tested[f.Test] = true
		if slices.Contains([]string{"family", "answers", "upstreams"}, f.Test) && f.Result != "good" {
			t.Errorf("the doctor says of %s: %s (%s)", f.Test, f.Text, f.Result)
		}
		if f.Test == "answers" && !strings.Contains(f.Text, " 127.0.0.1:5453 ") {
			t.Errorf("the doctor asked elsewhere: %s", f.Text)
		}
	}
	if !tested["family"] || !tested["answers"] || !tested["upstreams"] {
		t.Errorf("the doctor tested only %v", tested)
	}

	h.r.service("stop")
	if out := types("treehouse people"); out != people {
		t.Errorf("after a stop the people are\n%s, before\n%s", out, people)
	}
	h.r.must(os.Remove(h.r.path("var/run/treehouse.env"))) // as after a reboot
	if out := types("treehouse people"); out != people {
		t.Errorf("before the first start the people are\n%s, else\n%s", out, people)
	}
}
