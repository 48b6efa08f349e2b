package notify

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/treehouse-dns/treehouse/household"
)

var ana = Message{Notice: household.Notice{Request: 12, Who: "Ana", What: "puzzles.example"}, Text: "Ana asks for puzzles.example."}

// flaky is a sender that fails some times first.
type flaky struct {
	mu    sync.Mutex
	fails []error
	sent  []string
	tries []time.Time
}

func (f *flaky) Send(_ context.Context, m Message) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tries = append(f.tries, time.Now())
	if len(f.fails) > 0 {
		err := f.fails[0]
		f.fails = f.fails[1:]
		return err
	}
	f.sent = append(f.sent, m.Text)
	return nil
}

// stuck is a sender that never gets through.
type stuck struct{}

func (stuck) Send(ctx context.Context, _ Message) error { <-ctx.Done(); return ctx.Err() }

// TestQueue: a sender that fails is tried again and keeps no other waiting, what
// is refused is not tried again, and what does not fit is dropped and said.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("down")
		slow := &flaky{fails: []error{down, down}}
		refusing := &flaky{fails: []error{&RefusedError{"host", "no"}}}
		var failed []string
		var mu sync.Mutex
		q := NewQueue(nil, func(err error) { mu.Lock(); defer mu.Unlock(); failed = append(failed, err.Error()) }, slow, refusing, stuck{})
		said := func() []string { mu.Lock(); defer mu.Unlock(); all := failed; failed = nil; return all }
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- q.Run(ctx) }()
		q.Notify(household.Notice{Request: 1, Who: "Ana"})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if len(slow.sent) != 1 || slow.sent[0] != "Ana asks for something." || len(slow.tries) != 3 || slow.tries[2].Sub(slow.tries[0]) != 70*time.Second {
			t.Errorf("%q sent after %v", slow.sent, slow.tries)
		}
		if s := strings.Join(said(), "|"); len(refusing.tries) != 1 || s != "host refused a notice: no" {
			t.Errorf("%d tries, failed %q", len(refusing.tries), s)
		}
		q.Notify(household.Notice{Request: 2, Who: "Ben"})
		synctest.Wait()
		if len(slow.sent) != 2 || len(refusing.sent) != 1 {
			t.Errorf("sent %q and %q", slow.sent, refusing.sent)
		}
		for i := range waiting {
			q.Notify(household.Notice{Request: household.RequestID(i), Who: "Tom"})
			synctest.Wait()
		}
		if s := said(); len(s) != 1 || !strings.Contains(s[0], "dropped") {
			t.Errorf("failed %q", s)
		}
		time.Sleep(2 * time.Hour) // the stuck one gives up in the end
		synctest.Wait()
		if len(said()) == 0 {
			t.Error("nobody was told of what could not be sent")
		}
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// posted is one request that a server got.
type posted struct {
	head http.Header
	body string
}

// server answers with the codes in turn, and then with 200.
func server(t *testing.T, codes ...int) (url string, got *[]posted) {
	got = &[]posted{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*got = append(*got, posted{r.Header, string(body)})
		if len(codes) > 0 {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(codes[0])
			codes = codes[1:]
		}
		_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20))
	}))
	t.Cleanup(s.Close)
	return s.URL + "/secret-path", got
}

func TestWebhook(t *testing.T) {
	url, got := server(t, 302, 403, 500, 429)
	w, err := NewWebhook(url, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, refused := range []bool{true, true, false, false} {
		err := w.Send(t.Context(), ana)
		if is := errors.As(err, new(*RefusedError)); err == nil || is != refused || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, refused %t", err, is)
		}
	}
	if err := w.Send(t.Context(), ana); err != nil {
		t.Error(err)
	}
	last := (*got)[len(*got)-1]
	if len(*got) != 5 || last.body != `{"request":12,"who":"Ana","what":"puzzles.example","text":"Ana asks for puzzles.example."}` || last.head.Get("Content-Type") != "application/json" {
		t.Errorf("%d requests, the last %+v", len(*got), last)
	}
	for to, plain := range map[string]bool{"http://host.example/x": false, "ftp://host.example": true, "": true, "https://": true, "https://%zz/secret": true} {
		if _, err := NewWebhook(to, plain, nil); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", to, err)
		}
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	w, _ = NewWebhook(closed.URL+"/secret-path", true, nil)
	if err := w.Send(t.Context(), ana); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a server that is down: %v", err)
	}
}

// TestClockOfCertificates: they are checked by the time that we go by, and not by
// a clock that nobody has set.
func TestClockOfCertificates(t *testing.T) {
	s := httptest.NewTLSServer(nil)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(s.Close)
	late := func() time.Time { return time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC) }
	w, _ := NewWebhook(s.URL, false, late)
	n, _ := NewNtfy(s.URL+"/topic", "", false, late)
	for _, to := range []Sender{w, n} {
		if err := to.Send(t.Context(), ana); err == nil || !strings.Contains(err.Error(), "expired") {
			t.Errorf("%T: %v", to, err)
		}
	}
	m, err := NewMail(MailConfig{Server: "mail.example:465", From: "a@home.example", To: "a@home.example", Now: late})
	if err != nil || !m.config.TLS.Time().Equal(late()) {
		t.Errorf("mail: %v", err)
	}
}

// TestLongHeaders: what a hostile server says before its answer is not held.
func TestLongHeaders(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 1<<20))
	}))
	t.Cleanup(s.Close)
	w, _ := NewWebhook(s.URL, true, nil)
	if err := w.Send(t.Context(), ana); err == nil {
		t.Error("a mebibyte of headers was taken")
	}
}

func TestNtfy(t *testing.T) {
	url, got := server(t)
	n, err := NewNtfy(url, "tk_secret", true, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Send(t.Context(), Message{Notice: household.Notice{Who: "Ana"}, Text: "Ana pregunta algo: ñ"}); err != nil {
		t.Error(err)
	}
	if p := (*got)[0]; p.body != "Ana pregunta algo: ñ" || p.head.Get("Authorization") != "Bearer tk_secret" {
		t.Errorf("%+v", p)
	}
	if _, err := NewNtfy("https://ntfy.example/", "", false, nil); err == nil {
		t.Error("no topic, no error")
	}
}

// postOffice is a mail server that takes one message; refuse makes it answer a
// command so.
func postOffice(t *testing.T, refuse map[string]string) (addr string, got <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	taken := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		fmt.Fprint(conn, "220 here\r\n")
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch {
			case refuse[verb] != "":
				fmt.Fprintf(conn, "%s\r\n", refuse[verb])
			case verb == "DATA":
				fmt.Fprint(conn, "354 go on\r\n")
				var m strings.Builder
				for {
					line, err := in.ReadString('\n')
					if err != nil || line == ".\r\n" {
						break
					}
					m.WriteString(line)
				}
				taken <- m.String()
				fmt.Fprint(conn, "250 taken\r\n")
			default:
				fmt.Fprint(conn, "250 yes\r\n")
			}
		}
	}()
	return l.Addr().String(), taken
}

func TestMail(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	config := MailConfig{From: "Treehouse <home@home.example>", To: "maria@mail.example", Now: func() time.Time { return noon }}
	var got <-chan string
	config.Server, got = postOffice(t, nil)
	m, err := NewMail(config)
	if err != nil {
		t.Fatal(err)
	}
	text := "Añá asks\r\nBcc: all@mail.example\r\n.\r\n"
	if err := m.Send(t.Context(), Message{Text: text}); err != nil {
		t.Fatal(err)
	}
	letter, err := mail.ReadMessage(strings.NewReader(<-got))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, letter.Body))
	if err != nil || string(body) != text+"\r\n" || letter.Header.Get("Bcc") != "" || letter.Header.Get("To") != "<maria@mail.example>" {
		t.Errorf("%q, %v, %v", body, letter.Header, err)
	}
	for verb, want := range map[string]bool{"550 nobody": true, "450 later": false} {
		config.Server, _ = postOffice(t, map[string]string{"RCPT": verb})
		m, _ := NewMail(config)
		if err := m.Send(t.Context(), ana); err == nil || errors.As(err, new(*RefusedError)) != want {
			t.Errorf("%s: %v", verb, err)
		}
	}
	for what, bad := range map[string]MailConfig{
		"server": {Server: "smtp.example", From: config.From, To: config.To, Now: config.Now},
		"sender": {Server: config.Server, From: "home", To: config.To, Now: config.Now},
		"header": {Server: config.Server, From: config.From, To: "a@b.example\r\nBcc: c@d.example", Now: config.Now},
		"clock":  {Server: config.Server, From: config.From, To: config.To},
	} {
		if _, err := NewMail(bad); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

// TestMailWantsTLS: a child's name leaves this machine under TLS or not at all.
func TestMailWantsTLS(t *testing.T) {
	server, _ := postOffice(t, nil)
	m, err := NewMail(MailConfig{Server: server, From: "a@b.example", To: "c@d.example", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	m.host = "smtp.example" // as if it were elsewhere
	if err := m.Send(t.Context(), ana); err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("sent in clear: %v", err)
	}
}
