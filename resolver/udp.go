package resolver

import (
	"net"
	"net/netip"
)

// packets is a batch of queries from one socket and the replies to them. It is
// used by one goroutine.
type packets struct {
	conn  *net.UDPConn
	slots [batchSize]slot
	count int
	batch *batch // the system's way to read and write many at once; nil: one at a time
}

// slot is one query's place.
type slot struct {
	query  query
	buffer [udpQueryMax]byte
	oob    []byte // where it came to, as the system says it; for the reply to leave from
	reply  []byte // nil: none
	room   [oobSize]byte
}

// oobSize is room for one IP_PKTINFO or IPV6_PKTINFO message on any system.
const oobSize = 64

// serveUDP reads, answers and writes until the socket is closed. This loop and
// what receive does for blocked and cached names is the short way.
func (s *Server) serveUDP(conn *net.UDPConn) error {
	return s.servePackets(newPackets(conn))
}

func newPackets(conn *net.UDPConn) *packets {
	p := &packets{conn: conn}
	p.batch = newBatch(p)
	for i := range p.slots {
		p.slots[i].query.scratch = make([]byte, 0, scratchSize)
		p.slots[i].query.spare = make([]byte, 0, scratchSize)
	}
	return p
}

func (s *Server) servePackets(p *packets) error {
	for {
		if err := p.read(); err != nil {
			return err
		}
		now := s.config.Now()
		for i := range p.slots[:p.count] {
			t := &p.slots[i]
			t.query.arrived, t.query.now = now, now
			var wait bool
			if t.reply, wait = s.receive(&t.query); wait {
				k := s.keep(&t.query)
				k.back = later{p.conn, p.returnTo(i), append(k.room[:0], t.oob...)}
				s.wait(k, &k.back)
			}
		}
		if err := p.write(); err != nil {
			return err
		}
	}
}

// later is where a reply goes that had to be waited for.
type later struct {
	conn *net.UDPConn
	to   netip.AddrPort
	oob  []byte
}

// writeReply sends one reply; one that cannot be sent is lost, as packets are.
func (l *later) writeReply(reply []byte) {
	if reply != nil {
		l.conn.WriteMsgUDPAddrPort(reply, l.oob, l.to)
	}
}

// returnTo is where the reply to a query goes, with the zone if there is one.
func (p *packets) returnTo(i int) netip.AddrPort {
	to := p.slots[i].query.source
	if zone := p.batch.zone(i); zone != "" {
		to = netip.AddrPortFrom(to.Addr().WithZone(zone), to.Port())
	}
	return to
}

// read waits for queries and takes as many as there are.
func (p *packets) read() error {
	if p.batch != nil {
		return p.batch.read(p)
	}
	t := &p.slots[0]
	n, oobn, _, from, err := p.conn.ReadMsgUDPAddrPort(t.buffer[:], t.room[:])
	if err != nil {
		return err
	}
	t.query.source = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	t.query.packet, t.oob = t.buffer[:n], replyFrom(t.room[:oobn])
	p.count = 1
	return nil
}

// write sends the replies.
func (p *packets) write() error {
	if p.batch != nil {
		return p.batch.write(p)
	}
	if t := &p.slots[0]; t.reply != nil {
		p.conn.WriteMsgUDPAddrPort(t.reply, t.oob, t.query.source)
	}
	return nil
}
