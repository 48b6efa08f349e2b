package notify

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/mail"
	"net/netip"
	"net/smtp"
	"net/textproto"
	"time"
)

// implicitTLS is the port on which a connection begins with TLS (RFC 8314 §3.3);
// on any other it has to change to it.
const implicitTLS = "465"

// MailConfig says how mail is sent.
type MailConfig struct {
	Server         string // host:port, "smtp.example:465"
	User, Password string // empty: without signing in
	From, To       string // addresses, "Treehouse <home@example.org>"
	// TLS checks the server; nil is the system's way. Only a server on this
	// machine is spoken to without TLS, if it offers none.
	TLS *tls.Config
	Now func() time.Time // the clock; required
}

// Mail sends messages by SMTP.
type Mail struct {
	config     MailConfig
	host, port string
	from, to   *mail.Address
}

// NewMail checks the configuration. The error names the field.
func NewMail(c MailConfig) (*Mail, error) {
	m := &Mail{config: c}
	var err error
	if m.host, m.port, err = net.SplitHostPort(c.Server); err != nil || m.host == "" {
		return nil, fmt.Errorf("the mail server %q is no host and port; write it like smtp.example:465", c.Server)
	}
	if m.from, err = mail.ParseAddress(c.From); err != nil {
		return nil, fmt.Errorf("the sender %q is no mail address: %w", c.From, err)
	}
	if m.to, err = mail.ParseAddress(c.To); err != nil {
		return nil, fmt.Errorf("the receiver %q is no mail address: %w", c.To, err)
	}
	if c.Now == nil {
		return nil, errors.New("mail needs a clock")
	}
	m.config.TLS = c.TLS.Clone()
	if m.config.TLS == nil {
		m.config.TLS = &tls.Config{}
	}
	if m.config.TLS.Time == nil {
		m.config.TLS.Time = c.Now
	}
	if m.config.TLS.ServerName == "" {
		m.config.TLS.ServerName = m.host
	}
	return m, nil
}

// Send implements Sender.
func (m *Mail) Send(ctx context.Context, msg Message) error {
	err := m.send(ctx, msg)
	if refused := (*textproto.Error)(nil); errors.As(err, &refused) && refused.Code >= 500 { // RFC 5321 §4.2.1: do not try again
		return &RefusedError{m.host, refused.Error()}
	}
	if err != nil {
		return fmt.Errorf("a notice could not be sent by %s: %w", m.host, err)
	}
	return nil
}

func (m *Mail) send(ctx context.Context, msg Message) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", m.config.Server)
	if err != nil {
		return err
	}
	defer conn.Close()
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			return err
		}
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if m.port == implicitTLS {
		conn = tls.Client(conn, m.config.TLS)
	}
	c, err := smtp.NewClient(conn, m.host)
	if err != nil {
		return err
	}
	if m.port != implicitTLS {
		if err := m.startTLS(c); err != nil {
			return err
		}
	}
	if m.config.User != "" {
		if err := c.Auth(smtp.PlainAuth("", m.config.User, m.config.Password, m.host)); err != nil {
			return err
		}
	}
	if err := c.Mail(m.from.Address); err != nil {
		return err
	}
	if err := c.Rcpt(m.to.Address); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(m.message(msg.Text)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // the message is taken
	return nil
}

// startTLS changes to TLS, and does without on this machine only.
func (m *Mail) startTLS(c *smtp.Client) error {
	if offered, _ := c.Extension("STARTTLS"); offered {
		return c.StartTLS(m.config.TLS)
	}
	if addr, err := netip.ParseAddr(m.host); m.host == "localhost" || err == nil && addr.IsLoopback() {
		return nil
	}
	return &RefusedError{m.host, "it offers no TLS, and a child's name is not sent in clear"}
}

// message is the mail as it is sent (RFC 5322), its text in base64 so that no
// line of it can end the message or be taken for a header.
func (m *Mail) message(text string) []byte {
	var b bytes.Buffer
	for _, h := range [][2]string{
		{"From", m.from.String()},
		{"To", m.to.String()},
		{"Subject", mime.QEncoding.Encode("utf-8", "Treehouse: "+text)},
		{"Date", m.config.Now().Format(time.RFC1123Z)},
		{"Message-ID", "<" + rand.Text() + "@treehouse.invalid>"},
		{"Auto-Submitted", "auto-generated"}, // RFC 3834 §5: no holiday notes in return
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "base64"},
	} {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	body := base64.StdEncoding.EncodeToString([]byte(text + "\r\n"))
	for ; len(body) > 76; body = body[76:] { // RFC 2045 §6.8
		b.WriteString(body[:76] + "\r\n")
	}
	b.WriteString(body + "\r\n")
	return b.Bytes()
}
