//go:build !linux

package resolver

import (
	"net/netip"
	"syscall"
)

// canShare: elsewhere, sockets that share a port do not share its packets.
const canShare = false

// prepareUDP has nothing to set: replies leave from the address that the system
// chooses, so listen on single addresses where there are several.
func prepareUDP(syscall.RawConn, netip.Addr, bool) error { return nil }

// batch is not to be had: queries are read one at a time.
type batch struct{}

func newBatch(*packets) *batch      { return nil }
func (*batch) read(*packets) error  { return nil }
func (*batch) write(*packets) error { return nil }
func (*batch) zone(int) string      { return "" }
func replyFrom([]byte) []byte       { return nil }
