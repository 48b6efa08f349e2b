package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
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

// TestNamesMatterMore: names are answered whatever becomes of the pages, of
// metrics, of the certificate and of answers from outside, at the start and later.
func TestNamesMatterMore(t *testing.T) {
	if tiny {
		t.Skip("the tiny build leaves out what is to go wrong here")
	}
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	config, err := load(t, fmt.Sprintf(`
storage: {dir: %[1]s}
dns: {listen: ["127.0.0.1:0"], listen_tls: [%[2]s], listen_https: [%[2]s]}
tls: {certificate: %[1]s/none.pem, key: %[1]s/none.key}
pages: {listen: [%[2]s, "127.0.0.1:0"], listen_tls: [%[2]s]}
metrics: {listen: ["127.0.0.1:0", %[2]s]}
`, t.TempDir(), strconv.Quote(taken.Addr().String())))
	if err != nil {
		t.Fatal(err)
	}
	var log logged
	a := &app{out: io.Discard, errs: &log, now: time.Now}
	d, err := a.newDaemon(t.Context(), config, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, said := range []string{"the pages are not all served", "metrics are not all served", "the certificate cannot be used", "(TLS) is in use", "(HTTPS) is in use"} {
		log.expect(t, said)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx) }()
	d.pageSockets[0].Close() // pulled away while it runs
	for !log.has("the pages have ended") {
		select {
		case err := <-ended:
			t.Fatalf("everything ended: %v\n%s", err, log.text())
		case <-t.Context().Done():
			t.Fatal(log.text())
		default:
			runtime.Gosched()
		}
	}
	conn, err := net.Dial("udp4", d.server.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	query := append([]byte{0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}, filter.MustName("adult.example")...)
	if _, err := conn.Write(append(query, 0, 1, 0, 1)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 512)); err != nil {
		t.Errorf("names: %d bytes, %v", n, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the end: %v", err)
	}
}

// logged is a log that may be read while it is written.
type logged struct {
	mu  sync.Mutex
	all []byte
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, p...)
	return len(p), nil
}

func (l *logged) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.all)
}

func (l *logged) has(said string) bool { return strings.Contains(l.text(), said) }

func (l *logged) expect(t *testing.T, said string) {
	t.Helper()
	if !l.has(said) {
		t.Errorf("the log does not say %q", said)
	}
}
