package resolver

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// Question is one query as a device would send it, for whoever tests how a
// server answers.
type Question struct {
	Name filter.Name
	Type uint16 // TypeA and the like
	// MAC is a hardware address to claim in option 65001, which a forwarder has
	// to take away; nil: none.
	MAC []byte
}

// Types a Question may have (RFC 1035 §3.2.2, RFC 3596 §2.1, RFC 9460 §14.1).
const (
	TypeA    = typeA
	TypeNS   = typeNS
	TypeAAAA = typeAAAA
	TypeSVCB = typeSVCB
)

// Answer is what came back.
type Answer struct {
	RCode     int           // RFC 1035 §4.1.1: 0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED
	Addresses []netip.Addr  // of A and AAAA records
	Targets   []filter.Name // of SVCB and HTTPS records (RFC 9460 §2.2)
}

// errNotAnswer says that what came back was no answer to what was asked.
var errNotAnswer = errors.New("what came back is no answer to the question")

// Ask puts one question to a server over "udp" or "tcp" and waits until ctx ends
// at most. It keeps no state and may be called at once.
func Ask(ctx context.Context, network string, server netip.AddrPort, q Question) (Answer, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, server.String())
	if err != nil {
		return Answer{}, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return Answer{}, err
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	packet := q.packet()
	if network == "tcp" {
		framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(packet))), packet...)
		if _, err := conn.Write(framed); err != nil {
			return Answer{}, err
		}
		var head [2]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return Answer{}, err
		}
		msg := make([]byte, binary.BigEndian.Uint16(head[:]))
		if _, err := io.ReadFull(conn, msg); err != nil {
			return Answer{}, err
		}
		return readAnswer(packet, msg)
	}
	if _, err := conn.Write(packet); err != nil {
		return Answer{}, err
	}
	buf := make([]byte, udpQueryMax)
	for range ignoredMax {
		n, err := conn.Read(buf)
		if err != nil {
			return Answer{}, err
		}
		if a, err := readAnswer(packet, buf[:n]); !errors.Is(err, errNotAnswer) {
			return a, err
		}
	}
	return Answer{}, errNotAnswer
}

// packet is the query on the wire, with an OPT record (RFC 6891 §6.1).
func (q Question) packet() []byte {
	var id [2]byte
	rand.Read(id[:])
	b := append(id[:], byte(flagRD>>8), byte(flagRD&0xff), 0, 1, 0, 0, 0, 0, 0, 1)
	b = append(b, q.Name...)
	b = binary.BigEndian.AppendUint16(b, q.Type)
	b = binary.BigEndian.AppendUint16(b, classIN)
	var options []byte
	if q.MAC != nil {
		options = append(options, optionMAC>>8, optionMAC&0xff, 0, byte(len(q.MAC)))
		options = append(options, q.MAC...)
	}
	b = append(b, 0, 0, byte(typeOPT), udpReplyMax>>8, udpReplyMax&0xff, 0, 0, 0, 0, 0, byte(len(options)))
	return append(b, options...)
}

// readAnswer reads the answer to a query that was sent.
func readAnswer(sent, msg []byte) (Answer, error) {
	if len(msg) < headerLen || binary.BigEndian.Uint16(msg) != binary.BigEndian.Uint16(sent) || binary.BigEndian.Uint16(msg[2:])&flagQR == 0 {
		return Answer{}, errNotAnswer
	}
	a := Answer{RCode: int(msg[3] & 0xf)}
	at, ok := headerLen, true
	if binary.BigEndian.Uint16(msg[4:]) == 1 {
		if at, ok = skipName(msg, at); !ok || at+4 > len(msg) {
			return Answer{}, errMalformed
		}
		at += 4
	}
	for range binary.BigEndian.Uint16(msg[6:]) {
		r, ok := readRR(msg, at)
		if !ok {
			return Answer{}, fmt.Errorf("%w: it ends in the middle", errMalformed)
		}
		at = r.end
		data := msg[r.rdata:r.end]
		switch {
		case r.rtype == typeA && len(data) == 4, r.rtype == typeAAAA && len(data) == 16:
			addr, _ := netip.AddrFromSlice(data)
			a.Addresses = append(a.Addresses, addr)
		case (r.rtype == typeSVCB || r.rtype == typeHTTPS) && len(data) > 2:
			var buf [filter.MaxNameLen]byte
			if name, _, err := filter.ReadName(&buf, data[2:]); err == nil { // never compressed (RFC 9460 §2.2)
				a.Targets = append(a.Targets, slices.Clone(name))
			}
		}
	}
	return a, nil
}
