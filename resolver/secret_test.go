//go:build !tiny

package resolver

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/treehouse-dns/treehouse/filter"
)

// roamers are devices that are away: token → person. Everybody else is person 0.
type roamers struct {
	mu     sync.Mutex
	tokens map[string]byte
}

func (r *roamers) Token(text string) (id [16]byte, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id[0], ok = r.tokens[text]
	return id, ok
}

func (r *roamers) takeBack(token string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.tokens, token)
}

func (r *roamers) Identify(_ netip.Addr, id []byte) filter.Client {
	if len(id) == 16 {
		return filter.Client{Policy: filter.PolicyID(id[0])}
	}
	return filter.Client{}
}

const (
	anaToken = "abcdefgh23456789" // person 1, who gets nothing adult
	benToken = "bbbbbbbb22222222" // person 2, who has no rules
)

// secretServer serves TLS on 127.0.0.1 and HTTPS beside it. Of the loopback
// only 127.0.0.2 is at home; the rest is the internet.
func secretServer(t *testing.T, change func(*Config)) (s *Server, overTLS, overHTTPS string, who *roamers) {
	t.Helper()
	pair := certificateFor(t, "dns.example.net", "*.dns.example.net")
	who = &roamers{tokens: map[string]byte{anaToken: 1, benToken: 2}}
	s, _ = listening(t, "127.0.0.1:0", func(c *Config) {
		any := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
		c.Secret = Secret{TLS: any, HTTPS: any, Certificate: func() (*tls.Certificate, error) { return pair, nil }, Tokens: who}
		c.Networks = []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}
		c.Clients = who
		adult := []filter.TopicRule{{Topic: "adult"}}
		c.Filter.Store(filter.NewSnapshot(c.Filter.Load().Trie(), nil, []filter.Policy{
			{Supervised: true, Topics: adult}, {ID: 1, Supervised: true, Topics: adult}, {ID: 2},
		}))
		if change != nil {
			change(c)
		}
	})
	a, b := s.SecretAddrs()
	return s, a[0].String(), b[0].String(), who
}

func certificateFor(t testing.TB, names ...string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// dialTLS begins TLS from an address of the loopback.
func dialTLS(from, to, serverName string, protocols ...string) (*tls.Conn, error) {
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 4 * time.Second}
	return tls.DialWithDialer(d, "tcp", to, &tls.Config{ServerName: serverName, InsecureSkipVerify: true, NextProtos: protocols})
}

// askTLS asks once over TLS; "" as the answer is NODATA.
func askTLS(from, to, serverName, name string) (*dns.Msg, error) {
	conn, err := dialTLS(from, to, serverName, "dot")
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return askOn(conn, name)
}

func askOn(conn net.Conn, name string) (*dns.Msg, error) {
	conn.SetDeadline(time.Now().Add(4 * time.Second))
	c := &dns.Conn{Conn: conn}
	m := new(dns.Msg)
	m.SetQuestion(name, dns.TypeA)
	if err := c.WriteMsg(m); err != nil {
		return nil, err
	}
	return c.ReadMsg()
}

// client asks over HTTPS; each call has connections of its own.
func client(from, serverName string) *http.Client {
	return &http.Client{Timeout: 4 * time.Second, Transport: &http.Transport{
		DialContext:         (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext,
		TLSClientConfig:     &tls.Config{ServerName: serverName, InsecureSkipVerify: true},
		TLSHandshakeTimeout: 4 * time.Second,
	}}
}

// askHTTPS posts one question and gives the reply, nil if there was none.
func askHTTPS(t *testing.T, c *http.Client, url, name string) (*dns.Msg, *http.Response) {
	t.Helper()
	r, err := c.Post(url, httpType, bytes.NewReader(packet(t, name, typeA)))
	if err != nil {
		return nil, nil
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	m := new(dns.Msg)
	if r.StatusCode != http.StatusOK || m.Unpack(body) != nil {
		return nil, r
	}
	return m, r
}

func address(m *dns.Msg) string {
	for _, rr := range m.Answer {
		if a, ok := rr.(*dns.A); ok {
			return a.A.String()
		}
	}
	return ""
}

// TestTokens: two devices away from home, from one address, get the answers of
// two people; at home a device is known by its address.
func TestTokens(t *testing.T) {
	_, overTLS, overHTTPS, _ := secretServer(t, nil)
	for _, c := range []struct{ who, from, token, want string }{
		{"Ana", "127.0.0.1", anaToken, "0.0.0.0"},
		{"Ana, typed in capitals", "127.0.0.1", strings.ToUpper(anaToken), "0.0.0.0"},
		{"Ben", "127.0.0.1", benToken, "192.0.2.7"},
		{"Ben at home", "127.0.0.2", benToken, "192.0.2.7"},
		{"somebody at home", "127.0.0.2", "", "0.0.0.0"},
	} {
		m, err := askTLS(c.from, overTLS, strings.TrimPrefix(c.token+".dns.example.net", "."), "www.adult.example.")
		if err != nil || address(m) != c.want {
			t.Errorf("%s over TLS: %v %v", c.who, m, err)
		}
		path := strings.ToLower(strings.TrimSuffix(httpPath+"/"+c.token, "/"))
		if m, r := askHTTPS(t, client(c.from, "dns.example.net"), "https://"+overHTTPS+path, "www.adult.example."); m == nil || address(m) != c.want {
			t.Errorf("%s over HTTPS: %v %v", c.who, m, r)
		}
		if m, r := askHTTPS(t, client(c.from, strings.TrimPrefix(c.token+".dns.example.net", ".")), "https://"+overHTTPS+httpPath, "www.adult.example."); m == nil || address(m) != c.want {
			t.Errorf("%s over HTTPS, by the server name: %v %v", c.who, m, r)
		}
	}
}

// TestStrangers: whoever is outside and has no token gets no answer, whatever is
// tried, and the resolver never sees a query.
func TestStrangers(t *testing.T) {
	s, overTLS, overHTTPS, _ := secretServer(t, nil)
	for _, name := range []string{"", "dns.example.net", "cccccccc33333333.dns.example.net", anaToken[1:] + ".dns.example.net", "x." + anaToken + ".dns.example.net"} {
		if m, err := askTLS("127.0.0.1", overTLS, name, "www.example."); err == nil {
			t.Errorf("a stranger asks %q over TLS and gets %v", name, m)
		}
	}
	for _, path := range []string{"/", httpPath, httpPath + "/", httpPath + "/cccccccc33333333", httpPath + "/" + anaToken + "/", httpPath + "//" + anaToken, "/" + anaToken, "/x" + httpPath + "/" + anaToken} {
		if m, r := askHTTPS(t, client("127.0.0.1", "dns.example.net"), "https://"+overHTTPS+path, "www.example."); m != nil || r == nil || r.StatusCode != http.StatusNotFound {
			t.Errorf("a stranger asks %s and gets %v, %v", path, m, r)
		}
	}
	for _, from := range []string{"127.0.0.1", "127.0.0.2"} { // no such token, at home neither
		if m, _ := askHTTPS(t, client(from, "dns.example.net"), "https://"+overHTTPS+httpPath+"/cccccccc33333333", "www.example."); m != nil {
			t.Errorf("%s, with a token that does not exist: %v", from, m)
		}
	}
	if n := s.metrics.Queries.Load(); n != 0 {
		t.Errorf("%d queries came through", n)
	}
}

// TestTokenTakenBack: a token that is taken back is worth nothing from the next
// query on, on a connection that is open too.
func TestTokenTakenBack(t *testing.T) {
	_, overTLS, overHTTPS, who := secretServer(t, nil)
	conn, err := dialTLS("127.0.0.1", overTLS, anaToken+".dns.example.net")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	https := client("127.0.0.1", "dns.example.net")
	url := "https://" + overHTTPS + httpPath + "/" + anaToken
	if m, err := askOn(conn, "www.example."); err != nil || address(m) == "" {
		t.Fatal(m, err)
	}
	if m, _ := askHTTPS(t, https, url, "www.example."); m == nil {
		t.Fatal("no answer over HTTPS")
	}
	who.takeBack(anaToken)
	if m, err := askOn(conn, "www.example."); err == nil {
		t.Errorf("on the open connection: %v", m)
	}
	if m, err := askTLS("127.0.0.1", overTLS, anaToken+".dns.example.net", "www.example."); err == nil {
		t.Errorf("on a new one: %v", m)
	}
	if m, r := askHTTPS(t, https, url, "www.example."); m != nil || r == nil || r.StatusCode != http.StatusNotFound {
		t.Errorf("over HTTPS: %v %v", m, r)
	}
}

// TestResumed: a phone that comes back uses the ticket it was given, and its token
// is asked for again.
func TestResumed(t *testing.T) {
	_, overTLS, _, who := secretServer(t, nil)
	config := &tls.Config{ServerName: anaToken + ".dns.example.net", InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	visit := func() (resumed bool, err error) {
		conn, err := tls.Dial("tcp", overTLS, config)
		if err != nil {
			return false, err
		}
		defer conn.Close()
		_, err = askOn(conn, "www.example.") // the ticket comes with the first answer
		return conn.ConnectionState().DidResume, err
	}
	if resumed, err := visit(); resumed || err != nil {
		t.Fatal(resumed, err)
	}
	if resumed, err := visit(); !resumed || err != nil {
		t.Errorf("resumed: %v, %v", resumed, err)
	}
	who.takeBack(anaToken)
	if _, err := visit(); err == nil {
		t.Error("a ticket is as good as a token")
	}
}

// TestTLSOnly: old TLS, another protocol and plain text are not talked to.
func TestTLSOnly(t *testing.T) {
	_, overTLS, overHTTPS, _ := secretServer(t, nil)
	name := anaToken + ".dns.example.net"
	if _, err := tls.Dial("tcp", overTLS, &tls.Config{ServerName: name, InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
	if conn, err := dialTLS("127.0.0.1", overTLS, name, "http/1.1"); err == nil {
		t.Errorf("%q was spoken on the port for DNS", conn.ConnectionState().NegotiatedProtocol)
	}
	if conn, err := dialTLS("127.0.0.1", overHTTPS, name, "dot"); err == nil {
		t.Errorf("%q was spoken on the port for HTTPS", conn.ConnectionState().NegotiatedProtocol)
	}
	conn, err := net.Dial("tcp", overHTTPS)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(8 * time.Second))
	fmt.Fprintf(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	if answer, _ := io.ReadAll(conn); bytes.Contains(answer, []byte("HTTP")) || len(answer) > 7 { // an alert
		t.Errorf("HTTP/2 in plain text is answered %q", answer)
	}
}

// TestPipeliningOverTLS is TestPipelining below TLS.
func TestPipeliningOverTLS(t *testing.T) {
	_, overTLS, _, _ := secretServer(t, nil)
	conn, err := dialTLS("127.0.0.1", overTLS, benToken+".dns.example.net")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	pipeline(t, conn)
}

// TestHalfOpenTLS: 400 connections on which TLS never begins, from 25 addresses,
// end none that works, and keep nobody out.
func TestHalfOpenTLS(t *testing.T) {
	s, overTLS, overHTTPS, _ := secretServer(t, nil)
	working, err := dialTLS("127.0.0.1", overTLS, benToken+".dns.example.net")
	if err != nil {
		t.Fatal(err)
	}
	defer working.Close()
	if _, err := askOn(working, "www.example."); err != nil { // now both sides have begun
		t.Fatal(err)
	}
	beginning, err := net.Dial("tcp", overTLS) // as slow as a phone on a bad network
	if err != nil {
		t.Fatal(err)
	}
	defer beginning.Close()
	eventually(t, "the slow one is counted", func() bool { return s.listeners.secret.opening.count() == 1 })
	for i := range 400 {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%25))}}
		conn, err := d.Dial("tcp", []string{overTLS, overHTTPS}[i%2])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.Write([]byte{22, 3, 1, 2, 0, 1}) // the beginning of a beginning
	}
	if _, err := askOn(working, "www.example."); err != nil {
		t.Errorf("one that worked: %v", err)
	}
	if _, err := askOn(tls.Client(beginning, &tls.Config{ServerName: benToken + ".dns.example.net", InsecureSkipVerify: true}), "www.example."); err != nil {
		t.Errorf("one that had not begun: %v", err)
	}
	if _, err := askTLS("127.0.0.1", overTLS, benToken+".dns.example.net", "www.example."); err != nil {
		t.Errorf("a new one: %v", err)
	}
	if m, r := askHTTPS(t, client("127.0.0.1", "dns.example.net"), "https://"+overHTTPS+httpPath+"/"+benToken, "www.example."); m == nil {
		t.Errorf("a new one over HTTPS: %v", r)
	}
	if n := s.listeners.secret.opening.count(); n > openingMax {
		t.Errorf("%d half-open at once", n)
	}
}

// TestHandshakeTime ends a connection on which TLS does not begin.
func TestHandshakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, func(c *Config) {
			c.Secret.Certificate = func() (*tls.Certificate, error) { return nil, io.EOF }
		})
		ours, theirs := net.Pipe()
		defer theirs.Close()
		c := newConn(ours, netip.MustParseAddrPort("192.168.1.20:1"))
		s.listeners.secret.opening.add(c)
		began := time.Now()
		s.begin(c, TLS)
		if took := time.Since(began); took > handshakeTime {
			t.Errorf("closed after %v", took)
		}
		if s.listeners.secret.opening.count() != 0 || s.metrics.LimitHandshakes.Load() != 1 {
			t.Error("not counted")
		}
		s.Close()
	})
}

// TestConnectionsOverTLS: one address has so many connections and no more, and
// their number is given back when they end, over HTTPS too.
func TestConnectionsOverTLS(t *testing.T) {
	s, overTLS, overHTTPS, _ := secretServer(t, nil)
	https := client("127.0.0.1", "dns.example.net")
	if m, r := askHTTPS(t, https, "https://"+overHTTPS+httpPath+"/"+benToken, "www.example."); m == nil {
		t.Fatal(r)
	}
	for range secretPerClient + 8 {
		conn, err := dialTLS("127.0.0.1", overTLS, benToken+".dns.example.net")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := askOn(conn, "www.example."); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.listeners.secret.conns.count(); n != secretPerClient {
		t.Errorf("%d connections of one address", n)
	}
	https.CloseIdleConnections()
	eventually(t, "HTTPS connections are let go of", func() bool {
		sec := &s.listeners.secret
		sec.mu.Lock()
		defer sec.mu.Unlock()
		return len(sec.inHTTP) == 0
	})
}

// TestGuesses: a stranger may begin so many connections without a token; who has
// one is not kept out by that, and costs the stranger's neighbour nothing.
func TestGuesses(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s, overTLS, overHTTPS, _ := secretServer(t, func(c *Config) { c.Now = func() time.Time { return now } })
	token := "https://" + overHTTPS + httpPath + "/" + anaToken
	for range 2 * guessesMax { // each is one, and is given back
		if m, r := askHTTPS(t, client("127.0.0.1", "dns.example.net"), token, "www.example."); m == nil {
			t.Fatalf("a device is taken for a stranger: %v", r)
		}
	}
	allowed := 0
	for i := range 2 * guessesMax {
		if _, r := askHTTPS(t, client("127.0.0.1", "dns.example.net"), fmt.Sprintf("https://%s%s/%016d", overHTTPS, httpPath, i), "www.example."); r != nil {
			allowed++
		}
	}
	if allowed != guessesMax || s.metrics.LimitGuesses.Load() != guessesMax {
		t.Errorf("%d guesses, %d refused", allowed, s.metrics.LimitGuesses.Load())
	}
	if _, err := askTLS("127.0.0.1", overTLS, anaToken+".dns.example.net", "www.example."); err != nil {
		t.Errorf("a device at the stranger's address: %v", err)
	}
	if m, r := askHTTPS(t, client("127.0.0.3", "dns.example.net"), token, "www.example."); m == nil {
		t.Errorf("a device elsewhere: %v", r)
	}
}

// TestHTTPSRequests is what a request has to look like (RFC 8484 §4.1).
func TestHTTPSRequests(t *testing.T) {
	_, _, overHTTPS, _ := secretServer(t, nil)
	c := client("127.0.0.2", "dns.example.net")
	query := packet(t, "www.example.", typeA)
	get := "?dns=" + base64.RawURLEncoding.EncodeToString(query)
	longest := append(packet(t, "www.example.", typeA), make([]byte, tcpQueryMax)...)
	for _, test := range []struct {
		what, method, path, kind string
		body                     []byte
		want                     int
	}{
		{"a GET", "GET", get, "", nil, 200},
		{"a POST", "POST", "", httpType, query, 200},
		{"a GET with another parameter", "GET", get + "&ct=x", "", nil, 200},
		{"no query", "GET", "", "", nil, 400},
		{"two queries", "GET", get + "&dns=AAAA", "", nil, 400},
		{"padded base64", "GET", "?dns=AAAAAAAAAAAAAAAAAA%3D%3D", "", nil, 400},
		{"base64 with a line break", "GET", strings.Replace(get, "=", "=%0A", 1), "", nil, 400},
		{"ordinary base64", "GET", "?dns=" + strings.Repeat("%2B%2F", 12), "", nil, 400},
		{"too short a query", "GET", "?dns=AAAA", "", nil, 400},
		{"an answer", "POST", "", httpType, append([]byte{0, 0, 0x80, 0}, query[4:]...), 400},
		{"another type", "POST", "", "application/dns-json", query, 415},
		{"a type with a parameter", "POST", "", httpType + "; charset=utf-8", query, 415},
		{"no type", "POST", "", "", query, 415},
		{"too long a body", "POST", "", httpType, longest, 413},
		{"too long an address", "GET", "?dns=" + strings.Repeat("A", 2*tcpQueryMax), "", nil, 414},
		{"another method", "PUT", "", httpType, query, 405},
		{"a HEAD", "HEAD", get, "", nil, 405},
	} {
		r, err := http.NewRequest(test.method, "https://"+overHTTPS+httpPath+test.path, bytes.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		if test.kind != "" {
			r.Header.Set("Content-Type", test.kind)
		}
		reply, err := c.Do(r)
		if err != nil {
			t.Errorf("%s: %v", test.what, err)
			continue
		}
		reply.Body.Close()
		if reply.StatusCode != test.want {
			t.Errorf("%s: %d, want %d", test.what, reply.StatusCode, test.want)
		}
	}
}

// TestSmuggling: a request that two servers would read differently is refused, and
// so is a way to another protocol.
func TestSmuggling(t *testing.T) {
	_, _, overHTTPS, _ := secretServer(t, nil)
	query := string(packet(t, "www.example.", typeA))
	head := "POST " + httpPath + " HTTP/1.1\r\nHost: dns.example.net\r\nContent-Type: " + httpType + "\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(query))
	for _, c := range []struct{ what, request, want string }{
		{"an upgrade to HTTP/2 in plain text", head + length + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" + query, "HTTP/1.1 200"},
		{"two lengths", head + length + "Content-Length: 5\r\n\r\n" + query, "HTTP/1.1 400"},
		{"a length that is none", head + "Content-Length: +5\r\n\r\n" + query, "HTTP/1.1 400"},
		{"an encoding within another", head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 501"},
		{"a blank before the colon", head + "Content-Length : 5\r\n\r\n" + query, "HTTP/1.1 400"},
	} {
		conn, err := dialTLS("127.0.0.2", overHTTPS, "dns.example.net", "http/1.1")
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(4 * time.Second))
		io.WriteString(conn, c.request)
		got := make([]byte, 12)
		io.ReadFull(conn, got)
		conn.Close()
		if string(got) != c.want {
			t.Errorf("%s: %q", c.what, got)
		}
	}
}

// TestFreshness: HTTP keeps nothing longer than DNS would (RFC 8484 §5.1), and so
// no longer than a person's rules hold.
func TestFreshness(t *testing.T) {
	_, _, overHTTPS, _ := secretServer(t, nil)
	url := "https://" + overHTTPS + httpPath
	for _, c := range []struct{ who, token, name, want string }{
		{"a blocked name", anaToken, "www.adult.example.", "private, max-age=10"},
		{"a child's answer", anaToken, "www.example.", "private, max-age=60"},
		{"an adult's", benToken, "www.example.", "private, max-age=300"},
		{"a name that does not exist", benToken, "x.invalid.", "private, max-age=60"},
	} {
		m, r := askHTTPS(t, client("127.0.0.1", "dns.example.net"), url+"/"+c.token, c.name)
		if m == nil || r.Header.Get("Cache-Control") != c.want || r.Header.Get("Content-Type") != httpType {
			t.Errorf("%s: %v", c.who, r)
		}
	}
	if freshness([]byte{0, 0, 0x81, 0x82, 0, 0, 0, 0, 0, 0, 0, 0}) != 0 {
		t.Error("a failure is kept")
	}
}

// TestOptionsOfTransports: padding where nobody can look in, and a word on how
// long the connection may idle where there is one (RFC 7828 §3.2, RFC 8467 §4.1).
func TestOptionsOfTransports(t *testing.T) {
	s := testServer(t, nil)
	warm(t, s)
	for _, name := range []string{"www.adult.example.", "www.example.", "alias.example."} {
		for _, c := range []struct {
			over              Transport
			padded, keepalive bool
		}{{UDP, false, false}, {TCP, false, true}, {TLS, true, true}, {HTTPS, true, false}} {
			m := new(dns.Msg)
			m.SetQuestion(name, dns.TypeA)
			m.SetEdns0(1232, false)
			m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_PADDING{Padding: make([]byte, 64)}, &dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE}}
			p, err := m.Pack()
			if err != nil {
				t.Fatal(err)
			}
			reply := s.Handle(t.Context(), netip.MustParseAddrPort("192.168.1.20:5353"), c.over, p)
			if err := m.Unpack(reply); err != nil {
				t.Fatalf("%s over %d: %v", name, c.over, err)
			}
			padded, keepalive := false, uint16(0)
			for _, o := range m.IsEdns0().Option {
				switch o := o.(type) {
				case *dns.EDNS0_PADDING:
					padded = true
				case *dns.EDNS0_TCP_KEEPALIVE:
					keepalive = o.Timeout
				}
			}
			if padded != c.padded || padded && len(reply)%paddingBlock != 0 || (keepalive == 100) != c.keepalive {
				t.Errorf("%s over %d: %d bytes, padded %v, keepalive %d", name, c.over, len(reply), padded, keepalive)
			}
			plain := s.Handle(t.Context(), netip.MustParseAddrPort("192.168.1.20:5353"), c.over, packet(t, name, typeA))
			if len(plain) > 200 {
				t.Errorf("%s over %d: %d bytes for who asked for no padding", name, c.over, len(plain))
			}
		}
	}
}

// TestForgedMAC: a device away from home cannot say that it is another.
func TestForgedMAC(t *testing.T) {
	s := testServer(t, func(c *Config) {
		c.Secret.Tokens = &roamers{tokens: map[string]byte{anaToken: 1}}
	})
	m := new(dns.Msg)
	m.SetQuestion("www.example.", dns.TypeA)
	m.SetEdns0(1232, false)
	m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: optionMAC, Data: []byte{2, 0, 0, 0, 0, 9}}}
	p, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	q := &query{transport: TLS, source: netip.MustParseAddrPort("127.0.0.1:5"), packet: p}
	if !s.isAway(q, anaToken) {
		t.Fatal("not known")
	}
	if code := q.parse(); code != noError || len(q.id) != 16 || q.id[0] != 1 {
		t.Errorf("%v: %x", code, q.id)
	}
	if k := s.keep(q); len(k.id) != 16 || k.id[0] != 1 || !k.away {
		t.Errorf("kept: %x", k.id)
	}
}

// FuzzReadHTTPS reads requests of any kind: what is taken is a message within the
// limits, from a method and type that may bring one.
func FuzzReadHTTPS(f *testing.F) {
	f.Add("GET", "dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB", "", []byte(nil))
	f.Add("GET", "dns=AAAA&dns=AAAA", "", []byte(nil))
	f.Add("GET", "dns=%zz", "", []byte(nil))
	f.Add("GET", "dns=AAABAAABAAAAAAAAA3d3\ndwdleGFtcGxl", "", []byte(nil))
	f.Add("POST", "", httpType, []byte("\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01"))
	f.Add("POST", "", httpType+";", make([]byte, tcpQueryMax+1))
	s := testServer(f, func(c *Config) { c.Dial = unreachable })
	f.Fuzz(func(t *testing.T, method, query, kind string, body []byte) {
		r, err := http.NewRequest("POST", "https://dns.example.net"+httpPath, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Method, r.URL.RawQuery = method, query
		if kind != "" {
			r.Header["Content-Type"] = []string{kind}
		}
		message, status := readHTTPS(r)
		if (status == http.StatusOK) != (message != nil) || len(message) > tcpQueryMax || message != nil && len(message) < headerLen {
			t.Fatalf("%d: %d bytes", status, len(message))
		}
		if message == nil {
			return
		}
		if method != http.MethodGet && (method != http.MethodPost || kind != httpType || !bytes.Equal(message, body)) {
			t.Fatalf("a %s of %q was taken", method, kind)
		}
		if reply := s.Handle(t.Context(), netip.MustParseAddrPort("192.168.1.20:5353"), HTTPS, message); reply != nil {
			freshness(reply)
		}
	})
}

// TestTokenTellsNothingOfTheHouse: a token crosses other people's networks in the
// clear. Whoever has it there finds no names of the home with it; the device
// itself, at home, does.
func TestTokenTellsNothingOfTheHouse(t *testing.T) {
	_, overTLS, _, _ := secretServer(t, func(c *Config) {
		c.Local, c.LocalDomains = houseNames{}, []filter.Name{filter.MustName("lan")}
	})
	for _, c := range []struct {
		from  string
		known bool
	}{{"127.0.0.1", false}, {"127.0.0.2", true}} {
		conn, err := dialTLS(c.from, overTLS, benToken+".dns.example.net")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(4 * time.Second))
		for name, qtype := range map[string]uint16{"anas-tablet.lan.": dns.TypeA, "20.1.168.192.in-addr.arpa.": dns.TypePTR} {
			m := new(dns.Msg)
			m.SetQuestion(name, qtype)
			d := &dns.Conn{Conn: conn}
			if err := d.WriteMsg(m); err != nil {
				t.Fatal(err)
			}
			reply, err := d.ReadMsg()
			if err != nil || len(reply.Answer) > 0 != c.known {
				t.Errorf("%s from %s: %v %v", name, c.from, reply, err)
			}
		}
	}
}

// TestHTTP2Memory reads what we allow over HTTP/2 before anybody has shown a
// token: as much as a query needs, for each stream and for all of a connection.
func TestHTTP2Memory(t *testing.T) {
	if !slices.Contains(httpVersions(), "h2") {
		t.Skip("no HTTP/2 in this build")
	}
	_, _, overHTTPS, _ := secretServer(t, nil)
	conn, err := dialTLS("127.0.0.1", overHTTPS, "dns.example.net", "h2")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(4 * time.Second))
	io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	window, settings := uint32(65535), map[uint16]uint32{4: 65535, 5: 16384} // RFC 9113 §6.5.2
	for range 3 {                                                            // SETTINGS, its acknowledgement, WINDOW_UPDATE
		var head [9]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			break
		}
		body := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(conn, body); err != nil {
			t.Fatal(err)
		}
		for ; head[3] == 4 && len(body) >= 6; body = body[6:] {
			settings[binary.BigEndian.Uint16(body)] = binary.BigEndian.Uint32(body[2:])
		}
		if head[3] == 8 {
			window += binary.BigEndian.Uint32(body)
			break
		}
		if head[3] == 4 && head[4]&1 != 0 {
			break
		}
	}
	if settings[3] != tcpPipeline || settings[4] > httpReadMax || settings[5] > httpReadMax || window > 65535 {
		t.Errorf("settings %v, %d bytes for the connection", settings, window)
	}
}

// TestStrangersOverHTTPS: strangers who begin TLS and show nothing, from many
// addresses, end no connection of a device that has shown its token.
func TestStrangersOverHTTPS(t *testing.T) {
	s, overTLS, overHTTPS, _ := secretServer(t, nil)
	working, err := dialTLS("127.0.0.1", overTLS, benToken+".dns.example.net")
	if err != nil {
		t.Fatal(err)
	}
	defer working.Close()
	if _, err := askOn(working, "www.example."); err != nil {
		t.Fatal(err)
	}
	for i := range secretConnections + 22 {
		conn, err := dialTLS(fmt.Sprintf("127.0.1.%d", 1+i%15), overHTTPS, "dns.example.net", "http/1.1")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if _, err := askOn(working, "www.example."); err != nil {
		t.Errorf("one that worked: %v", err)
	}
	if m, r := askHTTPS(t, client("127.0.0.1", "dns.example.net"), "https://"+overHTTPS+httpPath+"/"+benToken, "www.example."); m == nil {
		t.Errorf("a new one, with the token in the path: %v", r)
	}
	if n := s.listeners.secret.strangers.count(); n > strangersMax {
		t.Errorf("%d strangers at once", n)
	}
}
