package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/treehouse-dns/treehouse/household"
)

const (
	// maxReply bounds what is read of a server's reply, in bytes. Nothing in it
	// matters.
	maxReply = 4 << 10
	// maxReplyHeader bounds its headers, in bytes. The library's own is 10 MiB.
	maxReplyHeader = 16 << 10
)

// Webhook posts a JSON object to an address:
//
//	{"request": 12, "who": "Ana", "what": "puzzles.example", "text": "Ana asks for puzzles.example."}
//
// where what is there only if the family chose so.
type Webhook struct{ to address }

// NewWebhook checks the address. plain allows http://, for a server in the house.
// now is the clock that certificates are checked by; nil is the system's.
func NewWebhook(to string, plain bool, now func() time.Time) (*Webhook, error) {
	a, err := parse(to, plain, now)
	if err != nil {
		return nil, fmt.Errorf("the webhook's address %w", err)
	}
	return &Webhook{a}, nil
}

// Send implements Sender.
func (w *Webhook) Send(ctx context.Context, m Message) error {
	body, err := m.object()
	if err != nil {
		return err
	}
	return w.to.post(ctx, body, http.Header{"Content-Type": {"application/json"}})
}

// object is the message for programs.
func (m Message) object() ([]byte, error) {
	return json.Marshal(struct {
		Request household.RequestID `json:"request"`
		Who     string              `json:"who"`
		What    string              `json:"what,omitempty"`
		Text    string              `json:"text"`
	}{m.Request, m.Who, m.What, m.Text})
}

// Ntfy posts the sentence to a topic of an ntfy server.
type Ntfy struct {
	to    address
	token string
}

// NewNtfy checks the topic's address, https://ntfy.example/topic. token is its
// access token, or empty. plain allows http://, for a server in the house.
func NewNtfy(topic, token string, plain bool, now func() time.Time) (*Ntfy, error) {
	a, err := parse(topic, plain, now)
	if err != nil {
		return nil, fmt.Errorf("the ntfy topic's address %w", err)
	}
	if strings.Trim(a.url.Path, "/") == "" {
		return nil, fmt.Errorf("the ntfy topic's address names no topic; write it like https://ntfy.example/topic")
	}
	return &Ntfy{a, token}, nil
}

// Send implements Sender.
func (n *Ntfy) Send(ctx context.Context, m Message) error {
	head := http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "Title": {"Treehouse"}}
	if n.token != "" {
		head.Set("Authorization", "Bearer "+n.token)
	}
	return n.to.post(ctx, []byte(m.Text), head)
}

// address is where something is posted to. Its path may be a secret, so only its
// host is ever shown.
type address struct {
	url    *url.URL
	client *http.Client
}

func parse(s string, plain bool, now func() time.Time) (address, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" { // the error would show the address, and that may be a secret
		return address{}, errors.New("cannot be read; write it like https://host.example/path")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !plain) {
		return address{}, fmt.Errorf("at %s has to begin with https://", u.Host)
	}
	// A redirect could lead to somebody the family did not choose. Connections are
	// not kept: there are a few notices a day.
	return address{u, &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{Time: now}, MaxResponseHeaderBytes: maxReplyHeader},
	}}, nil
}

func (a address) post(ctx context.Context, body []byte, head http.Header) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url.String(), bytes.NewReader(body))
	if err != nil {
		return &RefusedError{a.url.Host, "the address cannot be used"}
	}
	r.Header = head
	head.Set("User-Agent", "Treehouse")
	reply, err := a.client.Do(r)
	if err != nil {
		if with := (*url.Error)(nil); errors.As(err, &with) {
			err = with.Err // without the address
		}
		return fmt.Errorf("a notice could not be sent to %s: %w", a.url.Host, err)
	}
	defer reply.Body.Close()
	_, _ = io.CopyN(io.Discard, reply.Body, maxReply)
	switch code := reply.StatusCode; {
	case code < 300:
		return nil
	case code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		return fmt.Errorf("a notice could not be sent to %s: it answered %s", a.url.Host, reply.Status)
	default:
		return &RefusedError{a.url.Host, reply.Status}
	}
}
