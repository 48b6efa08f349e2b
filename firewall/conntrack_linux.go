package firewall

import (
	"errors"
	"net/netip"
	"syscall"
)

// The parts of linux/netfilter/nfnetlink_conntrack.h that we use.
const (
	ctGet    = subsysConntrack<<8 | 1
	ctDelete = subsysConntrack<<8 | 2

	ctaTupleOrig  = 1
	ctaTupleReply = 2
	ctaID         = 12
	ctaZone       = 18

	ctaTupleIP = 1
	ctaV4Src   = 1
	ctaV4Dst   = 2
	ctaV6Src   = 3
	ctaV6Dst   = 4
)

// cut deletes every connection that the kernel remembers from or to an address
// that doomed says yes to. The next packet of such a connection counts as new,
// meets the rules, and is dropped; a flow that was offloaded leaves the fast
// path, because the kernel ends it with the entry it was made from.
func cut(doomed func(netip.Addr) bool) error {
	c, err := dial(syscall.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	defer c.close()
	for _, family := range []byte{syscall.AF_INET, syscall.AF_INET6} {
		list, err := c.connections(family, doomed)
		if err != nil {
			return err
		}
		for _, which := range list {
			if err := c.deleteConnection(family, which); err != nil {
				return err
			}
		}
	}
	return nil
}

// connections lists those of one family that touch a doomed address, each as
// the attributes that tell the kernel which one is meant.
func (c *conversation) connections(family byte, doomed func(netip.Addr) bool) ([][]byte, error) {
	var m message
	m.begin(ctGet, syscall.NLM_F_DUMP, family, nfnetlinkV0, 0, 0)()
	if err := c.send(&m); err != nil {
		return nil, err
	}
	var list [][]byte
	err := c.receive(m.seq, func(_ uint16, body []byte) {
		if len(body) < nfgenSize {
			return
		}
		var which message
		hit := false
		for kind, value := range attributes(body[nfgenSize:]) {
			switch kind {
			case ctaTupleOrig:
				hit = hit || touches(value, doomed)
				which.raw(kind|nested, value)
			case ctaTupleReply: // of a connection from outside, the home's own address shows only here
				hit = hit || touches(value, doomed)
			case ctaID, ctaZone:
				which.raw(kind, value)
			}
		}
		if hit {
			list = append(list, which.bytes)
		}
	})
	return list, err
}

// touches tells whether a tuple's source or destination is doomed.
func touches(tuple []byte, doomed func(netip.Addr) bool) bool {
	for kind, value := range attributes(attribute(tuple, ctaTupleIP)) {
		switch kind {
		case ctaV4Src, ctaV4Dst, ctaV6Src, ctaV6Dst:
			if a, ok := netip.AddrFromSlice(value); ok && doomed(a) {
				return true
			}
		}
	}
	return false
}

// deleteConnection deletes one; that it has ended by itself meanwhile is as good.
func (c *conversation) deleteConnection(family byte, which []byte) error {
	var m message
	end := m.begin(ctDelete, syscall.NLM_F_ACK, family, nfnetlinkV0, 0, 0)
	m.bytes = append(m.bytes, which...)
	end()
	if err := c.send(&m); err != nil {
		return err
	}
	if err := c.receive(m.seq, nil); err != nil && !errors.Is(err, syscall.ENOENT) {
		return err
	}
	return nil
}
