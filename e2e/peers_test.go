package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/resolver"
)

// startPeer runs a server on a port that is free, and waits until it answers. A
// port that somebody else has taken meanwhile ends it; then it gets another.
func startPeer(t *testing.T, name string, command func(port int) *exec.Cmd) netip.AddrPort {
	const tries = 5
	var out bytes.Buffer
	for range tries {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		upstream := l.Addr().(*net.TCPAddr).AddrPort()
		l.Close()
		cmd := command(int(upstream.Port()))
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for started := time.Now(); time.Since(started) < 10*time.Second && len(ended) == 0; {
			if answers(upstream) {
				t.Cleanup(func() { cmd.Process.Kill(); <-ended })
				return upstream
			}
		}
		cmd.Process.Kill()
		<-ended
	}
	t.Fatalf("%s does not answer: %s", name, &out)
	return netip.AddrPort{}
}

// TestRealUpstreams asks through unbound and dnsmasq as they come from the
// distribution: what a script makes up is not all that servers do.
func TestRealUpstreams(t *testing.T) {
	dir := t.TempDir()
	for name, command := range map[string]func(port int) *exec.Cmd{
		"unbound": func(port int) *exec.Cmd {
			conf := filepath.Join(dir, "unbound.conf")
			text := fmt.Sprintf(`server:
 interface: 127.0.0.1@%d
 port: %d
 do-daemonize: no
 username: ""
 chroot: ""
 pidfile: ""
 directory: %q
 use-syslog: no
 module-config: "iterator"
 do-not-query-localhost: no
 local-zone: "example." static
 local-data: "www.example. 300 A 192.0.2.7"
 local-data: "alias.example. 300 CNAME www.example."
 local-data: "home.example. 300 A 192.168.1.1"
`, port, port, dir)
			for i := range 100 {
				text += fmt.Sprintf(" local-data: 'big.example. 300 TXT \"record number %d of a set that does not fit\"'\n", i)
			}
			text += "remote-control:\n control-enable: no\n"
			if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			return exec.Command("unbound", "-d", "-c", conf)
		},
		"dnsmasq": func(port int) *exec.Cmd {
			args := []string{"-k", "-p", fmt.Sprint(port), "--no-resolv", "--no-hosts", "--bind-interfaces", "--listen-address=127.0.0.1", "--pid-file=", "--conf-file=/dev/null",
				"--local=/example/", "--host-record=www.example,192.0.2.7", "--cname=alias.example,www.example", "--host-record=home.example,192.168.1.1", "--local-ttl=300"}
			for i := range 100 {
				args = append(args, fmt.Sprintf("--txt-record=big.example,record number %d of a set that does not fit", i))
			}
			if os.Getuid() == 0 {
				args = append(args, "--user=root")
			}
			return exec.Command("dnsmasq", args...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(name); err != nil {
				t.Skipf("%s is not installed", name)
			}
			upstream := startPeer(t, name, command)
			ask := through(t, upstream)
			for _, c := range []struct {
				name  string
				qtype uint16
				rcode int
				count int
				holds string
			}{
				{"www.example.", dns.TypeA, dns.RcodeSuccess, 1, "192.0.2.7"},
				{"www.example.", dns.TypeAAAA, dns.RcodeSuccess, 0, ""},
				{"alias.example.", dns.TypeA, dns.RcodeSuccess, 2, "192.0.2.7"},
				{"nothing.example.", dns.TypeA, dns.RcodeNameError, 0, ""},
				{"big.example.", dns.TypeTXT, dns.RcodeSuccess, 100, "record number 99"},
				{"home.example.", dns.TypeA, dns.RcodeSuccess, 0, ""},
				{"www.EXAMPLE.", dns.TypeA, dns.RcodeSuccess, 1, "192.0.2.7"},
			} {
				if name == "unbound" && c.name == "alias.example." { // it does not follow aliases of its own
					c.count, c.holds = 1, "www.example."
				}
				m := ask(c.name, c.qtype)
				if m.Rcode != c.rcode || len(m.Answer) != c.count || !strings.Contains(m.String(), c.holds) {
					t.Errorf("%s %s: want %s with %d records and %q\n%v", c.name, dns.TypeToString[c.qtype], dns.RcodeToString[c.rcode], c.count, c.holds, m)
				}
			}
		})
	}
}

// answers tells whether a server has started; it waits a moment to find out.
func answers(addr netip.AddrPort) bool {
	c := dns.Client{Timeout: 100 * time.Millisecond}
	m := new(dns.Msg)
	m.SetQuestion("www.example.", dns.TypeA)
	_, _, err := c.Exchange(m, addr.String())
	if err != nil {
		time.Sleep(20 * time.Millisecond)
	}
	return err == nil
}

// through makes a resolver of an upstream, and a way to ask it.
func through(t *testing.T, upstream netip.AddrPort) func(name string, qtype uint16) *dns.Msg {
	t.Helper()
	st := &stage{t: t}
	live := new(filter.Live)
	live.Store(filter.NewSnapshot(st.trie(nil, nil), nil, []filter.Policy{{}}))
	s, err := resolver.New(resolver.Config{Filter: live, Clients: st, Upstreams: []resolver.Upstream{{Addr: upstream}}, Rate: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return func(name string, qtype uint16) *dns.Msg {
		m := new(dns.Msg)
		m.SetQuestion(name, qtype)
		m.SetEdns0(1232, false)
		reply := s.Handle(context.Background(), netip.MustParseAddrPort("192.168.1.20:5353"), resolver.TCP, must(m.Pack()))
		r := new(dns.Msg)
		if err := r.Unpack(reply); err != nil {
			t.Fatal(err)
		}
		return r
	}
}
