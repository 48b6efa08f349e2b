package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/resolver"
)

// The server under measurement has one core, whoever asks it the other.
const (
	serverCore = "0"
	clientCore = "1"
)

// server is a running process that answers.
type server struct {
	cmd     *exec.Cmd
	port    int
	startup time.Duration // until the first answer
}

func self() string {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return exe
}

func available(peer string) bool {
	if peer == "echo" {
		return true
	}
	_, err := exec.LookPath(peer)
	return err == nil
}

// start runs a program on a core and waits until it answers on a port that is
// added to its arguments where they say PORT.
func start(core string, program string, args ...string) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	full := append([]string{"-c", core, program}, args...)
	found := false
	for i, a := range full {
		found = found || strings.Contains(a, "PORT")
		full[i] = strings.ReplaceAll(a, "PORT", strconv.Itoa(port))
	}
	if !found {
		full = append(full, strconv.Itoa(port))
	}
	s := &server{cmd: exec.Command("taskset", full...), port: port}
	s.cmd.Stderr = os.Stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for time.Since(began) < 60*time.Second {
		if _, err := ask(port, "ready.example", 200*time.Millisecond); err == nil {
			s.startup = time.Since(began)
			return s, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.stop()
	return nil, fmt.Errorf("no answer within a minute")
}

func (s *server) stop() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	time.AfterFunc(2*time.Second, func() { s.cmd.Process.Kill() })
	s.cmd.Wait()
}

// start starts one of the servers with the names loaded.
func (b *bench) start(name string, upstream int) (*server, error) {
	switch name {
	case "unbound":
		conf := newFile(b.dir, "unbound.conf")
		fmt.Fprintf(conf, "include: %q\n", b.path("unbound-names.conf"))
		fmt.Fprintf(conf, `server:
 interface: 127.0.0.1@LISTEN
 port: LISTEN
 do-daemonize: no
 use-syslog: no
 verbosity: 0
 num-threads: 1
 username: ""
 chroot: ""
 directory: %q
 pidfile: ""
 do-not-query-localhost: no
 access-control: 127.0.0.0/8 allow
 so-reuseport: yes
 module-config: "iterator"
 msg-cache-size: 4m
 rrset-cache-size: 8m
 local-zone: "example." nodefault
forward-zone:
 name: "."
 forward-addr: 127.0.0.1@%d
remote-control:
 control-enable: no
`, b.dir, upstream)
		if err := conf.close(); err != nil {
			return nil, err
		}
		// The port is known only once the process is started: a shell writes it in.
		return start(serverCore, "sh", "-c", fmt.Sprintf("sed 's/LISTEN/PORT/g' %s > %s; exec unbound -d -c %s", b.path("unbound.conf"), b.path("unbound-run.conf"), b.path("unbound-run.conf")))
	case "dnsmasq":
		return start(serverCore, "dnsmasq", "-k", "-p", "PORT", "--no-resolv", "--no-hosts", "--bind-interfaces", "--listen-address=127.0.0.1", "--pid-file=", "--user=root",
			"--cache-size=10000", "--dns-forward-max=1000", "--conf-file="+b.path("dnsmasq-names.conf"), fmt.Sprintf("--server=127.0.0.1#%d", upstream))
	case "smartdns":
		conf := newFile(b.dir, "smartdns.conf")
		fmt.Fprintf(conf, "bind 127.0.0.1:LISTEN\nserver 127.0.0.1:%d\ncache-size 20000\nspeed-check-mode none\nlog-level fatal\ncache-persist no\nconf-file %s\n", upstream, b.path("smartdns-names.conf"))
		if err := conf.close(); err != nil {
			return nil, err
		}
		run := b.path("smartdns-run.conf")
		return start(serverCore, "sh", "-c", fmt.Sprintf("sed 's/LISTEN/PORT/g' %s > %s; exec smartdns -f -x -c %s -p -", b.path("smartdns.conf"), run, run))
	case "treehouse":
		return start(serverCore, self(), "treehouse", b.path("blocked.txt"), strconv.Itoa(upstream))
	}
	return start(serverCore, self(), name)
}

// serveTreehouse is our server: names in a file are blocked for everyone.
func serveTreehouse(args []string) error {
	runtime.GOMAXPROCS(1) // as on a router with one core
	debug.SetGCPercent(50)
	live := new(filter.Live)
	if err := load(live, args[0]); err != nil {
		return err
	}
	debug.FreeOSMemory()
	s, err := resolver.New(resolver.Config{
		Filter:    live,
		Clients:   everyone{},
		Listen:    []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:" + args[2])},
		Upstreams: []resolver.Upstream{{Addr: netip.MustParseAddrPort("127.0.0.1:" + args[1])}},
		Rate:      -1,
	})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if path := os.Getenv("BENCH_PROFILE"); path != "" { // where does the time go?
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	return s.Run(ctx)
}

type everyone struct{}

func (everyone) Identify(netip.Addr, []byte) filter.Client { return filter.Client{} }

// load builds the trie of the names in a file, and keeps nothing else.
func load(live *filter.Live, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var entries []filter.Entry
	for line := range strings.Lines(string(text)) {
		n, err := filter.ParseName(strings.TrimSpace(line))
		if err != nil {
			return err
		}
		entries = append(entries, filter.Entry{Name: n})
	}
	slices.SortFunc(entries, func(a, b filter.Entry) int { return a.Name.Compare(b.Name) })
	var buf bytes.Buffer
	_, err = filter.BuildTrie(&buf, []filter.Topic{{ID: "adult", Kind: filter.KindCategory}}, func(yield func(filter.Entry) bool) error {
		for _, e := range entries {
			if !yield(e) {
				break
			}
		}
		return nil
	}, filter.BuildOptions{})
	if err != nil {
		return err
	}
	trie, err := filter.OpenTrie(bytes.Clone(buf.Bytes()))
	if err != nil {
		return err
	}
	live.Store(filter.NewSnapshot(trie, nil, []filter.Policy{{Topics: []filter.TopicRule{{Topic: "adult"}}}}))
	return nil
}

// serveUpstream answers every question with one address, as quickly as it can.
func serveUpstream(args []string) error {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:"+args[0])
	if err != nil {
		return err
	}
	c := conn.(*net.UDPConn)
	c.SetReadBuffer(4 << 20)
	buf := make([]byte, 4096)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return err
		}
		if n < 17 {
			continue
		}
		at := 12
		for at < n && buf[at] != 0 {
			at += 1 + int(buf[at])
		}
		end := at + 5
		if end > n {
			continue
		}
		out := append(buf[:end], 0xc0, 12, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4, 192, 0, 2, 1)
		out[2], out[3] = 0x81, 0x80
		copy(out[6:], []byte{0, 1, 0, 0, 0, 0})
		c.WriteToUDPAddrPort(out, from)
	}
}

func freePort() (int, error) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port, nil
}

// file is a file written through a buffer.
type file struct {
	*bufio.Writer
	f   *os.File
	err error
}

func newFile(dir, name string) *file {
	f, err := os.Create(dir + "/" + name)
	return &file{bufio.NewWriterSize(f, 1<<20), f, err}
}

func (f *file) close() error {
	if f.err != nil {
		return f.err
	}
	if err := f.Flush(); err != nil {
		return err
	}
	return f.f.Close()
}
