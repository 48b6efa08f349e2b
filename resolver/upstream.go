package resolver

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// upstream is a resolver that is asked, and what is known of it. Any number of
// goroutines use it.
type upstream struct {
	Upstream
	server *Server
	health health
	// folds is when to try 0x20 again with an upstream that changes the case
	// of the name (nanoseconds of the server's clock, 0 if it does not).
	folds  atomic.Int64
	plain  atomic.Int64 // the same, with one that has never heard of EDNS
	cookie cookie
}

// cookie is the DNS cookie shared with an upstream (RFC 7873): a forger who
// does not see our packets cannot know our half.
type cookie struct {
	client [8]byte
	mu     sync.Mutex
	server []byte // what it gave us, 8 to 32 bytes; nil before the first answer
}

func newUpstream(u Upstream, s *Server) *upstream {
	up := &upstream{Upstream: u, server: s}
	rand.Read(up.cookie.client[:])
	return up
}

// Errors of one exchange.
var (
	errSilent    = errors.New("no answer in time")
	errFolded    = errors.New("the upstream changed the case of the name")
	errTruncated = errors.New("the answer is truncated, and no packet is left to fetch the whole")
	errFlooded   = errors.New("too many wrong answers")
)

// ask is a query on its way to one upstream.
type ask struct {
	key    *key
	packet []byte // as sent
	id     uint16
	end    int // of the question in packet
	mixed  bool
}

// compose writes the query for k: our own id, our own options, and the name in
// a case that a forger would have to guess (draft-vixie-dnsext-dns0x20).
func (u *upstream) compose(b []byte, k *key, mixed bool) ask {
	s := u.server
	a := ask{key: k, mixed: mixed, id: s.ids.draw()}
	be := binary.BigEndian
	b = be.AppendUint16(b[:0], a.id)
	flags := flagRD
	if k.variant&variantCD != 0 {
		flags |= flagCD
	}
	b = be.AppendUint16(b, flags)
	b = append(b, 0, 1, 0, 0, 0, 0, 0, 0)
	b = append(b, k.name...)
	if mixed {
		s.ids.mix(b[headerLen:])
	}
	b = be.AppendUint16(b, k.qtype)
	b = be.AppendUint16(b, classIN)
	a.end = len(b)
	if u.knows(&u.plain) {
		b[11] = 1
		do := byte(0)
		if k.variant&variantDO != 0 {
			do = 0x80
		}
		b = append(b, 0, 0, byte(typeOPT), udpReplyMax>>8, udpReplyMax&0xff, 0, 0, do, 0)
		u.cookie.mu.Lock()
		n := len(u.cookie.client) + len(u.cookie.server)
		b = append(b, 0, byte(4+n), 0, optionCookie, 0, byte(n))
		b = append(b, u.cookie.client[:]...)
		b = append(b, u.cookie.server...)
		u.cookie.mu.Unlock()
	}
	a.packet = b
	return a
}

const optionCookie = 10 // RFC 7873 §4

// answer tells whether msg answers a: the id, that it is an answer, one
// question, the same in every bit (RFC 5452 §9.1). folded tells that only the
// case of the name differs.
func (a *ask) answer(msg []byte) (ok, folded bool) {
	if len(msg) < a.end || binary.BigEndian.Uint16(msg) != a.id ||
		binary.BigEndian.Uint16(msg[2:])&(flagQR|opcodeBits) != flagQR || binary.BigEndian.Uint16(msg[4:]) != 1 {
		return false, false
	}
	if bytes.Equal(msg[headerLen:a.end], a.packet[headerLen:a.end]) {
		return true, false
	}
	var buf [filter.MaxNameLen]byte
	name, width, err := filter.ReadName(&buf, msg[headerLen:])
	return false, err == nil && bytes.Equal(name, a.key.name) && headerLen+width+4 == a.end &&
		bytes.Equal(msg[a.end-4:a.end], a.packet[a.end-4:a.end])
}

// exchange sends the question to the upstream and waits for the answer, until
// the deadline at most. It gives the message in buf's memory, or in memory of
// its own if it came over TCP. What it sends is taken from budget.
func (u *upstream) exchange(k *key, buf *buffers, deadline time.Time, budget *int) ([]byte, error) {
	if u.TCP {
		*budget--
		return u.overTCP(k, buf, deadline)
	}
	mixed := u.knows(&u.folds)
	*budget--
	msg, code, err := u.overUDP(k, buf, deadline, mixed)
	switch {
	case *budget <= 0:
	case errors.Is(err, errFolded):
		*budget--
		if msg, err = u.overTCP(k, buf, deadline); err != nil && *budget > 0 && time.Until(deadline) > 0 {
			*budget--
			msg, _, err = u.overUDP(k, buf, deadline, false)
		}
		if err == nil {
			u.spare(&u.folds)
		}
	case errors.Is(err, errFlooded): // somebody is guessing: go where guessing is of no use
		*budget--
		msg, err = u.overTCP(k, buf, deadline)
	case err != nil:
	case code == badCookie: // RFC 7873 §5.3: ask again with the cookie it has just given
		*budget--
		msg, _, err = u.overUDP(k, buf, deadline, mixed)
	case code == formErr && u.knows(&u.plain): // RFC 6891 §7: it may not know EDNS
		*budget--
		u.spare(&u.plain)
		if msg, code, err = u.overUDP(k, buf, deadline, mixed); code == formErr {
			u.plain.Store(0) // that was not why
		}
	}
	if err != nil || binary.BigEndian.Uint16(msg[2:])&flagTC == 0 {
		return msg, err
	}
	if *budget <= 0 {
		return nil, errTruncated
	}
	*budget-- // RFC 7766 §5
	return u.overTCP(k, buf, deadline)
}

// knows tells whether an upstream is taken to know something, and spare that it
// is to be spared it for a while, which no setting of the clock makes longer.
func (u *upstream) knows(until *atomic.Int64) bool {
	left := time.Duration(until.Load() - u.server.config.Now().UnixNano())
	return left <= 0 || left > spareTime
}

func (u *upstream) spare(until *atomic.Int64) {
	until.Store(u.server.config.Now().Add(spareTime).UnixNano())
}

// overUDP asks from a socket of its own that hears nobody but the upstream, and
// listens past everything that is not the answer.
func (u *upstream) overUDP(k *key, buf *buffers, deadline time.Time, mixed bool) ([]byte, rcode, error) {
	conn, err := u.server.dial("udp", u.Addr, deadline)
	if err != nil {
		return nil, 0, err
	}
	defer conn.Close()
	a := u.compose(buf.out[:], k, mixed)
	conn.SetDeadline(deadline)
	if _, err := conn.Write(a.packet); err != nil {
		return nil, 0, err
	}
	u.server.metrics.UpstreamQueries.Add(1)
	sawFolded := false
	for range ignoredMax {
		n, err := conn.Read(buf.in[:])
		if err != nil {
			switch {
			case sawFolded:
				return nil, 0, errFolded
			case errors.Is(err, os.ErrDeadlineExceeded):
				return nil, 0, errSilent
			case errors.Is(err, io.EOF): // an empty packet
				continue
			}
			return nil, 0, err // an ICMP message says that nobody is there
		}
		msg := buf.in[:n]
		ok, folded := a.answer(msg)
		if ok {
			if code, ok := u.readOPT(msg, a.end); ok {
				return msg, code, nil
			}
		}
		u.server.metrics.UpstreamIgnored.Add(1)
		if folded && !sawFolded {
			sawFolded = true
			if soon := time.Now().Add(foldedWait); soon.Before(deadline) {
				conn.SetDeadline(soon)
			}
		}
	}
	u.server.metrics.LimitIgnored.Add(1)
	return nil, 0, errFlooded
}

// overTCP asks over a connection of its own (RFC 7766 §5).
func (u *upstream) overTCP(k *key, buf *buffers, deadline time.Time) ([]byte, error) {
	select {
	case u.server.long <- struct{}{}:
	default:
		u.server.metrics.LimitLong.Add(1)
		late := time.NewTimer(time.Until(deadline))
		defer late.Stop()
		select {
		case u.server.long <- struct{}{}:
		case <-late.C:
			return nil, errSilent
		}
	}
	defer func() { <-u.server.long }()
	conn, err := u.server.dial("tcp", u.Addr, deadline)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	a := u.compose(buf.out[2:], k, false)
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	buf.out[0], buf.out[1] = byte(len(a.packet)>>8), byte(len(a.packet))
	if _, err := conn.Write(buf.out[:2+len(a.packet)]); err != nil { // in one piece (RFC 7766 §8)
		return nil, err
	}
	u.server.metrics.UpstreamTCP.Add(1)
	var head [2]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	msg := make([]byte, binary.BigEndian.Uint16(head[:]))
	if _, err := io.ReadFull(conn, msg); err != nil {
		return nil, err
	}
	if ok, folded := a.answer(msg); !ok && !folded {
		u.server.metrics.UpstreamIgnored.Add(1)
		return nil, errMalformed
	}
	return msg, nil
}

// readOPT looks into an answer's OPT record for the upper half of the response
// code and the cookie. An answer with another cookie than ours is a forgery (RFC
// 7873 §5.3); one without is that of a server that does not know cookies.
func (u *upstream) readOPT(msg []byte, at int) (code rcode, genuine bool) {
	code = rcode(msg[3] & 0xf)
	records := int(binary.BigEndian.Uint16(msg[6:])) + int(binary.BigEndian.Uint16(msg[8:])) + int(binary.BigEndian.Uint16(msg[10:]))
	for range records {
		r, ok := readRR(msg, at)
		if !ok {
			return code, true // malformed: that is said elsewhere
		}
		at = r.end
		if r.rtype != typeOPT {
			continue
		}
		code |= rcode(r.ttl >> 24 << 4)
		for o := msg[r.rdata:r.end]; len(o) >= 4; {
			option, n := binary.BigEndian.Uint16(o), int(binary.BigEndian.Uint16(o[2:]))
			if 4+n > len(o) {
				break
			}
			if option == optionCookie {
				return code, u.cookie.take(o[4 : 4+n])
			}
			o = o[4+n:]
		}
	}
	return code, true
}

// take keeps the server's half of a cookie whose other half is ours.
func (c *cookie) take(option []byte) bool {
	half := len(c.client)
	if len(option) < half || !bytes.Equal(option[:half], c.client[:]) {
		return false
	}
	if n := len(option) - half; n < 8 || n > 32 { // RFC 7873 §4
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !bytes.Equal(c.server, option[half:]) {
		c.server = bytes.Clone(option[half:])
	}
	return true
}

// buffers are what one question to an upstream needs; they are used again.
type buffers struct {
	in  [udpQueryMax]byte // an upstream is told not to send more than udpReplyMax
	out [2 + headerLen + filter.MaxNameLen + 4 + optLen + 4 + 40]byte
}
