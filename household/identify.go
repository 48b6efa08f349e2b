package household

import (
	"net/netip"
	"slices"

	"github.com/treehouse-dns/treehouse/filter"
)

// Clients tells who is asking. It is immutable and read without a lock by every
// query; a change of the household or of the network makes another.
type Clients struct {
	byAddr map[netip.Addr]filter.PolicyID
	byMAC  map[MAC]filter.PolicyID
}

// Clients compiles the devices, and the network as it is seen now (which may be
// nil), to a table of who asks.
func (h *Household) Clients(network *Network) *Clients {
	c := &Clients{byAddr: map[netip.Addr]filter.PolicyID{}, byMAC: map[MAC]filter.PolicyID{}}
	byClient := map[string]filter.PolicyID{}
	for _, d := range h.Devices {
		for _, a := range d.Addrs {
			c.byAddr[a] = d.Person
		}
		for _, m := range d.MACs {
			c.byMAC[m] = d.Person
		}
		for _, id := range d.Clients {
			byClient[id] = d.Person
		}
	}
	if network == nil {
		return c
	}
	for _, l := range network.Leases {
		if id, ok := byClient[l.Client]; ok && l.Client != "" {
			c.byAddr[l.Addr] = id
		}
		if id, ok := c.byMAC[l.MAC]; ok && l.MAC != (MAC{}) {
			c.byAddr[l.Addr] = id
		}
	}
	// What is seen now wins over what was leased or written down.
	for addr, mac := range network.Neighbours {
		id, known := c.byMAC[mac]
		if known || h.knownOtherwise(addr) {
			c.byAddr[addr] = id
		}
	}
	return c
}

// knownOtherwise tells whether the device with that fixed address is known by a
// MAC too. Whoever is seen there with another MAC is not that device: taking a
// parent's address does not make a child the parent.
func (h *Household) knownOtherwise(addr netip.Addr) bool {
	for _, d := range h.Devices {
		if len(d.MACs) > 0 && slices.Contains(d.Addrs, addr) {
			return true
		}
	}
	return false
}

// Identify tells who asks: by the MAC that came with the query (the caller
// vouches for it; dnsmasq's option 65001 counts from loopback only), else by the
// address. Unknown devices, and those nobody has assigned, are the default
// profile's. It does not allocate.
func (c *Clients) Identify(source netip.Addr, mac []byte) filter.Client {
	if len(mac) == len(MAC{}) {
		// A MAC nobody knows is nobody's: the address is the forwarder's.
		return filter.Client{Policy: c.byMAC[MAC(mac)]}
	}
	return filter.Client{Policy: c.byAddr[source.Unmap().WithZone("")]}
}

// Whose tells which device is at an address, 0 if it is not known, and whose it
// is, 0 for nobody's. It is for the pages: slower than Identify, and as right.
func (f *Family) Whose(addr netip.Addr) (DeviceID, filter.PolicyID) {
	addr = addr.Unmap().WithZone("")
	now := f.now.Load()
	person := now.clients.Identify(addr, nil).Policy
	mac, client := f.network.Load().at(addr)
	for _, d := range now.household.Devices {
		if d.Person != person {
			continue
		}
		if slices.Contains(d.Addrs, addr) || (mac != MAC{} && slices.Contains(d.MACs, mac)) || (client != "" && slices.Contains(d.Clients, client)) {
			return d.ID, person
		}
	}
	return 0, person
}

// at tells what is known of the device at an address. A nil network knows nothing.
func (n *Network) at(addr netip.Addr) (mac MAC, client string) {
	if n == nil {
		return MAC{}, ""
	}
	for _, l := range n.Leases {
		if l.Addr == addr {
			mac, client = l.MAC, l.Client
		}
	}
	if seen, ok := n.Neighbours[addr]; ok {
		mac = seen
	}
	return mac, client
}
