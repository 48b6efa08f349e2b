package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/net/dns/dnsmessage"
)

// patience is how long a script waits for something that has to happen; it is
// only ever used up by a failure.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"treehouse": main})
}

// TestScripts tells, in testdata/script, what the command line promises: what it
// prints, its exit codes, and what a running Treehouse answers to whom. Beside
// the commands that every script has, these know:
//
//	start ARG ...           runs `treehouse serve ARG ...` until it answers; $DNS is its address,
//	                        $DOT that over TLS, $DOTPORT and $DOHPORT the ports over TLS and HTTPS
//	halt                    ends it as a service manager would, and waits
//	ask [-b SOURCE] NAME [TYPE] [RCODE|ADDRESS ...] [ede=N]
//	                        asks $DNS once and compares
//	page SOURCE PATH WORDS ...
//	                        looks at a page once and finds the words on it
//	eventually ask|page ... does so until it is so
//	certify [-expired] NAME ...
//	                        writes cert.pem and key.pem for the names
//	eventually secretly FROM SERVERNAME NAME [RCODE|ADDRESS ...] [by=NAME]
//	                        asks $DOT over TLS until it is so; by is the certificate's first name
//	refused FROM SERVERNAME NAME, eventually refused ...
//	                        asks $DOT over TLS and has to get nothing
//	token VARIABLE          takes a device's token from what was printed last
//	expand FILE             replaces $WEB, $WORK and $KEY_… in the file
//	pack FOLDER ARCHIVE KEY packs and signs a folder, see sign_test.go
//	[tiny]                  stands before what holds for -tags tiny alone
//	ahead FILE              dates a file a hundred years ahead
//	make-bad                writes binary.bin and cut.txt.gz, which text cannot hold
func TestScripts(t *testing.T) {
	upstream := startUpstream(t)
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("TREEHOUSE_UPSTREAM_SERVERS", upstream)
			e.Setenv("TREEHOUSE_DNS_LISTEN", "127.0.0.1:0")
			e.Setenv("TREEHOUSE_STORAGE_DIR", filepath.Join(e.WorkDir, "state"))
			e.Setenv("TREEHOUSE_STORAGE_RUNTIME_DIR", e.WorkDir)
			e.Setenv("TREEHOUSE_PAGES_LISTEN", "127.0.0.1:0")
			e.Setenv("TREEHOUSE_TIME_ZONE", "UTC")
			e.Setenv("TZ", "UTC")
			web := httptest.NewServer(http.FileServer(http.Dir(e.WorkDir)))
			e.Defer(web.Close)
			e.Setenv("WEB", web.URL)
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "tiny" {
				return false, fmt.Errorf("there is no condition %q", name)
			}
			return tiny, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": start, "halt": halt, "ask": askCommand, "eventually": eventually, "page": pageCommand, "make-bad": makeBad, "expand": expand,
			"certify": certify, "refused": refused, "token": token, "ahead": ahead, "pack": pack,
		},
	})
}

// running is a daemon that a script started.
type running struct {
	cmd    *exec.Cmd
	exited chan error
	log    *os.File
}

// daemons are the running ones by process id: scripts run at once, and a script
// keeps only text.
var daemons sync.Map

var answering = regexp.MustCompile(`answering.*address="?([0-9.]+:[0-9]+)`)

var (
	answeringTLS   = regexp.MustCompile(`answering over TLS.*at="?([0-9.]+:[0-9]+)`)
	answeringHTTPS = regexp.MustCompile(`answering over HTTPS.*at="?([0-9.]+:[0-9]+)`)
)

func start(ts *testscript.TestScript, neg bool, args []string) {
	logName := ts.MkAbs("serve.log")
	log, err := os.Create(logName)
	ts.Check(err)
	exe, err := exec.LookPath(filepath.Join(strings.Split(ts.Getenv("PATH"), ":")[0], "treehouse"))
	ts.Check(err)
	r := &running{cmd: exec.Command(exe, append([]string{"serve"}, args...)...), exited: make(chan error, 1), log: log}
	r.cmd.Dir, r.cmd.Stdout, r.cmd.Stderr = ts.Getenv("WORK"), log, log
	for _, key := range []string{"PATH", "HOME", "TZ", "TREEHOUSE_UPSTREAM_SERVERS", "TREEHOUSE_DNS_LISTEN", "TREEHOUSE_STORAGE_DIR", "TREEHOUSE_STORAGE_RUNTIME_DIR", "TREEHOUSE_PAGES_LISTEN", "TREEHOUSE_TIME_ZONE"} {
		r.cmd.Env = append(r.cmd.Env, key+"="+ts.Getenv(key))
	}
	ts.Check(r.cmd.Start())
	go func() { r.exited <- r.cmd.Wait() }()
	ts.Defer(func() { r.cmd.Process.Kill(); r.log.Close() })
	ts.Setenv("SERVE", fmt.Sprint(r.cmd.Process.Pid))
	daemons.Store(r.cmd.Process.Pid, r)

	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		text, _ := os.ReadFile(logName)
		if m := answering.FindSubmatch(text); m != nil {
			ts.Setenv("DNS", string(m[1]))
			if dot, doh := answeringTLS.FindSubmatch(text), answeringHTTPS.FindSubmatch(text); dot != nil && doh != nil {
				ts.Setenv("DOT", string(dot[1]))
				_, port, _ := net.SplitHostPort(string(dot[1]))
				ts.Setenv("DOTPORT", port)
				_, port, _ = net.SplitHostPort(string(doh[1]))
				ts.Setenv("DOHPORT", port)
			} else if bytes.Contains(text, []byte("certificate in force")) {
				continue // it is about to say so
			}
			return
		}
		select {
		case err := <-r.exited:
			ts.Fatalf("serve ended: %v\n%s", err, text)
		default:
		}
	}
	ts.Fatalf("serve does not say that it answers")
}

func halt(ts *testscript.TestScript, neg bool, args []string) {
	pid, _ := strconv.Atoi(ts.Getenv("SERVE"))
	found, ok := daemons.LoadAndDelete(pid)
	if !ok {
		ts.Fatalf("nothing was started")
	}
	r := found.(*running)
	ts.Check(r.cmd.Process.Signal(os.Interrupt))
	select {
	case err := <-r.exited:
		if err != nil {
			text, _ := os.ReadFile(r.log.Name())
			ts.Fatalf("serve ended with %v\n%s", err, text)
		}
	case <-time.After(patience):
		ts.Fatalf("serve does not stop")
	}
}

func askCommand(ts *testscript.TestScript, neg bool, args []string) {
	if err := ask(ts.Getenv("DNS"), args); (err != nil) != neg {
		ts.Fatalf("ask %s: %v", strings.Join(args, " "), err)
	}
}

func eventually(ts *testscript.TestScript, neg bool, args []string) {
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		switch args[0] {
		case "secretly":
			err = secretly(ts.Getenv("DOT"), args[1:])
		case "refused":
			err = isRefused(ts.Getenv("DOT"), args[1:])
		case "page":
			err = page(ts, args[1:])
		default:
			err = ask(ts.Getenv("DNS"), args[1:])
		}
		if err == nil {
			return
		}
	}
	ts.Fatalf("%s: still %v", strings.Join(args, " "), err)
}

func pageCommand(ts *testscript.TestScript, neg bool, args []string) {
	if err := page(ts, args); (err != nil) != neg {
		ts.Fatalf("page %s: %v", strings.Join(args, " "), err)
	}
}

var (
	pagesAt = regexp.MustCompile(`pages url=(http://\S+)`)
	markup  = regexp.MustCompile(`<[^>]*>`)
)

// page looks at a page from an address and finds words on it: page ADDRESS PATH WORDS...
func page(ts *testscript.TestScript, args []string) error {
	text, _ := os.ReadFile(ts.MkAbs("serve.log"))
	m := pagesAt.FindSubmatch(text)
	if m == nil {
		return errors.New("serve does not say where the pages are")
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(args[0])}, Timeout: patience}
	client := http.Client{Transport: &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true}, Timeout: patience}
	r, err := http.NewRequest(http.MethodGet, string(m[1])+args[1], nil)
	if err != nil {
		return err
	}
	r.Host = "treehouse.home.arpa"
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	words := strings.Join(strings.Fields(html.UnescapeString(markup.ReplaceAllString(string(body), " "))), " ")
	for _, want := range args[2:] {
		if !strings.Contains(words, want) {
			return fmt.Errorf("the page says %s, without %s", words, want)
		}
	}
	return nil
}

func refused(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(isRefused(ts.Getenv("DOT"), args))
}

func isRefused(server string, args []string) error {
	if got, err := overTLS(server, args[0], args[1], args[2]); err == nil {
		return fmt.Errorf("%s is answered: %s", strings.Join(args, " "), got)
	}
	return nil
}

func token(ts *testscript.TestScript, neg bool, args []string) {
	found := regexp.MustCompile(`\b[a-km-np-z2-9]{16}\b`).FindString(ts.ReadFile("stdout"))
	if found == "" {
		ts.Fatalf("no token was printed")
	}
	ts.Setenv(args[0], found)
}

// secretly asks once over TLS and compares.
func secretly(server string, args []string) error {
	got, err := overTLS(server, args[0], args[1], args[2])
	if err != nil {
		return err
	}
	for _, want := range args[3:] {
		if !strings.Contains(" "+got+" ", " "+want+" ") {
			return fmt.Errorf("the answer is %s, without %s", got, want)
		}
	}
	return nil
}

// overTLS gives an answer over TLS in words, and the first name of the
// certificate that was shown.
func overTLS(server, from, serverName, name string) (string, error) {
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	conn, err := tls.DialWithDialer(d, "tcp", server, &tls.Config{ServerName: serverName, InsecureSkipVerify: true, NextProtos: []string{"dot"}})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	words, err := exchangeOn(conn, true, name, dnsmessage.TypeA)
	return words + " by=" + conn.ConnectionState().PeerCertificates[0].DNSNames[0], err
}

func certify(ts *testscript.TestScript, neg bool, args []string) {
	until := time.Now().Add(time.Hour)
	if args[0] == "-expired" {
		until, args = time.Now().Add(-time.Hour), args[1:]
	}
	chain, key := newPair(until, args...)
	ts.Check(os.WriteFile(ts.MkAbs("cert.pem"), chain, 0o644))
	ts.Check(os.WriteFile(ts.MkAbs("key.pem"), key, 0o600))
}

func expand(ts *testscript.TestScript, neg bool, args []string) {
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

func makeBad(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs("binary.bin"), bytes.Repeat([]byte{0, 1, 0xff, 0xfe, 'x'}, 2000), 0o600))
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	for i := range 1000 {
		fmt.Fprintf(w, "host%d.example.org\n", i)
	}
	ts.Check(w.Close())
	ts.Check(os.WriteFile(ts.MkAbs("cut.txt.gz"), packed.Bytes()[:packed.Len()/2], 0o600))
}

// ask sends one question over UDP and over TCP and compares both answers.
func ask(server string, args []string) error {
	source := "127.0.0.1"
	if len(args) > 1 && args[0] == "-b" {
		source, args = args[1], args[2:]
	}
	name, qtype := args[0], dnsmessage.TypeA
	args = args[1:]
	if len(args) > 0 {
		types := map[string]dnsmessage.Type{"A": dnsmessage.TypeA, "AAAA": dnsmessage.TypeAAAA, "TXT": dnsmessage.TypeTXT, "HTTPS": 65}
		if t, ok := types[args[0]]; ok {
			qtype, args = t, args[1:]
		}
	}
	for _, network := range []string{"udp", "tcp"} {
		got, err := exchange(network, source, server, name, qtype)
		if err != nil {
			return fmt.Errorf("over %s: %w", network, err)
		}
		for _, want := range args {
			if !strings.Contains(" "+got+" ", " "+want+" ") {
				return fmt.Errorf("over %s the answer is %s, without %s", network, got, want)
			}
		}
	}
	return nil
}

// exchange gives an answer in words: its rcode, addresses and names, and EDE.
func exchange(network, source, server, name string, qtype dnsmessage.Type) (string, error) {
	var local net.Addr = &net.UDPAddr{IP: net.ParseIP(source)}
	if network == "tcp" {
		local = &net.TCPAddr{IP: net.ParseIP(source)}
	}
	d := net.Dialer{LocalAddr: local, Timeout: patience}
	conn, err := d.DialContext(context.Background(), network, server)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return exchangeOn(conn, network == "tcp", name, qtype)
}

// exchangeOn is exchange over a connection, a stream or not.
func exchangeOn(conn net.Conn, stream bool, name string, qtype dnsmessage.Type) (string, error) {
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: 4711, RecursionDesired: true})
	_ = b.StartQuestions()
	if err := b.Question(dnsmessage.Question{Name: dnsmessage.MustNewName(strings.TrimSuffix(name, ".") + "."), Type: qtype, Class: dnsmessage.ClassINET}); err != nil {
		return "", err
	}
	_ = b.StartAdditionals()
	var opt dnsmessage.ResourceHeader
	_ = opt.SetEDNS0(1232, dnsmessage.RCodeSuccess, false)
	_ = b.OPTResource(opt, dnsmessage.OPTResource{})
	query, err := b.Finish()
	if err != nil {
		return "", err
	}
	buf := make([]byte, 4096)
	n := 0
	if stream {
		if _, err = conn.Write(append([]byte{byte(len(query) >> 8), byte(len(query))}, query...)); err != nil {
			return "", err
		}
		r := bufio.NewReader(conn)
		var head [2]byte
		if _, err = io.ReadFull(r, head[:]); err != nil {
			return "", err
		}
		n, err = io.ReadFull(r, buf[:int(head[0])<<8|int(head[1])])
	} else {
		if _, err = conn.Write(query); err != nil {
			return "", err
		}
		n, err = conn.Read(buf)
	}
	if err != nil {
		return "", err
	}
	var m dnsmessage.Message
	if err := m.Unpack(buf[:n]); err != nil {
		return "", err
	}
	rcodes := [...]string{"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"}
	words := []string{rcodes[min(int(m.RCode), len(rcodes)-1)]}
	for _, rr := range m.Answers {
		switch body := rr.Body.(type) {
		case *dnsmessage.AResource:
			words = append(words, net.IP(body.A[:]).String())
		case *dnsmessage.AAAAResource:
			words = append(words, net.IP(body.AAAA[:]).String())
		case *dnsmessage.CNAMEResource:
			words = append(words, body.CNAME.String())
		}
	}
	for _, rr := range m.Additionals {
		if body, ok := rr.Body.(*dnsmessage.OPTResource); ok {
			for _, o := range body.Options {
				if o.Code == 15 && len(o.Data) >= 2 { // RFC 8914
					words = append(words, fmt.Sprintf("ede=%d", int(o.Data[0])<<8|int(o.Data[1])))
				}
			}
		}
	}
	return strings.Join(words, " "), nil
}

// startUpstream runs a resolver that knows an address for every name, over UDP
// and TCP, and a few names that lead elsewhere.
func startUpstream(t *testing.T) string {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { udp.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := udp.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply, err := upstreamReply(buf[:n]); err == nil {
				_, _ = udp.WriteTo(reply, from)
			}
		}
	}()
	return udp.LocalAddr().String()
}

func upstreamReply(query []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	owner := q.Name
	answer := func(body dnsmessage.ResourceBody) {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: owner, Class: q.Class, TTL: 300}, Body: body})
	}
	if target, ok := map[string]string{"innocent.example.": "www.adult.example."}[strings.ToLower(q.Name.String())]; ok {
		name := dnsmessage.MustNewName(target)
		answer(&dnsmessage.CNAMEResource{CNAME: name})
		owner = name
	}
	switch q.Type {
	case dnsmessage.TypeA:
		answer(&dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}})
	case dnsmessage.TypeAAAA:
		answer(&dnsmessage.AAAAResource{AAAA: [16]byte{0x20, 1, 0xd, 0xb8, 15: 1}})
	}
	return m.Pack()
}

// ahead dates a file as a clock would that is a century fast.
func ahead(ts *testscript.TestScript, _ bool, args []string) {
	then := time.Now().AddDate(100, 0, 0)
	ts.Check(os.Chtimes(ts.MkAbs(args[0]), then, then))
}
