package firewall

import (
	"bytes"
	"errors"
	"fmt"
	"syscall"
)

// Reading rules back, by the numbers of linux/netfilter/nf_tables.h.
const (
	getRule       = subsysNFTables<<8 | 7
	ruleTableName = 1
	ruleChainName = 2
)

// plainRefusals is how many rules of the chain around are about port 53: one for
// UDP, one for TCP.
const plainRefusals = 2

// Look reads what is in force. It takes the permission that Apply takes; an
// error that is ErrUnavailable says that this process cannot know.
func Look() (State, error) {
	var s State
	var m message
	end := m.begin(getRule, syscall.NLM_F_DUMP, familyInet, nfnetlinkV0, 0, 0)
	m.text(ruleTableName, tableName)
	end()
	c, err := dial(syscall.NETLINK_NETFILTER)
	if err != nil {
		return s, err
	}
	defer c.close()
	if err := c.send(&m); err != nil {
		return s, err
	}
	toUs, around := 0, 0
	err = c.receive(m.seq, func(_ uint16, body []byte) {
		if len(body) < nfgenSize || named(body, ruleTableName) != tableName { // an old kernel lists all tables
			return
		}
		s.On = true
		switch named(body, ruleChainName) {
		case chainToUs:
			toUs++
		case chainAround:
			around++
		}
	})
	switch {
	case errors.Is(err, syscall.EPERM):
		return State{}, errNoPermission
	case errors.Is(err, syscall.ENOENT):
		return State{}, nil
	case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.EINVAL):
		return State{}, fmt.Errorf("%w: the kernel has no nftables (%v)", ErrUnavailable, err)
	case err != nil:
		return State{}, fmt.Errorf("firewall: %w", err)
	}
	if s.Redirects = toUs > 0; s.Redirects {
		around -= plainRefusals
	}
	s.Refuses = around > 0
	return s, nil
}

// named is an attribute of text.
func named(body []byte, kind uint16) string {
	return string(bytes.TrimRight(attribute(body[nfgenSize:], kind), "\x00"))
}
