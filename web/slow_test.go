package web_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/treehouse-dns/treehouse/web"
)

// pipes is a listener without a system's buffers: what one side does not read,
// the other has not written.
type pipes struct {
	conns chan net.Conn
	done  context.Context
}

// pipe is one of its connections.
type pipe struct {
	net.Conn
	from net.Addr
}

func (p pipe) RemoteAddr() net.Addr { return p.from }

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done.Done():
		return nil, http.ErrServerClosed
	}
}

func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// serving runs the pages until the test ends.
func (s *stage) serving() pipes {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := pipes{make(chan net.Conn), ctx}
	done := make(chan error, 1)
	go func() { done <- s.server.Run(ctx, p) }()
	s.t.Cleanup(func() {
		cancel()
		<-done
	})
	return p
}

// dial connects from an address and sends what may be the beginning of a request.
func (p pipes) dial(t *testing.T, from, says string) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close() })
	p.conns <- pipe{theirs, &net.TCPAddr{IP: net.ParseIP(from), Port: 40000}}
	ours.SetDeadline(time.Now().Add(4 * time.Second))
	if _, err := io.WriteString(ours, says); err != nil {
		t.Fatal(err)
	}
	return ours
}

// isServed asks for a page as a parent's phone would, so often that everybody who
// came before has had their turn.
func (p pipes) isServed(t *testing.T) {
	t.Helper()
	for i := range 20 {
		p.isServedOnce(t, fmt.Sprintf("192.168.2.%d", i+1))
	}
}

func (p pipes) isServedOnce(t *testing.T, from string) {
	t.Helper()
	c := p.dial(t, from, fmt.Sprintf("GET /me HTTP/1.1\r\nHost: %s\r\nAccept-Encoding: gzip\r\n\r\n", web.DefaultName))
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("nobody else is served: %v", err)
	}
	defer c.Close()
	if _, err := io.Copy(io.Discard, r.Body); err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("somebody else is answered %d, %v", r.StatusCode, err)
	}
}

// TestManyAddresses: a device that holds connections open from every address it
// can take keeps nobody out.
func TestManyAddresses(t *testing.T) {
	p := newStage(t, nil).serving()
	for i := range 120 {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { ours.Close() })
		p.conns <- pipe{theirs, &net.TCPAddr{IP: net.ParseIP(fmt.Sprintf("fd00::%x", 1+i%12)), Port: 40000}}
	}
	p.isServed(t)
}

// TestSlowBodies: forms that come byte by byte, more than are worked on at once,
// keep nobody from the pages.
func TestSlowBodies(t *testing.T) {
	p := newStage(t, nil).serving()
	for i := range 20 {
		p.dial(t, fmt.Sprintf("192.168.1.%d", 60+i%2), fmt.Sprintf("POST /language HTTP/1.1\r\nHost: %[1]s\r\nOrigin: http://%[1]s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n_", web.DefaultName))
	}
	p.isServed(t)
}

// TestNeverRead: who asks and takes nothing of the answer keeps nobody from the
// pages, packed or not.
func TestNeverRead(t *testing.T) {
	for _, packing := range []string{"", "Accept-Encoding: gzip\r\n"} {
		p := newStage(t, nil).serving()
		for i := range 20 {
			p.dial(t, fmt.Sprintf("192.168.1.%d", 60+i%2), fmt.Sprintf("GET /learn HTTP/1.1\r\nHost: %s\r\n%s\r\n", web.DefaultName, packing))
		}
		p.isServed(t)
	}
}
