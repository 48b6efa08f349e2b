package household

import (
	"net/netip"

	"github.com/treehouse-dns/treehouse/filter"
)

// Clients tells who is asking. It is immutable and read without a lock by every
// query; a change of the household or of the network makes another.
type Clients struct {
	byAddr map[netip.Addr]filter.PolicyID
	byMAC  map[MAC]filter.PolicyID
}

// Clients compiles the devices to a table of who asks.
func (h *Household) Clients() *Clients {
	c := &Clients{byAddr: map[netip.Addr]filter.PolicyID{}, byMAC: map[MAC]filter.PolicyID{}}
	for _, d := range h.Devices {
		for _, a := range d.Addrs {
			c.byAddr[a] = d.Person
		}
		for _, m := range d.MACs {
			c.byMAC[m] = d.Person
		}
	}
	return c
}

// Identify tells who asks: by the MAC that came with the query (the caller
// vouches for it; dnsmasq's option 65001 counts from loopback only), else by the
// address. Unknown devices, and those nobody has assigned, are the default
// profile's. It does not allocate.
func (c *Clients) Identify(source netip.Addr, mac []byte) filter.Client {
	if len(mac) == len(MAC{}) {
		if id, ok := c.byMAC[MAC(mac)]; ok {
			return filter.Client{Policy: id}
		}
		return filter.Client{} // a MAC nobody knows is nobody's, whatever its address was before
	}
	return filter.Client{Policy: c.byAddr[source.Unmap().WithZone("")]}
}
