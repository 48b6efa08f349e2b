package resolver

import (
	"container/list"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// connections are open connections of a kind, the one longest idle first, and
// how many each client has. When there is one too many, the one longest idle makes
// room: connections that somebody holds open without asking keep nobody out.
type connections struct {
	most int  // open at once
	each int  // of one client
	fair bool // who has the most makes room, and not the one longest idle

	mu      sync.Mutex
	idle    list.List // of *tcpConn
	clients map[netip.Addr]int
	unsent  map[netip.Addr]int // bytes of replies that wait for a client to take them
	held    int                // of them all
	ended   bool
}

// tcpConn is one client's connection (RFC 7766), or what is spoken over it once
// it is TLS (RFC 7858).
type tcpConn struct {
	conn   net.Conn
	client netip.AddrPort
	// counted is what it is counted by: the client's address, or its network.
	counted netip.Addr
	token   string       // that the client came with; "": it is known by its address
	kind    *connections // that it is counted among
	place   *list.Element
	write   sync.Mutex    // one reply at a time
	waits   chan struct{} // a token for each query that waits for an upstream
}

func newConn(conn net.Conn, client netip.AddrPort) *tcpConn {
	return &tcpConn{conn: conn, client: client, counted: client.Addr(), waits: make(chan struct{}, tcpPipeline)}
}

// serveTCP answers over TCP until the socket is closed.
func (s *Server) serveTCP(l *net.TCPListener) error {
	return accept(l, func(conn *net.TCPConn, client netip.AddrPort) {
		if !s.admits(client.Addr()) {
			s.metrics.LimitNetworks.Add(1)
			conn.SetLinger(0)
			conn.Close()
			return
		}
		c := newConn(conn, client)
		closed, ok := s.listeners.conns.add(c)
		s.metrics.LimitConnections.Add(uint64(closed))
		if !ok {
			conn.Close()
			return
		}
		s.tasks.Go(func() { s.converse(c, TCP) })
	})
}

// accept takes connections until the socket is closed.
func accept(l *net.TCPListener, take func(conn *net.TCPConn, client netip.AddrPort)) error {
	for {
		conn, err := l.AcceptTCP()
		if err != nil {
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() || isShortage(err) {
				time.Sleep(10 * time.Millisecond) // no descriptors left: those in use will come free
				continue
			}
			return err
		}
		client := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
		take(conn, netip.AddrPortFrom(client.Addr().Unmap().WithZone(""), client.Port()))
	}
}

// converse answers the queries of one connection, each as soon as its answer is
// there, whatever the order (RFC 7766 §6.2.1.1).
func (s *Server) converse(c *tcpConn, over Transport) {
	defer c.kind.remove(c)
	defer c.conn.Close()
	q := &query{transport: over, source: c.client}
	for {
		// The client has so long to begin and to end a query: a byte now and
		// then does not hold the connection.
		c.conn.SetReadDeadline(time.Now().Add(tcpIdle))
		var head [2]byte
		if _, err := io.ReadFull(c.conn, head[:]); err != nil {
			s.countIdle(err)
			return
		}
		n := int(binary.BigEndian.Uint16(head[:]))
		if n > tcpQueryMax {
			s.metrics.LimitQuerySize.Add(1)
			return
		}
		if cap(q.packet) < n {
			q.packet = make([]byte, n, max(n, udpReplyMax))
		}
		q.packet = q.packet[:n]
		if _, err := io.ReadFull(c.conn, q.packet); err != nil {
			s.countIdle(err)
			return
		}
		if c.token != "" && !s.isAway(q, c.token) {
			return // the token has been taken back
		}
		c.kind.busy(c)
		q.arrived = s.config.Now()
		q.now = q.arrived
		reply, wait := s.receive(q)
		if !wait {
			if reply == nil {
				return // what is no query is answered by nothing
			}
			if !c.kind.hold(c, len(reply)) {
				return
			}
			c.send(reply)
			c.kind.letGo(c, len(reply))
			if cap(q.scratch) > udpQueryMax { // a long answer's room is not kept for the next
				q.scratch, q.spare = nil, nil
			}
			continue
		}
		select {
		case c.waits <- struct{}{}:
		default:
			s.metrics.LimitPipeline.Add(1)
			c.waits <- struct{}{}
		}
		s.wait(s.keep(q), c)
	}
}

// countIdle counts a connection that ends because nothing came in time.
func (s *Server) countIdle(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.metrics.LimitIdle.Add(1)
	}
}

// writeReply writes a reply that had to be waited for. It does not wait for the
// client to take it: others wait for the same answer. Who takes nothing loses the
// connection when it is too much.
func (c *tcpConn) writeReply(reply []byte) {
	if !c.kind.hold(c, len(reply)) {
		c.conn.Close()
		<-c.waits
		return
	}
	go func() {
		if reply != nil {
			c.send(reply)
		}
		c.kind.letGo(c, len(reply))
		<-c.waits
	}()
}

// send writes one reply in one piece (RFC 7766 §8).
func (c *tcpConn) send(reply []byte) {
	c.write.Lock()
	defer c.write.Unlock()
	framed := make([]byte, 0, 2+len(reply))
	framed = binary.BigEndian.AppendUint16(framed, uint16(len(reply)))
	framed = append(framed, reply...)
	c.conn.SetWriteDeadline(time.Now().Add(tcpWrite))
	if _, err := c.conn.Write(framed); err != nil {
		c.conn.Close() // a reply in part would make the rest unreadable
	}
}

// add takes a connection in and closes those that have to make room for it.
func (t *connections) add(c *tcpConn) (closed int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return 0, false
	}
	if t.clients == nil {
		t.clients, t.unsent = map[netip.Addr]int{}, map[netip.Addr]int{}
	}
	addr := c.counted
	for e := t.idle.Front(); e != nil && t.clients[addr] >= t.each; {
		next := e.Next()
		if old := e.Value.(*tcpConn); old.counted == addr {
			t.drop(old)
			closed++
		}
		e = next
	}
	for t.idle.Len() >= t.most {
		t.drop(t.last())
		closed++
	}
	c.kind, c.place = t, t.idle.PushBack(c)
	t.clients[addr]++
	return closed, true
}

// last is the connection that makes room for another.
func (t *connections) last() *tcpConn {
	last := t.idle.Front().Value.(*tcpConn)
	if t.fair {
		for e := t.idle.Front(); e != nil; e = e.Next() {
			if c := e.Value.(*tcpConn); t.clients[c.counted] > t.clients[last.counted] {
				last = c
			}
		}
	}
	return last
}

// busy notes that a connection has asked something.
func (t *connections) busy(c *tcpConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.place != nil {
		t.idle.MoveToBack(c.place)
	}
}

func (t *connections) remove(c *tcpConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(c)
}

// drop closes a connection, once. What is below TLS is closed without the words
// of parting, which would have to be waited for.
func (t *connections) drop(c *tcpConn) {
	if secret, ok := c.conn.(*tls.Conn); ok {
		secret.NetConn().Close()
	} else {
		c.conn.Close()
	}
	t.forget(c)
}

// release lets go of a connection without closing it; false: it was closed
// already to make room.
func (t *connections) release(c *tcpConn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.forget(c)
}

func (t *connections) forget(c *tcpConn) bool {
	if c.place == nil {
		return false
	}
	t.idle.Remove(c.place)
	c.place = nil
	if t.clients[c.counted]--; t.clients[c.counted] == 0 {
		delete(t.clients, c.counted)
	}
	return true
}

// hold makes room for a reply that waits for its client; false: there is none.
func (t *connections) hold(c *tcpConn, bytes int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.unsent[c.counted]+bytes > unsentPerClient || t.held+bytes > unsentMax {
		return false
	}
	t.unsent[c.counted] += bytes
	t.held += bytes
	return true
}

// letGo gives the room back.
func (t *connections) letGo(c *tcpConn, bytes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held -= bytes
	if t.unsent[c.counted] -= bytes; t.unsent[c.counted] == 0 {
		delete(t.unsent, c.counted)
	}
}

func (t *connections) closeAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	for e := t.idle.Front(); e != nil; e = t.idle.Front() {
		t.drop(e.Value.(*tcpConn))
	}
}

func (t *connections) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.idle.Len()
}
