package household

import "net/netip"

// Network is what is seen on the wire now: never written down, replaced as a
// whole, read-only once handed over.
type Network struct {
	Neighbours map[netip.Addr]MAC // from the kernel's table
	Leases     []Lease            // from the DHCP server
}

// Lease is one line of a DHCP server's file.
type Lease struct {
	Addr   netip.Addr
	MAC    MAC    // zero: not told (DHCPv6)
	Client string // client identifier or DUID in hex, or empty
	Host   string // the name the device gives itself: hostile text, cleaned
}
